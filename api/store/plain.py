"""Text that people type: composed, trimmed, and without characters that nobody sees."""

from __future__ import annotations

import unicodedata
from typing import Final

from pydantic import AfterValidator

_STEERING: Final = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Characters that turn the direction of what follows them (Unicode 9): text in a right-to-left
script needs none of them, and with them one line reads as another."""


def _plain(text: str) -> str:
    """Composed (NFC), trimmed. Raises `ValueError` for control and steering characters."""
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in text):
        raise ValueError("has control characters: type it again, or paste it as plain text")
    if not _STEERING.isdisjoint(text):
        raise ValueError("has characters that turn the direction of text: remove them")
    return text


def _line(text: str) -> str:
    """The same on one line."""
    return " ".join(_plain(text).split())


Line = AfterValidator(_line)
Plain = AfterValidator(_plain)
