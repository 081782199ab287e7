"""The node's rooms: how a call gets one, new or after a crash, and what came into them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from api.call import Call, CallOwner, Partner
from api.leftovers import Unfinished
from api.playbooks import Playbooks
from api.settings import Settings
from api.store.documents import moment
from api.traffic import Traffic
from api.views import ConsentView, CreateSession, VolumeFeedback
from api.words import Words, terms_of
from engine.asr.window import Recognizer
from engine.frames import FRAME_SAMPLES, sample_of
from engine.journal import FileJournal, Journal, MemoryJournal
from engine.objections import Judge
from engine.session import CRASH_SEQ_STEP, Session
from signaling.ice import IceSettings
from signaling.recorder import Recorder, Writer
from signaling.room import Beginning, Room
from signaling.rtp import ReceiveSettings


class Rooms:
    """Iterates over the rooms that have not closed yet. Lives on the media loop.

    `on_open` is called with each new one's call and session, before anything happens in it;
    `on_closed` with each one that has closed, and its call.
    """

    def __init__(
        self,
        settings: Settings,
        ice: IceSettings,
        recognizer: Recognizer,
        playbooks: Playbooks,
        words: Words,
        writer: Writer,
        on_open: Callable[[Call, Session], None],
        on_closed: Callable[[Call], None],
    ) -> None:
        self._ice = ice
        self._receive = ReceiveSettings(settings.hold_ms / 1000, stock=settings.receive == "stock")
        self._recognizer = recognizer
        self._playbooks = playbooks
        self._words = words
        self._writer = writer
        self._on_open = on_open
        self._on_closed = on_closed
        self._open: set[Room] = set()
        self._ended = Traffic()

    def __iter__(self) -> Iterator[Room]:
        return iter(self._open)

    def traffic(self) -> Traffic:
        """What all rooms, the closed ones included, have taken in and lost."""
        total = Traffic()
        for room in self._open:
            total.add(room)
        total.join(self._ended)
        return total

    async def open(self, call: Call) -> Room:
        """A room for a call that begins, whose journal is laid out with it.

        Raises `OSError` where the call is to be recorded and the disk takes nothing.
        """
        assert call.consent is not None
        journal: Journal = MemoryJournal()
        if call.consent.recording:
            journal = await asyncio.to_thread(self._lay_out, call)
        call.journal = journal
        beginning = Beginning()
        session = Session(
            call.id,
            call.config(),
            self._recognizer,
            journal,
            beginning.clock(),
            corrector=call.corrector,
            playbook=call.playbook,
            judge=self._judge(call),
        )
        room = self._room(call, session, beginning)
        self._on_open(call, session)
        return room

    def remembered(self, unfinished: Unfinished) -> Call:
        """A call that broke off with the node, as it was. Waits for the disk: use it in a thread.

        Raises `LookupError`, `OSError` or `ValueError` for a journal of which nothing can be made.
        """
        folder, told, head = unfinished.folder, unfinished.told, unfinished.head
        first = told.first
        assert first is not None
        call = Call(
            head.id,
            CallOwner.of_json(first["owner"]),
            unfinished.key,
            folder,
            CreateSession.model_validate(first["created"]),
            datetime.fromisoformat(first["createdAt"]),
            VolumeFeedback.model_validate(first["volumeFeedback"]),
            bytes.fromhex(first["resumeDigest"]),
            ConsentView.model_validate(first["consent"]),
            partner=None if told.partner is None else Partner.of_json(told.partner),
            start_time=told.start_time,
            feedback_counts=told.feedback_counts.copy(),
            delivered_seq=unfinished.delivered_seq,
        )
        call.words = terms_of(first.get("words", ()))
        call.corrector = self._words.with_own(call.words)
        # Only now: opening it changes it, and one that makes no sense stays as it is.
        call.journal = FileJournal(folder.journal, call.disk)
        return call

    def reopen(self, call: Call, unfinished: Unfinished) -> Room:
        """A remembered call in a room, interrupted: its browser may come back. It goes on with the
        playbook it began with."""
        told = unfinished.told
        assert told.start_time is not None
        assert call.journal is not None
        elapsed_s = (datetime.now(UTC) - told.start_time).total_seconds()
        beginning = Beginning(asyncio.get_running_loop().time() - elapsed_s)
        session = Session(
            call.id,
            call.config(),
            self._recognizer,
            call.journal,
            beginning.clock(),
            state="active",
            next_seq=unfinished.last_seq + (1 if unfinished.is_whole else CRASH_SEQ_STEP),
            first_utterance=told.last_utterance + 1,
            start_sample=sample_of(told.duration_ms) // FRAME_SAMPLES * FRAME_SAMPLES,
            corrector=call.corrector,
            playbook=call.playbook,
            judge=self._judge(call),
        )
        session.metrics, session.feedback_count = told.metrics, told.feedback_count
        call.room = room = self._room(call, session, beginning)
        self._on_open(call, session)
        session.enter("interrupted", "node_restarted")
        return room

    def _judge(self, call: Call) -> Judge | None:
        return None if call.playbook is None else self._playbooks.judge(call.playbook)

    def _lay_out(self, call: Call) -> Journal:
        """Raises `OSError` for a disk that takes nothing."""
        call.folder.make()
        path = call.folder.journal
        # An earlier attempt of which nothing came; the consent in it may not hold any more.
        path.unlink(missing_ok=True)
        journal = FileJournal(path, call.disk)
        try:
            journal.append("session", **call.first_record(call.corrector))
        except OSError:
            journal.close()
            raise
        return journal

    def _recorder(self, call: Call, track: str) -> Recorder | None:
        if not call.is_recorded:
            return None
        made = Recorder(self._writer, call.folder.recording(track), call.disk)
        call.recorders[track] = made
        return made

    def _room(self, call: Call, session: Session, beginning: Beginning) -> Room:
        def begun() -> None:
            call.start_time = moment(datetime.now(UTC))
            session.record("begin", at=call.start_time.isoformat())

        def closed(room: Room) -> None:
            self._open.discard(room)
            self._ended.add(room)
            self._on_closed(call)

        room = Room(
            session,
            beginning,
            call.digest,
            lambda track: self._recorder(call, track),
            self._ice,
            on_begun=begun,
            on_closed=closed,
            receive=self._receive,
        )
        if call.partner is not None:
            room.company.expect(call.partner.person, call.partner.digest)
        self._open.add(room)
        return room
