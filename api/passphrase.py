"""Text sealed under a passphrase: AES-256-GCM with a key by scrypt (RFC 7914).

N = 2^17, r = 8, p = 1 is what OWASP asks of scrypt: 128 MiB and about a third of a second for each
guess. They are fixed: a file does not say how much work opening it is.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from api.store.crypto import KEY_BYTES, NONCE_BYTES, Damaged

MIN_LENGTH: Final = 12

_MAGIC = b"FCPASS\x01\n"
_SALT_BYTES = 32


class WrongPassphrase(Exception):
    """Too short, or not the one that this was sealed with."""


def seal(plain: bytes, passphrase: str) -> bytes:
    """Raises `WrongPassphrase` for one that is too short."""
    if len(passphrase) < MIN_LENGTH:
        raise WrongPassphrase(f"A passphrase has at least {MIN_LENGTH} characters.")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(NONCE_BYTES)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain, _MAGIC)
    return _MAGIC + salt + nonce + sealed


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """Raises `WrongPassphrase`; `Damaged` for what `seal` never made."""
    if not sealed.startswith(_MAGIC):
        raise Damaged("This was not sealed with a passphrase by a release that is known here.")
    rest = sealed[len(_MAGIC) :]
    salt, nonce = rest[:_SALT_BYTES], rest[_SALT_BYTES : _SALT_BYTES + NONCE_BYTES]
    body = rest[_SALT_BYTES + NONCE_BYTES :]
    try:
        if len(nonce) != NONCE_BYTES:
            raise InvalidTag
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, body, _MAGIC)
    except InvalidTag as error:
        raise WrongPassphrase("This is not the passphrase of this backup.") from error


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=2**17, r=8, p=1).derive(passphrase.encode())
