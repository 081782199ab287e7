"""Partners and managers in a call, over HTTP and WebRTC: who may, who is told, who is cut off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.account_client import Account
from signaling import stack
from tests.api.conftest import CONSENT
from tests.api.people import joined
from tests.node import Node, running
from tests.recording import length_ms
from tests.signaling.calling import until
from tests.signaling.party import Party

pytestmark = pytest.mark.slow

WITHIN_S = 2.0
SDP = {"Content-Type": "application/sdp"}
REPLAY = (sys.executable, "-m", "api.cli", "replay")
BARGE = {"mode": "barge", "recordingConsent": True, "textVersion": "file"}


@dataclass
class Client:
    """Somebody's browser."""

    account: Account
    http: httpx.AsyncClient
    party: Party
    session_id: str = ""
    token: str = ""
    location: str = ""

    async def publish(self) -> None:
        async def answer(offer: str) -> str:
            headers = SDP | {"Authorization": f"Bearer {self.token}"}
            path = f"/sessions/{self.session_id}/whip"
            response = await self.http.post(path, content=offer, headers=headers)
            assert response.status_code == 201, response.text
            self.location = response.headers["location"].removeprefix("/api/v1")
            return response.text

        await self.party.connect(answer)

    async def begin(self) -> None:
        """Publish the trainee's own; the call is live then, and others may come."""
        await self.publish()
        await until(lambda: self.told("session.state"))

    async def listen(self, session_id: str) -> None:
        async def answer(offer: str) -> str:
            path = f"/sessions/{session_id}/whep"
            response = await self.http.post(path, content=offer, headers=SDP)
            assert response.status_code == 201, response.text
            self.location = response.headers["location"].removeprefix("/api/v1")
            return response.text

        await self.party.connect(answer)

    async def mode(self, **body: object) -> httpx.Response:
        return await self.http.put(f"{self.location}/mode", json=body)

    def present(self) -> list[dict[str, Any]] | None:
        """Who is there, as last told; None before."""
        told = self.told("presence")
        return told[-1]["people"] if told else None

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.party.events if event["type"] == kind]


