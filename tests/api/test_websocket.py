"""Calls over a WebSocket against a real node, with the `websockets` client."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import websockets
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.api.conftest import CONSENT, Refused
from tests.node import Node, running
from tests.recording import decoded
from tests.signaling.offers import CHROMIUM
from tests.signaling.packets import encode

pytestmark = pytest.mark.slow

CALL_S = 8
LASTED_MS = (CALL_S * 1000, CALL_S * 1000 + 20)
"""A session begins on the frame grid: up to one frame before its first packet's place."""
KINDS = {"opus": 0x11, "pcm": 0x12}
WITHIN_S = 30.0
MANY = 200_000
CUT = r"reset|Broken"


@pytest.fixture(scope="module")
def speech(two_cities: Path) -> NDArray[np.int16]:
    """The call's first seconds, 48 kHz."""
    pcm, _ = soundfile.read(two_cities, dtype="int16", frames=48_000 * CALL_S)
    return np.asarray(pcm)


def address(node: Node, session: dict[str, Any]) -> str:
    return node.url.replace("http", "ws") + str(session["socketUrl"])


def hello(session: dict[str, Any], **other: Any) -> str:
    greeting = {"type": "hello", "token": session["resumeToken"], "format": "opus"}
    return json.dumps(greeting | other)


def frame(audio: str, index: int, payload: bytes) -> bytes:
    return struct.pack("!BBHI", KINDS[audio], 0, index & 0xFFFF, index * 960) + payload


def fresh(http: httpx.Client) -> dict[str, Any]:
    session: dict[str, Any] = http.post("/sessions", json={"sessionType": "pitch"}).json()
    http.put(f"/sessions/{session['id']}/consent", json=CONSENT).raise_for_status()
    return session


def view(http: httpx.Client, session: dict[str, Any], what: str = "") -> dict[str, Any]:
    shown: dict[str, Any] = http.get(f"/sessions/{session['id']}{what}").raise_for_status().json()
    return shown


def offer(http: httpx.Client, session: dict[str, Any]) -> None:
    """Begin to publish by WebRTC and leave it at that."""
    headers = {"Content-Type": "application/sdp"}
    path = f"/sessions/{session['id']}/whip"
    assert http.post(path, content=CHROMIUM, headers=headers).status_code == 201


class Caller:
    """A client that reads all that comes."""

    def __init__(self, line: ClientConnection, audio: str) -> None:
        self.line = line
        self.audio = audio
        self.received: list[list[dict[str, Any]]] = []
        self.sent = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.line:
            assert isinstance(message, str)
            self.received.append(json.loads(message))

    async def speak(self, payloads: list[bytes]) -> None:
        begun_s = time.monotonic()
        for index, payload in enumerate(payloads):
            await self.line.send(frame(self.audio, self.sent, payload))
            self.sent += 1
            await asyncio.sleep(max(0.0, begun_s + 0.02 * (index + 1) - time.monotonic()))

    async def ended(self) -> tuple[int | None, str | None]:
        """How the node closed the connection."""
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(self._reader, return_exceptions=True)
            await self.line.wait_closed()
        return self.line.close_code, self.line.close_reason

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.received for event in batch]

    def data(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == kind]


@asynccontextmanager
async def calling(
    node: Node, session: dict[str, Any], audio: str = "opus", **other: Any
) -> AsyncIterator[Caller]:
    async with connect(address(node, session), subprotocols=["forecourt.v1"]) as line:  # type: ignore[list-item]
        await line.send(hello(session, format=audio, **other))
        async with asyncio.timeout(WITHIN_S):
            assert json.loads(await line.recv()) == []
        yield Caller(line, audio)


async def refusal(node: Node, session: dict[str, Any], first: str | bytes) -> tuple[int, str]:
    """The code and the sentence with which the node closes after `first`."""
    async with connect(address(node, session), subprotocols=["forecourt.v1"]) as line:  # type: ignore[list-item]
        await line.send(first)
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await line.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


# who gets in


async def test_only_the_session_s_own_token_opens_it(node: Node, consented: dict[str, Any]) -> None:
    for given in ({"token": "another"}, {"token": ""}, {"token": None}):
        code, reason = await refusal(node, consented, hello(consented, **given))
        assert code == 4401
        assert "token" in reason
    code, _ = await refusal(node, consented, '{"type":"hello","format":"opus"}')
    assert code == 4401


