"""Refresh tokens: opaque, rotated at every use, and what to do when one is presented.

A token is 256 bits of a secure generator; the store has its SHA-256 alone (ASVS 5.0: 7.2.2, 7.2.3;
RFC 9700, 4.14). A successor is derived from the presented token under a key of the node's, so that
two tabs that present the same token within the grace get the same successor, which no store holds.

Time-outs (ASVS 7.1.1, 7.3.1, 7.3.2). NIST SP 800-63B-4 (AAL2) proposes an hour of inactivity and a
day in all. We default to 12 h and 30 days, and let operators set less: on a sales floor a person
signs in on one phone or desk in the morning and uses it between customers, and who has to type a
password and a code before each practice call shares a signed-in screen instead. What makes up for
it: access tokens of 10 minutes, rotation in which one reuse ends the whole sign-in, the list of
one's sign-ins with an end to each, sign-out everywhere, a password asked again before an account's
security changes. Twelve hours is a working day: overnight every sign-in ends.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

GRACE: Final = timedelta(seconds=10)
"""How long a token that was used still yields its successor: two tabs, one lost answer."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")

Outcome = Literal["rotate", "grace", "reuse", "expired", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a sign-in lasts: unused, and in all."""

    idle: timedelta = timedelta(hours=12)
    absolute: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        if not timedelta(minutes=15) <= self.idle <= self.absolute <= timedelta(days=90):
            raise ValueError(
                "a sign-in lasts at least 15 minutes unused, at most 90 days in all, "
                "and in all no shorter than unused"
            )

    def expires_at(self, signed_in_at: datetime, now: datetime) -> datetime:
        """When a token that is issued now ends."""
        return min(now + self.idle, signed_in_at + self.absolute)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a token whose digest was found."""

    signed_in_at: datetime
    """When its family began."""
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


def new_token() -> str:
    return _encode(secrets.token_bytes(32))


def is_token(text: str) -> bool:
    """Whether `text` is shaped like one: anything else need not be looked up."""
    return _SHAPE.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """What the store finds a token by: 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def began_at(family: str) -> datetime:
    """When a sign-in began: its family is an ObjectId, which starts with the second it was made."""
    return datetime.fromtimestamp(int(family[:8], 16), UTC)


def successor_of(token: str, key: bytes) -> str:
    """The token that follows `token`, always the same; `key` is the node's, of 32 bytes."""
    return _encode(hmac.digest(key, b"successor:" + token.encode(), "sha256"))


def decide(stored: Stored | None, now: datetime, lifetimes: Lifetimes) -> Outcome:
    """What presenting a token leads to.

    - ``rotate``: mark it used, store its successor, give that out
    - ``grace``: give out the same successor; store nothing
    - ``reuse``: somebody else has it too: revoke the whole family
    - ``expired``, ``revoked``, ``unknown``: sign in again
    """
    if stored is None:
        return "unknown"
    if stored.revoked_at is not None:
        return "revoked"
    if stored.used_at is not None:
        # The clock of another node may be a little ahead.
        return "grace" if abs(now - stored.used_at) <= GRACE else "reuse"
    if now >= stored.expires_at or now >= stored.signed_in_at + lifetimes.absolute:
        return "expired"
    return "rotate"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
