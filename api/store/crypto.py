"""Keys: a data key for each session (or person), wrapped by the node's master keys.

Everything is AES-256-GCM (ASVS 5.0 11.3.2, 11.3.3). Nonces are 96 random bits. That is safe here
because no key sees many of them: NIST SP 800-38D (8.3) allows 2^32 random nonces for a key; a data
key seals the fields of one session, and a master key wraps one data key for each session. Files of
any length have a key of their own for each file (`api.store.segments`).

A sealed value is bound to the place it belongs to: moved to another field, document or dealership
it does not open. Destroying a wrapped data key makes all it sealed unreadable; rotating the master
key wraps data keys anew and touches nothing else.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_FIELD_VERSION = b"\x01"
_WRAP_VERSION = "1"
_CHECK = b"Forecourt's key check: these words are no secret."


class WrongKey(Exception):
    """No key at hand, or not the one that this was sealed with."""


class Damaged(Exception):
    """Sealed data that was altered, moved from its place, or cut."""


def derive(key: bytes, purpose: str, *, salt: bytes | None = None) -> bytes:
    """32 bytes for one purpose alone (HKDF-SHA256, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt, f"forecourt {purpose}".encode()).derive(key)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Raises `Damaged`; other spellings of the same bytes are damage too."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Damaged("This is no sealed value: its letters are not base64url.") from error
    if _encode(raw) != text:
        raise Damaged("This is no sealed value: its base64url is not the shortest spelling.")
    return raw


class DataKey:
    """256 bits that open one session's, or one person's, sealed data."""

    __slots__ = ("_aead", "_raw", "id")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes, not {len(raw)}")
        self._raw = raw
        self._aead = AESGCM(raw)
        self.id = derive(raw, "key id")[:8]
        """Eight bytes that name the key without telling anything of it."""

    @classmethod
    def new(cls) -> DataKey:
        return cls(os.urandom(KEY_BYTES))

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("a data key is neither pickled nor copied: wrap it")

    def derive(self, purpose: str, salt: bytes) -> bytes:
        """A key of its own for one purpose and salt."""
        return derive(self._raw, purpose, salt=salt)

    def seal(self, plain: bytes, *, place: str) -> str:
        """`plain` as base64url; `place` is ``dealership:collection:id:field``."""
        nonce = os.urandom(NONCE_BYTES)
        aad = _FIELD_VERSION + place.encode()
        return _encode(_FIELD_VERSION + nonce + self._aead.encrypt(nonce, plain, aad))

    def open(self, sealed: str, *, place: str) -> bytes:
        """What `seal` was given. Raises `Damaged`: also for another place, or by another key."""
        raw = _decode(sealed)
        if raw[:1] != _FIELD_VERSION or len(raw) < 1 + NONCE_BYTES + TAG_BYTES:
            raise Damaged("This is no sealed value of a version that this release knows.")
        nonce, body = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, body, _FIELD_VERSION + place.encode())
        except InvalidTag as error:
            raise Damaged(
                "A sealed value does not open: it was altered, belongs elsewhere, "
                "or was sealed with another key."
            ) from error


class MasterKeys:
    """The keys that wrap data keys: the current one wraps, the older ones still unwrap."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """`keys` are 32 bytes each by id; `current` is the id of one of them."""
        if current not in keys:
            raise ValueError("the current master key is not among the master keys")
        for key_id, raw in keys.items():
            if KEY_ID.fullmatch(key_id) is None or len(raw) != KEY_BYTES:
                raise ValueError("a master key has an id of A-Z a-z 0-9 _ - and 32 bytes")
        self.current = current
        self._keys = {key_id: AESGCM(raw) for key_id, raw in keys.items()}

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._keys)

    def __repr__(self) -> str:
        return f"MasterKeys(current={self.current!r}, {len(self._keys)} keys)"

    def __reduce__(self) -> str:
        raise TypeError("master keys are neither pickled nor copied")

    def wrap(self, key: DataKey, *, place: str) -> str:
        """`key` under the current master key; `place` is ``dealership:collection:id``."""
        return self._seal(key._raw, f"wrap:{place}")  # noqa: SLF001 - this module's own

    def unwrap(self, wrapped: str, *, place: str) -> DataKey:
        """Raises `WrongKey` when its master key is not here, `Damaged` when it does not open."""
        return DataKey(self._open(wrapped, f"wrap:{place}"))

    def rewrap(self, wrapped: str, *, place: str) -> str:
        """The same data key under the current master key; as it is if it already is."""
        if self.key_of(wrapped) == self.current:
            return wrapped
        return self.wrap(self.unwrap(wrapped, place=place), place=place)

    def key_of(self, wrapped: str) -> str:
        """The id of the master key that `wrapped` was wrapped with. Raises `Damaged`."""
        version, _, rest = wrapped.partition(".")
        key_id, dot, body = rest.partition(".")
        if version != _WRAP_VERSION or KEY_ID.fullmatch(key_id) is None or not dot or not body:
            raise Damaged("This is no wrapped key of a version that this release knows.")
        return key_id

    def check_value(self) -> str:
        """To be stored beside the data: `verify` tells by it whether the keys fit the data."""
        return self._seal(_CHECK, "check")

    def verify(self, check_value: str) -> None:
        """Raises `WrongKey` when these are not the keys that the data was written with."""
        try:
            fits = self._open(check_value, "check") == _CHECK
        except (Damaged, WrongKey):
            fits = False
        if not fits:
            raise WrongKey(
                "The master keys in secrets.toml are not those this data was written with. "
                "Put back the secrets.toml that belongs to the data; without it nothing "
                "that was encrypted can be read."
            )

    def _seal(self, plain: bytes, purpose: str) -> str:
        head = f"{_WRAP_VERSION}.{self.current}"
        nonce = os.urandom(NONCE_BYTES)
        body = self._keys[self.current].encrypt(nonce, plain, f"{head}:{purpose}".encode())
        return f"{head}.{_encode(nonce + body)}"

    def _open(self, sealed: str, purpose: str) -> bytes:
        key_id = self.key_of(sealed)
        key = self._keys.get(key_id)
        if key is None:
            raise WrongKey(f"The master key {key_id} is not in secrets.toml.")
        head, _, text = sealed.rpartition(".")
        raw = _decode(text)
        try:
            if len(raw) < NONCE_BYTES + TAG_BYTES:
                raise InvalidTag
            aad = f"{head}:{purpose}".encode()
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], aad)
        except InvalidTag as error:
            raise Damaged(
                "A wrapped key does not open: it was altered, belongs elsewhere, "
                "or the master key of that id is another."
            ) from error
