from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from processing.vin import NotVin, check_digit, read_vin

LETTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
numbers = st.text(LETTERS, min_size=17, max_size=17)


def checked(vin: str) -> str:
    """A number like `vin` that a maker in the USA could have given."""
    vin = f"1{vin[1:]}"
    return f"{vin[:8]}{check_digit(vin)}{vin[9:]}"


def test_the_sample_of_the_code_of_federal_regulations() -> None:
    # 49 CFR 565.15, Table VI: the sum is 411, which leaves 4.
    assert read_vin("1G4AH59H45G118341") == "1G4AH59H45G118341"


def test_the_sample_of_nhtsa_s_outline_for_new_makers() -> None:
    # "Outline for New Manufacturer Information": the sum is 314, which leaves 6.
    assert read_vin("1J9RP1A36A1644345") == "1J9RP1A36A1644345"


@pytest.mark.parametrize("vin", ["11111111111111111", "1M8GDM9AXKP042788", "5GZCZ43D13S812715"])
def test_numbers_in_common_use_as_samples_fit(vin: str) -> None:
    assert read_vin(vin) == vin


def test_ten_is_written_x() -> None:
    assert check_digit("1M8GDM9A0KP042788") == "X"


def test_small_letters_spaces_and_hyphens_are_forgiven() -> None:
    assert read_vin(" 1m8gdm9ax-kp 042788\n") == "1M8GDM9AXKP042788"


def test_a_european_number_needs_no_check_digit() -> None:
    assert check_digit("WVWZZZ1JZ3W386752") != "Z"
    assert read_vin("WVWZZZ1JZ3W386752") == "WVWZZZ1JZ3W386752"


@pytest.mark.parametrize("first", "12345")
def test_the_check_digit_is_held_where_the_law_wants_one(first: str) -> None:
    vin = f"{first}VWZZZ1J03W386752"
    fitting = f"{vin[:8]}{check_digit(vin)}{vin[9:]}"
    assert read_vin(fitting) == fitting
    wrong = "0" if fitting[8] != "0" else "1"
    with pytest.raises(NotVin, match="check digit"):
        read_vin(f"{vin[:8]}{wrong}{vin[9:]}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "17 letters and digits; this one has 0"),
        ("1M8GDM9AXKP04278", "this one has 16"),
        ("1M8GDM9AXKP0427888", "this one has 18"),
        ("1M8GDM9AXKPO42788", "I, O and Q"),
        ("1M8GDM9AXKP04278é", "A to Z"),
        ("1M8GDM9AXKP04278٣", "A to Z"),
        ("1M8GDM9AXKP04278\0", "A to Z"),
        ("<script>alert(1)<", "A to Z"),
    ],
)
def test_what_is_no_vin_is_refused_with_what_to_look_at(text: str, says: str) -> None:
    with pytest.raises(NotVin, match=says):
        read_vin(text)


@given(numbers)
def test_every_number_with_its_check_digit_is_read(vin: str) -> None:
    assert read_vin(checked(vin)) == checked(vin)


@given(numbers, st.integers(1, 16), st.sampled_from("0123456789"))
def test_every_digit_mistyped_as_another_is_found(vin: str, at: int, digit: str) -> None:
    right = checked(vin)
    assume(right[at].isdigit() and right[at] != digit)
    with pytest.raises(NotVin, match="check digit"):
        read_vin(f"{right[:at]}{digit}{right[at + 1 :]}")


@given(st.text(max_size=60))
def test_any_text_is_a_vin_or_is_refused(text: str) -> None:
    try:
        vin = read_vin(text)
    except NotVin:
        return
    assert len(vin) == 17
    assert set(vin) <= set(LETTERS)
