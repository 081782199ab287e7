"""A cookie for one session's audio, images and downloads, which elements of a page fetch.

An ``<audio>`` element sends no Authorization header and a token never stands in a URL. So a page
that may hear a session gets a cookie for that session's path alone, good for GET, for minutes. It
is the claims and their HMAC-SHA256: nothing is stored, and nothing else is opened by it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.auth.tokens import Refused

NAME: Final = "forecourt-media"
LIFETIME: Final = timedelta(minutes=10)
METHODS: Final = frozenset({"GET", "HEAD"})
_MAC_BYTES = 32
_PATH = re.compile(r"/[A-Za-z0-9/_-]*")
_TEXT = re.compile(
    r"1:(?P<user>[0-9a-f]{24}):(?P<dealership>[0-9a-f]{24}):(?P<family>[0-9a-f]{24})"
    r":(?P<session>[0-9a-f]{24}):(?P<expires>[0-9]{1,12})"
)
_MAX_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Pass:
    """Who may read which session's media, by which sign-in."""

    user_id: str
    dealership_id: str
    family: str
    session_id: str

    def __post_init__(self) -> None:
        if _TEXT.fullmatch(self._text(0)) is None:
            raise ValueError("a media pass is made of four 24-hex ids")

    def _text(self, expires_s: int) -> str:
        ids = (self.user_id, self.dealership_id, self.family, self.session_id)
        return ":".join(("1", *ids, str(expires_s)))


class MediaCookies:
    """Makes and checks the cookies."""

    def __init__(self, key: bytes, now: Callable[[], datetime]) -> None:
        """`key` has 32 bytes and no other purpose."""
        if len(key) < 32:
            raise ValueError("a key of 32 bytes is needed")
        self._key = key
        self._now = now

    def value(self, media_pass: Pass) -> str:
        expires_s = int((self._now() + LIFETIME).timestamp())
        text = media_pass._text(expires_s).encode()  # noqa: SLF001 - this module's own
        return base64.urlsafe_b64encode(text + self._mac(text)).rstrip(b"=").decode()

    def set_cookie(self, media_pass: Pass, path: str) -> str:
        """The ``Set-Cookie`` header; `path` is the session's own and ends with a slash."""
        ends = path.endswith(f"/{media_pass.session_id}/")
        if not ends or _PATH.fullmatch(path) is None:
            raise ValueError("the path of a media cookie ends with its session's id and a slash")
        return (
            f"{NAME}={self.value(media_pass)}; Path={path}; "
            f"Max-Age={int(LIFETIME.total_seconds())}; HttpOnly; Secure; SameSite=Strict"
        )

    def verify(self, value: str, *, method: str, session_id: str) -> Pass:
        """The pass in a cookie's value. Raises `Refused` for anything that is not good just now."""
        if method not in METHODS:
            raise Refused(f"a media cookie is not for {method[:10]}")
        if len(value) > _MAX_LENGTH or not value.isascii():
            raise Refused("no media cookie")
        try:
            raw = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise Refused("no media cookie") from None
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != value:
            # Another spelling of the same bytes.
            raise Refused("no media cookie")
        text, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(text)):
            raise Refused("its signature is wrong")
        match = _TEXT.fullmatch(text.decode("ascii", "replace"))
        if match is None:
            raise Refused("no media cookie of this version")
        if self._now().timestamp() >= int(match["expires"]):
            raise Refused("expired")
        if match["session"] != session_id:
            raise Refused("it is for another session")
        return Pass(match["user"], match["dealership"], match["family"], match["session"])

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, b"media:" + text, "sha256")
