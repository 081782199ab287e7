"""A recording through a whole node: uploaded, analysed by its worker process, a session like any
other afterwards; and what becomes of attempts that were cut off."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from api.ids import new_id
from api.jobs.calls import CallSettings, CallShelf
from api.jobs.shelf import UploadShelf
from api.keep import Keep
from api.payloads import opened_field
from api.playbooks import Playbooks
from api.store.documents import User
from api.store.jobs import Job
from api.uploads import Uploading
from engine.frames import SAMPLE_RATE, Pcm
from engine.journal import decoded
from engine.replay import replay
from processing.recordings import work_analysis
from processing.work import Refused
from tests.analyzers.recordings import read
from tests.api import keeping
from tests.api.conftest import Refused as Checked
from tests.api.jobs.test_photos import over, uploaded
from tests.api.jobs.yard import PNG
from tests.api.people import joined
from tests.node import Node, running
from tests.processing.sounds import by_turns, write

pytestmark = pytest.mark.slow
TURN_S = 8.0
HELD = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
CONSENT = {"attested": True, "textVersion": "recording-2026-11-23"}


@pytest.fixture(scope="module")
def readers(two_cities: Path, librivox: list[tuple[Path, Path]]) -> tuple[Pcm, Pcm]:
    return read(two_cities), np.concatenate([read(wav) for wav, _ in librivox])


@pytest.fixture(scope="module")
def stereo(readers: tuple[Pcm, Pcm], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people on a channel each."""
    folder = tmp_path_factory.mktemp("stereo")
    return write(folder / "call.m4a", by_turns(*readers, TURN_S, 3), SAMPLE_RATE, "m4a")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("calls") / "node") as node:
        yield node


@pytest.fixture(scope="module")
def http(node: Node) -> Iterator[httpx.Client]:
    with node.client() as http:
        yield http


def asked(http: httpx.Client, upload_id: str, **more: Any) -> httpx.Response:
    known = {"uploadId": upload_id, "sessionType": "closing", "consent": CONSENT}
    return http.post("/calls", json=known | more)


