"""Worker processes decode for every session of a node: most urgent window first, in batches.

A session stays with one worker, which remembers what it has heard of an utterance. A worker that
dies is started again and its windows are queued again, each to be decoded alone: so one that kills
it fails by itself. Each worker's line is bounded: at most one waiting window per utterance and
`MAX_WAITING` in all; beyond that the least urgent window is dropped and counted (a FINAL one is
answered, as failed).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from engine.asr.line import Done, Line, Ticket
from engine.asr.load import Cost, Load
from engine.asr.process import WORKER, WorkerLost, WorkerProcess
from engine.asr.window import Hypothesis, Kind, Pressure, Refused, Window

log = structlog.get_logger(__name__)

MAX_WAITING = 512
MAX_ATTEMPTS = 3
ANSWER_TIMEOUT_S = 30.0
RESTART_DELAY_S = 0.2
RETRY_AFTER_S = 10.0
WATCHED_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Model:
    """A verified model folder, and what `ShortContextWhisper` is to be told beside it."""

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statistics:
    """`calls` admitted; `refused`, and what else counts, since the beginning."""

    waiting: int
    oldest_s: float
    dropped: int
    superseded: int
    decoded: int
    restarts: int
    calls: int
    refused: int
    busy: float
    step_s: float
    pressure: Pressure


class Scheduler:
    """Implements `engine.asr.window.Recognizer` on worker processes of this machine.

    `models` says which model recognizes which language; the first is loaded at the start by each of
    `workers` processes, another by a process of its own when a call first needs it. `takes_all`
    refuses no call for want of room; `step_s` fixes the step. `worker` is the command that is given
    a model's folder and options and speaks the protocol of `engine.asr.worker`; one that takes
    longer than `answer_timeout_s` over a batch is taken for dead.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        workers: int = 1,
        takes_all: bool = False,
        step_s: float | None = None,
        worker: Sequence[str] = WORKER,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._models = models
        self._takes_all = takes_all
        self._fixed_s = step_s
        self._command = worker
        self._answer_timeout_s = answer_timeout_s
        language = next(iter(models))
        self._first = [self._worker(language) for _ in range(workers)]
        self._workers = list(self._first)
        self._home: dict[str, _Worker] = {}
        self._load: Load | None = None
        self._watch: asyncio.Task[None] | None = None
        self._refused = 0

    async def start(self) -> None:
        """Start the workers and wait until they have loaded their model. Raises `WorkerLost`."""
        try:
            # What the first finds out about this machine, the others read.
            cost = await self._first[0].start()
            await asyncio.gather(*(worker.start() for worker in self._first[1:]))
        except BaseException:
            await self.stop()
            raise
        self._load = Load(cost, time.monotonic, workers=len(self._workers), fixed_s=self._fixed_s)
        self._watch = asyncio.create_task(self._watch_load(), name="asr-load")

    async def stop(self) -> None:
        """End the workers; what still waits is dropped."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    @property
    def ready(self) -> bool:
        """Whether the workers of the first language take windows."""
        return all(worker.process.is_ready for worker in self._first)

    @property
    def languages(self) -> frozenset[str]:
        """Those that it has a model for."""
        return frozenset(self._models)

    @property
    def pids(self) -> list[int]:
        """The workers' processes, for measuring their CPU time."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    @property
    def step_s(self) -> float:
        if self._load is None or self._load.pressure is Pressure.FINALS_ONLY:
            return math.inf
        return self._load.step_s

    @property
    def pressure(self) -> Pressure:
        return Pressure.NONE if self._load is None else self._load.pressure

    def statistics(self) -> Statistics:
        lines = [worker.line.statistics() for worker in self._workers]
        return Statistics(
            sum(line.waiting for line in lines),
            max(line.oldest_s for line in lines),
            sum(line.dropped for line in lines),
            sum(line.superseded for line in lines),
            sum(worker.decoded for worker in self._workers),
            sum(worker.restarts for worker in self._workers),
            len(self._home),
            self._refused,
            0.0 if self._load is None else self._load.busy,
            self.step_s,
            self.pressure,
        )

    def admit(self, session: str, language: str = "en") -> None:
        """See `Recognizer.admit`."""
        if session in self._home:
            return
        if language not in self._models:
            known = ", ".join(self._models)
            raise Refused(f"This node recognizes no speech in {language!r}, only {known}.", None)
        if not (self._takes_all or self._load is None or self._load.has_room()):
            self._refused += 1
            raise Refused("This node recognizes as many calls as it can.", RETRY_AFTER_S)
        self._house(session, language)

    def submit(self, window: Window, done: Done) -> None:
        """See `Recognizer.submit`. A session that was never admitted is taken in as it is: a call
        that goes on after a crash must not lose its words, unless in a language not offered now."""
        if window.language not in self._models:
            if window.kind is Kind.FINAL:
                why = f"this node does not recognize speech in {window.language!r} any more"
                failed = Hypothesis(window, failed=why)
                asyncio.get_running_loop().call_soon(done, failed)
            return
        worker = self._home.get(window.session) or self._house(window.session, window.language)
        worker.submit(window, done)

    def forget(self, session: str) -> None:
        """See `Recognizer.forget`."""
        worker = self._home.pop(session, None)
        if worker is not None:
            worker.line.forget(session)
            worker.process.forget(session)
            self._count()

    def _house(self, session: str, language: str) -> _Worker:
        able = [worker for worker in self._workers if worker.language == language]
        if not able:
            able = [self._worker(language)]
            self._workers += able
            able[0].start_soon()
        homes = list(self._home.values())
        worker = self._home[session] = min(able, key=homes.count)
        self._count()
        return worker

    def _count(self) -> None:
        if self._load is not None:
            self._load.count(len(self._home))

    def _worker(self, language: str) -> _Worker:
        model = self._models[language]
        options = dict(model.options) | {"language": language}
        command = [*self._command, str(model.folder), json.dumps(options)]
        return _Worker(language, command, self._answer_timeout_s, self._spend)

    def _spend(self, looks_s: float, finals_s: float) -> None:
        if self._load is not None:
            self._load.spend(looks_s, finals_s)

    async def _watch_load(self) -> None:
        assert self._load is not None
        while True:
            await asyncio.sleep(WATCHED_EVERY_S)
            before = self._load.pressure
            # Only what decodes is behind; a worker that is still to start does not slow others.
            started = [worker for worker in self._workers if worker.process.is_ready]
            lines = [worker.line.statistics() for worker in started]
            oldest_s = max((line.oldest_s for line in lines), default=0.0)
            self._load.adjust(oldest_s)
            if self._load.pressure is not before:
                pressure = self._load.pressure.name.lower()
                log.warning("asr_pressure", pressure=pressure, busy=round(self._load.busy, 2))


