"""What leaves for a webhook: to whom, signed how, and what becomes of it, at a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.content.hooks import Hooks, NotTaken, checked_url, new_secret, signature
from tests.api.content.receiver import Answer, Manner, Receiver, receiving

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = '{"title":"Élan"}'.encode()


async def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def hooks(**options: object) -> AsyncIterator[Hooks]:
    made = Hooks(LOOPBACK, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


async def sent(receiver: Receiver, within_s: float = 5.0) -> None:
    async with hooks(within_s=within_s) as made:
        url = f"http://127.0.0.1:{receiver.port}/in?x=1"
        await made.post(url, new_secret(), "msg_1", BODY, AT)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification, worked out by hand with Python's own parts."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert expected == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert made == f"v1,{expected}"


async def test_a_message_arrives_signed_and_as_it_was_written() -> None:
    async with receiving() as receiver, hooks() as made:
        secret = new_secret()
        url = f"http://127.0.0.1:{receiver.port}/in?x=1"
        await made.post(url, secret, "msg_1", BODY, AT)
        (got,) = receiver.received
    assert (got.path, got.body) == ("/in?x=1", BODY)
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert got.headers["webhook-signature"] == signature(secret, "msg_1", AT, BODY)


@pytest.mark.parametrize(
    ("answer", "again", "told"),
    [
        (Answer(500), True, "500"),
        (Answer(503), True, "503"),
        (Answer(429), True, "429"),
        (Answer(408), True, "408"),
        (Answer(400), False, "400"),
        (Answer(401), False, "401"),
        (Answer(404), False, "404"),
        (Answer(410), False, "nothing more"),
        (Answer(301, "Location: https://example.com/\r\n"), False, "elsewhere"),
        (Answer(307, "Location: http://127.0.0.1:1/\r\n"), False, "elsewhere"),
        (Answer(304), False, "304"),
    ],
)
async def test_a_status_tells_whether_it_is_tried_again(
    answer: Answer, again: bool, told: str
) -> None:
    async with receiving() as receiver:
        receiver.answers = [answer]
        with pytest.raises(NotTaken, match=told) as refusal:
            await sent(receiver)
        assert refusal.value.again == again
        assert len(receiver.received) == 1


@pytest.mark.parametrize(("asked", "pause_s"), [("90", 90), ("999999999", 6 * 3600), ("-5", 0)])
async def test_the_pause_that_a_receiver_asks_for_is_kept_within_reason(
    asked: str, pause_s: int
) -> None:
    async with receiving() as receiver:
        receiver.answers = [Answer(429, f"Retry-After: {asked}\r\n")]
        with pytest.raises(NotTaken) as refusal:
            await sent(receiver)
    assert refusal.value.pause == timedelta(seconds=pause_s)


@pytest.mark.parametrize("manner", ["stall", "drip", "headers", "cut", "nonsense"])
async def test_a_receiver_that_never_gets_to_a_status_costs_its_time_and_no_more(
    manner: Manner,
) -> None:
    async with receiving() as receiver:
        receiver.answers = [Answer(200, manner=manner)]
        with pytest.raises(NotTaken) as refusal:
            await sent(receiver, within_s=0.5)
        assert refusal.value.again


async def test_an_answer_without_end_is_an_answer() -> None:
    async with receiving() as receiver:
        receiver.answers = [Answer(200, manner="endless")]
        await sent(receiver)


async def test_a_receiver_that_is_away_is_tried_again() -> None:
    async with receiving() as receiver:
        port = receiver.port
    async with hooks() as made:
        with pytest.raises(NotTaken, match="connection") as refusal:
            await made.post(f"http://127.0.0.1:{port}/", new_secret(), "m", BODY, AT)
    assert refusal.value.again


async def test_no_private_address_is_called_unless_its_network_was_named() -> None:
    async with receiving() as receiver:
        for host in ("127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"):
            made = Hooks(())
            with pytest.raises(NotTaken, match="public internet") as refusal:
                await made.post(f"https://{host}:{receiver.port}/", new_secret(), "m", BODY, AT)
            await made.close()
            assert not refusal.value.again
        assert receiver.received == []


async def test_a_name_is_resolved_once_and_called_where_that_led() -> None:
    """A name that leads elsewhere when it is asked again (DNS rebinding) gains nothing."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with receiving() as receiver, hooks(resolve=rebinding) as made:
        await made.post(f"http://hooks.example:{receiver.port}/", new_secret(), "m", BODY, AT)
        assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert asked == ["hooks.example"]


async def test_nothing_goes_unencrypted_to_a_public_address() -> None:
    async def public(host: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    async with hooks(resolve=public) as made:
        with pytest.raises(NotTaken, match="private networks") as refusal:
            await made.post("http://hooks.example/", new_secret(), "m", BODY, AT)
    assert not refusal.value.again


async def test_no_proxy_of_the_environment_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        await sent(receiver)
        assert receiver.received[0].path == "/in?x=1"


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    served, trusted = _certificates(tmp_path, "hooks.example")
    async with receiving(served) as receiver, hooks(resolve=to_loopback, tls=trusted) as made:
        await made.post(f"https://hooks.example:{receiver.port}/", new_secret(), "m", BODY, AT)
        assert receiver.names == ["hooks.example"]
        with pytest.raises(NotTaken, match="certificate"):
            await made.post(f"https://other.example:{receiver.port}/", new_secret(), "m", BODY, AT)
        assert len(receiver.received) == 1


async def test_a_certificate_that_nobody_signed_gets_nothing(tmp_path: Path) -> None:
    served, _ = _certificates(tmp_path, "hooks.example")
    async with receiving(served) as receiver, hooks(resolve=to_loopback) as made:
        with pytest.raises(NotTaken, match="certificate"):
            await made.post(f"https://hooks.example:{receiver.port}/", new_secret(), "m", BODY, AT)
        assert receiver.received == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/in",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "http://hooks.example/",
        "https:///in",
        "https://user:secret@hooks.example/",
        "https://hooks.example/#in",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://hooks.example:99999/",
        "https://hooks.example/\r\nX: y",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_an_address_that_nothing_may_be_sent_to_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        checked_url(url, ())


def test_an_address_is_taken_as_it_will_be_called() -> None:
    assert checked_url("https://Hooks.Example/in?x=1", ()) == "https://hooks.example/in?x=1"
    assert checked_url("https://bücher.example/", ()) == "https://xn--bcher-kva.example/"
    assert checked_url("http://127.0.0.1:8000/in", LOOPBACK) == "http://127.0.0.1:8000/in"


def _certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of that name shows, and what a client trusts that knows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return served, ssl.create_default_context(cafile=str(folder / "cert.pem"))