async def test_an_unknown_session_is_told_like_one_that_is_over(
    node: Node, consented: dict[str, Any]
) -> None:
    unknown = consented | {"socketUrl": f"/api/v1/sessions/{'0' * 24}/socket"}
    code, reason = await refusal(node, unknown, hello(consented))
    assert code == 4409
    assert reason.endswith(".")


async def test_nobody_is_heard_before_consent(node: Node, session: dict[str, Any]) -> None:
    code, reason = await refusal(node, session, hello(session))
    assert code == 4403
    assert "consent" in reason


@pytest.mark.parametrize(
    "first", ["", "hello", b"\x11\x00", "[]", '{"type":"ping"}', "x" * 4_097, '{"token":"\\ud800"}']
)
async def test_what_is_no_hello_is_refused(
    node: Node, consented: dict[str, Any], first: str | bytes
) -> None:
    code, reason = await refusal(node, consented, first)
    assert code == 4400
    assert "hello" in reason


async def test_who_stays_silent_is_shown_out(node: Node, consented: dict[str, Any]) -> None:
    async with connect(address(node, consented), subprotocols=["forecourt.v1"]) as line:  # type: ignore[list-item]
        async with asyncio.timeout(WITHIN_S):
            await line.wait_closed()
        assert line.close_code == 4408


async def test_a_call_that_is_over_cannot_be_taken_up(
    node: Node, consented: dict[str, Any], speech: NDArray[np.int16]
) -> None:
    async with calling(node, consented) as caller:
        await caller.speak(encode(speech[:48_000]))
        await caller.line.send('{"type":"end"}')
        assert await caller.ended() == (1000, caller.line.close_reason)
        assert caller.data("session.state")[-1]["state"] == "completed"
    code, reason = await refusal(node, consented, hello(consented))
    assert code == 4409
    assert reason.endswith(".")