class _Worker:
    """One process and the line in front of it."""

    def __init__(self, language: str, command: Sequence[str], timeout_s: float, spend: Any) -> None:
        self.language = language
        self.line = Line(MAX_WAITING)
        self.process = WorkerProcess(command)
        self.decoded = self.restarts = 0
        self._timeout_s = timeout_s
        self._spend = spend
        self._batch = 1
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Cost:
        """Raises `WorkerLost`."""
        greeting = await self.process.start(self._wake)
        self._batch = greeting["batch"]
        self._task = asyncio.create_task(self._run(), name="asr-worker")
        return Cost(greeting["look_s"], greeting["final_s"])

    def start_soon(self) -> None:
        """Start while its first windows wait; it is tried again until it starts."""
        self._task = asyncio.create_task(self._begin(), name="asr-worker")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.line.clear()
        await self.process.end()

    def submit(self, window: Window, done: Done) -> None:
        self.line.add(window, done)
        self._wake.set()

    async def _begin(self) -> None:
        await self._launch()
        await self._run()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self.process.is_running:
                await self._restart("it ended while idle")
            while len(self.line):
                batch = self._next()
                begun_s = time.monotonic()
                try:
                    async with asyncio.timeout(self._timeout_s):
                        answers = await self.process.decode([ticket.window for ticket in batch])
                except (WorkerLost, TimeoutError, OSError, EOFError) as error:
                    self._queue_again(batch)
                    await self._restart(repr(error))
                    continue
                self.decoded += len(batch)
                each_s = (time.monotonic() - begun_s) / len(batch)
                finals = sum(ticket.window.wants_times for ticket in batch)
                self._spend(each_s * (len(batch) - finals), each_s * finals)
                for ticket, answer in zip(batch, answers, strict=True):
                    # What was promoted meanwhile is answered as what it has become.
                    self.line.answer(ticket, replace(answer, window=ticket.window))

    def _next(self) -> list[Ticket]:
        """The most urgent windows; one that failed before goes alone."""
        ranked = self.line.ranked()
        batch = [ticket for ticket in ranked if ticket.attempts == 0][: self._batch]
        if ranked[0].attempts > 0:
            batch = ranked[:1]
        for ticket in batch:
            self.line.take(ticket)
        return batch

    def _queue_again(self, batch: Sequence[Ticket]) -> None:
        for ticket in batch:
            ticket.attempts += 1
            if ticket.attempts >= MAX_ATTEMPTS:
                why = "the recognizer's worker died on this window three times"
                self.line.answer(ticket, Hypothesis(ticket.window, failed=why))
            else:
                self.line.give_back(ticket)

    async def _restart(self, why: str) -> None:
        log.warning("asr_worker_lost", error=why, waiting=len(self.line))
        self.restarts += 1
        await self._launch()

    async def _launch(self) -> None:
        """Start the process, again and again until it stays."""
        delay_s = RESTART_DELAY_S
        while True:
            await self.process.end()
            try:
                greeting = await self.process.start(self._wake)
                self._batch = greeting["batch"]
                return
            except (WorkerLost, OSError) as error:
                log.error("asr_worker_start_failed", error=repr(error), next_try_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, 10.0)
