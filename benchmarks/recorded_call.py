"""A call that is over, put into a store as a node would have: its sound is real speech, played over
and over, its numbers are measured on that, its words are the text that was read.

For measurements and tests of what is done with calls afterwards.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from api.accounts.vault import Vault
from api.completion import blob_of
from api.payloads import sealed_event
from api.services import utc_now
from api.store.blobs import Blobs
from api.store.crypto import DataKey
from api.store.documents import (
    Consent,
    JournalBlob,
    PlaybookRef,
    Recording,
    SessionMetrics,
    TrainingSession,
)
from api.store.store import Store
from engine import playbook
from engine.features import TrackAnalyzers
from engine.frames import FRAME_SAMPLES
from engine.journal import FileJournal
from engine.session import PARTNER, TRAINEE
from signaling.recorder import RATE, OggFile

PACKET = RATE // 50
ROUND_S = 40
"""What is played over and over; where there are two, each speaks for half of it."""
FINAL_MS = 4_000
TEXT = (
    "It was the best of times it was the worst of times it was the age of wisdom it was the age of "
    "foolishness it was the epoch of belief it was the epoch of incredulity it was the season of "
    "light it was the season of darkness it was the spring of hope it was the winter of despair"
)
LOUD = 0.01
"""Of full scale: a frame above it is taken for speech."""
TIPS = (
    ("too_fast", "correction", "medium", "Slow down a little", "5.4 syllables a second."),
    ("steady_delivery", "praise", "low", "Good steady delivery", "Pace and level held."),
    ("long_pause", "suggestion", "low", "Long pause", "Nothing was said for 4 s."),
)


async def put(
    store: Store,
    blobs: Blobs,
    vault: Vault,
    pcm: NDArray[np.int16],
    *,
    dealership_id: str,
    user_id: str,
    team_id: str | None = None,
    seconds: int,
    tracks: Sequence[str] = (TRAINEE,),
) -> str:
    """Returns the session's id. `pcm`: int16 at 48 kHz, at least `ROUND_S` of speech."""
    start, held = utc_now() - timedelta(seconds=seconds), playbook.shipped()
    session = TrainingSession.new(
        dealership_id,
        start,
        user_id=user_id,
        team_id=team_id,
        session_type="pitch",
        status="completed",
        start_time=start,
        end_time=utc_now(),
        duration_ms=seconds * 1000,
        recording_consent=True,
        metrics=SessionMetrics(confidence=71, clarity=83, pace=64, volume=77),
        feedback_count=len(TIPS),
        playbook=PlaybookRef(id=held.id, version=held.version, digest=held.digest),
        node="elsewhere",
    )
    key, wrapped = vault.new_key(session)
    files: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await asyncio.to_thread(_files, folder, pcm, seconds, tracks)
        recordings = {
            track: await _recording(blobs, key, session, folder, track) for track in tracks
        }
        files["recording"] = recordings.pop(TRAINEE)
        files["recordings"] = recordings
        blob = blob_of(dealership_id, session.id, "journal")
        size = await blobs.put(key, blob, _chunks(folder / "journal.jsonl"))
        files["journal"] = JournalBlob(blob_id=blob.blob_id, size_bytes=size)
    session = session.model_copy(update={"data_key": wrapped} | files)
    await store.sessions.add(dealership_id, session)
    await store.consents.add(
        dealership_id,
        Consent.new(
            dealership_id,
            start,
            session_id=session.id,
            user_id=user_id,
            coaching=True,
            recording=True,
            text_version="2026-11",
            given_at=start,
        ),
    )
    events = [
        sealed_event(key, dealership_id, session.id, event, start)
        for event in _events(seconds, tracks)
    ]
    await store.events.append(dealership_id, session.id, events)
    return session.id


async def _recording(
    blobs: Blobs, key: DataKey, session: TrainingSession, folder: Path, track: str
) -> Recording:
    part = "recording" if track == TRAINEE else f"recording {track}"
    blob = blob_of(session.dealership_id, session.id, part)
    size = await blobs.put(key, blob, _chunks(folder / f"{track}.ogg"))
    return Recording(blob_id=blob.blob_id, size_bytes=size, duration_ms=session.duration_ms)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, 2**20):
            yield chunk


