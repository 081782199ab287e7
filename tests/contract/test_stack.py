"""What signaling/stack.py touches inside aiortc and aioice still has the shape it relies on.

A failure here means: read the new version's source, then change stack.py, then the pin.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aioice.ice
import aioice.turn
import aiortc.rtcpeerconnection
import aiortc.rtcsctptransport
import pylibsrtp
import pytest
from aiortc import (
    RTCConfiguration,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtcdtlstransport import RtpRouter, State
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtcpReceiverInfo, RtpPacket

from signaling import gnutls, stack
from signaling.reception import Reception
from signaling.stack import datagrams
from signaling.stack.sending import MAX_RTP_BYTES

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PRIVATE = "_RTCRtpReceiver__"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    addresses: Any = aioice.ice.get_host_addresses
    rto_min: Any = aiortc.rtcsctptransport.SCTP_RTO_MIN
    datagram_received: Any = aioice.ice.StunProtocol.datagram_received
    yield
    protocol: Any = aioice.ice.StunProtocol
    protocol.datagram_received = datagram_received
    aioice.ice.get_host_addresses = addresses
    constants: Any = aiortc.rtcsctptransport
    constants.SCTP_RTO_MIN = rto_min


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_installed_versions_are_the_ones_this_was_written_for() -> None:
    assert version("aiortc") == stack.AIORTC
    assert version("aioice") == stack.AIOICE


def test_the_versions_are_pinned() -> None:
    project = PYPROJECT.read_text()
    assert re.search(rf'"aiortc=={re.escape(stack.AIORTC)}"', project)
    assert re.search(rf'"aioice=={re.escape(stack.AIOICE)}"', project)


async def test_a_receiver_has_the_private_state_that_the_tap_sets() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver: Any = pc.addTransceiver("audio").receiver
    assert getattr(receiver, PRIVATE + "started") is False
    assert getattr(receiver, PRIVATE + "codecs") == {}
    assert getattr(receiver, PRIVATE + "remote_streams") == {}
    assert getattr(receiver, PRIVATE + "rtcp_task") is None
    assert getattr(receiver, PRIVATE + "decoder_thread") is None
    assert getattr(receiver, PRIVATE + "transport") is receiver.transport
    await pc.close()


def test_the_methods_that_the_tap_replaces_or_calls_take_what_they_took() -> None:
    assert inspect.iscoroutinefunction(RTCRtpReceiver.receive)
    assert parameters(RTCRtpReceiver.receive) == ["self", "parameters"]
    assert inspect.iscoroutinefunction(RTCRtpReceiver._handle_rtp_packet)
    assert parameters(RTCRtpReceiver._handle_rtp_packet) == ["self", "packet", "arrival_time_ms"]
    assert inspect.iscoroutinefunction(RTCRtpReceiver._run_rtcp)
    assert parameters(RTCRtpReceiver._run_rtcp) == ["self"]


def test_the_receive_that_the_tap_replaces_does_nothing_more_than_it_did() -> None:
    """Beside the decoder thread, which is what the tap is there to avoid."""
    source = inspect.getsource(RTCRtpReceiver.receive)
    for part in (
        "self.__codecs[codec.payloadType] = codec",
        "self.__transport._register_rtp_receiver(self, parameters)",
        "self.__rtcp_task = asyncio.ensure_future(self._run_rtcp())",
        "self.__started = True",
    ):
        assert part in source
    statements = [line.strip() for line in source.splitlines() if "self." in line]
    assert len([line for line in statements if "decoder" not in line]) == 7


async def test_the_transport_registers_receivers_and_sends_rtp_as_it_did() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = pc.addTrack(AudioStreamTrack())
    transport: Any = sender.transport
    assert parameters(transport._register_rtp_receiver) == ["receiver", "parameters"]
    assert inspect.iscoroutinefunction(transport._send_rtp)
    assert parameters(transport._send_rtp) == ["data"]
    await pc.close()


async def test_a_transceiver_offers_the_codecs_it_holds() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver: Any = pc.addTransceiver("audio")
    await pc.setLocalDescription(await pc.createOffer())
    assert "audio/opus" in [codec.mimeType.lower() for codec in transceiver._codecs]
    stack.keep_only_opus(transceiver)
    assert [codec.mimeType.lower() for codec in transceiver._codecs] == ["audio/opus"]
    await pc.close()


def test_reports_read_of_a_stream_what_reception_has() -> None:
    source = inspect.getsource(RTCRtpReceiver._run_rtcp)
    read = {match[1] for match in re.finditer(r"stream\.(\w+)", source)}
    assert read == {"fraction_lost", "packets_lost", "max_seq", "jitter"}
    reception = Reception(0xFFFF)
    for sequence in (0xFFFF, 0, 1, 3):
        reception.push(sequence, sequence, 0.0)
    values = {name: getattr(reception, name) for name in read - {"max_seq"}}
    report = RtcpReceiverInfo(ssrc=1, lsr=0, dlsr=0, highest_sequence=reception.max_seq, **values)
    assert RtcpReceiverInfo.parse(bytes(report)).highest_sequence == 0x10003


def test_datagrams_arrive_where_the_demultiplexer_takes_them() -> None:
    protocol = aioice.ice.StunProtocol
    for _ in range(2):
        stack.configure()
        assert protocol.datagram_received is stack.demultiplex
    assert parameters(datagrams._datagram_received) == ["self", "data", "addr"]
    assert parameters(aioice.ice.Connection.data_received) == ["self", "data", "component"]
    assert "self._queue.put_nowait" in inspect.getsource(aioice.ice.Connection.data_received)


async def test_a_connection_leads_from_its_receiver_to_its_keys_and_its_socket() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver: Any = pc.addTransceiver("audio").receiver
    await pc.setLocalDescription(await pc.createOffer())
    dtls: Any = receiver.transport
    assert dtls._rx_srtp is None
    assert isinstance(dtls._rtp_router, RtpRouter)
    assert dtls._rtp_router.ssrc_table == {}
    connection: Any = dtls.transport._connection
    assert isinstance(connection, aioice.ice.Connection)
    assert connection._queue.qsize() == 0
    setattr(connection, datagrams.GATE, None)  # it takes attributes
    await pc.close()


def test_a_pair_of_addresses_tells_whether_its_check_succeeded_and_may_be_nominated() -> None:
    fields = {"component", "remote_addr", "protocol", "state"}
    remote = aioice.ice.Candidate("1", 1, "udp", 1, "127.0.0.1", 9, "host")

    class Protocol:
        local_candidate = remote

    pair = aioice.ice.CandidatePair(cast(aioice.ice.StunProtocol, Protocol()), remote)
    assert fields <= set(dir(pair))
    assert pair.remote_addr == ("127.0.0.1", 9)
    assert aioice.ice.CandidatePair.State.SUCCEEDED is not pair.state
    source = inspect.getsource(aioice.ice.Connection.sendto)
    assert "self._nominated.get(component)" in source


def test_keys_are_made_and_reports_handled_where_the_tap_expects_them() -> None:
    assert "self._rx_srtp = Session(rx_policy)" in inspect.getsource(RTCDtlsTransport._setup_srtp)
    assert parameters(RTCDtlsTransport._handle_rtcp_data) == ["self", "data"]
    assert "self._handle_rtcp_data(data)" in inspect.getsource(RTCDtlsTransport._recv_next)
    assert parameters(pylibsrtp.Session.unprotect) == ["self", "packet"]


def test_a_receiver_starts_once_its_keys_are_there() -> None:
    """The tap is set in `receive`: what comes before waits in aioice's queue, or is lost."""
    source = inspect.getsource(RTCPeerConnection)
    connect = source[source.index("async def __connect") :]
    assert connect.index("dtlsTransport.start(") < connect.index("receiver.receive(")


