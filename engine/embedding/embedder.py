"""Sentences of all calls of a node become vectors, one worker process for all.

What was just said goes first; a playbook's exemplars (`embed`) wait until nothing else does. At
most `MAX_WAITING` sentences wait: when one more comes the oldest is dropped, as is one older than
`MAX_AGE_S`, for a card that late helps nobody. Dropped sentences are answered with None and
counted. A worker that dies is started again; a sentence that saw it die `MAX_ATTEMPTS` times is
answered with None.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from engine.asr.process import WorkerLost
from engine.embedding.minilm import Floats
from engine.embedding.process import WORKER, EmbeddingProcess

log = structlog.get_logger(__name__)

MAX_WAITING = 64
MAX_AGE_S = 10.0
MAX_ATTEMPTS = 3
MAX_CHARACTERS = 600
"""Of a sentence; what is longer is cut."""
MAX_KEPT = 4_000
"""Vectors of playbooks' sentences, 6 MB; those used last."""
MAX_BATCH = 4
"""About 40 ms: no longer than that does a fresh sentence wait for a playbook's exemplars."""
ANSWER_TIMEOUT_S = 10.0
RESTART_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0

Done = Callable[[Floats | None], None]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sentences `waiting` now, the oldest for `oldest_s`; the others since the beginning.

    `dropped` for want of room or for age, `failed` because the worker died on them.
    """

    waiting: int
    oldest_s: float
    dropped: int
    failed: int
    embedded: int
    restarts: int


@dataclass(eq=False, slots=True)
class _Ticket:
    sentence: str
    done: Done
    is_patient: bool = False
    asked_s: float = field(default_factory=time.monotonic)
    attempts: int = 0


class Embedder:
    """`folder` has the verified weights. Use it from one event loop; `done` is called on it."""

    def __init__(
        self,
        folder: Path,
        *,
        worker: Sequence[str] = WORKER,
        most_waiting: int = MAX_WAITING,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._process = EmbeddingProcess([*worker, str(folder)])
        self._most_waiting = most_waiting
        self._answer_timeout_s = answer_timeout_s
        self._live: deque[_Ticket] = deque()
        self._patient: deque[_Ticket] = deque()
        self._vectors: OrderedDict[str, Floats] = OrderedDict()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._dropped = self._failed = self._embedded = self._restarts = 0

    def start(self) -> None:
        """Begin; the model loads while sentences wait. A start that fails is tried again."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="embedder")

    async def stop(self) -> None:
        """End the worker; what waits is answered with None. May be called again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._process.end()
        waiting = [*self._live, *self._patient]
        self._live.clear()
        self._patient.clear()
        for ticket in waiting:
            _answer(ticket, None)

    @property
    def pid(self) -> int | None:
        """The worker's process."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether sentences are embedded now; False, too, while the worker is started again."""
        return self._process.is_ready

    def statistics(self) -> Statistics:
        oldest_s = time.monotonic() - self._live[0].asked_s if self._live else 0.0
        return Statistics(
            len(self._live),
            oldest_s,
            self._dropped,
            self._failed,
            self._embedded,
            self._restarts,
        )

    def submit(self, sentence: str, done: Done) -> None:
        """Ask for a sentence's vector of unit length; `done` is called once, later or at once.

        It gets None where the sentence was dropped, and where the embedder is not running.
        """
        ticket = _Ticket(sentence[:MAX_CHARACTERS], done)
        if self._task is None:
            _answer(ticket, None)
            return
        self._live.append(ticket)
        if len(self._live) > self._most_waiting:
            self._drop(self._live.popleft())
        self._wake.set()

    async def embed(self, sentences: Sequence[str]) -> list[Floats | None]:
        """The vectors of a playbook's sentences, when there is time; None for what failed.

        The caller bounds how many there are.
        """
        if self._task is None:
            return [None] * len(sentences)
        # The versions of a playbook have most of their sentences in common.
        unknown = [each for each in dict.fromkeys(sentences) if each not in self._vectors]
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Floats | None]] = [loop.create_future() for _ in unknown]
        self._patient += [
            _Ticket(sentence[:MAX_CHARACTERS], _setter(answer), is_patient=True)
            for sentence, answer in zip(unknown, answers, strict=True)
        ]
        self._wake.set()
        known = {each: self._vectors[each] for each in sentences if each in self._vectors}
        found = dict(zip(unknown, await asyncio.gather(*answers), strict=True)) | known
        for sentence, vector in found.items():
            if vector is not None:
                self._vectors[sentence] = vector
                self._vectors.move_to_end(sentence)
        while len(self._vectors) > MAX_KEPT:
            self._vectors.popitem(last=False)
        return [found[sentence] for sentence in sentences]

    async def _run(self) -> None:
        await self._launch()
        while True:
            if not self._process.is_running:
                await self._restart("it ended while idle")
            batch = self._next()
            if not batch:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                async with asyncio.timeout(self._answer_timeout_s):
                    vectors = await self._process.embed([ticket.sentence for ticket in batch])
            except (WorkerLost, TimeoutError) as error:
                self._queue_again(batch)
                await self._restart(repr(error))
                continue
            self._embedded += len(batch)
            for ticket, vector in zip(batch, vectors, strict=True):
                _answer(ticket, vector)

    def _next(self) -> list[_Ticket]:
        """What to embed now; a sentence that saw a worker die goes alone."""
        too_old_s = time.monotonic() - MAX_AGE_S
        while self._live and self._live[0].asked_s < too_old_s:
            self._drop(self._live.popleft())
        line = self._live or self._patient
        batch: list[_Ticket] = []
        while line and len(batch) < MAX_BATCH and not (batch and line[0].attempts):
            batch.append(line.popleft())
            if batch[0].attempts:
                break
        return batch

    def _queue_again(self, batch: list[_Ticket]) -> None:
        for ticket in reversed(batch):
            ticket.attempts += 1
            if ticket.attempts >= MAX_ATTEMPTS:
                self._failed += 1
                _answer(ticket, None)
            else:
                line = self._patient if ticket.is_patient else self._live
                line.appendleft(ticket)

    def _drop(self, ticket: _Ticket) -> None:
        self._dropped += 1
        _answer(ticket, None)

    async def _restart(self, why: str) -> None:
        log.warning("embedding_worker_lost", error=why, waiting=len(self._live))
        self._restarts += 1
        await self._launch()

    async def _launch(self) -> None:
        """Start the process, again and again until it stays."""
        delay_s = RESTART_DELAY_S
        while True:
            await self._process.end()
            try:
                await self._process.start(self._wake)
                return
            except (WorkerLost, OSError) as error:
                log.error("embedding_worker_start_failed", error=repr(error), next_try_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)


def _setter(answer: asyncio.Future[Floats | None]) -> Done:
    def set_once(vector: Floats | None) -> None:
        # Whoever waited may have been cancelled.
        if not answer.done():
            answer.set_result(vector)

    return set_once


def _answer(ticket: _Ticket, vector: Floats | None) -> None:
    try:
        ticket.done(vector)
    except Exception:
        # One call's fault must not cost the others their sentences.
        log.exception("embedding_answer_failed")
