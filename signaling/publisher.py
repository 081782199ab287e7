"""A WHIP client: publishes audio at the pace of speech and keeps what the node answers.

The command-line demo, the benchmarks and the tests speak to a node through it, as a browser would:
real ICE, DTLS, SRTP, Opus and data channels.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import av
import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from numpy.typing import NDArray

from engine.events import Event
from signaling import ice, stack

RATE = 48_000
FRAME = RATE // 50
LEAD_S = 0.5
"""Silence sent ahead of the audio: the first packets leave before the node has keyed up."""
END_WITHIN_S = 5.0


class PublishError(RuntimeError):
    """The node refused; the message is its problem detail."""


def load_audio(path: Path) -> NDArray[np.int16]:
    """Any audio file as 48 kHz mono int16, shape (n,). Raises `PublishError`."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    parts: list[NDArray[np.int16]] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
            parts += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise PublishError(f"{path} cannot be read as audio: {error}") from error
    if not parts:
        raise PublishError(f"{path} holds no audio")
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Received:
    """An event and when it came (monotonic seconds)."""

    at_s: float
    event: Event


class _Voice(MediaStreamTrack):
    """Plays samples at the pace of speech, then silence until stopped."""

    kind = "audio"

    def __init__(self, pcm: NDArray[np.int16]) -> None:
        super().__init__()
        self._pcm = pcm
        self._position = 0
        self._begun_s: float | None = None
        self.finished = asyncio.Event()

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        wait_s = self._begun_s + self._position / RATE - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        piece = self._pcm[self._position : self._position + FRAME]
        if len(piece) < FRAME:
            piece = np.concatenate([piece, np.zeros(FRAME - len(piece), np.int16)])
        # Stereo with equal channels: FFmpeg turns mono into stereo 3 dB too quiet.
        frame = av.AudioFrame.from_ndarray(piece.repeat(2)[None], format="s16", layout="stereo")
        frame.sample_rate = RATE
        frame.pts = self._position
        frame.time_base = fractions.Fraction(1, RATE)
        self._position += FRAME
        if self._position >= len(self._pcm):
            self.finished.set()
        return frame


class Server(Protocol):
    """A node, and who one is there: `auth` signs requests."""

    @property
    def url(self) -> str: ...

    @property
    def auth(self) -> httpx.Auth: ...


