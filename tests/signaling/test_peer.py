"""A peer connection: real ICE, DTLS, SRTP and SCTP on loopback."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCDataChannel
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import opus
from signaling.ice import IceSettings
from signaling.peer import NoAddress, Peer, PeerEvents
from signaling.sdp import BadOffer
from signaling.stack.candidates import MAX_LEARNED
from signaling.stack.datagrams import MAX_STREAMS
from signaling.trickle import BadFragment, RestartRefused
from tests.signaling.calling import Client, until
from tests.signaling.offers import CHROMIUM, FIREFOX, aiortc_offer, fragment, hidden, without

ICE = IceSettings(reach="loopback")


class Log:
    """What a peer reported."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, int, bytes]] = []
        self.messages: list[str | bytes] = []
        self.channels: dict[str, RTCDataChannel] = {}
        self.closed: list[str] = []

    def events(self) -> PeerEvents:
        return PeerEvents(
            on_packet=lambda *packet: self.packets.append(packet),
            on_message=self.messages.append,
            on_channel=lambda channel: self.channels.__setitem__(channel.label, channel),
            on_closed=self.closed.append,
        )


@asynccontextmanager
async def connected(log: Log, **rewrites: Any) -> AsyncIterator[tuple[Peer, Client, str]]:
    peer, client = Peer(ICE, log.events()), Client()
    offer = await client.offer()
    answer = await peer.answer(rewrites.get("offer", str)(offer))
    await client.accept(answer)
    try:
        yield peer, client, answer
    finally:
        await client.close()
        await peer.close()


async def test_untouched_opus_packets_arrive_in_sequence() -> None:
    log = Log()
    async with connected(log):
        await until(lambda: len(log.packets) >= 10)
    assert {opus.duration_rtp(payload) for *_, payload in log.packets} == {960}
    assert len({ssrc for ssrc, *_ in log.packets}) == 1
    steps = zip(log.packets, log.packets[1:], strict=False)
    assert {((b[1] - a[1]) & 0xFFFF, (b[2] - a[2]) & 0xFFFFFFFF) for a, b in steps} == {(1, 960)}


async def test_the_answer_carries_opus_alone_with_fec() -> None:
    peer = Peer(ICE, Log().events())
    answer = await peer.answer(CHROMIUM)
    await peer.close()
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111" in answer or " 111\r\n" in answer
    assert [line for line in answer.splitlines() if line.startswith("a=rtpmap")] == [
        "a=rtpmap:111 opus/48000/2"
    ]
    assert answer.count("useinbandfec=1") == 1
    assert "a=recvonly" in answer


async def test_nothing_is_decoded_in_a_thread_of_its_own() -> None:
    log = Log()
    async with connected(log):
        await until(lambda: log.packets)
        names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "decoder" in name]


async def test_messages_pass_both_ways_on_channels_the_client_opened() -> None:
    log = Log()
    async with connected(log) as (_, client, _):
        client.events.send('{"type":"ping"}')
        await until(lambda: log.messages)
        log.channels["events"].send("[]")
        await until(lambda: client.messages)
    assert log.messages == ['{"type":"ping"}']
    assert client.messages == ["[]"]
    assert set(log.channels) == {"events", "meters"}
    meters = log.channels["meters"]
    assert (meters.ordered, meters.maxRetransmits) == (False, 0)


async def test_a_client_that_hides_its_addresses_connects() -> None:
    log = Log()
    async with connected(log, offer=hidden):
        await until(lambda: log.packets)


async def test_a_client_that_names_only_addresses_of_another_kind_is_found_by_its_checks() -> None:
    """Nothing pairs: what it offers is IPv6, and the node has none."""

    def of_another_kind(sdp: str) -> str:
        lines = sdp.splitlines(True)
        return "".join(
            line.replace(" 127.0.0.1 ", " fd00::2 ") if line.startswith("a=candidate") else line
            for line in lines
        )

    log = Log()
    async with connected(log, offer=of_another_kind) as (_, client, _):
        assert "a=end-of-candidates" in client.pc.localDescription.sdp
        await until(lambda: log.packets)


