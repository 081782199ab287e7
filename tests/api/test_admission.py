"""Who is let in: over HTTP, to a node whose workers say of themselves how much they can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.accounts.entrance import Newcomer
from api.accounts.sign_in import Client as Device
from api.accounts.sign_in import SignedIn
from api.app import create_app
from api.playbooks import open_playbooks
from api.services import Services, open_services
from api.settings import Settings
from engine.asr.scheduler import Model, Scheduler
from signaling import stack
from tests.api.conftest import CONSENT, Refused
from tests.engine.desk import FAKE
from tests.signaling.offers import CHROMIUM

HALF = {"look_s": 0.4, "final_s": 0.25}
"""A call is expected to take 0.6 (0.4 + 0.4 x 0.25) = 0.3 of a worker: two fit into 0.75."""
HARDLY = {"look_s": 0.7, "final_s": 0.6}
"""0.56 of a worker: one fits."""
NOTHING = {"look_s": 0.001, "final_s": 0.001}


@asynccontextmanager
async def node(folder: Path, costs: dict[str, float], **settings: Any) -> AsyncIterator[Client]:
    model = folder / "model"
    model.mkdir()
    scheduler = Scheduler({"en": Model(model, costs)}, worker=FAKE)
    chosen = Settings(data=folder / "node", ice_loopback=True, objections="phrases", **settings)
    opening = partial(open_services, chosen, lambda: "http://localhost")
    app = create_app(chosen, opening, scheduler, open_playbooks(chosen))
    try:
        async with app.router.lifespan_context(app):
            headers = await signed_in(app.state.services)
            transport = httpx.ASGITransport(app=app)
            address = "http://localhost/api/v1"
            async with httpx.AsyncClient(
                transport=transport, base_url=address, headers=headers
            ) as http:
                yield Client(http)
    finally:
        stack.use_loopback(False)


async def signed_in(services: Services) -> dict[str, str]:
    """The first admin's access token, as a header."""
    secret = await services.links.first_admin()
    assert secret is not None
    newcomer = Newcomer("a horse with nine lives", "ada@north-motors.example", "North Motors")
    admin = await services.entrance.accept(secret, newcomer, Device("127.0.0.1", "test"))
    assert isinstance(admin, SignedIn)
    return {"Authorization": f"Bearer {admin.access.token}"}


class Client:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def create(self, **more: str) -> str:
        """The id of a session with consent."""
        answer = await self.http.post("/sessions", json={"sessionType": "pitch"} | more)
        session_id: str = answer.raise_for_status().json()["id"]
        consent = await self.http.put(f"/sessions/{session_id}/consent", json=CONSENT)
        consent.raise_for_status()
        return session_id

    async def publish(self, session_id: str, offer: str = CHROMIUM) -> httpx.Response:
        headers = {"Content-Type": "application/sdp"}
        return await self.http.post(f"/sessions/{session_id}/whip", content=offer, headers=headers)

    async def folder(self, sessions: Path, session_id: str) -> Path:
        """Where a call's files go."""
        dealership = (await self.http.get("/dealership")).raise_for_status().json()
        return sessions / str(dealership["id"]) / session_id

    async def end(self, published: httpx.Response) -> None:
        path = published.headers["location"].removeprefix("/api/v1")
        (await self.http.delete(path)).raise_for_status()


async def test_a_node_that_is_full_by_prediction_refuses_and_says_when_to_come_back(
    tmp_path: Path, refused: Refused
) -> None:
    async with node(tmp_path, HALF) as client:
        taken = [await client.publish(await client.create()) for _ in range(2)]
        assert [answer.status_code for answer in taken] == [201, 201]
        third = await client.create()
        answer = await client.publish(third)
        problem = refused(answer, 503)
        assert "as many calls as it can" in problem["detail"]
        assert answer.headers["Retry-After"] in problem["detail"]
        assert int(answer.headers["Retry-After"]) > 0
        assert (await client.http.get(f"/sessions/{third}")).json()["status"] == "created"
        await client.end(taken[0])
        assert (await client.publish(third)).status_code == 201


async def test_calls_that_end_before_anything_was_heard_leave_their_places(
    tmp_path: Path,
) -> None:
    """They kept them for ever: a node was full after a few that nobody ever spoke in."""
    async with node(tmp_path, HARDLY) as client:
        for _ in range(4):
            published = await client.publish(await client.create())
            assert published.status_code == 201
            await client.end(published)


async def test_a_language_that_the_node_does_not_know_is_refused_for_good(
    tmp_path: Path, refused: Refused
) -> None:
    async with node(tmp_path, NOTHING) as client:
        answer = await client.publish(await client.create(language="fr"))
        problem = refused(answer, 422)
        assert "'fr'" in problem["detail"]
        assert "en" in problem["detail"]
        assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("costs", "settings"),
    [(HARDLY, {}), (NOTHING, {"max_calls": 1})],
    ids=["by prediction", "by number"],
)
@pytest.mark.parametrize("recording", [True, False], ids=["to disk", "in memory"])
async def test_calls_that_begin_at_the_same_moment_do_not_share_the_last_place(
    tmp_path: Path,
    refused: Refused,
    costs: dict[str, float],
    settings: dict[str, Any],
    recording: bool,
) -> None:
    """A call to disk waits for the disk between being let in and being there."""
    async with node(tmp_path, costs, **settings) as client:
        sessions = [await client.create() for _ in range(4)]
        for session_id in sessions:
            consent = CONSENT | {"recording": recording}
            await client.http.put(f"/sessions/{session_id}/consent", json=consent)
        answers = await asyncio.gather(*map(client.publish, sessions))
        assert sorted(answer.status_code for answer in answers) == [201, 503, 503, 503]
        for answer in answers:
            if answer.status_code == 503:
                refused(answer, 503)
                assert int(answer.headers["Retry-After"]) > 0


async def test_the_same_call_twice_at_once_takes_one_place(tmp_path: Path) -> None:
    async with node(tmp_path, HALF) as client:
        session_id = await client.create()
        answers = await asyncio.gather(*(client.publish(session_id) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        assert (await client.publish(await client.create())).status_code == 201


async def test_what_comes_to_nothing_gives_its_place_back(tmp_path: Path, refused: Refused) -> None:
    """An offer that is none, and a disk that takes nothing."""
    async with node(tmp_path, HARDLY) as client:
        for _ in range(2):
            refused(await client.publish(await client.create(), "nonsense"), 400)
        blocked = await client.create()
        path = await client.folder(tmp_path / "node" / "sessions", blocked)
        path.parent.mkdir(exist_ok=True)
        path.write_text("a file where a folder should be")
        refused(await client.publish(blocked), 503)
        assert (await client.publish(await client.create())).status_code == 201
