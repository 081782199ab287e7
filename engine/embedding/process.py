"""The worker's process, seen from the node: started, asked, ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.asr.process import ChildProcess, WorkerLost
from engine.asr.worker import LENGTH
from engine.embedding.minilm import WIDTH, Floats

MAX_ANSWER_BYTES = 1 << 16
WORKER = (sys.executable, "-m", "engine.embedding.worker")


class EmbeddingProcess(ChildProcess):
    """Speaks the protocol of `engine.embedding.worker`; `command` is all of its command line."""

    name = "embedding"
    title = "embedding worker"

    async def embed(self, sentences: Sequence[str]) -> Floats:
        """Float32 of shape [sentences, WIDTH]. Raises `WorkerLost`."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerLost("no worker is running")
        body = json.dumps(list(sentences)).encode()
        try:
            process.stdin.write(LENGTH.pack(len(body)) + body)
            await process.stdin.drain()
            answer = await self._read()
            if answer != {"vectors": len(sentences)}:
                raise WorkerLost("the worker's answer is not one")
            data = await process.stdout.readexactly(len(sentences) * WIDTH * 4)
        except (OSError, EOFError) as error:
            raise WorkerLost("the worker ended") from error
        return np.frombuffer(data, "<f4").reshape(len(sentences), WIDTH)

    async def _read(self) -> Any:
        process = self._process
        if process is None or process.stdout is None:
            raise WorkerLost("no worker is running")
        try:
            (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            if size > MAX_ANSWER_BYTES:
                raise WorkerLost("the worker's answer is not one")
            return json.loads(await process.stdout.readexactly(size))
        except (EOFError, ValueError) as error:
            raise WorkerLost("the worker ended, or its answer is not one") from error