def _files(folder: Path, pcm: NDArray[np.int16], seconds: int, tracks: Sequence[str]) -> None:
    pcm = pcm[: ROUND_S * RATE]
    packets = list(_packets(pcm))
    for track in tracks:
        file = OggFile(folder / f"{track}.ogg")
        for begin_s in range(0, seconds, ROUND_S):
            for index in _turn(track, tracks, len(packets)):
                at = begin_s * RATE + index * PACKET
                if at < seconds * RATE:
                    file.write(at, packets[index])
        file.fill(seconds * RATE)
        file.close()
    journal = FileJournal(folder / "journal.jsonl")
    measured = _measured(pcm)
    for begin_s in range(0, seconds, ROUND_S):
        for track in tracks:
            spoken = _turn(track, tracks, len(measured))
            for index in spoken:
                t_ms = begin_s * 1000 + measured[index]["t_ms"]
                if t_ms <= seconds * 1000:
                    journal.append("features", track=track, f=measured[index] | {"t_ms": t_ms})
    journal.close()


def _turn(track: str, tracks: Sequence[str], count: int) -> range:
    """Which of `count` pieces of a round `track` speaks."""
    if len(tracks) == 1:
        return range(count)
    half = count // 2
    return range(half) if track == tracks[0] else range(half, count)


def _packets(pcm: NDArray[np.int16]) -> Iterator[bytes]:
    """20 ms Opus packets of 24 kbit/s, as a browser sends them."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    encoder.bit_rate = 24_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    for start in range(0, len(pcm) - PACKET + 1, PACKET):
        frame = av.AudioFrame.from_ndarray(pcm[None, start : start + PACKET], "s16", "mono")
        frame.sample_rate, frame.pts = RATE, start
        yield from (bytes(packet) for packet in encoder.encode(frame))


def _measured(pcm: NDArray[np.int16]) -> list[dict[str, Any]]:
    """What the analyzers make of it, ten times a second."""
    analyzers, found = TrackAnalyzers(None), []
    narrow = pcm[: len(pcm) // 3 * 3].reshape(-1, 3).mean(1).astype(np.int16)
    for number, start in enumerate(range(0, len(narrow) - FRAME_SAMPLES + 1, FRAME_SAMPLES)):
        frame = np.ascontiguousarray(narrow[start : start + FRAME_SAMPLES])
        level = np.sqrt(np.mean(frame.astype(np.float64) ** 2)) / 32768
        analyzers.push(frame, number * 20, True, bool(level > LOUD))
        if (number + 1) % 5 == 0:
            found.append(asdict(analyzers.features()))
    return found


def _events(seconds: int, tracks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Finals every 4 s, a tip every 40 s, stages of a playbook and a bookmark."""
    read = TEXT.split()
    told: list[tuple[int, str | None, str, dict[str, Any]]] = [
        (0, None, "session.state", {"state": "active", "reason": None})
    ]
    for number, start_ms in enumerate(range(0, seconds * 1000 - FINAL_MS + 1, FINAL_MS)):
        in_round = start_ms % (ROUND_S * 1000)
        track = tracks[-1] if len(tracks) > 1 and in_round >= ROUND_S * 500 else tracks[0]
        step = (FINAL_MS - 300) // 10
        words = [
            [
                read[(number * 10 + at) % len(read)],
                start_ms + at * step,
                start_ms + (at + 1) * step,
                0.9,
            ]
            for at in range(10)
        ]
        final = {
            "utterance": number + 1,
            "startMs": start_ms,
            "endMs": words[-1][2],
            "words": words,
        }
        told.append((start_ms + FINAL_MS, track, "transcript.final", final))
    for number, at_ms in enumerate(range(12_000, seconds * 1000, 40_000)):
        code, kind, severity, message, evidence = TIPS[number % len(TIPS)]
        tip: dict[str, Any] = {"kind": kind, "severity": severity, "code": code, "parameters": {}}
        tip |= {"message": message, "evidence": evidence, "spanMs": [at_ms - 3000, at_ms]}
        told.append((at_ms, TRAINEE, "feedback", tip))
    for number, stage in enumerate(each.code for each in playbook.shipped().stages.pitch):
        at_ms = 6_000 + number * max(1, seconds // 6) * 1000
        if at_ms < seconds * 1000:
            heard: dict[str, Any] = {
                "stage": stage,
                "mustSay": None,
                "neverSay": None,
                "objections": [],
            }
            heard |= {"card": None, "spanMs": [at_ms, at_ms + 2000]}
            told.append((at_ms + 2000, TRAINEE, "playbook", heard))
    told.append((9_000, TRAINEE, "bookmark", {"atMs": 9_000, "label": "", "author": None}))
    told.append((seconds * 1000, None, "session.state", {"state": "completed", "reason": "ended"}))
    told.sort(key=lambda each: each[0])
    for seq, (t, track_name, type_name, data) in enumerate(told, start=1):
        yield {"v": 1, "seq": seq, "t": t, "track": track_name, "type": type_name, "data": data}


TWO: tuple[str, ...] = (TRAINEE, PARTNER)
