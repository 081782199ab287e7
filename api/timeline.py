"""A call's time line: waveforms, and pace, volume and pitch by the second, drawn once.

It is drawn soon after the call was put away, or when somebody first asks, from what is sealed of
the call, by a child process that holds back behind everything else; and is sealed itself. Where a
crash comes between, the next who asks has it drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import structlog
from pydantic import ValidationError

from api.completion import blob_of
from api.keep import Keep
from api.problems import Problem
from api.store.base import Duplicate, Missing
from api.store.blobs import BlobId, OpenBlob
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.documents import JournalBlob, TrainingSession
from api.views import NO_LANES, TimelineTrack, TimelineView
from engine.lanes import STEP_MS
from engine.session import TRACKS, TRAINEE
from engine.waveform import PEAKS_PER_S

log = structlog.get_logger(__name__)

PART = "timeline"
JOURNAL = "journal"
MAX_WAITING = 100
"""Calls whose time line is to be drawn. One more is drawn when somebody asks for it."""
WITHIN_S = 300.0
MAX_ANSWER_BYTES = 32 * 2**20
COMMAND = (sys.executable, "-m", "processing.timeline")
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class NotDrawn(RuntimeError):
    """The child gave no time line: it ended, took too long, or spoke nonsense."""


class Timelines:
    """Of the calls that are put away. Draws one at a time; who asks for the same shares it."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._one = asyncio.Lock()
        self._drawing: dict[str, asyncio.Task[JournalBlob]] = {}

    def soon(self, dealership_id: str, session_id: str) -> None:
        """Draw it when there is time; nobody waits."""
        if len(self._drawing) < MAX_WAITING:
            self._draw(dealership_id, session_id)
        else:
            log.info("timeline_later", session=session_id)

    async def stop(self) -> None:
        """Give up what is not drawn yet."""
        tasks = list(self._drawing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def of(self, session: TrainingSession) -> tuple[JournalBlob, OpenBlob]:
        """Which it is, and JSON of `TimelineView`. Raises `Problem`: 404 where nothing is kept of
        the call, 503 where it is not drawn now; and `StoreError`."""
        if session.data_key is None or not _sources(session):
            raise unrecorded()
        made = session.timeline
        if made is None:
            made = await self._drawn(session)
        try:
            key = self._key_of(session)
            blob = BlobId(session.dealership_id, session.id, made.blob_id)
            return made, await self._keep.blobs.get(key, blob)
        except (Damaged, WrongKey) as error:
            log.error("timeline_damaged", session=session.id, error=str(error))
            raise Problem(404, "The time line of this call is damaged.") from error

    async def _drawn(self, session: TrainingSession) -> JournalBlob:
        drawing = self._drawing.get(session.id)
        if drawing is None:
            if len(self._drawing) >= MAX_WAITING:
                raise _later()
            drawing = self._draw(session.dealership_id, session.id)
        try:
            return await asyncio.shield(drawing)
        except asyncio.CancelledError:
            if drawing.cancelled():
                raise _later() from None
            raise
        except NotDrawn as error:
            raise _later() from error

    def _draw(self, dealership_id: str, session_id: str) -> asyncio.Task[JournalBlob]:
        task = asyncio.create_task(self._make(dealership_id, session_id), name="timeline")
        self._drawing[session_id] = task

        def done(task: asyncio.Task[JournalBlob]) -> None:
            self._drawing.pop(session_id, None)
            if task.cancelled() or (error := task.exception()) is None:
                return
            if not isinstance(error, Problem):
                log.error("timeline_failed", session=session_id, error=repr(error))

        task.add_done_callback(done)
        return task

    async def _make(self, dealership_id: str, session_id: str) -> JournalBlob:
        async with self._one:
            session = await self._keep.store.sessions.get(dealership_id, session_id)
            if session is None or session.data_key is None or not _sources(session):
                raise unrecorded()
            if session.timeline is not None:
                return session.timeline
            key = self._key_of(session)
            blob = blob_of(dealership_id, session_id, PART)
            try:
                size = await self._keep.blobs.put(key, blob, self._content(session, key))
            except Duplicate:
                # A crash, or another node, came between the blob and the document.
                size = (await self._keep.blobs.get(key, blob)).size
            made = JournalBlob(blob_id=blob.blob_id, size_bytes=size)
            changed = await self._keep.store.sessions.change(
                dealership_id,
                session_id,
                lambda now: {} if now.data_key is None else {"timeline": made},
            )
            if changed is None or changed.data_key is None:
                # It was erased meanwhile.
                await self._keep.blobs.delete(blob)
                raise unrecorded()
            log.info("timeline_drawn", session=session_id, bytes=size)
            return made

    async def _content(self, session: TrainingSession, key: DataKey) -> AsyncIterator[bytes]:
        """JSON of `TimelineView`."""
        parts = await self._opened(session, key)
        answer = await drawn([(name, blob.size, blob) for name, blob in parts])
        yield _view(session, answer).model_dump_json(by_alias=True).encode()

    async def _opened(self, session: TrainingSession, key: DataKey) -> list[tuple[str, OpenBlob]]:
        """What there is of the call, less what is damaged: that is logged."""
        found = []
        for name, blob_id in _sources(session).items():
            blob = BlobId(session.dealership_id, session.id, blob_id)
            try:
                found.append((name, await self._keep.blobs.get(key, blob)))
            except (Damaged, Missing, WrongKey) as error:
                log.error("timeline_without", session=session.id, part=name, error=str(error))
        return found

    def _key_of(self, session: TrainingSession) -> DataKey:
        key = self._keep.vault.key_of(session)
        if key is None:
            raise unrecorded()
        return key


async def drawn(parts: list[tuple[str, int, OpenBlob]]) -> dict[str, dict[str, Any]]:
    """What `processing.timeline` answers to these (name, size, blob). Raises `NotDrawn`, and what
    reading a blob raises."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | QUIET,
        limit=2**20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def feed() -> None:
        stdin.write(json.dumps([[name, size] for name, size, _ in parts]).encode() + b"\n")
        # A child that has ended is told by its answer.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _, _, blob in parts:
                async for chunk in blob.read():
                    stdin.write(chunk)
                    await stdin.drain()
        stdin.close()

    async def answered() -> bytes:
        answer = bytearray()
        while chunk := await stdout.read(2**16):
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                raise NotDrawn("the answer has no end")
        return bytes(answer)

    try:
        async with asyncio.timeout(WITHIN_S):
            feeding = asyncio.create_task(feed())
            try:
                answer = await answered()
                await feeding
            finally:
                feeding.cancel()
            await process.wait()
        if process.returncode != 0:
            raise NotDrawn(f"the child ended with {process.returncode}")
        found: dict[str, dict[str, Any]] = json.loads(answer)
        return found
    except (TimeoutError, ValueError) as error:
        raise NotDrawn(repr(error)) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def unrecorded() -> Problem:
    return Problem(404, "Nothing is kept of what was said in this call.", code="unrecorded")


def _later() -> Problem:
    detail = "The time line of this call could not be drawn now. Ask again in a minute."
    return Problem(503, detail, code="not_drawn", headers={"Retry-After": "60"})


def _sources(session: TrainingSession) -> dict[str, str]:
    """The blobs that a time line is drawn from: of the journal, and of each track."""
    recordings = dict(session.recordings)
    if session.recording is not None:
        recordings[TRAINEE] = session.recording
    found = {track: recordings[track].blob_id for track in TRACKS if track in recordings}
    if session.journal is not None:
        found[JOURNAL] = session.journal.blob_id
    return found


def _view(session: TrainingSession, tracks: dict[str, dict[str, Any]]) -> TimelineView:
    """Raises `NotDrawn` for what is no answer."""
    recorded = _sources(session)
    try:
        return TimelineView(
            duration_ms=session.duration_ms,
            tracks=[
                TimelineTrack(
                    track=track,
                    peaks_per_s=PEAKS_PER_S,
                    peaks=tracks[track]["peaks"] or "",
                    lane_step_ms=STEP_MS,
                    lanes=tracks[track]["lanes"] or NO_LANES,
                    has_recording=track in recorded,
                )
                for track in TRACKS
                if track in tracks
            ],
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise NotDrawn(repr(error)) from error
