"""The worker's process, seen from the node: started, asked, ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog

from engine.asr.process import ONE_THREAD
from engine.asr.worker import LENGTH
from engine.embedding.minilm import WIDTH, Floats

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 1 << 16
WORKER = (sys.executable, "-m", "engine.embedding.worker")


class WorkerLost(RuntimeError):
    """The worker's process ended, hung or spoke nonsense; it is started again."""


class EmbeddingProcess:
    """Speaks the protocol of `engine.embedding.worker`; `command` is all of its command line."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.is_ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, ended: asyncio.Event) -> None:
        """Start it and wait until its model is loaded. Raises `WorkerLost`, and `OSError`.

        `ended` is set when it ends, for whatever reason.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | ONE_THREAD,
        )
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._read()
        except (TimeoutError, WorkerLost) as error:
            await self.end()
            raise WorkerLost("the embedding worker did not start; see its output above") from error
        except BaseException:
            await self.end()
            raise
        self._watch = asyncio.create_task(_tell_end(process, ended), name="embedding-worker-watch")
        self.is_ready = True
        log.info("embedding_worker_ready", pid=self.pid)

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

    async def end(self) -> None:
        """Kill it and collect it. Cancelled before that, it can be called again."""
        self.is_ready = False
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                log.debug("embedding_worker_already_gone", pid=process.pid)
        await process.wait()
        if self._watch is not None:
            await self._watch
        self._process = self._watch = None

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


async def _tell_end(process: asyncio.subprocess.Process, ended: asyncio.Event) -> None:
    await process.wait()
    ended.set()
