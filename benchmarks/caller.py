"""A light WHIP client for many calls at once: it sends packets that are encoded already."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from benchmarks.fec import Packets
from benchmarks.impairment import Relay
from signaling.publisher import Publisher, Server

CONNECT_WITHIN_S = 20.0
END_WITHIN_S = 10.0


class CallError(RuntimeError):
    """The call did not go as a call must; the message says where."""


class Caller:
    """One call. `states` holds the session states that its client was told, oldest first. `http` is
    signed in to `server`."""

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self._publisher = Publisher(server, np.zeros(0, np.int16))
        self._http = http
        self._pc: RTCPeerConnection | None = None
        self._sender: RTCRtpSender | None = None
        self._events: RTCDataChannel | None = None
        self._location = ""
        self._news = asyncio.Event()
        self.states: list[str] = []

    @property
    def session_id(self) -> str:
        return self._publisher.session_id

    async def create(self) -> None:
        await self._publisher.create()

    async def connect(self, payloads: Sequence[bytes], line: Relay | None = None) -> None:
        """Publish `payloads` over and over, through `line` if there is one. This takes the place of
        the connection there was, which goes without a word."""
        old = self._pc
        voice = await self.prepare(itertools.cycle(payloads), line)
        voice.go.set()
        if old is not None:
            await old.close()

    async def prepare(self, payloads: Iterable[bytes], line: Relay | None = None) -> Packets:
        """Connect as `connect`; `payloads` leave, each once, from the voice's `go` on."""
        pc = self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        voice = Packets(payloads)
        self._sender = pc.addTransceiver(voice, direction="sendonly").sender
        opened = asyncio.Event()
        self._events = pc.createDataChannel("events")
        self._events.on("message", self._take)
        self._events.on("open", opened.set)
        pc.createDataChannel("meters", ordered=False, maxRetransmits=0)
        await pc.setLocalDescription(await pc.createOffer())
        offer = pc.localDescription.sdp
        # The session's grant, the first time too: one person may publish thirty times a minute.
        headers = {
            "Content-Type": "application/sdp",
            "Authorization": f"Bearer {self._publisher.resume_token}",
        }
        response = await self._http.post(
            f"/api/v1/sessions/{self.session_id}/whip",
            content=offer if line is None else line.rewrite_offer(offer),
            headers=headers,
        )
        if response.status_code != 201:
            raise CallError(f"publishing: {response.status_code} {response.text[:200]}")
        self._location = response.headers["location"]
        answer = response.text if line is None else line.rewrite_answer(response.text)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(opened.wait(), CONNECT_WITHIN_S)
        return voice

    async def end(self, within_s: float = END_WITHIN_S) -> None:
        """Ask for the end over the channel and wait until it is told."""
        assert self._events is not None
        if self._events.readyState != "open":
            raise CallError(f"its channel is {self._events.readyState}; told {self.states}")
        self._events.send(json.dumps({"type": "end"}))
        await self.told("completed", within_s)
        await self.leave()

    async def delete(self) -> None:
        """End by DELETE, and wait until it is told."""
        response = await self._http.delete(self._location)
        if not response.is_success:
            raise CallError(f"DELETE: {response.status_code} {response.text[:200]}")
        await self.told("completed")
        await self.leave()

    async def leave(self) -> None:
        """Close. Over a cut line nobody notices: so goes a client that is killed."""
        if self._pc is not None:
            await self._pc.close()

    async def told(self, state: str, within_s: float = END_WITHIN_S) -> None:
        """Wait for the session state. Raises `CallError` when it does not come."""
        try:
            async with asyncio.timeout(within_s):
                while state not in self.states:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise CallError(f"no {state} within {within_s:.0f} s, only {self.states}") from error

    async def view(self) -> dict[str, Any]:
        """The session as the API shows it."""
        response = await self._http.get(f"/api/v1/sessions/{self.session_id}")
        view: dict[str, Any] = response.raise_for_status().json()
        return view

    async def forget(self) -> None:
        """End what the node still keeps for a client that went without a word."""
        response = await self._http.delete(self._location)
        if response.status_code not in (200, 404, 410):
            raise CallError(f"DELETE of a lost call: {response.status_code} {response.text[:200]}")

    def _take(self, message: str) -> None:
        for event in json.loads(message):
            if event["type"] == "session.state":
                self.states.append(event["data"]["state"])
                self._news.set()
