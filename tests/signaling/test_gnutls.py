"""DTLS by GnuTLS takes the certificates that OpenSSL refuses; fingerprints hold as ever."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiortc import RTCSessionDescription
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, generate_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from signaling import gnutls
from signaling.peer import IceSettings, Peer
from tests.signaling.calling import Client, until
from tests.signaling.test_peer import Log

LABEL, KEY_BYTES = b"EXTRACTOR-dtls_srtp", 60
ROUNDS = 10
P224, P256 = ec.SECP224R1(), ec.SECP256R1()

End = tuple[Any, x509.Certificate]
Make = Callable[[ec.EllipticCurve, bool], End]


def by_gnutls(curve: ec.EllipticCurve, is_server: bool) -> End:
    key = ec.generate_private_key(curve)
    certificate = generate_certificate(key)
    return gnutls.Connection(key, certificate, is_server=is_server), certificate


def by_openssl(curve: ec.EllipticCurve, is_server: bool) -> End:
    key = ec.generate_private_key(curve)
    certificate = generate_certificate(key)
    context = RTCCertificate(key, certificate)._create_ssl_context(SRTP_PROFILES)
    connection = SSL.Connection(context)
    if is_server:
        connection.set_accept_state()
    else:
        connection.set_connect_state()
    return connection, certificate


def shake_hands(a: Any, b: Any) -> None:
    """Raises `SSL.Error` where one end refuses, `TimeoutError` where they do not come together."""
    done = set()
    for _ in range(ROUNDS):
        for end, other in ((a, b), (b, a)):
            with suppress(SSL.WantReadError):
                end.do_handshake()
                done.add(end)
            with suppress(SSL.WantReadError):
                other.bio_write(end.bio_read(1_500))
        if done == {a, b}:
            return
    raise TimeoutError


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
class TestInEitherRole:
    def test_openssl_refuses_a_key_on_p224(self, is_server: bool) -> None:
        """Why this module exists. Where OpenSSL takes one, it can go."""
        theirs, _ = by_gnutls(P224, is_server)
        ours, _ = by_openssl(P256, not is_server)
        with pytest.raises(SSL.Error, match="wrong curve"):
            shake_hands(ours, theirs)

    @pytest.mark.parametrize(
        ("make", "curve"), [(by_gnutls, P224), (by_gnutls, P256), (by_openssl, P256)]
    )
    def test_gnutls_takes_it_and_agrees_on_keys(
        self, make: Make, curve: ec.EllipticCurve, is_server: bool
    ) -> None:
        theirs, certificate = make(curve, is_server)
        ours, own = by_gnutls(P256, not is_server)
        shake_hands(ours, theirs)
        assert ours.get_peer_certificate(as_cryptography=True) == certificate
        assert theirs.get_peer_certificate(as_cryptography=True) == own
        assert ours.get_selected_srtp_profile() == b"SRTP_AES128_CM_SHA1_80"
        assert theirs.get_selected_srtp_profile() == b"SRTP_AES128_CM_SHA1_80"
        keys = ours.export_keying_material(LABEL, KEY_BYTES)
        assert len(set(keys)) > 20
        assert keys == theirs.export_keying_material(LABEL, KEY_BYTES)

    def test_a_lost_flight_is_sent_again(self, is_server: bool) -> None:
        ours, _ = by_gnutls(P256, is_server)
        theirs, _ = by_gnutls(P224, not is_server)
        client, server = (theirs, ours) if is_server else (ours, theirs)
        for sender, receiver in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                sender.do_handshake()
            assert sender.bio_read(1_500)
            asyncio.run(asyncio.sleep(gnutls.RESEND_AFTER_MS / 1_000 + 0.05))
            with pytest.raises(SSL.WantReadError):
                sender.do_handshake()
            receiver.bio_write(sender.bio_read(1_500))
        shake_hands(ours, theirs)

    def test_data_passes_and_a_goodbye_ends_it(self, is_server: bool) -> None:
        ours, _ = by_gnutls(P256, is_server)
        theirs, _ = by_gnutls(P224, not is_server)
        shake_hands(ours, theirs)
        assert ours.DTLSv1_get_timeout() is None
        ours.send(b"hello\0there")
        theirs.bio_write(ours.bio_read(1_500))
        assert theirs.recv(1_500) == b"hello\0there"
        theirs.shutdown()
        ours.bio_write(theirs.bio_read(1_500))
        with pytest.raises(SSL.ZeroReturnError):
            ours.recv(1_500)

    @given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
    def test_whatever_comes_nothing_but_an_ssl_error_goes(
        self, is_server: bool, datagrams: list[bytes], is_after: bool
    ) -> None:
        ours, _ = by_gnutls(P256, is_server)
        theirs, _ = by_gnutls(P256, not is_server)
        if is_after:
            shake_hands(ours, theirs)
        for datagram in datagrams:
            ours.bio_write(b"\x16\xfe\xfd" + datagram)
            ours.bio_write(datagram)
            for _ in range(2):
                with suppress(SSL.Error):
                    ours.recv(1_500)
            with suppress(SSL.Error):
                ours.bio_read(1_500)

    @given(st.integers(0, 600), st.integers(1, 255))
    def test_one_wrong_byte_in_a_first_flight_is_refused_or_ignored(
        self, is_server: bool, position: int, difference: int
    ) -> None:
        ours, _ = by_gnutls(P256, is_server)
        theirs, _ = by_gnutls(P224, not is_server)
        if not is_server:
            hand_over(ours, theirs)
        hand_over(theirs, ours, lambda flight: flipped(flight, position, difference))
        with suppress(SSL.Error, TimeoutError):
            shake_hands(ours, theirs)
            same = [end.export_keying_material(LABEL, KEY_BYTES) for end in (ours, theirs)]
            assert same[0] == same[1]


def hand_over(sender: Any, receiver: Any, change: Callable[[bytes], bytes] = bytes) -> None:
    with suppress(SSL.WantReadError):
        sender.do_handshake()
    receiver.bio_write(change(sender.bio_read(1_500)))


def flipped(flight: bytes, position: int, difference: int) -> bytes:
    position %= len(flight)
    return flight[:position] + bytes([flight[position] ^ difference]) + flight[position + 1 :]


def test_a_client_without_a_certificate_is_refused() -> None:
    server, _ = by_gnutls(P256, True)
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    client = SSL.Connection(context)
    client.set_connect_state()
    with pytest.raises(SSL.Error, match="ertificate"):
        shake_hands(server, client)


@asynccontextmanager
async def publishing(log: Log, role: str, *rewrites: Callable[[str], str]) -> AsyncIterator[Peer]:
    """A publisher whose offer fixes its DTLS role, as FFmpeg's does."""
    peer, client = Peer(IceSettings(), log.events()), Client()
    offer = (await client.offer()).replace("a=setup:actpass", f"a=setup:{role}")
    for rewrite in rewrites:
        offer = rewrite(offer)
    try:
        answer = await peer.answer(offer)
        await client.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        yield peer
    finally:
        await client.close()
        await peer.close()


def forged(offer: str) -> str:
    offer = re.sub(r"a=fingerprint:sha-(384|512) \S+\r\n", "", offer)
    return re.sub(r"(?<=a=fingerprint:sha-256 )\S+", ("00:" * 32)[:-1], offer)


@pytest.mark.parametrize("role", ["passive", "active"])
class TestOffersThatFixTheirRole:
    async def test_audio_and_data_channels_come_through(self, role: str) -> None:
        log = Log()
        async with publishing(log, role) as peer:
            await until(lambda: len(log.packets) > 10 and len(log.channels) == 2)
            (transceiver,) = peer._pc.getTransceivers()
            transport: Any = transceiver.receiver.transport
            assert isinstance(transport._ssl, gnutls.Connection)

    async def test_a_wrong_fingerprint_carries_no_audio_in(self, role: str) -> None:
        log = Log()
        async with publishing(log, role, forged):
            await until(lambda: log.closed == ["failed"])
        assert log.packets == []
        assert log.channels == {}
