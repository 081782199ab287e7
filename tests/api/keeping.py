"""Calls on a store, blobs and keys of their own, without a node around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.accounts.vault import Vault
from api.call import CallOwner
from api.calls import Calls
from api.folders import Folder
from api.ids import new_id
from api.keep import Keep
from api.playbooks import Playbooks
from api.sealed import SealedDisk
from api.settings import Settings
from api.store import open_database
from api.store.blobs import open_blobs
from api.store.crypto import DataKey, MasterKeys
from api.store.documents import Consent, TrainingSession
from api.store.store import Store
from api.views import ConsentView, CreateSession
from benchmarks.server import NoWords
from engine.asr.window import Recognizer
from engine.events import Event, Feedback, Metrics, Quantities, Scores, StateChanged, Wire
from engine.journal import FileJournal
from signaling import stack
from signaling.recorder import Writer

NODE = "here"
DEALER = "5f0000000000000000000001"
USER = "5f0000000000000000000002"
TEAM = "5f0000000000000000000003"
FAMILY = "5f0000000000000000000004"
OWNER = CallOwner(DEALER, USER, TEAM, FAMILY, datetime(2026, 11, 23, 8, tzinfo=UTC))
OTHER = replace(OWNER, dealership_id="5f00000000000000000000ff")
MASTERS = MasterKeys({"k1": bytes(range(32))}, "k1")

PITCH = CreateSession(session_type="pitch")
CONSENT = ConsentView(coaching=True, recording=True, text_version="1")
REFUSED = ConsentView(coaching=True, recording=False, text_version="1")
SCORES = Scores(confidence=70, clarity=80, pace=90, volume=None)
QUANTITIES = Quantities(
    speech_s=3.0,
    words=9,
    rate_wpm=150,
    syllables_per_s=4,
    active_level_dbfs=-30,
    level_vs_baseline_db=None,
    level_variation_db=2,
    snr_db=30,
    clipped_pct=0,
    asr_certainty=0.9,
    fillers=0,
    hedges=0,
    fillers_per_100_words=0,
    hedges_per_100_words=0,
    pauses=0,
    longest_pause_ms=0,
)
METRICS = Metrics(scores=SCORES, quantities=QUANTITIES)
CUE = Feedback(
    kind="praise",
    severity="low",
    code="steady",
    parameters={},
    message="Good pace",
    evidence="150 words a minute",
    span_ms=(0, 3_000),
)


@asynccontextmanager
async def keeping(data: Path, url: str | None = None) -> AsyncIterator[Keep]:
    """An open store (SQLite, unless `url` says another), blobs and keys in `data`; the keys are
    always the same."""
    store = Store(open_database(url or f"sqlite:///{data / 'store.db'}"))
    blobs = open_blobs(f"file://{data / 'blobs'}")
    await store.open()
    await blobs.open()
    try:
        yield Keep(store, blobs, Vault(MASTERS), NODE)
    finally:
        await store.close()


@asynccontextmanager
async def calling(
    data: Path, keep: Keep, recognizer: Recognizer | None = None, **settings: Any
) -> AsyncIterator[Calls]:
    stack.use_loopback(True)
    writer = Writer()
    writer.start()
    books = Playbooks(data / "playbooks", None)
    recognizer = recognizer or NoWords()
    calls = Calls(Settings(data=data, **settings), keep, recognizer, books, writer)
    await calls.start()
    try:
        yield calls
    finally:
        await calls.stop()
        writer.stop()
        stack.use_loopback(False)


@asynccontextmanager
async def running(data: Path, **settings: Any) -> AsyncIterator[Calls]:
    async with keeping(data) as keep, calling(data, keep, **settings) as calls:
        yield calls


async def consented(calls: Calls, consent: ConsentView = CONSENT, owner: CallOwner = OWNER) -> str:
    session_id = (await calls.create(PITCH, owner))[0].id
    await calls.consent(owner.dealership_id, session_id, consent)
    return session_id


async def begun(calls: Calls, consent: ConsentView = CONSENT, owner: CallOwner = OWNER) -> str:
    """A session whose first packet has come."""
    session_id = await consented(calls, consent, owner)
    call = calls._calls[session_id]
    async with call.publishing:
        call.room = await calls._open(call)
    call.room._on_begun()
    call.room.session.enter("active")
    return session_id


async def stored_call(
    keep: Keep, consent: ConsentView = CONSENT, **fields: Any
) -> tuple[TrainingSession, DataKey]:
    """A session in the store and its key; nothing is on this node's disk."""
    now = datetime.now(UTC)
    own = {"user_id": USER, "team_id": TEAM, "session_type": "pitch", "node": NODE}
    session = TrainingSession.new(
        DEALER, now, **own | {"recording_consent": consent.recording} | fields
    )
    key, wrapped = keep.vault.new_key(session)
    session = session.model_copy(update={"data_key": wrapped})
    await keep.store.sessions.add(DEALER, session)
    given = Consent.new(
        DEALER,
        now,
        session_id=session.id,
        user_id=USER,
        given_at=now,
        **consent.model_dump(),
    )
    await keep.store.consents.add(DEALER, given)
    return session, key


async def broken_off(
    data: Path, keep: Keep, *more: Wire, ago_s: float = 5.0, **fields: Any
) -> FileJournal:
    """The session in the store, and the journal that a node leaves which is killed 4 s into a call,
    `ago_s` ago."""
    begun_at = datetime.now(UTC) - timedelta(seconds=ago_s + 4)
    given = {"id": new_id(), "status": "active", "start_time": begun_at}
    session, key = await stored_call(keep, **given | fields)
    folder = Folder(data / "sessions", DEALER, session.id)
    folder.root.mkdir(exist_ok=True)
    folder.make()
    journal = FileJournal(folder.journal, SealedDisk(key, DEALER, session.id))
    journal.append(
        "session",
        id=session.id,
        owner=OWNER.to_json(),
        created=PITCH.model_dump(mode="json"),
        createdAt=begun_at.isoformat(),
        volumeFeedback=PITCH.volume_feedback().model_dump(),
        resumeDigest="00" * 32,
        consent=CONSENT.model_dump(),
        versions={},
    )
    journal.append("begin", at=begun_at.isoformat())
    for seq, what in enumerate([StateChanged(state="active"), METRICS, CUE, *more], 1):
        event = Event.of(seq, 4_000, "trainee", what)
        journal.append("event", e=event.model_dump())
    return journal


def session_of(journal: FileJournal) -> str:
    return journal.path.parent.name
