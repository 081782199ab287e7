"""The node's side of `benchmarks.forward`: one call and its listeners, in one process on one core.

As a process (`python -m benchmarks.forwarder CORE KIND FOLDER`) it is asked, as `benchmarks.child`
says: `publish` (offer), `listen` (a listener's offer), `settle` (before a window). Kinds:

- `ours`: a room with its whole session (voice activity, analyzers, journal, recording; the
  recognizer is another process's work), packets forwarded to `Listener`s;
- `relay`: aiortc as its documentation does it, `MediaRelay` and one encoder for each listener.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from typing import Protocol

import structlog
import uvloop
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from benchmarks import child
from benchmarks.server import Full
from benchmarks.stamps import Stamps
from signaling import stack
from signaling.ice import IceSettings
from signaling.whep import Listener

NO_LIMIT = 10_000


class Forwarder(Protocol):
    async def publish(self, offer: str) -> child.Reply: ...

    async def listen(self, offer: str) -> child.Reply: ...


class Ours(Full):
    """One room."""

    def __init__(self, folder: Path) -> None:
        self.stamps = Stamps()
        super().__init__(self.stamps, folder)
        self._listeners: list[Listener] = []

    async def publish(self, offer: str) -> child.Reply:
        reply = await self.answer(0, offer, 0)
        self._rooms[0].audience.limit = NO_LIMIT
        return reply

    async def listen(self, offer: str) -> child.Reply:
        room = self._rooms[0]
        listener = Listener(room.session, room.audience, IceSettings(), self._listeners.remove)
        self._listeners.append(listener)
        return {"answer": await listener.answer(offer)}


class Relay:
    """One decoder, and an encoder for each listener."""

    def __init__(self) -> None:
        self._relay = MediaRelay()
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self._connections: list[RTCPeerConnection] = []

    async def publish(self, offer: str) -> child.Reply:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("track", self._track.set_result)
        return await self._answer(pc, offer)

    async def listen(self, offer: str) -> child.Reply:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTrack(self._relay.subscribe(await self._track))
        return await self._answer(pc, offer)

    async def _answer(self, pc: RTCPeerConnection, offer: str) -> child.Reply:
        self._connections.append(pc)
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return {"answer": pc.localDescription.sdp}


async def _main(kind: str, folder: Path) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stack.use_loopback(True)
    forwarder: Forwarder
    if kind == "relay":
        forwarder = Relay()
    else:
        stack.configure()
        forwarder = Ours(folder)

    async def settle() -> child.Reply:
        if kind != "relay":
            gc.collect()
            gc.freeze()
            gc.disable()
        return {}

    async def stamps(path: str) -> child.Reply:
        """When each frame came, as `benchmarks.server` stamps them."""
        if isinstance(forwarder, Ours):
            forwarder.stamps.save(Path(path))
        return {}

    await child.serve(
        {
            "stamps": stamps,
            "publish": forwarder.publish,
            "listen": forwarder.listen,
            "settle": settle,
        }
    )


if __name__ == "__main__":
    kind_of_forwarder, recordings = child.pin()
    uvloop.run(_main(kind_of_forwarder, Path(recordings)))