async def test_a_handshake_can_be_given_to_gnutls_before_it_starts() -> None:
    assert parameters(RTCDtlsTransport.start) == ["self", "remoteParameters"]
    assert parameters(RTCDtlsTransport._do_handshake) == ["self"]
    start = inspect.getsource(RTCDtlsTransport.start)
    order = (
        "self._ssl = SSL.Connection(",
        "await self._do_handshake()",
        "self._validate_peer_identity(remoteParameters)",
        "self._setup_srtp()",
    )
    assert sorted(order, key=start.index) == list(order)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transport: Any = pc.addTransceiver("audio").receiver.transport
    assert transport._role == "auto"
    mine = transport._RTCDtlsTransport__local_certificate
    gnutls.Connection(mine._key, mine._cert, is_server=True)
    await pc.close()


def test_gnutls_has_all_that_a_transport_calls() -> None:
    called = set(re.findall(r"self\._ssl\.(\w+)\(", inspect.getsource(RTCDtlsTransport)))
    before_it_is_given = {"set_accept_state", "set_connect_state"}
    assert before_it_is_given < called
    assert called - before_it_is_given <= set(dir(gnutls.Connection))


def test_a_packet_names_what_the_tap_hands_on() -> None:
    packet = RtpPacket.parse(bytes.fromhex("806f0001000000020000000a") + b"opus")
    assert (packet.payload_type, packet.sequence_number, packet.timestamp) == (111, 1, 2)
    assert (packet.ssrc, packet.payload) == (10, b"opus")


def test_remote_tracks_queue_without_bound_so_that_nobody_may_feed_one() -> None:
    track: Any = RemoteStreamTrack(kind="audio")
    assert track._queue.maxsize == 0


def test_host_addresses_come_from_the_function_that_is_replaced() -> None:
    assert parameters(aioice.ice.get_host_addresses) == ["use_ipv4", "use_ipv6"]
    assert "get_host_addresses(" in inspect.getsource(aioice.ice.Connection.gather_candidates)
    stack.use_loopback(True)
    assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1"]
    stack.use_loopback(False)
    assert "127.0.0.1" not in aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)


async def test_with_loopback_the_only_candidate_is_loopback() -> None:
    stack.use_loopback(True)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("events")
    await pc.setLocalDescription(await pc.createOffer())
    candidates = re.findall(r"a=candidate:\S+ \d+ \S+ \d+ (\S+)", pc.localDescription.sdp)
    await pc.close()
    assert candidates == ["127.0.0.1"]


