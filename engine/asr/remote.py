"""A recognizer elsewhere: a server that speaks OpenAI's transcription API.

Windows wait in the same line as for the local one; at most `most_requests` are under way. A window
that fails is tried again only if it is FINAL: of any other the next look is on its way. A server in
trouble (unreachable, too slow, overloaded, talking nonsense) is left alone for a pause that grows,
or for as long as it asks for, and is then tried with silence until it answers; FINAL windows wait
meanwhile, for `FINAL_PATIENCE_S` at most, and no new calls are taken.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import structlog
from pydantic import SecretStr

from engine.asr.client import Client, NoAnswer
from engine.asr.line import Done, Line, Ticket
from engine.asr.load import Cost, Load
from engine.asr.window import Kind, Pressure, Refused, Window
from engine.frames import SAMPLE_RATE

log = structlog.get_logger(__name__)

MAX_WAITING = 512
STEP_S = 1.0
"""Each look sends the whole utterance once more: fewer of them than at home."""
MAX_ATTEMPTS = 6
"""Of one FINAL window, pauses of 0.25 to 2 s between them: a window that the server cannot stand
must not keep the others waiting for ever."""
FINAL_PATIENCE_S = 20.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
PROBE_TIMEOUT_S = 60.0
"""Many servers load their model when they are first asked."""
DEAREST_S = 0.5
"""What a window is expected to take at most, before any was measured."""
RETRY_AFTER_S = 10.0
WATCHED_EVERY_S = 0.25

_quiet = np.zeros(SAMPLE_RATE // 2, np.int16)
SILENCE = Window("", "", 0, Kind.FINAL, 0, len(_quiet), len(_quiet), _quiet)
"""What a server is tried with. It wants word times, as whoever asks in earnest will."""


class RemoteError(RuntimeError):
    """The server is of no use as it is; the message says what to check."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """`restarts` counts the outages that are over, `failed` the requests without an answer."""

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
    requests: int
    failed: int
    retried: int


class RemoteRecognizer:
    """Implements `engine.asr.window.Recognizer` by `POST {url}/audio/transcriptions`.

    `url` ends as the server's documentation has it, mostly in ``/v1``. A request that takes longer
    than `timeout_s`, from first byte to last, has failed. Final words that wait for a lost server
    longer than `final_patience_s` are answered as failed. There are `step_s` of speech between two
    looks; too busy for that, it has last words alone decoded.
    """

    def __init__(
        self,
        url: str,
        api_key: SecretStr,
        model: str,
        *,
        most_requests: int = 4,
        timeout_s: float = 10.0,
        most_waiting: int = MAX_WAITING,
        final_patience_s: float = FINAL_PATIENCE_S,
        step_s: float = STEP_S,
    ) -> None:
        self._url = f"{url.rstrip('/')}/audio/transcriptions"
        self._api_key = api_key
        self._model = model
        self._most_requests = most_requests
        self._timeout_s = timeout_s
        self._final_patience_s = final_patience_s
        self._line = Line(most_waiting)
        self._requests: dict[Ticket, asyncio.Task[None]] = {}
        self._calls: set[str] = set()
        self._step_s = step_s
        self._expect(DEAREST_S)
        self._client: Client | None = None
        self._outage: asyncio.Task[None] | None = None
        self._why = ""
        self._watch: asyncio.Task[None] | None = None
        self._troubles = 0
        """Since the last window that was answered: the pauses grow by them."""
        self._decoded = self._restarts = self._failed = self._retried = self._refused = 0

    async def probe(self) -> None:
        """Have half a second of silence transcribed, twice: by then a server has loaded its model
        and shows how quick it is. Raises `RemoteError` where that fails."""
        client = self._open()
        try:
            await client.ask(SILENCE, PROBE_TIMEOUT_S, explain=True)
            begun_s = time.monotonic()
            await client.ask(SILENCE, PROBE_TIMEOUT_S, explain=True)
        except NoAnswer as error:
            raise RemoteError(f"{self._url}: {error.why}") from error
        finally:
            await client.close()
        self._expect(min(time.monotonic() - begun_s, DEAREST_S))

    async def start(self) -> None:
        """Take work from now on. Whether the server is of use, `probe` tells."""
        self._client = self._open()
        self._watch = asyncio.create_task(self._watch_load(), name="asr-load")
        self._fill()

    async def stop(self) -> None:
        """Break off what is under way; what waits is dropped. May be called again."""
        client, self._client = self._client, None
        tasks = [*self._requests.values()]
        tasks += [task for task in (self._outage, self._watch) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._line.clear()
        if client is not None:
            await client.close()

    @property
    def ready(self) -> bool:
        return self._client is not None and self._outage is None

    @property
    def languages(self) -> None:
        """Which it knows is the server's own affair."""

    @property
    def step_s(self) -> float:
        return math.inf if self.pressure is Pressure.FINALS_ONLY else self._load.step_s

    @property
    def pressure(self) -> Pressure:
        return Pressure.FINALS_ONLY if self._outage is not None else self._load.pressure

    def statistics(self) -> Statistics:
        return Statistics(
            **asdict(self._line.statistics()),
            decoded=self._decoded,
            restarts=self._restarts,
            calls=len(self._calls),
            refused=self._refused,
            busy=self._load.busy,
            step_s=self.step_s,
            pressure=self.pressure,
            requests=len(self._requests),
            failed=self._failed,
            retried=self._retried,
        )

    def admit(self, session: str, language: str) -> None:
        """See `Recognizer.admit`. Which languages it knows is the server's own affair."""
        if session in self._calls:
            return
        if self._outage is not None or not self._load.has_room():
            self._refused += 1
            lost = "This node has lost its recognition server."
            full = "This node recognizes as many calls as it can."
            raise Refused(full if self._outage is None else lost, RETRY_AFTER_S)
        self._calls.add(session)
        self._load.count(len(self._calls))

    def submit(self, window: Window, done: Done) -> None:
        """See `Recognizer.submit`."""
        self._line.add(window, done)
        self._fill()

    def forget(self, session: str) -> None:
        """See `Recognizer.forget`. Requests for `session` are broken off."""
        self._calls.discard(session)
        self._load.count(len(self._calls))
        for ticket in self._line.forget(session):
            request = self._requests.get(ticket)
            if request is not None:
                request.cancel()

    def _open(self) -> Client:
        # One more than windows: the server is tried with silence while they are under way.
        return Client(self._url, self._api_key, self._model, self._most_requests + 1)

    def _expect(self, window_s: float) -> None:
        """Judge the load from here on: a request under way is to it a worker that is busy."""
        cost = Cost(window_s, window_s)
        self._load = Load(cost, time.monotonic, workers=self._most_requests, fixed_s=self._step_s)

    def _fill(self) -> None:
        """Begin as many requests as may be under way."""
        while self.ready and len(self._requests) < self._most_requests:
            ticket = self._line.take()
            if ticket is None:
                return
            self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        request = asyncio.create_task(self._serve(ticket), name="asr-request")
        self._requests[ticket] = request

        def ended(task: asyncio.Task[None]) -> None:
            # Here, not in the task: one that is cancelled before its first step never runs.
            del self._requests[ticket]
            if not task.cancelled() and task.exception() is not None:
                log.error("asr_request_broke", exc_info=task.exception())
                self._line.give_up(ticket, "the recognizer failed on this utterance")
            self._fill()

        request.add_done_callback(ended)

    async def _serve(self, ticket: Ticket) -> None:
        assert self._client is not None
        begun_s = time.monotonic()
        is_look = not ticket.window.wants_times
        try:
            answer = await self._client.ask(ticket.window, self._timeout_s)
        except NoAnswer as error:
            self._fail(ticket, error)
        else:
            self._decoded += 1
            self._troubles = 0
            took_s = time.monotonic() - begun_s
            self._load.spend(took_s * is_look, took_s * (not is_look))
            # Not of the window that was sent: a speculation may have become the final.
            self._line.answer(ticket, replace(answer, window=ticket.window))

    def _fail(self, ticket: Ticket, error: NoAnswer) -> None:
        self._failed += 1
        ticket.attempts += 1
        if error.is_outage and self._outage is None:
            self._why = error.why
            self._outage = asyncio.create_task(self._sit_out(error), name="asr-outage")
        is_final = ticket.window.kind is Kind.FINAL
        if is_final and error.again and ticket.attempts < MAX_ATTEMPTS:
            self._retried += 1
            self._line.give_back(ticket)
        else:
            self._line.give_up(ticket, error.why)

    async def _sit_out(self, error: NoAnswer) -> None:
        """Leave the server alone, then try it with silence until it answers."""
        assert self._client is not None
        begun_s = time.monotonic()
        log.warning("asr_server_lost", url=self._url, why=error.why)
        try:
            while True:
                self._troubles += 1
                await asyncio.sleep(_pause_s(self._troubles, error.pause_s))
                try:
                    await self._client.ask(SILENCE, self._timeout_s)
                    break
                except NoAnswer as again:
                    error = again
                    self._why = error.why
            self._restarts += 1
            log.info("asr_server_back", url=self._url, after_s=round(time.monotonic() - begun_s, 1))
        finally:
            self._outage = None
            self._fill()

    async def _watch_load(self) -> None:
        while True:
            await asyncio.sleep(WATCHED_EVERY_S)
            if self._outage is not None:
                self._lose_patience()
                continue
            before = self._load.pressure
            self._load.adjust(self._line.statistics().oldest_s)
            if self._load.pressure is not before:
                pressure = self._load.pressure.name.lower()
                log.warning("asr_pressure", pressure=pressure, busy=round(self._load.busy, 2))

    def _lose_patience(self) -> None:
        """Final words that have waited too long for a lost server are told to be lost."""
        now_s = time.monotonic()
        for ticket in self._line.ranked():
            is_final = ticket.window.kind is Kind.FINAL
            if is_final and now_s - ticket.asked_s > self._final_patience_s:
                self._line.take(ticket)
                # Who is told may ask anew or leave: the line is not what it was.
                self._line.give_up(ticket, self._why)


def _pause_s(troubles: int, asked_s: float) -> float:
    """Grows with the troubles; shortened at random, so that nodes do not come back together."""
    own_s = min(FIRST_PAUSE_S * 2.0 ** min(troubles - 1, 30), LONGEST_PAUSE_S)
    return max(asked_s, own_s * random.uniform(0.75, 1.0))