async def test_a_client_whose_offer_has_no_candidates_is_found_by_its_checks() -> None:
    log = Log()
    async with connected(log, offer=lambda sdp: without(sdp, "a=candidate", "a=end-of")):
        await until(lambda: log.packets)


async def test_checks_are_sent_to_the_candidates_of_the_section_that_the_others_share() -> None:
    """Browsers bundle sections to hear on behind the first, which alone has candidates."""
    peer = Peer(ICE, Log().events())
    try:
        await peer.answer(FIREFOX)
        (transport,) = {each.receiver.transport for each in peer._pc.getTransceivers()}
        known = {candidate.host for candidate in transport.transport._connection.remote_candidates}
        assert known == {"192.0.2.2", "fd00::2"}
    finally:
        await peer.close()


async def test_checks_are_sent_to_candidates_that_come_after_the_offer() -> None:
    log = Log()
    peer, client = Peer(ICE, log.events()), Client()
    try:
        whole = await client.offer()
        answer = await peer.answer(without(whole, "a=candidate", "a=end-of"))
        await peer.add_candidates(fragment(whole))
        own: Any = client.sender.transport.transport._connection
        await until(lambda: own._early_checks)  # and the client has not sent anything yet
        await client.accept(answer)
        await until(lambda: log.packets)
    finally:
        await client.close()
        await peer.close()


async def test_the_end_of_candidates_alone_does_not_end_the_wait_for_the_client() -> None:
    log = Log()
    peer, client = Peer(ICE, log.events()), Client()
    try:
        whole = await client.offer()
        answer = await peer.answer(without(whole, "a=candidate", "a=end-of"))
        await peer.add_candidates(without(fragment(whole), "a=candidate"))
        await asyncio.sleep(0.2)  # ICE looks again every 20 ms whether it has failed
        await client.accept(answer)
        await until(lambda: log.packets)
        assert log.closed == []
    finally:
        await client.close()
        await peer.close()


async def test_a_refused_fragment_leaves_the_connection_as_it_was() -> None:
    log = Log()
    async with connected(log) as (peer, client, _):
        await until(lambda: log.packets)
        own = fragment(client.pc.localDescription.sdp)
        with pytest.raises(RestartRefused):
            await peer.add_candidates(fragment(await aiortc_offer()))
        with pytest.raises(BadFragment):
            await peer.add_candidates(own.replace("a=mid:", "a=mid:x"))
        await peer.add_candidates(own)
        heard = len(log.packets)
        await until(lambda: len(log.packets) > heard + 5)
    assert log.closed == []


async def test_checks_from_everywhere_teach_a_bounded_number_of_addresses() -> None:
    peer, client = Peer(ICE, Log().events()), Client()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(60)]
    try:
        offer = await client.offer()
        await peer.answer(without(offer, "a=candidate", "a=end-of"))
        (ice,) = {receiver.transport.transport for receiver in peer._pc.getReceivers()}
        node = ice._connection
        (target,) = node.local_candidates
        for sender in sockets:
            check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            check.attributes["USERNAME"] = f"{node.local_username}:{node.remote_username}"
            check.attributes["PRIORITY"] = 1_000
            check.attributes["ICE-CONTROLLING"] = 1
            check.add_message_integrity(node.local_password.encode())
            sender.sendto(bytes(check), (target.host, target.port))
        for sender in sockets:  # each gets its answer, not each a check
            sender.settimeout(5)
            answer = await asyncio.to_thread(sender.recv, 2_000)
            assert stun.parse_message(answer).message_class is stun.Class.RESPONSE
        assert len(node.remote_candidates) == MAX_LEARNED
        assert len(node._check_list) == MAX_LEARNED
    finally:
        for sender in sockets:
            sender.close()
        await client.close()
        await peer.close()


async def test_a_node_that_has_no_address_says_so() -> None:
    peer = Peer(IceSettings(relay_only=True), Log().events())
    with pytest.raises(NoAddress, match="no address"):
        await peer.answer(CHROMIUM)


async def test_a_client_that_closes_is_reported_once() -> None:
    log = Log()
    async with connected(log) as (_, client, _):
        await client.close()
        await until(lambda: log.closed)
    assert log.closed == ["closed"]


