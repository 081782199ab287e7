"""The live board: one card for each call that goes on, kept by its events, shown to many readers.

A card is written at most every `TELL_EVERY_S`, once for all readers, and only while there are any.
A reader that is slow misses states between, never the newest: nothing is queued for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sse_starlette import ServerSentEvent

from api.accounts.profile import Profiles
from api.auth.roles import Owner
from api.call import Call
from api.delivery import stored
from api.keep import Keep
from api.views import NO_SCORES
from engine.alerts import Alert, Alerts
from engine.events import (
    Event,
    Kind,
    Present,
    Scores,
    SessionState,
    SessionType,
    Severity,
    Wire,
)
from engine.session import TRAINEE, Session

log = structlog.get_logger(__name__)

TELL_EVERY_S: Final = 0.25
MAX_READERS: Final = 500
"""One more is turned away."""
MAX_WORDS: Final = 160
"""Letters of what was said last."""
LIVE: Final[frozenset[SessionState]] = frozenset({"active", "paused", "interrupted"})

MayRead = Callable[[Owner], bool]
"""Whether a reader, as they stand now, may see the call of an owner."""


class LastFeedback(Wire):
    code: str
    kind: Kind
    severity: Severity
    message: str
    t: int


class LastWords(Wire):
    """The end of what was said last, which may still be under way."""

    track: str
    text: str


class Card(Wire):
    """A call as it stands. `name` is its trainee's, "" until it is known; `people` are beside
    them."""

    id: str
    user_id: str
    name: str
    team_id: str | None
    session_type: SessionType
    language: str
    status: SessionState
    start_time: datetime | None
    duration_ms: int
    scores: Scores
    last_feedback: LastFeedback | None
    last_words: LastWords | None
    alerts: list[Alert]
    people: list[Present]


class BoardView(Wire):
    """The longest-lasting call first."""

    calls: list[Card]


class Board:
    """All live calls of a node. Lives on the media loop."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._profiles = Profiles(keep.vault)
        self._live: dict[str, _Live] = {}
        self._readers: set[Reader] = set()
        self._naming: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self.is_closed = False

    # what the node's calls report

    def opened(self, call: Call, session: Session) -> None:
        """Show it from its first sound on."""
        self.closed(call.id)
        live = self._live[call.id] = _Live(call, session)
        task = asyncio.create_task(self._name(live), name=f"board-name-{call.id}")
        self._naming[call.id] = task
        task.add_done_callback(lambda task: self._named(call.id, task))

    def closed(self, session_id: str) -> None:
        """Its room is closed. It need not be there."""
        live = self._live.pop(session_id, None)
        if live is not None:
            live.leave()
        if (task := self._naming.pop(session_id, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """The node stops: every reader has read all there is."""
        self.is_closed = True
        tasks = [*self._naming.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reader in self._readers:
            reader.wake()

    # what readers ask

    def view(self, may_read: MayRead) -> BoardView:
        """The calls that a reader may see, as they stand now."""
        return BoardView(calls=[live.card() for live in self.shown(may_read)])

    @property
    def is_full(self) -> bool:
        """Whether there are as many readers as it takes."""
        return len(self._readers) >= MAX_READERS

    def join(self) -> Reader:
        """A place for one more. Call `Reader.leave` in the end."""
        reader = Reader(self)
        self._readers.add(reader)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="board")
        return reader

    # the inside

    def shown(self, may_read: MayRead) -> list[_Live]:
        """What a reader may see."""
        return [live for live in self._live.values() if live.is_on and may_read(live.owner)]

    def leave(self, reader: Reader) -> None:
        """It need not be there."""
        self._readers.discard(reader)
        if not self._readers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        """Look what has changed, for all readers."""
        while True:
            for live in list(self._live.values()):
                try:
                    live.refresh()
                except Exception:
                    # One call's fault must not stop the others' cards.
                    log.exception("board_fault", session=live.id)
            for reader in self._readers:
                reader.wake()
            await asyncio.sleep(TELL_EVERY_S)

    async def _name(self, live: _Live) -> None:
        dealership_id, user_id = live.owner.dealership_id, live.owner.user_id
        assert user_id is not None
        user = await stored(
            lambda: self._keep.store.users.get(dealership_id, user_id), live.id, "name"
        )
        if user is not None:
            live.named(self._profiles.name(user))

    def _named(self, session_id: str, task: asyncio.Task[None]) -> None:
        if self._naming.get(session_id) is task:
            del self._naming[session_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("board_nameless", session=session_id, error=repr(error))


class Reader:
    """One reader's place on the board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._seen: dict[str, int] | None = None
        """By call: the number of the card that was sent last."""
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def news(self) -> None:
        """Wait until something may have changed, or the board is closed."""
        await self._news.wait()
        self._news.clear()

    def changes(self, may_read: MayRead) -> bytes:
        """What there is to send now, as server-sent events: at first everything as one
        ``snapshot``, then a ``call`` for each card that is new, and a ``gone`` for each that is
        over, or that the reader may not see any more. May be empty."""
        shown = self._board.shown(may_read)
        if self._seen is None:
            for live in shown:
                live.refresh()
            cards = ",".join(live.json for live in shown)
            told = [_event("snapshot", f'{{"calls":[{cards}]}}')]
        else:
            told = [live.event for live in shown if self._seen.get(live.id) != live.number]
            ids = {live.id for live in shown}
            told += [
                _event("gone", f'{{"id":"{session_id}"}}')
                for session_id in self._seen
                if session_id not in ids
            ]
        self._seen = {live.id: live.number for live in shown}
        return b"".join(told)

    def leave(self) -> None:
        self._board.leave(self)


class _Live:
    """One call, and its card as it was last written: `json`, `event`, and the `number` of it."""

    def __init__(self, call: Call, session: Session) -> None:
        self.id = call.id
        teams = frozenset() if call.owner.team_id is None else frozenset({call.owner.team_id})
        self.owner = Owner(call.owner.dealership_id, call.owner.user_id, teams)
        self.number = 0
        self.json = ""
        self.event = b""
        self._call = call
        self._session = session
        self._name = ""
        self._scores = session.metrics.scores if session.metrics is not None else NO_SCORES
        self._feedback: LastFeedback | None = None
        self._words: LastWords | None = None
        self._people: list[Present] = []
        self._alerts = Alerts()
        self._told: list[Alert] = []
        self._is_new = True
        self._undo = session.subscribe(self._take)

    @property
    def is_on(self) -> bool:
        return self._session.state in LIVE

    def leave(self) -> None:
        self._undo()

    def named(self, name: str) -> None:
        self._name = name
        self._is_new = True

    def refresh(self) -> None:
        """Write the card anew, if something in it has changed."""
        alerts = self._alerts.at(self._session.t_ms)
        if not self._is_new and alerts == self._told:
            return
        self._is_new, self._told = False, alerts
        self.number += 1
        self.json = self.card().model_dump_json(by_alias=True)
        self.event = _event("call", self.json)

    def card(self) -> Card:
        """As it stands now."""
        call, session = self._call, self._session
        return Card(
            id=call.id,
            user_id=call.owner.user_id,
            name=self._name,
            team_id=call.owner.team_id,
            session_type=call.created.session_type,
            language=call.created.language,
            status=session.state,
            start_time=call.start_time,
            duration_ms=session.t_ms,
            scores=self._scores,
            last_feedback=self._feedback,
            last_words=self._words,
            alerts=self._alerts.at(session.t_ms),
            people=self._people,
        )

    def _take(self, event: Event) -> None:
        self._alerts.push(event)
        data = event.data
        match event.type:
            case "metrics" if event.track == TRAINEE:
                self._scores = Scores.model_validate(data["scores"])
            case "feedback":
                told = {name: data[name] for name in ("code", "kind", "severity", "message")}
                self._feedback = LastFeedback(**told, t=event.t)
            case "transcript.partial":
                self._say(event.track, f"{data['committed']} {data['tentative']}")
            case "transcript.final":
                self._say(event.track, " ".join(word[0] for word in data["words"]))
            case "presence":
                self._people = [Present.model_validate(each) for each in data["people"]]
            case "session.state":
                pass
            case _:
                return
        self._is_new = True

    def _say(self, track: str | None, text: str) -> None:
        text = " ".join(text.split())
        if text and track is not None:
            self._words = LastWords(track=track, text=_end_of(text))


def _end_of(text: str) -> str:
    """At most `MAX_WORDS` letters, from a word's beginning on."""
    if len(text) <= MAX_WORDS:
        return text
    end = text[-MAX_WORDS:]
    return f"… {end.partition(' ')[2] or end}"


def _event(name: str, data: str) -> bytes:
    return ServerSentEvent(data=data, event=name).encode()
