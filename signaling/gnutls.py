"""DTLS by GnuTLS, from inside PyAV's wheel, for publishers that OpenSSL refuses to talk to.

FFmpeg's WHIP muxer on GnuTLS (PyAV's wheel among them) makes itself a certificate of 112 bits of
security: an ECDSA key on P-224. RFC 8422, 5.1.1 deprecates that curve, OpenSSL 4 is built without
it and ends the handshake with `illegal_parameter` at the first signature made with that key, in
either role; no list of groups brings it back. GnuTLS takes it. The key does not have to be strong
for years: it lives as long as the call, and `a=fingerprint` says whose it is.
"""

from __future__ import annotations

import ctypes
import errno
from collections import deque

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from signaling import libraries

PRIORITIES = (
    "NONE:+VERS-DTLS1.2:+CTYPE-X509:+COMP-NULL:+ECDHE-ECDSA:+ECDHE-RSA:+AEAD"
    ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+SIGN-ALL:-SIGN-ECDSA-SHA1:-SIGN-RSA-SHA1"
    ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:+GROUP-SECP224R1"
)
"""What RFC 8827, 6.5 asks for, and P-224."""
RESEND_AFTER_MS = 250
"""FFmpeg drops what arrives before it has looked at its last STUN answer: the first flight."""
WAKE_AFTER_MS = 50
"""Shortest wait for a datagram: a server that was never greeted has no time to wait for at all."""
GIVE_UP_AFTER_MS = 30_000
MTU = 1_200
MAX_WAITING = 64
"""Datagrams that wait to be read; what comes on top is dropped, as the network would."""

# From GnuTLS's gnutls.h.
_SERVER, _CLIENT, _DATAGRAM, _NONBLOCK = 1, 2, 4, 8
_CREDENTIALS_CERTIFICATE, _PEM, _REQUIRE, _SHUT_WR = 1, 1, 2, 1
_AES128_CM_SHA1_80 = 1
_AGAIN, _INTERRUPTED = -28, -52

_SRTP_PROFILE = b"SRTP_AES128_CM_SHA1_80"
"""OpenSSL's name of what RFC 5764, 4.1.2 asks everyone to know; GnuTLS has no stronger one."""

_Pull = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Wait = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)


class _Datum(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_uint))


def _load() -> ctypes.CDLL | None:
    lib = libraries.load("gnutls")
    if lib is None:
        return None
    pointer, integer, number = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
    size, text, out = ctypes.c_size_t, ctypes.c_char_p, ctypes.POINTER
    signatures = {
        "init": (integer, out(pointer), number),
        "deinit": (None, pointer),
        "priority_set_direct": (integer, pointer, text, out(text)),
        "certificate_allocate_credentials": (integer, out(pointer)),
        "certificate_free_credentials": (None, pointer),
        "certificate_set_x509_key_mem": (integer, pointer, out(_Datum), out(_Datum), integer),
        "certificate_server_set_request": (None, pointer, integer),
        "certificate_get_peers": (out(_Datum), pointer, out(number)),
        "credentials_set": (integer, pointer, integer, pointer),
        "srtp_set_profile": (integer, pointer, integer),
        "srtp_get_selected_profile": (integer, pointer, out(integer)),
        "prf_rfc5705": (integer, pointer, size, text, size, text, size, text),
        "transport_set_push_function": (None, pointer, _Pull),
        "transport_set_pull_function": (None, pointer, _Pull),
        "transport_set_pull_timeout_function": (None, pointer, _Wait),
        "transport_set_errno": (None, pointer, integer),
        "dtls_set_mtu": (None, pointer, number),
        "dtls_set_timeouts": (None, pointer, number, number),
        "dtls_get_timeout": (number, pointer),
        "handshake": (integer, pointer),
        "record_recv": (ctypes.c_ssize_t, pointer, text, size),
        "record_send": (ctypes.c_ssize_t, pointer, text, size),
        "bye": (integer, pointer, integer),
        "error_is_fatal": (integer, integer),
        "strerror": (text, integer),
    }
    for function, (result, *arguments) in signatures.items():
        declared = getattr(lib, f"gnutls_{function}")
        declared.restype, declared.argtypes = result, arguments
    return lib


