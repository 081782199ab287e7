"""A client whose network changes in mid-call: one scenario each."""

from __future__ import annotations

import asyncio
import time

from benchmarks.impairment import Impairment, Relay, _Socket, relay
from signaling.publisher import RATE
from tests.faults.scenarios import Outcome, Pcm, api, behind, events_of, outcome, play_to_end
from tests.node import Node

NOTICES_S = 4.0
"""As long as the page takes to see that nothing comes back any more (SILENT_MS in call.js)."""


async def rebind(line: Relay) -> None:
    """What a NAT does that forgets a mapping: the client's next packet leaves from another port."""
    old, new = line._back, _Socket(line)
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: new, local_addr=("127.0.0.1", 0)
    )
    assert old.port != new.port
    line._back = new
    assert old.transport is not None
    old.transport.close()


async def rebound(node: Node, speech: Pcm) -> Outcome:
    """The client's address, as the node sees it, changes while somebody speaks.

    The client is aiortc: unlike browsers it does not nominate its new address.
    """
    async with relay(Impairment()) as line:
        publisher = behind(line, node, speech)
        await publisher.create()
        await publisher.connect()
        await asyncio.sleep(4)
        await rebind(line)
        await publisher.play()
        await asyncio.sleep(1)
        sent_ms = 20 * len(publisher._sent_s)
        await publisher.end()
        return await outcome(node, publisher, sent_ms=sent_ms)


async def moved(node: Node, speech: Pcm) -> Outcome:
    """One network is gone for good; the client publishes anew from another one."""
    async with relay(Impairment()) as line:
        publisher = behind(line, node, speech)
        await publisher.create()
        await publisher.connect()
        await asyncio.sleep(5)
        line.impairment.cut = True
        gone_s = time.monotonic()
        await asyncio.sleep(NOTICES_S)
        old = publisher._pc
        publisher.rewrite_offer = publisher.rewrite_answer = None
        publisher.audio = speech[7 * RATE :]
        seen_seq = max(received.event.seq for received in publisher.received)
        await publisher.connect(resume=True)
        back_s = time.monotonic()
        assert old is not None
        async with api(node) as http:
            missed = await events_of(http, publisher.session_id, after=seen_seq)
        await play_to_end(publisher)
        await old.close()
        return await outcome(node, publisher, away_s=back_s - gone_s, missed=missed)
