"""E-mail to people: by SMTP, or where none is set up into a folder.

`Mail.send` never waits: what is to be sent goes into a queue of `MAX_WAITING`, and whoever asked
cannot tell from the time it takes whether there is such a person. Beyond the queue the newest is
dropped and logged. A server that is away is asked again `ATTEMPTS` times, then the mail is dropped
and logged. Logs name the kind of mail and the person's id, never an address or a link.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html import escape
from pathlib import Path
from typing import Protocol

import aiosmtplib
import structlog

from engine.catalogue import catalogue

log = structlog.get_logger(__name__)

MAX_WAITING = 200
ATTEMPTS = 4
TIMEOUT_S = 15.0
_LINK = re.compile(r"https?://\S+")


class MailError(Exception):
    """A mail could not be handed on; the message names neither address nor content."""


class MailRefused(MailError):
    """The server will never take this mail: there is no such address, or it objects to it."""


class MailUnsure(MailError):
    """The server fell silent while it was given the mail, and may have it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one person. `kind` names its texts (``mail.KIND.subject`` and ``.body``)."""

    user_id: str
    to: str
    kind: str
    language: str
    parameters: Mapping[str, str | int | float]


class Transport(Protocol):
    async def deliver(self, message: EmailMessage) -> None:
        """Hand `message` on. Raises `MailError`: unless `MailRefused`, it may be tried again."""


class Smtp:
    """A server. With `tls` "starttls" nothing is sent before the connection is encrypted."""

    def __init__(
        self, host: str, port: int, *, user: str = "", password: str = "", tls: str = "starttls"
    ) -> None:
        self._host, self._port = host, port
        self._user, self._password = user, password
        self._tls = tls

    async def deliver(self, message: EmailMessage) -> None:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user or None,
            password=self._password or None,
            use_tls=self._tls == "tls",
            start_tls=self._tls == "starttls",
            timeout=TIMEOUT_S,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailError(type(error).__name__) from error
        try:
            async with client:
                await client.send_message(message)
        except (aiosmtplib.SMTPException, OSError) as error:
            # A server's refusal may quote the address.
            raise _meaning(error)(type(error).__name__) from error


def _meaning(error: Exception) -> type[MailError]:
    """Of a failure after the server let us in (RFC 5321, 4.2.1): 5xx is for good."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return _meaning(error.recipients[0])
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return MailError
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return MailRefused if 500 <= error.code < 600 else MailError
    return MailUnsure


class Folder:
    """Where no server is set up: one file a mail, for this user alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def deliver(self, message: EmailMessage) -> None:
        await asyncio.to_thread(self._write, message)

    def _write(self, message: EmailMessage) -> None:
        stem = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{stem}.eml"
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(message.as_bytes(policy=SMTP))
        except OSError as error:
            raise MailError(type(error).__name__) from error


class Mail:
    """The node's post. `sender` is an address, `name` what it is shown as."""

    def __init__(
        self, transport: Transport, sender: str, *, name: str = "Forecourt", wait_s: float = 1.0
    ) -> None:
        self.sent = self.dropped = 0
        self.sender = sender
        self._transport = transport
        self._name = name
        self._wait_s = wait_s
        self._waiting: asyncio.Queue[Letter] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="mail")

    async def stop(self, within_s: float = 5.0) -> None:
        """Give what waits `within_s` to go out, then drop it. May be called again."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._waiting.join()
        except TimeoutError:
            self.dropped += self._waiting.qsize()
            log.error("mails_dropped", count=self._waiting.qsize(), why="the node stopped")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def deliver(self, letter: Letter) -> bool:
        """Send it now, beside those that wait; whether the server took it."""
        return await self._deliver(letter)

    async def hand_on(self, message: EmailMessage) -> None:
        """Send a mail that is written already, now and once. Raises `MailError`."""
        await self._transport.deliver(message)

    def send(self, letter: Letter) -> None:
        try:
            self._waiting.put_nowait(letter)
        except asyncio.QueueFull:
            self._drop(letter, "too many wait")

    async def _run(self) -> None:
        while True:
            letter = await self._waiting.get()
            try:
                await self._deliver(letter)
            except Exception:
                # One letter's fault must not cost the others their way.
                log.exception("mail_failed", kind=letter.kind, user=letter.user_id)
                self.dropped += 1
            finally:
                self._waiting.task_done()

    async def _deliver(self, letter: Letter) -> bool:
        try:
            message = written(letter, self.sender, self._name)
        except ValueError:
            self._drop(letter, "its address makes no header")
            return False
        wait_s = self._wait_s
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._transport.deliver(message)
            except MailError as error:
                log.warning("mail_delayed", kind=letter.kind, user=letter.user_id, error=str(error))
                if attempt < ATTEMPTS:
                    await asyncio.sleep(wait_s)
                    wait_s *= 4
            else:
                self.sent += 1
                log.info("mail_sent", kind=letter.kind, user=letter.user_id)
                return True
        self._drop(letter, "the server did not take it")
        return False

    def _drop(self, letter: Letter, why: str) -> None:
        self.dropped += 1
        log.error("mail_dropped", kind=letter.kind, user=letter.user_id, why=why)


def written(letter: Letter, sender: str, name: str) -> EmailMessage:
    """The mail, as text and as HTML. Raises `ValueError` for an address that would break a
    header."""
    texts = catalogue(letter.language)
    body = texts.text(f"mail.{letter.kind}.body", **letter.parameters)
    message = EmailMessage()
    subject = texts.text(f"mail.{letter.kind}.subject", **letter.parameters)
    message["Subject"] = " ".join(subject.split())
    message["From"] = Address(name, addr_spec=sender)
    message["To"] = Address(addr_spec=letter.to)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    message.add_alternative(_html(body, letter.language), subtype="html")
    return message


def _html(body: str, language: str) -> str:
    paragraphs = "".join(f"<p>{_linked(part)}</p>" for part in body.split("\n\n"))
    return (
        f'<!doctype html><html lang="{escape(language)}"><meta charset="utf-8">'
        '<body style="font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:2em auto">'
        f"{paragraphs}</body></html>"
    )


def _linked(text: str) -> str:
    parts: list[str] = []
    end = 0
    for link in _LINK.finditer(text):
        url = escape(link.group())
        parts += [escape(text[end : link.start()]), f'<a href="{url}">{url}</a>']
        end = link.end()
    parts.append(escape(text[end:]))
    return "".join(parts).replace("\n", "<br>")
