"""One worker process decodes for every session of a node: most urgent window first, in batches.

A worker that dies is started again and its windows are queued again; calls go on. Every queue is
bounded: at most one waiting window per utterance and `MAX_WAITING` in all; beyond that the least
urgent window is dropped and counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from engine.asr.window import Hypothesis, Kind, SpokenWord, Window
from engine.asr.worker import LENGTH
from engine.frames import SAMPLE_RATE

log = structlog.get_logger(__name__)

MAX_WAITING = 512
MAX_BATCH = 4
BUCKET_S = 2.0
"""Windows in one batch differ by at most this, since all are padded to the longest."""
MAX_ATTEMPTS = 3
READY_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0
RESTART_DELAY_S = 0.2

Done = Callable[[Hypothesis], None]


class WorkerLost(RuntimeError):
    """The worker process ended, hung or spoke nonsense; it is started again."""


@dataclass(slots=True)
class _Ticket:
    window: Window
    done: Done
    asked_s: float
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    waiting: int
    oldest_s: float
    dropped: int
    superseded: int
    decoded: int
    restarts: int


class Scheduler:
    """Implements `engine.asr.window.Recognizer` on one worker process.

    `folder` is a verified model folder; `options` go to `ShortContextWhisper`.
    """

    def __init__(self, folder: Path, options: dict[str, Any] | None = None) -> None:
        self._arguments = [str(folder), json.dumps(options or {})]
        self._waiting: dict[tuple[str, str, int], _Ticket] = {}
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._dropped = self._superseded = self._decoded = self._restarts = 0

    async def start(self) -> None:
        """Start the worker and wait until it has loaded its model. Raises `WorkerLost`."""
        await self._launch()
        self._task = asyncio.create_task(self._run(), name="asr-scheduler")

    async def stop(self) -> None:
        """End the worker; what still waits is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end_process()

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """The worker's process id, for measuring its CPU time."""
        return self._process.pid if self._process else None

    def statistics(self) -> Statistics:
        now = time.monotonic()
        oldest = max((now - ticket.asked_s for ticket in self._waiting.values()), default=0.0)
        return Statistics(
            len(self._waiting),
            oldest,
            self._dropped,
            self._superseded,
            self._decoded,
            self._restarts,
        )

    def submit(self, window: Window, done: Done) -> None:
        key = (window.session, window.track, window.utterance)
        before = self._waiting.get(key)
        if before is not None:
            if before.window.kind is Kind.FINAL:
                return
            self._superseded += 1
        elif len(self._waiting) >= MAX_WAITING and not self._make_room(window.kind):
            self._dropped += 1
            return
        self._waiting[key] = _Ticket(window, done, time.monotonic())
        self._wake.set()

    def forget(self, session: str) -> None:
        for key in [key for key in self._waiting if key[0] == session]:
            del self._waiting[key]

    def _make_room(self, kind: Kind) -> bool:
        key = max(self._waiting, key=lambda key: self._waiting[key].window.kind)
        if self._waiting[key].window.kind <= kind and kind is not Kind.FINAL:
            return False
        del self._waiting[key]
        self._dropped += 1
        return True

    def _next_batch(self) -> list[_Ticket]:
        def urgency(ticket: _Ticket) -> tuple[int, float]:
            return ticket.window.kind, ticket.asked_s

        ranked = sorted(self._waiting.values(), key=urgency)
        size = len(ranked[0].window.pcm)
        near = [t for t in ranked if abs(len(t.window.pcm) - size) <= BUCKET_S * SAMPLE_RATE]
        batch = near[:MAX_BATCH]
        for ticket in batch:
            window = ticket.window
            del self._waiting[(window.session, window.track, window.utterance)]
        return batch

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._waiting:
                batch = self._next_batch()
                try:
                    answers = await asyncio.wait_for(self._decode(batch), ANSWER_TIMEOUT_S)
                except (WorkerLost, TimeoutError, OSError, EOFError) as error:
                    log.warning("asr_worker_lost", error=repr(error), windows=len(batch))
                    self._queue_again(batch)
                    await self._restart()
                    continue
                self._decoded += len(batch)
                for ticket, answer in zip(batch, answers, strict=True):
                    self._deliver(ticket, answer)
            self._wake.clear()

    def _deliver(self, ticket: _Ticket, answer: Hypothesis) -> None:
        try:
            ticket.done(answer)
        except Exception:
            # One session's fault must not stop the words of the others.
            log.exception("hypothesis_refused", session=ticket.window.session)

    def _queue_again(self, batch: list[_Ticket]) -> None:
        for ticket in batch:
            window = ticket.window
            ticket.attempts += 1
            key = (window.session, window.track, window.utterance)
            newer = self._waiting.get(key)
            if newer is not None and window.kind is not Kind.FINAL:
                continue
            if ticket.attempts >= MAX_ATTEMPTS:
                why = "the recognizer's worker died on this window three times"
                self._deliver(ticket, Hypothesis(window, failed=why))
                continue
            self._waiting[key] = ticket

    async def _decode(self, batch: list[_Ticket]) -> list[Hypothesis]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerLost("no worker is running")
        audio = [ticket.window.pcm.tobytes() for ticket in batch]
        request = {
            "sizes": [len(data) for data in audio],
            "times": [ticket.window.wants_times for ticket in batch],
        }
        body = json.dumps(request).encode()
        process.stdin.write(LENGTH.pack(len(body)) + body)
        for data in audio:
            process.stdin.write(data)
        await process.stdin.drain()
        answers = await self._read(process)
        return [
            Hypothesis(
                ticket.window,
                [SpokenWord(*word) for word in answer["words"]],
                answer["score"],
                answer["silent"],
                answer["full"],
            )
            for ticket, answer in zip(batch, answers, strict=True)
        ]

    async def _read(self, process: asyncio.subprocess.Process) -> Any:
        assert process.stdout is not None
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return json.loads(await process.stdout.readexactly(size))

    async def _launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "engine.asr.worker",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await asyncio.wait_for(self._read(self._process), READY_TIMEOUT_S)
        except (TimeoutError, EOFError) as error:
            await self._end_process()
            raise WorkerLost("the speech recognizer did not start; see its output above") from error
        self._ready.set()
        log.info("asr_worker_ready", pid=self._process.pid)

    async def _restart(self) -> None:
        self._ready.clear()
        self._restarts += 1
        delay_s = RESTART_DELAY_S
        while True:
            await self._end_process()
            try:
                await self._launch()
                return
            except (WorkerLost, OSError) as error:
                log.error("asr_worker_restart_failed", error=repr(error), next_try_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 10.0)

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                log.debug("asr_worker_already_gone", pid=process.pid)
        await process.wait()


