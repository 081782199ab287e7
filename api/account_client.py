"""Signed in as somebody, for the demo, the benchmarks and the tests: an `httpx.Auth`.

Cookies of a node are `Secure`, which httpx does not send over plain HTTP, not even on loopback: so
the refresh token is carried here.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from typing import Any

import httpx

RENEWED_AFTER_S = 240.0
"""Access tokens live for 600 s."""
_REFRESH = re.compile(r"forecourt-refresh=([A-Za-z0-9_-]*)")
_DEVICE = re.compile(r"forecourt-device=([^;]*)")


class NotSignedIn(RuntimeError):
    """The node does not let this account in; the message is its own."""


@dataclass(eq=False)
class Account(httpx.Auth):
    """One sign-in. Give it as `auth` to a client, sync or async; it renews itself."""

    url: str
    email: str
    password: str = field(repr=False)
    user: dict[str, Any] = field(default_factory=dict, repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    device: str = field(default="", repr=False)
    """By which the node knows where this person has signed in before."""
    renewed_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def sign_in(cls, url: str, email: str, password: str) -> Account:
        """Raises `NotSignedIn`."""
        made = cls(url, email, password)
        made._enter()
        return made

    def again(self) -> Account:
        """One more sign-in on the same device: one the node has not seen is slowed down after many
        within the hour. Raises `NotSignedIn`."""
        made = Account(self.url, self.email, self.password, device=self.device)
        made._enter()
        return made

    def _enter(self) -> None:
        body = {"email": self.email, "password": self.password}
        self._take(_post(self.url, "/auth/sign-in", body, self.device))

    @classmethod
    def accept(
        cls, url: str, link: str, email: str, password: str, said: dict[str, str] | None = None
    ) -> Account:
        """Use a link that was mailed or printed; `said` as `POST /auth/links/accept` takes it."""
        made = cls(url, email, password)
        secret = link.rpartition("#")[2]
        body = {"secret": secret, "password": password} | (said or {})
        made._take(_post(url, "/auth/links/accept", body))
        return made

    @property
    def auth(self) -> httpx.Auth:
        return self

    def cookie(self) -> dict[str, Any]:
        """The refresh cookie, as Playwright's `add_cookies` takes it. Whoever has it renews it, so
        it is this object's no longer."""
        return {
            "name": "forecourt-refresh",
            "value": self.refresh_token,
            "domain": "127.0.0.1",
            "path": "/api/v1/auth",
            "secure": True,
            "httpOnly": True,
            "sameSite": "Strict",
        }

    def headers(self) -> dict[str, str]:
        """The access token, renewed if need be, for who cannot take an `httpx.Auth`."""
        with self._lock:
            if self._is_old():
                request = self._renewal()
                self._take(httpx.Client(timeout=30).send(request))
        return {"Authorization": f"Bearer {self.access_token}"}

    # A renewal's answer is read; others may be streams without an end.

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        if "Authorization" not in request.headers:
            if self._is_old():
                renewed = yield self._renewal()
                renewed.read()
                self._take(renewed)
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        yield request

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if "Authorization" not in request.headers:
            if self._is_old():
                renewed = yield self._renewal()
                await renewed.aread()
                self._take(renewed)
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        yield request

    def _is_old(self) -> bool:
        return time.monotonic() - self.renewed_s > RENEWED_AFTER_S

    def _renewal(self) -> httpx.Request:
        cookie = {"Cookie": f"forecourt-refresh={self.refresh_token}"}
        return httpx.Request("POST", f"{self.url}/api/v1/auth/refresh", headers=cookie)

    def _take(self, answer: httpx.Response) -> None:
        body = answer.json()
        if not answer.is_success or body["status"] != "signed_in":
            raise NotSignedIn(body.get("detail", body.get("status", "")))
        self.user = body["user"]
        self.access_token = body["accessToken"]
        found = _REFRESH.search(answer.headers.get("set-cookie", ""))
        assert found is not None
        self.refresh_token = found[1]
        if device := _DEVICE.search(answer.headers["set-cookie"]):
            self.device = device[1]
        self.renewed_s = time.monotonic()


def _post(url: str, path: str, body: dict[str, str], device: str = "") -> httpx.Response:
    headers = {"Cookie": f"forecourt-device={device}"} if device else {}
    return httpx.post(f"{url}/api/v1{path}", json=body, headers=headers, timeout=30)


def first_admin(url: str, link: str, email: str, password: str) -> Account:
    """Make the first dealership and be its admin."""
    said = {
        "email": email,
        "dealershipName": "North Motors",
        "firstName": "Ada",
        "lastName": "Field",
    }
    return Account.accept(url, link, email, password, said)
