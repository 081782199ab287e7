"""Mails go out by a real SMTP server, or into a folder, or are dropped and told; never silently."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.mail import ATTEMPTS, MAX_WAITING, Folder, Letter, Mail, MailError, Smtp, written
from tests.node import free_port

LETTER = Letter(
    "0123456789abcdef01234567",
    "ana@example.com",
    "reset",
    "en",
    {"name": "Ana", "minutes": 30, "link": "https://forecourt.example/#/reset/secret"},
)


class Box:
    """A handler of aiosmtpd that keeps what comes."""

    def __init__(self, refusals: int = 0) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self._refusals = refusals

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self._refusals:
            self._refusals -= 1
            return "451 Try again later"
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.envelopes.append(envelope)
        return "250 OK"


def served(box: Box, **options: Any) -> Controller:
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    return controller


def port_of(controller: Controller) -> int:
    port: int = controller.port
    return port


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def server(box: Box) -> Iterator[Controller]:
    controller = served(box)
    yield controller
    if controller.loop.is_running():
        controller.stop()


async def sent(transport: Any, *letters: Letter) -> Mail:
    mail = Mail(transport, "node@forecourt.example", wait_s=0.01)
    mail.start()
    for letter in letters:
        mail.send(letter)
    await mail.stop(within_s=10)
    return mail


async def test_a_mail_arrives_as_text_and_as_html(box: Box, server: Controller) -> None:
    mail = await sent(Smtp("127.0.0.1", port_of(server), tls="off"), LETTER)
    (message,) = box.messages
    assert (mail.sent, mail.dropped) == (1, 0)
    assert message["To"] == "ana@example.com"
    assert message["From"] == "Forecourt <node@forecourt.example>"
    assert message["Subject"] == "Choose a new password"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "within 30 minutes" in text.get_content()
    assert 'href="https://forecourt.example/#/reset/secret"' in html.get_content()


async def test_what_a_person_is_called_cannot_become_markup_or_a_header() -> None:
    parameters = {**LETTER.parameters, "inviter": "<b>\r\nBcc: x@example.com", "dealership": "&"}
    letter = Letter("0" * 24, LETTER.to, "invite", "en", {**parameters, "hours": 72})
    message = written(letter, "node@forecourt.example", "Forecourt")
    assert message["Bcc"] is None
    html = message.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()


@pytest.mark.parametrize("address", ["a@b\r\nBcc: x@example.com", "", "no address", "a" * 500])
async def test_an_address_that_is_none_is_dropped_and_the_next_one_sent(
    box: Box, server: Controller, address: str
) -> None:
    wrong = Letter("1" * 24, address, "reset", "en", LETTER.parameters)
    mail = await sent(Smtp("127.0.0.1", port_of(server), tls="off"), wrong, LETTER)
    assert [message["To"] for message in box.messages] == ["ana@example.com"]
    assert (mail.sent, mail.dropped) == (1, 1)


async def test_a_server_that_refuses_for_now_is_asked_again() -> None:
    box = Box(refusals=ATTEMPTS - 1)
    controller = served(box)
    try:
        mail = await sent(Smtp("127.0.0.1", port_of(controller), tls="off"), LETTER)
    finally:
        controller.stop()
    assert (len(box.messages), mail.sent, mail.dropped) == (1, 1, 0)


async def test_a_server_that_is_away_costs_the_mail_and_is_told(
    box: Box, server: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    port = port_of(server)
    server.stop()
    mail = await sent(Smtp("127.0.0.1", port, tls="off"), LETTER)
    assert (mail.sent, mail.dropped) == (0, 1)
    assert "ana@example.com" not in caplog.text


async def test_nothing_is_sent_to_a_server_that_will_not_encrypt(
    box: Box, server: Controller
) -> None:
    mail = await sent(Smtp("127.0.0.1", port_of(server), tls="starttls"), LETTER)
    assert (mail.dropped, box.messages) == (1, [])


async def test_a_server_whose_certificate_nobody_signed_gets_no_password(tmp_path: Path) -> None:
    heard: list[LoginPassword] = []

    def authenticator(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        heard.append(login)
        return AuthResult(success=True)

    box = Box()
    controller = served(box, tls_context=_certificate(tmp_path), authenticator=authenticator)
    try:
        transport = Smtp("127.0.0.1", port_of(controller), user="node", password="secret")
        mail = await sent(transport, LETTER)
    finally:
        controller.stop()
    assert (mail.dropped, box.messages, heard) == (1, [], [])


async def test_without_a_server_mails_lie_in_a_folder_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    await sent(Folder(folder), LETTER, LETTER)
    files = sorted(folder.iterdir())
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    message = email.message_from_bytes(files[0].read_bytes(), policy=default)
    assert message["To"] == "ana@example.com"


async def test_beyond_the_queue_the_newest_is_dropped() -> None:
    class Stuck:
        async def deliver(self, message: EmailMessage) -> None:
            await asyncio.Event().wait()

    mail = Mail(Stuck(), "node@forecourt.example")
    mail.start()
    await asyncio.sleep(0)
    for _ in range(MAX_WAITING + 3):
        mail.send(LETTER)
    assert mail.waiting == MAX_WAITING
    assert mail.dropped == 3
    await mail.stop(within_s=0.01)
    assert mail.dropped >= MAX_WAITING


async def test_a_fault_in_one_mail_does_not_cost_the_others() -> None:
    class Faulty:
        def __init__(self) -> None:
            self.calls = 0

        async def deliver(self, message: EmailMessage) -> None:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("a fault")

    mail = await sent(Faulty(), LETTER, LETTER)
    assert (mail.sent, mail.dropped) == (1, 1)


def test_a_failure_names_neither_address_nor_content() -> None:
    assert "ana" not in str(MailError("SMTPRecipientsRefused"))


def _certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
