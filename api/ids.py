"""Ids of documents: ObjectIds, as 24 hexadecimal digits."""

from __future__ import annotations

import secrets
import time

_DIGITS = frozenset("0123456789abcdef")


def new_id() -> str:
    """4 bytes of seconds, 8 random bytes: later seconds sort later."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether `text` could have come from `new_id`: 24 digits, lower case."""
    return len(text) == 24 and _DIGITS.issuperset(text)
