"""A worker's process, seen from the node: started, asked, ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog

from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.asr.worker import LENGTH

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A worker's linear algebra must not spin on the cores that the media process needs."""
FEW_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""oneDNN keeps a compiled kernel for each of the last 1024 shapes it met. Windows come in hundreds
of lengths: after 600 of them the worker held 500 MB, with 64 kernels 210, and was no slower."""
SMALL_PAGES = {"NUMPY_MADVISE_HUGEPAGE": "0"}
"""Of the room for an utterance only the pages that are written are to be taken. numpy asks for huge
ones, with which 32 utterances of 3 s held 950 MB instead of 330."""
WORKER = (sys.executable, "-m", "engine.asr.worker")


class WorkerLost(RuntimeError):
    """The worker's process ended, hung or spoke nonsense; it is started again."""


class ChildProcess:
    """A worker that reads messages (see `engine.asr.worker`) and answers. `command` is all of its
    command line; logs call it `name`, people `title`; `environment` is laid over our own."""

    name: ClassVar[str]
    title: ClassVar[str]
    environment: ClassVar[dict[str, str]] = {}

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

    async def start(self, ended: asyncio.Event) -> dict[str, Any]:
        """Start it, wait until its model is loaded, and return what it says of itself.

        `ended` is set when it ends, for whatever reason. Raises `WorkerLost`.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | ONE_THREAD | self.environment,
        )
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                greeting: dict[str, Any] = await self._read()
        except (TimeoutError, EOFError, ValueError, WorkerLost) as error:
            await self.end()
            raise WorkerLost(f"the {self.title} did not start; see its output above") from error
        except BaseException:
            await self.end()
            raise
        self._watch = asyncio.create_task(
            _tell_end(process, ended), name=f"{self.name}-worker-watch"
        )
        self.is_ready = True
        log.info(f"{self.name}_worker_ready", pid=process.pid)
        return greeting

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
                log.debug(f"{self.name}_worker_already_gone", pid=process.pid)
        await process.wait()
        if self._watch is not None:
            await self._watch
        self._process = self._watch = None

    async def _read(self) -> Any:
        process = self._process
        if process is None or process.stdout is None:
            raise WorkerLost("no worker is running")
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return json.loads(await process.stdout.readexactly(size))


class WorkerProcess(ChildProcess):
    """Speaks the protocol of `engine.asr.worker`."""

    name = "asr"
    title = "speech recognizer"
    environment = FEW_KERNELS | SMALL_PAGES

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(command)
        self._over: set[str] = set()

    def forget(self, session: str) -> None:
        """Nothing of `session` will be asked any more; the worker is told with the next windows."""
        if self.is_running:
            self._over.add(session)

    async def decode(self, windows: Sequence[Window]) -> list[Hypothesis]:
        """The answers, in order. Raises `WorkerLost`."""
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerLost("no worker is running")
        audio = [window.pcm.tobytes() for window in windows]
        request = {
            "sizes": [len(data) for data in audio],
            "times": [window.wants_times for window in windows],
            "names": [(w.session, w.track, w.utterance) for w in windows],
            "over": sorted(self._over),
        }
        body = json.dumps(request).encode()
        self._over.clear()
        process.stdin.write(LENGTH.pack(len(body)) + body)
        for data in audio:
            process.stdin.write(data)
        await process.stdin.drain()
        try:
            answers = await self._read()
            return [
                Hypothesis(
                    window,
                    [SpokenWord(*word) for word in answer["words"]],
                    answer["score"],
                    answer["silent"],
                    answer["full"],
                    ran_away=answer["ran_away"],
                )
                for window, answer in zip(windows, answers, strict=True)
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise WorkerLost("the worker's answer is not one") from error

    async def end(self) -> None:
        self._over.clear()
        await super().end()


async def _tell_end(process: asyncio.subprocess.Process, ended: asyncio.Event) -> None:
    await process.wait()
    ended.set()