async def test_our_own_close_is_not_reported_and_may_be_repeated() -> None:
    log = Log()
    async with connected(log) as (peer, _, _):
        await peer.close()
        await peer.close()
        await asyncio.sleep(0.1)
    assert log.closed == []


async def test_receiver_reports_tell_the_sender_what_was_lost() -> None:
    """Chromium sends FEC only when these reports show loss."""
    log = Log()
    async with connected(log) as (_, client, _):
        transport: Any = client.sender.transport
        send, sent = transport._send_rtp, []

        async def lossy(data: bytes) -> None:
            sent.append(data)
            if len(sent) % 5:
                await send(data)

        transport._send_rtp = lossy
        lost = 0
        until_s = time.monotonic() + 20
        while not lost and time.monotonic() < until_s:
            await asyncio.sleep(0.2)
            report = await client.sender.getStats()
            for entry in report.values():
                if entry.type == "remote-inbound-rtp":
                    lost = entry.packetsLost
    assert lost > 0


async def test_streams_without_end_do_not_break_the_receiver_reports() -> None:
    log = Log()

    def arrived_from(ssrc: int) -> bool:
        return bool(log.packets) and log.packets[-1][0] == ssrc

    async with connected(log) as (peer, client, _):
        for ssrc in range(1, 41):
            client.sender._ssrc = ssrc
            await until(partial(arrived_from, ssrc))
        receiver: Any = peer._pc.getReceivers()[0]
        assert len(receiver._RTCRtpReceiver__remote_streams) == MAX_STREAMS
        assert not receiver._RTCRtpReceiver__rtcp_task.done()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_twenty_calls_leave_no_task_thread_or_descriptor_behind() -> None:
    async def call() -> None:
        log = Log()
        async with connected(log):
            await until(lambda: log.packets)

    def holdings() -> tuple[int, int, int]:
        gc.collect()
        threads = [thread.name for thread in threading.enumerate()]
        own = [name for name in threads if not name.startswith("asyncio_")]  # the loop's own pool
        return len(asyncio.all_tasks()), len(own), open_descriptors()

    await call()
    await asyncio.sleep(0.2)
    before = holdings()
    for _ in range(5):
        await asyncio.gather(*(call() for _ in range(4)))
    await asyncio.sleep(0.2)
    assert holdings() == before


async def test_a_refused_offer_leaves_no_descriptor_behind() -> None:
    before = open_descriptors()
    for _ in range(5):
        peer = Peer(ICE, Log().events())
        with pytest.raises(BadOffer):
            await peer.answer(CHROMIUM.replace("a=rtcp-mux\r\n", ""))
    await asyncio.sleep(0.1)
    gc.collect()
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "captured", [CHROMIUM, FIREFOX, None], ids=["chromium", "firefox", "aiortc"]
)
async def test_an_offer_cut_off_at_any_line_is_answered_or_refused(captured: str | None) -> None:
    offer = captured or await aiortc_offer()
    lines = offer.splitlines(True)
    refused = 0
    for count in range(len(lines)):
        peer = Peer(ICE, Log().events())
        try:
            await peer.answer("".join(lines[:count]))
        except BadOffer:
            refused += 1
        await peer.close()
    assert refused > len(lines) // 2


LINES = CHROMIUM.splitlines(True)


def test_no_mutilated_offer_raises_anything_but_a_refusal() -> None:
    faults: list[dict[str, Any]] = []

    async def answer(offer: str) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        peer = Peer(ICE, Log().events())
        with suppress(BadOffer):
            await peer.answer(offer)
        await peer.close()
        await asyncio.sleep(0.001)  # closed sockets are let go of in the loop's next round

    @settings(max_examples=100)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 60), st.text(max_size=8)),
            min_size=1,
            max_size=4,
        )
    )
    def mutilate(edits: list[tuple[int, int, str]]) -> None:
        lines = list(LINES)
        for at, column, text in edits:
            lines[at] = lines[at][:column] + text + lines[at][column + len(text) :]
        asyncio.run(answer("".join(lines)))

    mutilate()
    gc.collect()  # a task's exception that nobody took is reported when the task goes
    assert faults == []