async def test_the_retransmission_floor_is_the_one_that_is_set() -> None:
    stack.configure()
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("events")
    sctp: Any = pc.sctp
    sctp._update_rto(0.001)
    sctp._update_rto(0.001)
    assert sctp._rto == stack.SCTP_RTO_MIN_S
    await pc.close()


async def test_a_sender_has_the_private_state_that_ours_lends_from_it() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender: Any = pc.addTransceiver("audio").sender
    prefix = "_RTCRtpSender__"
    assert getattr(sender, prefix + "started") is False
    assert getattr(sender, prefix + "rtp_task") is getattr(sender, prefix + "rtcp_task") is None
    for name in ("ntp_timestamp", "rtp_timestamp", "octet_count", "packet_count"):
        assert getattr(sender, prefix + name) == 0
    for name in ("rtp_started", "rtp_exited", "rtcp_started", "rtcp_exited"):
        assert not getattr(sender, prefix + name).is_set()
    assert getattr(sender, prefix + "cname") is None
    assert isinstance(sender._ssrc, int)
    await pc.close()


def test_a_sender_starts_sends_reports_and_stops_as_it_did() -> None:
    assert parameters(RTCRtpSender.send) == ["self", "parameters"]
    assert parameters(RTCRtpSender._handle_rtcp_packet) == ["self", "packet"]
    assert parameters(RTCRtpSender._run_rtcp) == ["self"]
    source = inspect.getsource(RTCRtpSender.send)
    for part in (
        "self.__transport._register_rtp_sender(self, parameters)",
        "self.__cname = parameters.rtcp.cname",
        "self.__rtp_task = asyncio.ensure_future(self._run_rtp(parameters.codecs[0]))",
        "self.__rtcp_task = asyncio.ensure_future(self._run_rtcp())",
        "self.__started = True",
    ):
        assert part in source
    source = inspect.getsource(RTCRtpSender.stop)
    for part in (
        "if self.__started:",
        "asyncio.gather(self.__rtp_started.wait(), self.__rtcp_started.wait())",
        "self.__rtp_task.cancel()",
        "self.__rtcp_task.cancel()",
        "asyncio.gather(self.__rtp_exited.wait(), self.__rtcp_exited.wait())",
    ):
        assert part in source
    for name in ("ntp_timestamp", "rtp_timestamp", "packet_count", "octet_count"):
        assert f"self.__{name}" in inspect.getsource(RTCRtpSender._run_rtcp)


async def test_a_connection_leads_from_its_sender_to_its_keys_and_its_socket() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    dtls: Any = pc.addTransceiver("audio").sender.transport
    assert dtls._state is State.NEW
    assert dtls._tx_srtp is None
    assert parameters(dtls._register_rtp_sender) == ["sender", "parameters"]
    assert dtls.transport._connection._nominated == {}
    await pc.close()
    assert isinstance(aioice.ice.CandidatePair.remote_addr, property)
    assert "self.protocol = protocol" in inspect.getsource(aioice.ice.CandidatePair.__init__)
    assert "active_pair.protocol.send_data(data, active_pair.remote_addr)" in inspect.getsource(
        aioice.ice.Connection.sendto
    )
    assert "self.transport.sendto(data, addr)" in inspect.getsource(
        aioice.ice.StunProtocol.send_data
    )


def test_a_relays_transport_holds_what_it_has_not_sent() -> None:
    protocol = SimpleNamespace(transport=None)
    relay: Any = aioice.turn.TurnTransport(protocol)  # type: ignore[arg-type]
    assert relay._TurnTransport__send_tasks == set()
    assert relay._TurnTransport__inner_protocol.transport is None
    assert parameters(relay.sendto) == ["data", "addr"]


def test_a_packet_of_the_longest_size_can_be_encrypted_and_one_more_byte_cannot() -> None:
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    session = pylibsrtp.Session(policy)
    longest = bytes([0x80]) + bytes(MAX_RTP_BYTES - 1)
    assert len(session.protect(longest)) > len(longest)
    with pytest.raises(ValueError, match="too long"):
        session.protect(longest + b"x")


async def test_a_header_extension_is_answered_only_where_the_transceiver_holds_it() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver: Any = pc.addTransceiver("audio")
    await pc.setLocalDescription(await pc.createOffer())
    assert transceiver._headerExtensions
    made_by = aiortc.rtcpeerconnection.create_media_description_for_transceiver
    assert "transceiver._headerExtensions" in inspect.getsource(made_by)
    stack.drop_header_extensions(transceiver)
    assert transceiver._headerExtensions == []
    await pc.close()


async def test_an_association_tells_what_it_has_still_to_deliver() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = pc.createDataChannel("events")
    sctp: Any = channel.transport
    assert sctp is pc.sctp
    assert not sctp._outbound_queue
    assert not sctp._sent_queue
    assert len(sctp._data_channel_queue) == 1  # the channel's own opening
    assert not stack.is_delivered(channel)
    await pc.close()
