"""A bad network between a client and a node: a UDP relay on loopback that loses and delays.

The client's candidates are taken out of its offer and the node's address in the answer is replaced
by the relay's, so that ICE cannot find a way round it. Only media from the client is impaired:
lost handshakes would test other people's retransmissions.

Which packet is lost depends on the seed and on the packet's number alone, not on the delays drawn
for the others, so that two receivers behind relays of equal seed miss the same packets.
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
    """`loss` and `duplicate` are shares of media packets (0-1), `jitter_s` a uniform extra delay up
    to this, which reorders packets wherever it exceeds their distance."""

    loss: float = 0.0
    jitter_s: float = 0.0
    cut: bool = False
    """Nothing at all passes, in either direction."""
    burst_packets: float | None = None
    """Mean length of a run of lost packets; None: each packet is lost independently."""
    duplicate: float = 0.0


class Loss:
    """Which packets are lost: independently, or by Gilbert's two-state chain.

    The chain ("Capacity of a burst-noise channel", Bell Syst. Tech. J. 39, 1960; Elliott's model
    of 1963 with loss 0 in the good state and 1 in the bad) leaves the bad state with probability
    r = 1 / mean burst and enters it with p = r * loss / (1 - loss), which makes its share of time
    in the bad state, p / (p + r), equal `loss`.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._is_bad = False

    def next(self, loss: float, burst_packets: float | None) -> bool:
        """Whether the next packet is lost. Raises `ValueError` for bursts that cannot be: shorter
        than one packet, or than the loss needs (loss / (1 - loss) packets)."""
        drawn = self._random.random()
        if burst_packets is None:
            self._is_bad = drawn < loss
            return self._is_bad
        if burst_packets < 1 or loss >= 1 or loss / (1 - loss) > burst_packets:
            raise ValueError(f"no chain loses {loss:.2f} in bursts of {burst_packets} packets")
        leave = 1 / burst_packets
        enter = leave * loss / (1 - loss)
        self._is_bad = drawn >= leave if self._is_bad else drawn < enter
        return self._is_bad


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
    """Both ends' datagrams pass through here.

    Of `media` packets `lost` did not, in `bursts` runs; `duplicated` passed twice, and `reordered`
    left after a packet that had come after them.
    """

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self.impairment = impairment
        self.media = self.lost = self.bursts = self.duplicated = self.reordered = 0
        self._loss = Loss(seed)
        # A source of its own for the rest: a delay drawn must not change which packet is lost.
        self._random = random.Random(seed + 1)
        self._was_lost = False
        self._newest_sent = 0
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
        if is_rtp(data):
            self._take_media(data)
        else:
            self._back.send(data, self._node)

    def _take_media(self, data: bytes) -> None:
        self.media += 1
        how = self.impairment
        was_lost, self._was_lost = self._was_lost, self._loss.next(how.loss, how.burst_packets)
        if self._was_lost:
            self.lost += 1
            self.bursts += not was_lost
            return
        self._pass_on(data, self._random.uniform(0, how.jitter_s))
        if self._random.random() < how.duplicate:
            self.duplicated += 1
            self._pass_on(data, self._random.uniform(0, how.jitter_s))

    def _pass_on(self, data: bytes, delay_s: float) -> None:
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, self._send_media, data, self.media)
        else:
            self._send_media(data, self.media)

    def _send_media(self, data: bytes, number: int) -> None:
        assert self._node is not None
        if number < self._newest_sent:
            self.reordered += 1
        self._newest_sent = max(self._newest_sent, number)
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


def is_rtp(data: bytes) -> bool:
    """Media, not RTCP, DTLS or STUN (RFC 7983; RFC 5761, 4)."""
    return len(data) >= 12 and 127 < data[0] < 192 and not 192 <= data[1] <= 223
