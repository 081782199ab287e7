"""Webhooks: signed as Standard Webhooks 1.0 has it, sent to an address that was looked at first.

https://github.com/standard-webhooks/standard-webhooks, specification 1.0.0. The message's id is the
delivery's and stays the same when it is sent again: by it a receiver tells what it has already.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

import httpx

from api.content.addresses import (
    NOT_PUBLIC,
    Address,
    Network,
    Resolve,
    Unreachable,
    is_public,
    is_within,
    reachable,
    resolve,
)
from engine.asr.client import retry_after_s

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
WITHIN_S: Final = 15.0
"""From the name's resolution to the answer's status."""
MAX_PAUSE: Final = timedelta(hours=6)
"""What is respected of a `Retry-After`."""
MAX_CONNECTIONS: Final = 8
MAX_PORT: Final = 65_535


class NotTaken(Exception):
    """The receiver did not take it; the message is a sentence for people. `again`: it may yet,
    after `pause` at the earliest."""

    def __init__(self, why: str, *, again: bool, pause: timedelta = timedelta(0)) -> None:
        super().__init__(why)
        self.again = again
        self.pause = pause


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def checked_url(text: str, networks: Sequence[Network]) -> str:
    """`text` as it will be called. Raises `ValueError` with a sentence for people."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError("This is no web address: check it for typing errors.") from error
    if url.scheme != "https" and not (url.scheme == "http" and networks):
        raise ValueError("A webhook needs an address that begins with https://.")
    if not url.host or url.userinfo or url.fragment or (url.port or 0) > MAX_PORT:
        raise ValueError("Give the address with a host, and without user, password and #.")
    try:
        literal = ip_address(url.raw_host.decode().strip("[]"))
    except ValueError:
        return str(url)
    if not is_public(literal) and not is_within(literal, networks):
        raise ValueError(NOT_PUBLIC)
    return str(url)


class Hooks:
    """Sends to public addresses and to `networks`. `tls`: whom it trusts, by default what the
    `certifi` package lists. No proxy is used: it would resolve the name once more."""

    def __init__(
        self,
        networks: Sequence[Network] = (),
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        within_s: float = WITHIN_S,
    ) -> None:
        self.networks = networks
        self._resolve = resolve
        self._within_s = within_s
        self._http = httpx.AsyncClient(
            verify=tls or httpx.create_ssl_context(trust_env=False),
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            # A connection is to one address under one name, and is never lent to another name.
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, url: str, secret: str, message_id: str, body: bytes, at: datetime) -> None:
        """Send `body` (JSON) as a message at the time `at`. Raises `NotTaken`."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Forecourt",
            "Accept-Encoding": "identity",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature(secret, message_id, at, body),
        }
        try:
            async with asyncio.timeout(self._within_s):
                await self._post(httpx.URL(url), headers, body)
        except TimeoutError as error:
            why = f"The receiver did not answer within {self._within_s:g} s."
            raise NotTaken(why, again=True) from error
        except Unreachable as error:
            raise NotTaken(str(error), again=error.again) from error
        except httpx.HTTPError as error:
            why = "The connection to the receiver failed: check its address and its certificate."
            raise NotTaken(why, again=True) from error

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> None:
        host = url.raw_host.decode()
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await reachable(host.strip("[]"), port, self.networks, self._resolve)
        self._refuse_plain(url, address)
        request = self._http.build_request(
            "POST",
            url.copy_with(host=str(address)),
            content=body,
            headers={"Host": url.netloc.decode(), **headers},
            extensions={"sni_hostname": host},
        )
        response = await self._http.send(request, stream=True)
        # What it says beside its status is nobody's business here, however long it is.
        await response.aclose()
        _judge(response)

    def _refuse_plain(self, url: httpx.URL, address: Address) -> None:
        if url.scheme != "https" and not is_within(address, self.networks):
            why = "The webhook's address begins with http://, which only private networks may use."
            raise NotTaken(why, again=False)


def _judge(response: httpx.Response) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status in (408, 425, 429) or status >= 500:
        pause = timedelta(seconds=retry_after_s(response, MAX_PAUSE.total_seconds()))
        raise NotTaken(f"The receiver could not take it now ({status}).", again=True, pause=pause)
    if response.is_redirect:
        why = f"The receiver is elsewhere ({status}): give the address that it leads to."
    elif status == 410:
        why = "The receiver wants nothing more (410): remove the webhook."
    else:
        why = f"The receiver refuses it ({status})."
    raise NotTaken(why, again=False)
