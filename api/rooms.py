"""The node's rooms: how a call gets one, new or after a crash, and what came into them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from api.call import Call
from api.past import Past, Unfinished
from api.playbooks import Playbooks
from api.settings import Settings
from api.traffic import Traffic
from api.views import ConsentView, CreateSession
from engine.asr.correction import Corrector
from engine.asr.window import Recognizer
from engine.frames import FRAME_SAMPLES, sample_of
from engine.journal import FileJournal, Journal, MemoryJournal
from engine.objections import Judge
from engine.playbook import Playbook
from engine.session import CRASH_SEQ_STEP, Session
from signaling.ice import IceSettings
from signaling.recorder import Recorder, Writer
from signaling.room import Beginning, Room
from signaling.rtp import ReceiveSettings


class Rooms:
    """Iterates over the rooms that have not closed yet. Lives on the media loop.

    `on_closed` is called with each one that has, and its call.
    """

    def __init__(
        self,
        settings: Settings,
        ice: IceSettings,
        recognizer: Recognizer,
        playbooks: Playbooks,
        corrector: Corrector | None,
        writer: Writer,
        past: Past,
        on_closed: Callable[[Call, Room], None],
    ) -> None:
        self._ice = ice
        self._receive = ReceiveSettings(settings.hold_ms / 1000, stock=settings.receive == "stock")
        self._recognizer = recognizer
        self._playbooks = playbooks
        self._corrector = corrector
        self._writer = writer
        self._past = past
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
        recorder: Recorder | None = None
        journal: Journal = MemoryJournal()
        if call.consent.recording:
            journal, recorder = await asyncio.to_thread(self._lay_out, call)
        call.journal = journal
        beginning = Beginning()
        session = Session(
            call.id,
            call.config(),
            self._recognizer,
            journal,
            beginning.clock(),
            corrector=self._corrector,
            playbook=call.playbook,
            judge=self._judge(call),
        )
        return self._room(call, session, beginning, recorder)

    def reopen(self, unfinished: Unfinished, playbook: Playbook | None) -> Call:
        """A call that broke off with the node, in a room, interrupted: its browser may come back.
        It goes on with the `playbook` it began with.

        Raises `LookupError`, `OSError` or `ValueError` for a journal of which nothing can be made.
        """
        first, view = unfinished.first, unfinished.view
        call = Call(
            view.id,
            CreateSession.model_validate(first["created"]),
            view.created_at,
            view.volume_feedback,
            bytes.fromhex(first["resumeDigest"]),
            ConsentView.model_validate(first["consent"]),
            start_time=view.start_time,
            playbook=playbook,
        )
        # Only now: opening it changes it, and one that makes no sense stays as it is.
        call.journal = journal = FileJournal(unfinished.path)
        assert view.start_time is not None
        elapsed_s = (datetime.now(UTC) - view.start_time).total_seconds()
        beginning = Beginning(asyncio.get_running_loop().time() - elapsed_s)
        session = Session(
            call.id,
            call.config(),
            self._recognizer,
            journal,
            beginning.clock(),
            state="active",
            next_seq=unfinished.last_seq + (1 if unfinished.is_whole else CRASH_SEQ_STEP),
            first_utterance=unfinished.last_utterance + 1,
            start_sample=sample_of(view.duration_ms) // FRAME_SAMPLES * FRAME_SAMPLES,
            corrector=self._corrector,
            playbook=call.playbook,
            judge=self._judge(call),
        )
        session.metrics, session.feedback_count = view.metrics, view.feedback_count
        recorder = Recorder(self._writer, self._past.recording(call.id))
        call.room = self._room(call, session, beginning, recorder)
        session.enter("interrupted", "node_restarted")
        return call

    def _judge(self, call: Call) -> Judge | None:
        return None if call.playbook is None else self._playbooks.judge(call.playbook)

    def _lay_out(self, call: Call) -> tuple[Journal, Recorder]:
        """Raises `OSError` for a disk that takes nothing."""
        path = self._past.journal(call.id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # An earlier attempt of which nothing came; the consent in it may not hold any more.
        path.unlink(missing_ok=True)
        journal = FileJournal(path)
        try:
            journal.append("session", **call.first_record(self._corrector))
        except OSError:
            journal.close()
            raise
        return journal, Recorder(self._writer, self._past.recording(call.id))

    def _room(
        self, call: Call, session: Session, beginning: Beginning, recorder: Recorder | None
    ) -> Room:
        def begun() -> None:
            call.start_time = datetime.now(UTC)
            session.record("begin", at=call.start_time.isoformat())

        def closed(room: Room) -> None:
            self._open.discard(room)
            self._ended.add(room)
            self._on_closed(call, room)

        room = Room(
            session,
            beginning,
            call.digest,
            recorder,
            self._ice,
            on_begun=begun,
            on_closed=closed,
            receive=self._receive,
        )
        self._open.add(room)
        return room