def upgrade(node: Node, session: dict[str, Any], **headers: str) -> httpx.Response:
    """The answer to a handshake that does not become a WebSocket."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "forecourt.v1",
    }
    return httpx.get(node.url + session["socketUrl"], headers=handshake | headers)


@pytest.mark.parametrize(
    "origin",
    [
        "http://attacker.example",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.attacker.example",
        "http://127.0.0.1:{port}@attacker.example",
        "http://127.0.0.1:{port}/",
        "null",
        "",
    ],
)
def test_a_page_of_another_origin_is_refused_before_anything_is_said(
    node: Node, refused: Refused, consented: dict[str, Any], origin: str
) -> None:
    answer = upgrade(node, consented, Origin=origin.format(port=node.port))
    assert "origin" in refused(answer, 403)["detail"]
    assert "handshake" not in node.log


async def test_the_node_s_own_page_is_let_in(node: Node, consented: dict[str, Any]) -> None:
    from websockets.typing import Origin, Subprotocol

    protocol = Subprotocol("forecourt.v1")
    own = Origin(node.url.upper().replace("HTTP", "http"))
    async with connect(address(node, consented), subprotocols=[protocol], origin=own) as line:
        await line.send(hello(consented))
        assert await line.recv() == "[]"
        assert line.subprotocol == protocol


def test_a_name_that_is_not_the_node_s_is_refused(node: Node, consented: dict[str, Any]) -> None:
    host = {"Host": "attacker.example", "Origin": "http://attacker.example"}
    assert upgrade(node, consented, **host).status_code == 400


def test_another_subprotocol_is_refused(
    node: Node, refused: Refused, consented: dict[str, Any]
) -> None:
    answer = upgrade(node, consented, **{"Sec-WebSocket-Protocol": "mqtt"})
    assert "forecourt.v1" in refused(answer, 400)["detail"]


def test_a_plain_request_is_told_to_upgrade(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    answer = http.get(f"/sessions/{consented['id']}/socket")
    refused(answer, 426)
    assert answer.headers["upgrade"] == "websocket"


# whole calls


def voiced(
    session: dict[str, Any], http: httpx.Client, speech: NDArray[np.int16]
) -> tuple[float, int]:
    """How alike the recording and `speech` are at the best lag: correlation and lag in ms."""
    answer = http.get(f"/sessions/{session['id']}/recording").raise_for_status()
    heard = decoded(answer.content)[::3].astype(float)
    said = speech[::3].astype(float)
    found = [
        (float(np.corrcoef(said[: len(heard) - lag][:-1_000], heard[lag:][:-1_000])[0, 1]), lag)
        for lag in range(0, 800, 8)
    ]
    best, lag = max(found)
    return best, lag // 16


@pytest.mark.parametrize(("audio", "rate"), [("opus", 48_000), ("pcm", 48_000), ("pcm", 16_000)])
async def test_a_call_is_heard_written_down_and_recorded(
    node: Node, http: httpx.Client, speech: NDArray[np.int16], audio: str, rate: int
) -> None:
    session = fresh(http)
    pcm = speech[:: 48_000 // rate]
    size = rate // 50
    chunks = [pcm[at : at + size].tobytes() for at in range(0, len(pcm), size)]
    async with calling(node, session, audio, rate=rate) as caller:
        await caller.speak(encode(speech) if audio == "opus" else chunks)
        await caller.line.send('{"type":"end"}')
        assert (await caller.ended())[0] == 1000
    words = " ".join(
        word[0] for final in caller.data("transcript.final") for word in final["words"]
    )
    assert "best of times" in words
    assert "worst of times" in words
    assert len(caller.data("meters")) > CALL_S * 4
    assert [state["state"] for state in caller.data("session.state")] == ["active", "completed"]
    numbers = [event["seq"] for event in caller.events if event["type"] != "meters"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert view(http, session)["durationMs"] in LASTED_MS
    likeness, lag_ms = voiced(session, http, speech)
    assert likeness > 0.85
    assert lag_ms < 30


async def test_a_call_goes_on_over_a_second_socket(
    node: Node, http: httpx.Client, speech: NDArray[np.int16]
) -> None:
    session = fresh(http)
    packets = encode(speech)
    async with calling(node, session) as caller:
        await caller.speak(packets[:100])
    # Without waiting the second may come before the first one's end is noticed: no interruption.
    while view(http, session)["status"] != "interrupted":
        await asyncio.sleep(0.05)
    async with calling(node, session) as caller:
        await caller.speak(packets[100:200])
        await caller.line.send('{"type":"end"}')
        await caller.ended()
    told = view(http, session, "/events")["items"]
    states = [event["data"]["state"] for event in told if event["type"] == "session.state"]
    assert states == ["active", "interrupted", "active", "completed"]
    last = caller.data("session.state")[-1]
    assert (last["state"], last["reason"]) == ("completed", "ended")


async def test_a_second_socket_takes_the_first_one_s_place(
    node: Node, http: httpx.Client, speech: NDArray[np.int16]
) -> None:
    session = fresh(http)
    packets = encode(speech)
    async with calling(node, session) as first, calling(node, session) as second:
        assert (await first.ended())[0] == 1000
        await second.speak(packets[:60])
        assert second.data("session.state") == [{"state": "active", "reason": None}]
        await second.line.send('{"type":"end"}')
        await second.ended()


async def test_a_peer_that_never_connected_does_not_stand_in_the_way(
    node: Node, http: httpx.Client, speech: NDArray[np.int16]
) -> None:
    session = fresh(http)
    offer(http, session)
    async with calling(node, session) as caller:
        await caller.speak(encode(speech[:96_000]))
        assert caller.data("session.state") == [{"state": "active", "reason": None}]
        await caller.line.send('{"type":"end"}')
        assert (await caller.ended())[0] == 1000


async def test_a_socket_without_sound_leaves_the_session_as_it_was(
    node: Node, http: httpx.Client
) -> None:
    session = fresh(http)
    for _ in range(2):
        async with calling(node, session) as caller:
            await caller.line.send('{"type":"ping"}')
    assert view(http, session)["status"] == "created"


# those who do harm


class Mute:
    """A client on a bare socket that never reads: what it sends is written by hand."""

    def __init__(self, node: Node, session: dict[str, Any]) -> None:
        self._protocol = ClientProtocol(
            parse_uri(address(node, session)),
            subprotocols=["forecourt.v1"],  # type: ignore[list-item]
        )
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.settimeout(WITHIN_S)
        self.socket.connect(("127.0.0.1", node.port))
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state.name != "OPEN":
            self._protocol.receive_data(self.socket.recv(4_096))
        self.text(hello(session))

    def text(self, message: str) -> None:
        self._protocol.send_text(message.encode())
        self._flush()

    def audio(self, message: bytes) -> None:
        self._protocol.send_binary(message)
        self._flush()

    def ping(self) -> None:
        # By hand: the library keeps what it has pinged with.
        self._frame(Opcode.PING, bytes(125))

    def speak(self, packets: list[bytes]) -> None:
        begun_s = time.monotonic()
        for index, packet in enumerate(packets):
            self.audio(frame("opus", index, packet))
            time.sleep(max(0.0, begun_s + 0.02 * index - time.monotonic()))

    def pings(self) -> None:
        for _ in range(MANY):
            self.ping()

    def fragments(self) -> None:
        self._frame(Opcode.BINARY, b"", fin=False)
        for _ in range(MANY):
            self._frame(Opcode.CONT, b"", fin=False)

    def _frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        self.socket.sendall(Frame(opcode, data, fin).serialize(mask=True))

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self.socket.sendall(data)

    def __enter__(self) -> Mute:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def closed(node: Node, session: dict[str, Any]) -> dict[str, Any]:
    """What the node says of the end of the session's last socket, once it has come."""
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        for line in node.log.splitlines():
            if "socket_closed" in line and session["id"] in line:
                told: dict[str, Any] = json.loads(line)
                return told
        time.sleep(0.1)
    raise AssertionError("the socket was not closed")


