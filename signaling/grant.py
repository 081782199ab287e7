"""What lets a person into a call: a token, of which its digest alone is kept."""

from __future__ import annotations

import hashlib
import hmac


def token_digest(token: str) -> bytes:
    """What is kept of a token: 32 bytes (SHA-256)."""
    return hashlib.sha256(token.encode()).digest()


def opens(token: str | None, digest: bytes) -> bool:
    """Whether `digest` is that of `token`; in a time that does not tell how near it comes."""
    return token is not None and hmac.compare_digest(token_digest(token), digest)
