"""One worker process decodes for every session of a node: most urgent window first, in batches.

A worker that dies is started again and its windows are queued again, each to be decoded alone: so
one that kills it fails by itself. The queue is bounded: at most one waiting window per utterance
and `MAX_WAITING` in all; beyond that the least urgent window is dropped and counted (a FINAL one is
answered, as failed).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
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
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The worker's linear algebra must not spin on the cores that the media process needs."""
FEW_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""oneDNN keeps a compiled kernel for each of the last 1024 shapes it met. Windows come in hundreds
of lengths: after 600 of them the worker held 500 MB, with 64 kernels 210, and was no slower."""
WORKER = (sys.executable, "-m", "engine.asr.worker")

Done = Callable[[Hypothesis], None]


class WorkerLost(RuntimeError):
    """The worker process ended, hung or spoke nonsense; it is started again."""


@dataclass(slots=True)
class _Ticket:
    window: Window
    done: Done
    asked_s: float
    attempts: int = 0
    wanted: bool = True


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

    `folder` is a verified model folder; `options` go to `ShortContextWhisper`. `worker` is the
    command that is given both and speaks the protocol of `engine.asr.worker`; one that takes longer
    than `answer_timeout_s` over a batch is taken for dead.
    """

    def __init__(
        self,
        folder: Path,
        options: dict[str, Any] | None = None,
        *,
        worker: Sequence[str] = WORKER,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._command = [*worker, str(folder), json.dumps(options or {})]
        self._answer_timeout_s = answer_timeout_s
        self._decoding: list[_Ticket] = []
        self._waiting: dict[tuple[str, str, int], _Ticket] = {}
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
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
        self._waiting.clear()
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
        """See `Recognizer.submit`. A window that supersedes another takes over its place in line:
        an utterance asked about again and again is not the last in line for ever."""
        key = (window.session, window.track, window.utterance)
        if window.kind is Kind.FINAL and self._promote(key, window, done):
            return
        asked_s = time.monotonic()
        before = self._waiting.get(key)
        if before is not None:
            if before.window.kind is Kind.FINAL:
                return
            self._superseded += 1
            asked_s = before.asked_s
        elif len(self._waiting) >= MAX_WAITING and not self._make_room(window.kind):
            self._dropped += 1
            return
        self._waiting[key] = _Ticket(window, done, asked_s)
        self._wake.set()

    def _promote(self, key: tuple[str, str, int], window: Window, done: Done) -> bool:
        """Whether `window` is being decoded already as a speculation: then that is the final."""
        for ticket in self._decoding:
            asked = ticket.window
            if (
                (asked.session, asked.track, asked.utterance) == key
                and asked.kind is Kind.SPECULATIVE
                and asked.voiced_end_sample == window.voiced_end_sample
            ):
                ticket.window, ticket.done = window, done
                return True
        return False

    def forget(self, session: str) -> None:
        """Drop what waits for `session` and ignore what is being decoded for it."""
        for key in [key for key in self._waiting if key[0] == session]:
            del self._waiting[key]
        for ticket in self._decoding:
            if ticket.window.session == session:
                ticket.wanted = False

    def _make_room(self, kind: Kind) -> bool:
        key = max(self._waiting, key=lambda key: self._waiting[key].window.kind)
        ticket = self._waiting[key]
        if ticket.window.kind <= kind and kind is not Kind.FINAL:
            return False
        del self._waiting[key]
        self._dropped += 1
        if ticket.window.kind is Kind.FINAL:
            failed = Hypothesis(ticket.window, failed="the recognizer is overloaded")
            asyncio.get_running_loop().call_soon(self._deliver, ticket, failed)
        return True

    def _next_batch(self) -> list[_Ticket]:
        def urgency(ticket: _Ticket) -> tuple[int, float]:
            return ticket.window.kind, ticket.asked_s

        ranked = sorted(self._waiting.values(), key=urgency)
        size = len(ranked[0].window.pcm)
        near = [t for t in ranked if abs(len(t.window.pcm) - size) <= BUCKET_S * SAMPLE_RATE]
        batch = [t for t in near if t.attempts == 0][:MAX_BATCH]
        if ranked[0].attempts > 0:
            batch = ranked[:1]
        for ticket in batch:
            window = ticket.window
            del self._waiting[(window.session, window.track, window.utterance)]
        return batch

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._process is None or self._process.returncode is not None:
                log.warning("asr_worker_lost", error="it ended while idle", windows=0)
                await self._restart()
            while self._waiting:
                batch = self._decoding = self._next_batch()
                try:
                    async with asyncio.timeout(self._answer_timeout_s):
                        answers = await self._decode(batch)
                except (WorkerLost, TimeoutError, OSError, EOFError) as error:
                    log.warning("asr_worker_lost", error=repr(error), windows=len(batch))
                    self._queue_again(batch)
                    await self._restart()
                    continue
                self._decoding = []
                self._decoded += len(batch)
                for ticket, answer in zip(batch, answers, strict=True):
                    self._deliver(ticket, answer)

    def _deliver(self, ticket: _Ticket, answer: Hypothesis) -> None:
        if not ticket.wanted:
            return
        try:
            ticket.done(answer)
        except Exception:
            # One session's fault must not stop the words of the others.
            log.exception("hypothesis_refused", session=ticket.window.session)

    def _queue_again(self, batch: list[_Ticket]) -> None:
        self._decoding = []
        for ticket in batch:
            window = ticket.window
            ticket.attempts += 1
            key = (window.session, window.track, window.utterance)
            superseded = key in self._waiting and window.kind is not Kind.FINAL
            if not ticket.wanted or superseded:
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
        try:
            return [
                Hypothesis(
                    ticket.window,
                    [SpokenWord(*word) for word in answer["words"]],
                    answer["score"],
                    answer["silent"],
                    answer["full"],
                )
                for ticket, answer in zip(batch, await self._read(process), strict=True)
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise WorkerLost("the worker's answer is not one") from error

    async def _read(self, process: asyncio.subprocess.Process) -> Any:
        assert process.stdout is not None
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return json.loads(await process.stdout.readexactly(size))

    async def _launch(self) -> None:
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | ONE_THREAD | FEW_KERNELS,
        )
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._read(process)
        except (TimeoutError, EOFError, ValueError) as error:
            await self._end_process()
            raise WorkerLost("the speech recognizer did not start; see its output above") from error
        except BaseException:
            await self._end_process()
            raise
        self._watch = asyncio.create_task(self._watch_for_end(process), name="asr-worker-watch")
        self._ready.set()
        log.info("asr_worker_ready", pid=process.pid)

    async def _watch_for_end(self, process: asyncio.subprocess.Process) -> None:
        """Wake the scheduler when an idle worker dies: the next call's words need not wait."""
        await process.wait()
        self._wake.set()

    async def _restart(self) -> None:
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
        """Kill the worker and collect it. Cancelled before that, it can be called again."""
        self._ready.clear()
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                log.debug("asr_worker_already_gone", pid=process.pid)
        await process.wait()
        if self._watch is not None:
            await self._watch
        self._process = self._watch = None