def test_a_client_that_reads_nothing_is_closed(
    node: Node, http: httpx.Client, speech: NDArray[np.int16]
) -> None:
    session = fresh(http)
    packets = encode(speech)
    with Mute(node, session) as mute:
        # The answers fill every buffer on the way; then no event gets through any more.
        for _ in range(2_600):
            mute.ping()
        with pytest.raises(OSError, match=CUT):
            mute.speak(packets * 4)
        assert closed(node, session)["code"] == 4408


@pytest.mark.parametrize("harm", ["pings", "fragments"])
def test_a_flood_below_the_level_of_messages_is_cut(
    node: Node, http: httpx.Client, harm: str
) -> None:
    session = fresh(http)
    with Mute(node, session) as mute, pytest.raises(OSError, match=CUT):
        getattr(mute, harm)()
    assert closed(node, session)["code"] in (1005, 1006)


async def test_a_message_too_large_for_any_frame_is_closed(
    node: Node, consented: dict[str, Any]
) -> None:
    async with calling(node, consented) as caller:
        await caller.line.send(frame("opus", 0, bytes(9_000)))
        assert (await caller.ended())[0] == 1009


async def test_a_flood_is_closed_and_another_call_does_not_notice(
    node: Node, http: httpx.Client, speech: NDArray[np.int16]
) -> None:
    quiet, loud = fresh(http), fresh(http)
    packets = encode(speech)
    async with calling(node, quiet) as caller, calling(node, loud) as flooder:

        async def flood() -> None:
            for index in range(20_000):
                await flooder.line.send(frame("opus", index, packets[index % 400]))

        flooding = asyncio.create_task(flood())
        await caller.speak(packets)
        code, reason = await flooder.ended()
        assert (code, reason) == (4429, reason)
        assert str(reason).endswith(".")
        await asyncio.gather(flooding, return_exceptions=True)
        await caller.line.send('{"type":"end"}')
        assert (await caller.ended())[0] == 1000
    words = " ".join(
        word[0] for final in caller.data("transcript.final") for word in final["words"]
    )
    assert "best of times" in words
    assert view(http, quiet)["durationMs"] in LASTED_MS
    links = [meters["link"] for meters in caller.data("meters") if meters["link"]]
    assert all(link["lostPct"] == 0 for link in links)


def test_no_token_is_ever_in_the_log(node: Node, http: httpx.Client) -> None:
    session = fresh(http)
    token = session["resumeToken"]
    httpx.get(f"{node.url}{session['socketUrl']}?token={token}")
    upgrade(node, session | {"socketUrl": f"{session['socketUrl']}?token={token}"}, Origin="x")
    asyncio.run(refusal(node, session, hello(session, format=token)))
    asyncio.run(refusal(node, session, hello(session, more=1)))
    told = closed(node, session)
    assert told["code"] == 4400
    assert token not in node.log


# a node of its own


@pytest.fixture
def small_node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path / "node", FORECOURT_MAX_CALLS="1") as node:
        yield node


async def test_a_full_node_says_so_and_a_stopping_one_tells_its_calls(
    small_node: Node, speech: NDArray[np.int16]
) -> None:
    with small_node.client() as http:
        first, second = fresh(http), fresh(http)
    async with calling(small_node, first) as caller:
        await caller.speak(encode(speech[:96_000]))
        code, reason = await refusal(small_node, second, hello(second))
        assert code == 4503
        assert "full" in reason
        await asyncio.to_thread(small_node.stop)
        code, _ = await caller.ended()
        last = caller.data("session.state")[-1]
        assert (code, last["state"], last["reason"]) == (1000, "interrupted", "node_stopped")
