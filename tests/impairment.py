"""A bad network between a client and a node: a UDP relay on loopback that loses and delays.

The client's candidates are taken out of its offer and the node's address in the answer is replaced
by the relay's, so that ICE cannot find a way round it. Only media from the client is impaired:
lost handshakes would test other people's retransmissions.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

_CANDIDATE = re.compile(r"^(a=candidate:\S+ \d+ \S+ \d+) (\S+) (\d+) ", re.MULTILINE)

Address = tuple[str, int]


@dataclass(slots=True)
class Impairment:
    """`loss` is a share of media packets (0-1), `jitter_s` a uniform extra delay up to this."""

    loss: float = 0.0
    jitter_s: float = 0.0
    cut: bool = False
    """Nothing at all passes, in either direction."""


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.relay.take(self, data, address)

    @property
    def port(self) -> int:
        assert self.transport is not None
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    def send(self, data: bytes, to: Address) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, to)


class Relay:
    """Both ends' datagrams pass through here. `lost` of `media` packets did not."""

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self.impairment = impairment
        self.media = self.lost = 0
        self._random = random.Random(seed)
        self._front, self._back = _Socket(self), _Socket(self)
        self._client: Address | None = None
        self._node: Address | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for socket in (self._front, self._back):
            await loop.create_datagram_endpoint(
                lambda socket=socket: socket,  # type: ignore[misc]
                local_addr=("127.0.0.1", 0),
            )

    def close(self) -> None:
        for socket in (self._front, self._back):
            assert socket.transport is not None
            socket.transport.close()

    def rewrite_offer(self, offer: str) -> str:
        """Without candidates: the node learns the relay's address from the client's checks."""
        lines = offer.splitlines(True)
        return "".join(
            line for line in lines if not line.startswith(("a=candidate", "a=end-of-candidates"))
        )

    def rewrite_answer(self, answer: str) -> str:
        """With the relay in the place of the node."""
        found = _CANDIDATE.search(answer)
        assert found is not None, "the answer has no candidate"
        self._node = (found[2], int(found[3]))
        return _CANDIDATE.sub(rf"\1 127.0.0.1 {self._front.port} ", answer)

    def take(self, socket: _Socket, data: bytes, address: Address) -> None:
        if self.impairment.cut:
            return
        if socket is self._back:
            if self._client is not None:
                self._front.send(data, self._client)
            return
        self._client = address
        assert self._node is not None
        delay_s = 0.0
        if _is_rtp(data):
            self.media += 1
            if self._random.random() < self.impairment.loss:
                self.lost += 1
                return
            delay_s = self._random.uniform(0, self.impairment.jitter_s)
        if delay_s > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._back.send, data, self._node)
        else:
            self._back.send(data, self._node)


@asynccontextmanager
async def relay(impairment: Impairment, seed: int = 1) -> AsyncIterator[Relay]:
    """A relay that is open. Change `impairment` at any time."""
    made = Relay(impairment, seed)
    await made.open()
    try:
        yield made
    finally:
        made.close()


def _is_rtp(data: bytes) -> bool:
    """Media, not RTCP, DTLS or STUN (RFC 7983; RFC 5761, 4)."""
    return len(data) >= 12 and 127 < data[0] < 192 and not 192 <= data[1] <= 223