_lib = _load()


def is_available() -> bool:
    """Whether this machine has GnuTLS; PyAV's wheels for Linux bring it."""
    return _lib is not None


class Connection:
    """One DTLS 1.2 association with SRTP keys, fed and drained datagram by datagram.

    It has those methods of pyOpenSSL's `SSL.Connection` that aiortc calls, under their names and
    with their exceptions. The peer must have a certificate and prove that it holds the key; whose
    it is, only the caller can tell, by its fingerprint.
    """

    def __init__(
        self, key: EllipticCurvePrivateKey, certificate: x509.Certificate, *, is_server: bool
    ) -> None:
        if _lib is None:
            raise ImportError("libgnutls was found neither in PyAV's wheel nor on this system")
        self._lib = _lib
        self._session, self._credentials = ctypes.c_void_p(), ctypes.c_void_p()
        self._incoming: deque[bytes] = deque()
        self._outgoing: deque[bytes] = deque()
        self._is_connected = False
        end = _SERVER if is_server else _CLIENT
        self._must(_lib.gnutls_init(ctypes.byref(self._session), end | _DATAGRAM | _NONBLOCK))
        self._must(_lib.gnutls_priority_set_direct(self._session, PRIORITIES.encode(), None))
        self._must(_lib.gnutls_srtp_set_profile(self._session, _AES128_CM_SHA1_80))
        self._set_certificate(key, certificate)
        _lib.gnutls_certificate_server_set_request(self._session, _REQUIRE)
        _lib.gnutls_dtls_set_mtu(self._session, MTU)
        _lib.gnutls_dtls_set_timeouts(self._session, RESEND_AFTER_MS, GIVE_UP_AFTER_MS)
        self._set_transport()

    def _set_certificate(self, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        lib, credentials = self._lib, self._credentials
        pems = (
            ctypes.create_string_buffer(certificate.public_bytes(Encoding.PEM)),
            ctypes.create_string_buffer(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            ),
        )
        data = [_Datum(ctypes.cast(pem, ctypes.c_void_p), len(pem.value)) for pem in pems]
        self._must(lib.gnutls_certificate_allocate_credentials(ctypes.byref(credentials)))
        self._must(lib.gnutls_certificate_set_x509_key_mem(credentials, *data, _PEM))
        self._must(lib.gnutls_credentials_set(self._session, _CREDENTIALS_CERTIFICATE, credentials))

    def _set_transport(self) -> None:
        # No `self` in these: a cycle would keep the session until the garbage collector comes.
        lib, session, incoming, outgoing = self._lib, self._session, self._incoming, self._outgoing

        def push(_: int | None, data: int, size: int) -> int:
            if len(outgoing) < MAX_WAITING:
                outgoing.append(ctypes.string_at(data, size))
            return size

        def pull(_: int | None, buffer: int, size: int) -> int:
            if not incoming:
                lib.gnutls_transport_set_errno(session, errno.EAGAIN)
                return -1
            datagram = incoming.popleft()[:size]
            ctypes.memmove(buffer, datagram, len(datagram))
            return len(datagram)

        def wait(_: int | None, timeout_ms: int) -> int:
            return len(incoming)

        self._callbacks = _Pull(push), _Pull(pull), _Wait(wait)
        lib.gnutls_transport_set_push_function(session, self._callbacks[0])
        lib.gnutls_transport_set_pull_function(session, self._callbacks[1])
        lib.gnutls_transport_set_pull_timeout_function(session, self._callbacks[2])

    # what aiortc calls

    def do_handshake(self) -> None:
        """Go on as far as what has come allows. Raises `WantReadError`, or `Error` for good."""
        if self._is_connected:
            return
        code = self._lib.gnutls_handshake(self._session)
        if code < 0 and not self._lib.gnutls_error_is_fatal(code):
            raise SSL.WantReadError
        self._must(code)
        self.get_peer_certificate(as_cryptography=True)
        self._is_connected = True

    def bio_write(self, datagram: bytes) -> int:
        """A datagram that has come."""
        if len(self._incoming) < MAX_WAITING:
            self._incoming.append(datagram)
        return len(datagram)

    def bio_read(self, size: int) -> bytes:
        """What is to be sent as one datagram: as many records as fit. Raises `WantReadError`."""
        joined = b""
        while self._outgoing and len(joined) + len(self._outgoing[0]) <= size:
            joined += self._outgoing.popleft()
        if not joined:
            raise SSL.WantReadError
        return joined

    def recv(self, size: int) -> bytes:
        """One record of application data. Raises `ZeroReturnError` after the peer's goodbye.

        Before that it takes the handshake on, as OpenSSL's does: aiortc sends what comes of it.
        """
        self.do_handshake()
        buffer = ctypes.create_string_buffer(size)
        received = self._lib.gnutls_record_recv(self._session, buffer, size)
        if received == 0:
            raise SSL.ZeroReturnError
        if received in (_AGAIN, _INTERRUPTED):
            raise SSL.WantReadError
        return buffer.raw[: self._must(received)]

    def send(self, data: bytes) -> int:
        """One record of application data."""
        return self._must(self._lib.gnutls_record_send(self._session, data, len(data)))

    def shutdown(self) -> None:
        """Say goodbye, if the peer was ever greeted."""
        if self._is_connected:
            self._must(self._lib.gnutls_bye(self._session, _SHUT_WR))

    def DTLSv1_get_timeout(self) -> float | None:  # noqa: N802 - pyOpenSSL's name
        """Seconds until `do_handshake` would send its last flight again; None once connected."""
        if self._is_connected:
            return None
        left_ms: int = self._lib.gnutls_dtls_get_timeout(self._session)
        return max(WAKE_AFTER_MS, left_ms) / 1000

    def DTLSv1_handle_timeout(self) -> None:  # noqa: N802 - pyOpenSSL's name
        """Nothing: `do_handshake` itself sees that it is time."""

    def get_peer_certificate(self, *, as_cryptography: bool) -> x509.Certificate:
        """The certificate whose key the peer has proved to hold. Raises `Error` without one."""
        count = ctypes.c_uint()
        chain = self._lib.gnutls_certificate_get_peers(self._session, ctypes.byref(count))
        if not chain or not count.value:
            raise SSL.Error("the peer has no certificate")
        try:
            return x509.load_der_x509_certificate(ctypes.string_at(chain[0].data, chain[0].size))
        except ValueError as error:
            raise SSL.Error("the peer's certificate cannot be read") from error

    def get_selected_srtp_profile(self) -> bytes:
        """The SRTP profile by OpenSSL's name; empty where none was agreed on."""
        profile = ctypes.c_int()
        code = self._lib.gnutls_srtp_get_selected_profile(self._session, ctypes.byref(profile))
        return _SRTP_PROFILE if code == 0 and profile.value == _AES128_CM_SHA1_80 else b""

    def export_keying_material(self, label: bytes, size: int) -> bytes:
        """`size` bytes of keys for `label` (RFC 5705)."""
        out = ctypes.create_string_buffer(size)
        self._must(
            self._lib.gnutls_prf_rfc5705(self._session, len(label), label, 0, None, size, out)
        )
        return out.raw

    def _must(self, code: int) -> int:
        if code < 0:
            raise SSL.Error(self._lib.gnutls_strerror(code).decode())
        return code

    def __del__(self) -> None:
        session, credentials = getattr(self, "_session", None), getattr(self, "_credentials", None)
        if session:
            self._lib.gnutls_deinit(session)
        if credentials:
            self._lib.gnutls_certificate_free_credentials(credentials)