@dataclass(slots=True)
class Publisher:
    """One call. With `rewrite_offer` and `rewrite_answer` a test puts a proxy between the ends.

    `relay_only` sends through the TURN server that the node names.
    """

    server: Server
    audio: NDArray[np.int16]
    session_type: str = "pitch"
    baseline: dict[str, float] | None = None
    recording: bool = True
    on_event: Callable[[Received], None] | None = None
    on_meters: Callable[[float, dict[str, Any]], None] | None = None
    rewrite_offer: Callable[[str], str] | None = None
    rewrite_answer: Callable[[str], str] | None = None
    relay_only: bool = False
    lead_s: float = LEAD_S
    session_id: str = ""
    resume_token: str = ""
    location: str = ""
    received: list[Received] = field(default_factory=list)
    _sent_s: list[float] = field(default_factory=list)
    _pc: RTCPeerConnection | None = None
    _events: RTCDataChannel | None = None
    _voice: _Voice | None = None
    _completed: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def sent_at(self, audio_ms: float) -> float:
        """Monotonic second at which the packet that holds `audio_ms` of the audio left.

        `audio_ms` counts from the first sample of `audio`, the lead excluded. Raises `IndexError`
        for audio that was not sent.
        """
        return self._sent_s[int((audio_ms + self.lead_s * 1000) // 20)]

    async def create(self) -> str:
        """Create the session and store consent; return its id."""
        async with self._http() as http:
            body = {
                "sessionType": self.session_type,
                "baseline": self.baseline,
                "device": {"label": "file", "settings": {"autoGainControl": False}},
            }
            created = _checked(await http.post("/api/v1/sessions", json=body)).json()
            self.session_id, self.resume_token = created["id"], created["resumeToken"]
            consent = {"coaching": True, "recording": self.recording, "textVersion": "file"}
            path = f"/api/v1/sessions/{self.session_id}/consent"
            _checked(await http.put(path, json=consent))
        return self.session_id

    async def connect(self, *, resume: bool = False) -> None:
        """Publish over WHIP and wait until the events channel is open."""
        pc = self._pc = RTCPeerConnection(await self._configuration(resume))
        lead = np.zeros(int(self.lead_s * RATE) // FRAME * FRAME, np.int16)
        self._voice = _Voice(np.concatenate([lead, self.audio]))
        sender = pc.addTransceiver(self._voice, direction="sendonly").sender
        self._opened = asyncio.Event()
        self._sent_s = []
        self._events = pc.createDataChannel("events")
        meters = pc.createDataChannel("meters", ordered=False, maxRetransmits=0)
        self._events.on("message", self._on_events)
        self._events.on("open", self._opened.set)
        meters.on("message", self._on_meters)
        await pc.setLocalDescription(await pc.createOffer())
        offer = pc.localDescription.sdp
        if self.rewrite_offer is not None:
            offer = self.rewrite_offer(offer)
        headers = {"Content-Type": "application/sdp"} | self._authorization(resume)
        async with self._http() as http:
            response = _checked(
                await http.post(
                    f"/api/v1/sessions/{self.session_id}/whip",
                    content=offer,
                    headers=headers,
                )
            )
        self.location = response.headers["location"]
        answer = response.text
        if self.rewrite_answer is not None:
            answer = self.rewrite_answer(answer)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        stack.on_rtp_sent(sender, lambda sequence, timestamp: self._sent())
        await asyncio.wait_for(self._opened.wait(), 15)

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.server.url, auth=self.server.auth, timeout=15)

    def _authorization(self, resume: bool) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.resume_token}"} if resume else {}

    async def _configuration(self, resume: bool) -> RTCConfiguration:
        if not self.relay_only:
            return RTCConfiguration(iceServers=[])
        path = f"/api/v1/sessions/{self.session_id}/whip"
        async with self._http() as http:
            answer = _checked(await http.options(path, headers=self._authorization(resume)))
        servers = ice.servers_of(answer.headers.get_list("link"))
        return RTCConfiguration(servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY)

    async def play(self) -> None:
        """Wait until all the audio has been sent."""
        assert self._voice is not None
        await self._voice.finished.wait()

    def command(self, kind: str, **fields: Any) -> None:
        """Send one command on the events channel."""
        assert self._events is not None
        self._events.send(json.dumps({"type": kind, **fields}))

    async def end(self) -> None:
        """Ask for the end and wait for `completed`. Raises `TimeoutError` without one."""
        self.command("end")
        await asyncio.wait_for(self._completed.wait(), END_WITHIN_S)
        await self.close()

    async def close(self) -> None:
        """Leave without a word, as a browser that is closed would."""
        if self._pc is not None:
            await self._pc.close()

    async def run(self) -> None:
        """The whole call: create, connect, play, 1 s of silence, end."""
        await self.create()
        await self.connect()
        await self.play()
        await asyncio.sleep(1.0)
        await self.end()

    def _sent(self) -> None:
        self._sent_s.append(time.monotonic())

    def _on_events(self, message: str) -> None:
        now_s = time.monotonic()
        for item in json.loads(message):
            received = Received(now_s, Event.model_validate(item))
            self.received.append(received)
            if self.on_event is not None:
                self.on_event(received)
            event = received.event
            if event.type == "session.state" and event.data["state"] == "completed":
                self._completed.set()

    def _on_meters(self, message: str) -> None:
        if self.on_meters is not None:
            for item in json.loads(message):
                self.on_meters(time.monotonic(), item)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:200]
    raise PublishError(f"{response.status_code}: {detail}")
