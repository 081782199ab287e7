"""Master keys, data keys and sealed fields."""

from __future__ import annotations

import copy
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.store.crypto import Damaged, DataKey, MasterKeys, WrongKey, derive

PLACE = "d1:users:u1:profile"


def masters(*ids: str) -> MasterKeys:
    return MasterKeys({key_id: os.urandom(32) for key_id in ids}, ids[0])


@given(st.binary(max_size=500), st.text(max_size=40).filter(str.isprintable))
def test_a_sealed_field_opens_to_what_was_sealed(plain: bytes, place: str) -> None:
    key = DataKey.new()
    sealed = key.seal(plain, place=place)
    assert key.open(sealed, place=place) == plain
    assert len(plain) < 8 or plain not in sealed.encode()


def test_the_same_text_never_seals_to_the_same_value() -> None:
    key = DataKey.new()
    assert len({key.seal(b"same", place=PLACE) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "place", ["d2:users:u1:profile", "d1:users:u2:profile", "d1:users:u1:totp", "", PLACE + ":"]
)
def test_a_sealed_field_opens_nowhere_else(place: str) -> None:
    key = DataKey.new()
    sealed = key.seal(b"secret", place=PLACE)
    with pytest.raises(Damaged):
        key.open(sealed, place=place)


def test_another_key_opens_nothing() -> None:
    sealed = DataKey.new().seal(b"secret", place=PLACE)
    with pytest.raises(Damaged):
        DataKey.new().open(sealed, place=PLACE)


@given(st.data())
def test_a_sealed_field_with_any_letter_changed_is_refused(data: st.DataObject) -> None:
    key = DataKey.new()
    sealed = key.seal(b"a phone number", place=PLACE)
    at = data.draw(st.integers(0, len(sealed) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != sealed[at]))
    with pytest.raises(Damaged):
        key.open(sealed[:at] + letter + sealed[at + 1 :], place=PLACE)


@pytest.mark.parametrize("size", [12, 13, 14])
def test_a_sealed_field_has_one_spelling(size: int) -> None:
    key = DataKey.new()
    sealed = key.seal(b"x" * size, place=PLACE)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in [sealed[:-1] + letter for letter in letters] + [sealed + "=", sealed + "=="]:
        if other != sealed:
            with pytest.raises(Damaged):
                key.open(other, place=PLACE)


@given(st.text(max_size=200))
def test_any_text_that_was_not_sealed_is_refused(text: str) -> None:
    key, master = DataKey.new(), masters("a")
    with pytest.raises(Damaged):
        key.open(text, place=PLACE)
    with pytest.raises(Damaged):
        master.unwrap(text, place="p")
    with pytest.raises(WrongKey):
        master.verify(text)


@given(st.integers(0, 100))
def test_a_cut_field_is_refused(kept: int) -> None:
    key = DataKey.new()
    sealed = key.seal(b"x" * 50, place=PLACE)
    assert len(sealed) > 101
    with pytest.raises(Damaged):
        key.open(sealed[:kept], place=PLACE)


def test_a_wrapped_key_unwraps_to_the_same_key() -> None:
    master, key = masters("a"), DataKey.new()
    sealed = key.seal(b"secret", place=PLACE)
    again = master.unwrap(master.wrap(key, place="d:s:1"), place="d:s:1")
    assert again.open(sealed, place=PLACE) == b"secret"
    assert again.id == key.id


def test_a_wrapped_key_of_another_session_is_refused() -> None:
    master = masters("a")
    wrapped = master.wrap(DataKey.new(), place="d:s:1")
    with pytest.raises(Damaged):
        master.unwrap(wrapped, place="d:s:2")


def test_rotation_wraps_the_data_key_anew_and_the_data_stay_as_they_are() -> None:
    raw = {"old": os.urandom(32), "new": os.urandom(32)}
    key = DataKey.new()
    sealed = key.seal(b"secret", place=PLACE)
    wrapped = MasterKeys({"old": raw["old"]}, "old").wrap(key, place="p")

    rotated = MasterKeys(raw, "new").rewrap(wrapped, place="p")

    only_new = MasterKeys({"new": raw["new"]}, "new")
    assert only_new.key_of(rotated) == "new"
    assert only_new.unwrap(rotated, place="p").open(sealed, place=PLACE) == b"secret"
    with pytest.raises(WrongKey, match="old"):
        only_new.unwrap(wrapped, place="p")


def test_wrapping_anew_under_the_same_master_key_changes_nothing() -> None:
    master = masters("a", "b")
    wrapped = master.wrap(DataKey.new(), place="p")
    assert master.rewrap(wrapped, place="p") == wrapped


def test_a_wrapped_key_relabelled_with_another_master_key_is_refused() -> None:
    same = os.urandom(32)
    master = MasterKeys({"a": same, "b": same}, "a")
    wrapped = master.wrap(DataKey.new(), place="p")
    with pytest.raises(Damaged):
        master.unwrap(wrapped.replace("1.a.", "1.b.", 1), place="p")


def test_a_check_value_is_no_data_key_and_a_data_key_no_check_value() -> None:
    master = masters("a")
    with pytest.raises(Damaged):
        master.unwrap(master.check_value(), place="check")
    with pytest.raises(WrongKey):
        master.verify(master.wrap(DataKey.new(), place="check"))


def test_the_key_check_passes_the_right_keys_also_after_a_rotation() -> None:
    raw = os.urandom(32)
    value = MasterKeys({"a": raw}, "a").check_value()
    MasterKeys({"a": raw}, "a").verify(value)
    MasterKeys({"b": os.urandom(32), "a": raw}, "b").verify(value)


def test_the_key_check_refuses_other_keys_and_says_what_to_do() -> None:
    value = masters("a").check_value()
    for other in (masters("a"), masters("b")):
        with pytest.raises(WrongKey, match=r"Put back the secrets\.toml"):
            other.verify(value)


@pytest.mark.parametrize("keys", [{}, {"a": b"short"}, {"a.b": b"x" * 32}, {"": b"x" * 32}])
def test_unfit_master_keys_are_refused(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="master key"):
        MasterKeys(keys, next(iter(keys), "a"))


def test_keys_show_themselves_nowhere() -> None:
    raw = os.urandom(32)
    key, master = DataKey(raw), MasterKeys({"a": raw}, "a")
    for thing in (key, master):
        assert raw.hex() not in repr(thing)
        assert repr(raw)[2:-1] not in repr(thing)
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.copy(thing)


def test_a_data_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="not 16"):
        DataKey(b"x" * 16)


def test_keys_for_two_purposes_differ() -> None:
    raw = os.urandom(32)
    assert len({derive(raw, "a"), derive(raw, "b"), derive(raw, "a", salt=b"s"), raw}) == 4
