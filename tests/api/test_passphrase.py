"""What a passphrase seals."""

from __future__ import annotations

import pytest

from api.passphrase import WrongPassphrase, seal, unseal
from api.store.crypto import Damaged

PASSPHRASE = "correct horse battery staple"


def test_what_was_sealed_opens_with_its_passphrase_alone() -> None:
    sealed = seal(b"keys", PASSPHRASE)
    assert unseal(sealed, PASSPHRASE) == b"keys"
    assert b"keys" not in sealed
    with pytest.raises(WrongPassphrase):
        unseal(sealed, PASSPHRASE + " ")


def test_the_same_text_is_never_sealed_the_same() -> None:
    assert seal(b"keys", PASSPHRASE)[8:] != seal(b"keys", PASSPHRASE)[8:]


@pytest.mark.parametrize("at", [10, 45, 55, -1])
def test_what_was_altered_does_not_open(at: int) -> None:
    sealed = bytearray(seal(b"keys", PASSPHRASE))
    sealed[at] ^= 1
    with pytest.raises(WrongPassphrase):
        unseal(bytes(sealed), PASSPHRASE)


@pytest.mark.parametrize("length", [0, 3, 8, 30, 51, 60])
def test_what_was_cut_does_not_open(length: int) -> None:
    with pytest.raises((WrongPassphrase, Damaged)):
        unseal(seal(b"keys", PASSPHRASE)[:length], PASSPHRASE)


def test_a_short_passphrase_seals_nothing() -> None:
    with pytest.raises(WrongPassphrase, match="12 characters"):
        seal(b"keys", "eleven char")