def test_an_uploaded_call_is_a_session_like_any_other(
    node: Node, http: httpx.Client, stereo: Path
) -> None:
    seller = joined(node, "salesperson")
    upload_id = uploaded(http, stereo.read_bytes())
    asked_for = asked(http, upload_id, userId=seller.user["id"], startedAt=HELD.isoformat())
    assert asked_for.status_code == 201, asked_for.text
    assert asked_for.json()["sessionId"] is None
    job = over(http, asked_for.json())
    assert (job["status"], job["outputFiles"]) == ("completed", []), job
    assert http.get(f"/uploads/{upload_id}").status_code == 404
    path = f"/sessions/{job['sessionId']}"
    with node.client(seller) as theirs:
        session = theirs.get(path).raise_for_status().json()
        assert session["userId"] == seller.user["id"]
        assert session["isUploaded"]
        assert (session["status"], session["sessionType"]) == ("completed", "closing")
        assert datetime.fromisoformat(session["startTime"]) == HELD
        assert session["durationMs"] == pytest.approx(3 * TURN_S * 1000, abs=200)
        assert not session["volumeFeedback"]["enabled"]
        assert session["playbook"]["digest"]
        assert session["scores"]["clarity"] is not None
        assert session["tracks"] == ["trainee", "partner"]
        assert theirs.get("/sessions").json()["items"][0]["id"] == session["id"]
        events = theirs.get(f"{path}/events").json()["items"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        words = {
            track: " ".join(
                word[0]
                for event in events
                if event["type"] == "transcript.final" and event["track"] == track
                for word in event["data"]["words"]
            ).lower()
            for track in session["tracks"]
        }
        assert "best of times" in words["trainee"]
        assert "best of times" not in words["partner"]
        for track in session["tracks"]:
            sound = theirs.get(f"{path}/recording", params={"track": track}).content
            with av.open(io.BytesIO(sound)) as container:
                samples = sum(frame.samples for frame in container.decode(audio=0))
            assert samples / 48_000 == pytest.approx(3 * TURN_S, abs=0.2)
        timeline = theirs.get(f"{path}/timeline").raise_for_status().json()
        assert [track["track"] for track in timeline["tracks"]] == session["tracks"]
        assert all(max(base64.b64decode(track["peaks"])) > 10 for track in timeline["tracks"])
        consent = theirs.get(f"{path}/consent").json()
        assert consent["textVersion"] == CONSENT["textVersion"]
    entry = http.get("/audit", params={"action": "session.upload"}).json()["items"][0]
    assert entry["targetId"] == upload_id


def test_what_is_no_call_is_refused_and_says_why(
    node: Node, http: httpx.Client, stereo: Path, refused: Checked
) -> None:
    recording = uploaded(http, stereo.read_bytes())
    no_consent = refused(asked(http, recording, consent=CONSENT | {"attested": False}), 422)
    assert "everybody in it agreed" in no_consent["errors"][0]["message"]
    refused(http.post("/calls", json={"uploadId": recording, "sessionType": "pitch"}), 422)
    photo = refused(asked(http, uploaded(http, PNG + b"car")), 422)
    assert photo["errors"][0]["message"] == "This is a photo; a recording is needed."
    nobody = refused(asked(http, recording, userId=new_id()), 422)
    assert nobody["errors"][0]["field"] == "userId"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = refused(asked(http, recording, startedAt=tomorrow), 422)
    assert later["errors"][0]["field"] == "startedAt"
    with node.client(joined(node, "salesperson")) as theirs:
        refused(asked(theirs, recording), 422)
        own = uploaded(theirs, stereo.read_bytes())
        admin = node.account.user["id"]
        other = refused(asked(theirs, own, userId=admin), 422)
        assert other["errors"][0]["field"] == "userId"


def test_a_silent_recording_and_an_unknown_language_fail_with_what_to_do(
    http: httpx.Client, stereo: Path, tmp_path: Path
) -> None:
    silence = write(tmp_path / "call.wav", np.zeros((1, 3 * SAMPLE_RATE), np.int16))
    job = over(http, asked(http, uploaded(http, silence.read_bytes())).json())
    assert (job["status"], job["error"]["code"]) == ("failed", "silent")
    upload_id = uploaded(http, stereo.read_bytes())
    job = over(http, asked(http, upload_id, language="zz").json())
    assert (job["status"], job["error"]["code"]) == ("failed", "language")
    assert job["sessionId"] is None
    # What failed is not taken away from whoever sent it.
    assert http.get(f"/uploads/{upload_id}").status_code == 200


# attempts that are cut off


@asynccontextmanager
async def shelved(folder: Path) -> AsyncIterator[tuple[Keep, CallShelf, Job]]:
    """A shelf on a store of its own, and a job whose first attempt has begun."""
    now = datetime.now(UTC)
    async with keeping.keeping(folder) as keep:
        trainee = User.new(
            keeping.DEALER, now, id=keeping.USER, email="bo@example.org", role="salesperson"
        )
        await keep.store.users.add(keeping.DEALER, trainee)
        books = Playbooks(folder / "playbooks", None)
        await books.start(keep.store.playbooks)
        uploads = UploadShelf(
            keep.store, Uploading(keep.store, keep.blobs, keep.vault, None, lambda: now)
        )
        said = CallSettings(
            session_type="pitch",
            language="en",
            people=1,
            trainee=1,
            layout="auto",
            user_id=keeping.USER,
            team_id=None,
            started_at=HELD,
            attested_by=keeping.USER,
            attested_at=now,
            text_version="1",
        )
        job = Job.new(
            keeping.DEALER,
            now,
            user_id=keeping.USER,
            job_type="call_analysis",
            input_files=[new_id()],
            settings=said.model_dump(mode="json", by_alias=True),
            due_at=now,
            claim_id=new_id(),
            node=keeping.NODE,
        )
        shelf = CallShelf(keep, uploads, books, lambda: now, terms=(), compares=True)
        yield keep, shelf, job
        await books.stop()


async def analysed(shelf: CallShelf, job: Job, recording: Path, folder: Path) -> list[Path]:
    settings = await shelf.settings(job)

    def work() -> list[Path]:
        folder.mkdir()
        return work_analysis([recording], folder, settings, lambda stage, percent: None)

    return await asyncio.to_thread(work)


@pytest.fixture(scope="module")
def alone(readers: tuple[Pcm, Pcm], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    return write(folder / "call.wav", readers[0][None, : 6 * SAMPLE_RATE])


async def left(keep: Keep) -> int:
    """Everything that there is of calls."""
    page = await keep.store.sessions.page(keeping.DEALER)
    blobs = [one async for one in keep.blobs.list(keeping.DEALER)]
    consents = await keep.store.consents.of_user(keeping.DEALER, keeping.USER)
    return page.total + len(blobs) + len(consents)


async def test_its_journal_plays_again_with_the_playbook_it_was_held_with(
    tmp_path: Path, alone: Path
) -> None:
    async with shelved(tmp_path) as (keep, shelf, job):
        files = await analysed(shelf, job, alone, tmp_path / "out")
        records = list(decoded(iter([files[0].read_bytes()])))
        assert records[1] == {"k": "begin", "at": HELD.isoformat()}
        assert replay(records).is_identical
        (session_id,) = await shelf.keep(job, files)
        session = await keep.store.sessions.get(keeping.DEALER, session_id)
        assert session is not None
        key = keep.vault.key_of(session)
        assert key is not None
        (said, *_) = opened_field(key, session, "transcript")
        assert "best" in " ".join(word[0] for word in said["words"]).lower()


async def test_what_an_attempt_left_behind_the_next_one_removes(
    tmp_path: Path, alone: Path
) -> None:
    """As after a kill -9 between putting the session into the store and telling the job."""
    async with shelved(tmp_path) as (keep, shelf, job):
        files = await analysed(shelf, job, alone, tmp_path / "out")
        await shelf.keep(job, files)
        assert await left(keep) > 0
        await shelf.clear(job)
        assert await left(keep) == 0
        again = job.model_copy(update={"claim_id": new_id()})
        assert await shelf.keep(again, files) == [again.claim_id]


async def test_nothing_is_left_of_a_call_that_is_erased_while_it_is_put_away(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shelved(tmp_path) as (keep, shelf, job):
        files = await analysed(shelf, job, alone, tmp_path / "out")
        append = keep.store.events.append

        async def erased_meanwhile(*given: Any) -> None:
            await append(*given)
            await keep.store.sessions.remove(keeping.DEALER, str(job.claim_id))

        monkeypatch.setattr(keep.store.events, "append", erased_meanwhile)
        with pytest.raises(Refused) as found:
            await shelf.keep(job, files)
        assert found.value.code == "erased"
        assert await left(keep) == 0


async def test_nothing_is_kept_for_whoever_was_erased(tmp_path: Path, alone: Path) -> None:
    async with shelved(tmp_path) as (keep, shelf, job):
        files = await analysed(shelf, job, alone, tmp_path / "out")
        await keep.store.users.remove(keeping.DEALER, keeping.USER)
        with pytest.raises(Refused) as found:
            await shelf.keep(job, files)
        assert found.value.code == "trainee_gone"
        assert await left(keep) == 0
