"""The time line of a call over HTTP: drawn once, sealed, gone with the call; events by type."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api.completion import blob_of
from api.settings import Settings
from api.store.blobs import open_blobs
from benchmarks.recorded_call import ROUND_S, TWO
from engine.waveform import PEAKS_PER_S
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from tests.api.conftest import Refused
from tests.api.recorded import call_of
from tests.api.seeds import Person, Seeds
from tests.node import Node

DRAWN_WITHIN_S = 30.0
HALF = ROUND_S * PEAKS_PER_S // 2


@pytest.fixture
async def owner(node: Node) -> AsyncIterator[Person]:
    async with Seeds(node.data) as seeds:
        yield await seeds.person(await seeds.dealership("Timelines"), "admin")


@pytest.fixture
async def asked(node: Node, owner: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{node.url}/api/v1", headers=owner.headers, timeout=60
    ) as client:
        yield client


async def recorded(node: Node, owner: Person, speech: Path) -> str:
    return await call_of(
        node.data, speech, dealership_id=owner.dealership_id, user_id=owner.id, tracks=TWO
    )


def peaks_of(track: dict[str, Any]) -> list[int]:
    return list(base64.b64decode(track["peaks"]))


async def test_a_call_of_before_is_drawn_once_for_all_who_ask_and_goes_with_it(
    node: Node, owner: Person, asked: httpx.AsyncClient, two_cities: Path, refused: Refused
) -> None:
    session_id = await recorded(node, owner, two_cities)
    path = f"/sessions/{session_id}/timeline"
    answers = await asyncio.gather(*(asked.get(path) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].headers["cache-control"] == "private, no-cache"
    made = answers[0].json()
    assert made["durationMs"] == ROUND_S * 1000
    trainee, partner = made["tracks"]
    assert [trainee["track"], partner["track"]] == ["trainee", "partner"]
    assert trainee["peaksPerS"] == PEAKS_PER_S
    assert trainee["laneStepMs"] == 1000
    # Each speaks in a half of its own, and holes are silent.
    assert max(peaks_of(trainee)[HALF + 10 :]) <= 2
    assert max(peaks_of(partner)[: HALF - 10]) <= 2
    # As loud as what was recorded, but for what Opus makes of it.
    pcm = np.abs(load_audio(two_cities)[: HALF * 2400].astype(np.float64)).reshape(HALF, -1)
    source = pcm.max(1) / 32768 * 255
    assert np.corrcoef(source, peaks_of(trainee)[:HALF])[0, 1] > 0.95
    lanes = trainee["lanes"]
    assert len(lanes["levelDbfs"]) == ROUND_S // 2
    spoken = [level for level in lanes["levelDbfs"] if level is not None]
    assert len(spoken) > 10
    assert all(-45 < level < -5 for level in spoken)
    assert all(2 < pace < 9 for pace in lanes["syllablesPerS"] if pace is not None)
    assert lanes["pitchHz"].count(None) < len(lanes["pitchHz"])
    assert partner["lanes"]["levelDbfs"][: ROUND_S // 2] == [None] * (ROUND_S // 2)

    known = await asked.get(path, headers={"If-None-Match": answers[0].headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert node.log.count(session_id) > 0
    blobs = open_blobs(Settings(data=node.data).blobs_url)
    assert await blobs.exists(blob_of(owner.dealership_id, session_id, "timeline"))

    assert (await asked.delete(f"/sessions/{session_id}/consent")).status_code == 204
    assert refused(await asked.get(path), 404)["code"] == "unrecorded"
    left = [blob async for blob, _ in blobs.list(owner.dealership_id, session_id)]
    assert left == []


@pytest.mark.slow
async def test_a_call_is_drawn_when_it_is_put_away_and_nobody_asks(
    node: Node, two_cities: Path
) -> None:
    stack.use_loopback(True)
    publisher = Publisher(node.sign_in(), load_audio(two_cities)[: 3 * RATE])
    await publisher.run()
    async with Seeds(node.data) as seeds:
        until_s = time.monotonic() + DRAWN_WITHIN_S
        while time.monotonic() < until_s:
            session = await seeds.store.sessions.of_id(publisher.session_id)
            assert session is not None
            if session.timeline is not None:
                break
            await asyncio.sleep(0.1)
    assert session.timeline is not None
    blobs = open_blobs(Settings(data=node.data).blobs_url)
    assert await blobs.exists(blob_of(session.dealership_id, session.id, "timeline"))


async def test_a_damaged_recording_costs_its_own_waveform_alone(
    node: Node, owner: Person, asked: httpx.AsyncClient, two_cities: Path
) -> None:
    session_id = await recorded(node, owner, two_cities)
    blob = blob_of(owner.dealership_id, session_id, "recording")
    (file,) = [each for each in node.data.rglob(blob.blob_id) if each.is_file()]
    sealed = bytearray(file.read_bytes())
    sealed[3] ^= 0xFF
    file.write_bytes(sealed)
    trainee, partner = (await asked.get(f"/sessions/{session_id}/timeline")).json()["tracks"]
    assert trainee["peaks"] == ""
    assert len(trainee["lanes"]["levelDbfs"]) > 10
    assert max(peaks_of(partner)) > 20


async def test_nothing_is_drawn_of_calls_that_go_on_or_were_not_kept(
    node: Node,
    owner: Person,
    asked: httpx.AsyncClient,
    http: httpx.Client,
    session: dict[str, Any],
    refused: Refused,
) -> None:
    live = await asyncio.to_thread(http.get, f"/sessions/{session['id']}/timeline")
    assert refused(live, 409)["code"] == "live"
    async with Seeds(node.data) as seeds:
        unkept = await seeds.session(owner)
    answer = await asked.get(f"/sessions/{unkept}/timeline")
    assert refused(answer, 404)["code"] == "unrecorded"


async def test_events_are_asked_for_by_type(
    node: Node, owner: Person, asked: httpx.AsyncClient, two_cities: Path, refused: Refused
) -> None:
    session_id = await recorded(node, owner, two_cities)
    path = f"/sessions/{session_id}/events"
    every = (await asked.get(path)).json()["items"]
    wanted = {"feedback", "bookmark"}
    some = (await asked.get(path, params={"types": "feedback,bookmark"})).json()["items"]
    assert some == [event for event in every if event["type"] in wanted]
    assert {event["type"] for event in some} == wanted
    last = some[-1]["seq"]
    after = await asked.get(path, params={"types": "feedback", "after": last})
    assert after.json()["items"] == []
    stream = await asked.get(
        path, params={"types": "bookmark"}, headers={"Accept": "text/event-stream"}
    )
    assert stream.text.count("event: ") == stream.text.count("event: bookmark") == 1
    refused(await asked.get(path, params={"types": "feedback,gossip"}), 422)