class Cast:
    """Makes clients, and closes them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._clients: list[Client] = []

    async def client(self, role: str, teams: list[str] | None = None) -> Client:
        account = await asyncio.to_thread(joined, self.node, role, teams or [])
        return self.of(account)

    def of(self, account: Account) -> Client:
        url = f"{self.node.url}/api/v1"
        http = httpx.AsyncClient(base_url=url, auth=account, timeout=20)
        made = Client(account, http, Party(20 + len(self._clients)))
        self._clients.append(made)
        return made

    async def trainee(self, *, recording: bool = True) -> Client:
        client = await self.client("salesperson")
        created = (await client.http.post("/sessions", json={"sessionType": "pitch"})).json()
        client.session_id, client.token = created["id"], created["resumeToken"]
        consent = CONSENT | {"recording": recording}
        await client.http.put(f"/sessions/{client.session_id}/consent", json=consent)
        return client

    async def partner(self, trainee: Client, *, recording: bool = True) -> Client:
        client = await self.client("salesperson")
        answer = await self.join(trainee, client, recording=recording)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        client.session_id, client.token = body["sessionId"], body["resumeToken"]
        return client

    async def join(
        self, trainee: Client, client: Client, *, recording: bool = True
    ) -> httpx.Response:
        path = f"/sessions/{trainee.session_id}/invitation"
        code = (await trainee.http.post(path)).json()["code"]
        seen = (await client.http.post("/partners/preview", json={"code": code})).json()
        assert seen["sessionId"] == trainee.session_id
        consent = CONSENT | {"recording": recording}
        return await client.http.post("/partners", json={"code": code, "consent": consent})

    async def close(self) -> None:
        for client in self._clients:
            await client.party.close()
            await client.http.aclose()


@pytest.fixture
async def cast(node: Node) -> AsyncIterator[Cast]:
    stack.use_loopback(True)
    made = Cast(node)
    yield made
    await made.close()
    stack.use_loopback(False)


async def test_a_partner_is_invited_joins_leaves_comes_back_and_both_are_kept(cast: Cast) -> None:
    trainee = await cast.trainee()
    partner = await cast.partner(trainee)
    early = await partner.http.post(
        f"/sessions/{partner.session_id}/whip",
        content="v=0\r\n",
        headers=SDP | {"Authorization": f"Bearer {partner.token}"},
    )
    assert early.status_code == 409
    await trainee.begin()
    await partner.publish()
    await until(lambda: trainee.party.hears(partner.party) and partner.party.hears(trainee.party))
    await until(trainee.present)
    (present,) = trainee.present() or []
    assert (present["role"], present["track"]) == ("partner", "partner")
    assert present["personId"] == partner.account.user["id"]
    grant = {"Authorization": f"Bearer {partner.token}"}
    assert (await partner.http.delete(partner.location, headers=grant)).status_code == 200
    await until(lambda: trainee.present() == [])
    await partner.party.close()
    partner.party = Party(77)
    await partner.publish()
    await until(lambda: trainee.party.hears(partner.party))
    await asyncio.sleep(1)
    assert (await trainee.http.delete(trainee.location)).status_code == 200
    path = f"/sessions/{trainee.session_id}"
    view = (await trainee.http.get(path)).json()
    deadline_s = time.monotonic() + 10
    while view["status"] != "completed" or len(view["tracks"]) < 2:
        assert time.monotonic() < deadline_s, view
        await asyncio.sleep(0.1)
        view = (await trainee.http.get(path)).json()
    assert view["partnerId"] == partner.account.user["id"]
    for track in ("trainee", "partner"):
        kept = await trainee.http.get(f"{path}/recording", params={"track": track})
        assert kept.content.startswith(b"OggS")
    again = await asyncio.to_thread(
        subprocess.run,
        [*REPLAY, trainee.session_id, "--data", str(cast.node.data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    missing = await trainee.http.get(f"{path}/recording", params={"track": "coach_1"})
    assert missing.status_code == 404
    # The call is not the partner's to read; the consent is.
    assert (await partner.http.get(path)).status_code == 403
    assert (await partner.http.delete(f"{path}/consent")).status_code == 204
    assert (await trainee.http.get(f"{path}/recording")).status_code == 404


async def test_who_refuses_recording_is_no_partner_in_a_recorded_call(cast: Cast) -> None:
    trainee = await cast.trainee()
    other = await cast.client("salesperson")
    refused = await cast.join(trainee, other, recording=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "recording_refused")
    unrecorded = await cast.trainee(recording=False)
    assert (await cast.join(unrecorded, other, recording=False)).status_code == 201
    path = f"/sessions/{unrecorded.session_id}/consent"
    late = await unrecorded.http.put(path, json=CONSENT)
    assert (late.status_code, late.json()["code"]) == (409, "recording_refused")
    own = await cast.join(trainee, cast.of(trainee.account))
    assert own.status_code == 409
    third = await cast.client("coach")
    assert (await cast.join(unrecorded, third)).status_code == 409


async def test_a_managers_modes_are_agreed_to_announced_and_audited(node: Node, cast: Cast) -> None:
    trainee = await cast.trainee()
    await trainee.begin()
    manager = cast.of(await asyncio.to_thread(node.sign_in))
    await manager.listen(trainee.session_id)
    await until(trainee.present)
    assert (await manager.mode(mode="whisper")).json() == {"mode": "whisper", "track": "coach_1"}
    await until(lambda: trainee.party.hears(manager.party))
    await asyncio.sleep(0.2)
    unasked = await manager.mode(mode="barge")
    assert (unasked.status_code, unasked.json()["code"]) == (403, "consent_needed")
    assert (await manager.mode(**BARGE)).status_code == 200
    await asyncio.sleep(0.2)
    assert (await manager.mode(mode="monitor")).status_code == 200
    await asyncio.sleep(0.2)
    # Once is enough.
    assert (await manager.mode(mode="barge")).status_code == 200
    stranger = await cast.client("salesperson")
    assert (await stranger.http.put(f"{manager.location}/mode", json=BARGE)).status_code == 403
    coach = await cast.client("coach", trainee.account.user["teamIds"])
    foreign = await coach.http.put(f"{manager.location}/mode", json=BARGE)
    assert foreign.status_code in (403, 404)
    await manager.http.delete(manager.location)
    modes = ["monitor", "whisper", "barge", "monitor", "barge"]
    await until(lambda: trainee.present() == [])
    told = [p["mode"] for data in trainee.told("presence") for p in data["people"]]
    assert told == modes
    target = trainee.session_id
    until_s = time.monotonic() + 5
    while True:
        entries = node.get("/audit", params={"limit": 50}).json()["items"]
        mine = [each["action"] for each in entries if each["targetId"] == target][::-1]
        if mine and mine[-1] == "session.leave":
            break
        assert time.monotonic() < until_s, mine
        await asyncio.sleep(0.1)
    assert mine == ["session.listen", *[f"session.{mode}" for mode in modes[1:]], "session.leave"]


async def test_both_come_back_to_a_call_whose_node_was_killed(tmp_path: Path) -> None:
    stack.use_loopback(True)
    with running(tmp_path / "data") as node:
        cast = Cast(node)
        trainee = await cast.trainee()
        partner = await cast.partner(trainee)
        await trainee.begin()
        await partner.publish()
        await until(lambda: trainee.party.hears(partner.party))
        await asyncio.sleep(2.0)
        node.kill()
        await asyncio.to_thread(node.start)
        for client in (trainee, partner):
            await client.party.close()
            client.party = Party(30)
            await client.publish()
        await until(lambda: partner.party.hears(trainee.party) and trainee.present())
        await asyncio.sleep(1.0)
        path = f"/sessions/{trainee.session_id}"
        grant = {"Authorization": f"Bearer {trainee.token}"}
        assert (await trainee.http.delete(trainee.location, headers=grant)).status_code == 200
        deadline_s = time.monotonic() + 15
        while len((await trainee.http.get(path)).json()["tracks"]) < 2:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.2)
        for track in ("trainee", "partner"):
            kept = await trainee.http.get(f"{path}/recording", params={"track": track})
            seconds = length_ms(kept.content) / 1000
            assert seconds > 3.0
        await cast.close()
    stack.use_loopback(False)


@pytest.mark.parametrize("who", ["listener", "partner"])
async def test_who_loses_their_rights_is_cut_off_within_two_seconds(cast: Cast, who: str) -> None:
    trainee = await cast.trainee()
    if who == "partner":
        client = await cast.partner(trainee)
        await trainee.begin()
        await client.publish()
    else:
        await trainee.begin()
        client = cast.of(await asyncio.to_thread(cast.node.sign_in))
        await client.listen(trainee.session_id)
        assert (await client.mode(mode="whisper")).status_code == 200
    await until(lambda: client.party.hears(trainee.party) and trainee.party.hears(client.party))
    await until(trainee.present)
    cookie = {"Cookie": f"forecourt-refresh={client.account.refresh_token}"}
    begun_s = time.monotonic()
    await client.http.post("/auth/sign-out", headers=cookie)
    await until(lambda: trainee.present() == [])
    assert time.monotonic() - begun_s < WITHIN_S
    heard, sent = len(client.party.heard), len(trainee.party.heard)
    await asyncio.sleep(0.5)
    assert not client.party.hears(trainee.party, heard)
    assert not trainee.party.hears(client.party, sent)
    view = (await trainee.http.get(f"/sessions/{trainee.session_id}")).json()
    assert view["status"] == "active"
