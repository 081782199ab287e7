"""One-time codes work once, within a step; recovery codes work once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth import totp
from api.auth.passwords import Passwords

NOW = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30
SECRET = totp.new_secret()


def code_at(step: int, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).generate_otp(step)


# RFC 6238, appendix B, SHA-1: the last six of its eight digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("at_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_codes_are_those_of_the_rfc(at_s: int, code: str) -> None:
    at = datetime.fromtimestamp(at_s, UTC)
    assert totp.accepted_step(RFC_SECRET, code, at, None) == at_s // 30


@pytest.mark.parametrize(
    ("steps_off", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_code_is_good_one_step_before_and_after(steps_off: int, accepted: bool) -> None:
    step = totp.accepted_step(SECRET, code_at(STEP + steps_off), NOW, None)
    assert step == (STEP + steps_off if accepted else None)


def test_a_code_is_refused_the_second_time() -> None:
    first = totp.accepted_step(SECRET, code_at(STEP), NOW, None)
    assert first == STEP
    assert totp.accepted_step(SECRET, code_at(STEP), NOW, first) is None


def test_after_a_code_no_older_one_is_taken_and_the_next_is() -> None:
    assert totp.accepted_step(SECRET, code_at(STEP - 1), NOW, STEP) is None
    assert totp.accepted_step(SECRET, code_at(STEP + 1), NOW, STEP) == STEP + 1


@pytest.mark.parametrize("step", [STEP, STEP + 1])
def test_a_clock_that_was_set_back_opens_no_used_step(step: int) -> None:
    earlier = NOW - timedelta(minutes=5)
    used = int(earlier.timestamp()) // 30
    assert totp.accepted_step(SECRET, code_at(used), earlier, step) is None


def test_spaces_in_a_code_do_not_matter() -> None:
    code = code_at(STEP)
    assert totp.accepted_step(SECRET, f" {code[:3]} {code[3:]}\n", NOW, None) == STEP


def fullwidth(code: str) -> str:
    return "".join(chr(ord(char) - ord("0") + 0xFF10) for char in code)


@pytest.mark.parametrize(
    "change",
    [
        lambda code: "",
        lambda code: code[:5],
        lambda code: code + "0",
        lambda code: "0" + code,
        lambda code: code + " " * 20,
        fullwidth,
        lambda code: code.translate({48 + n: 0x0660 + n for n in range(10)}),
        lambda code: "-" + code[1:],
        lambda code: "1" * 1_000_000,
    ],
)
def test_anything_but_six_ascii_digits_is_refused(change: object) -> None:
    assert totp.accepted_step(SECRET, change(code_at(STEP)), NOW, None) is None  # type: ignore[operator]


@given(st.text(max_size=20))
def test_any_text_is_judged(code: str) -> None:
    step = totp.accepted_step(SECRET, code, NOW, None)
    assert step is None or code_at(step) == "".join(code.split())


def test_a_code_of_another_secret_is_refused() -> None:
    other = totp.new_secret()
    good = {code_at(STEP + off) for off in (-1, 0, 1)}
    codes = [code_at(STEP + off, other) for off in (-1, 0, 1)]
    assert all(
        (totp.accepted_step(SECRET, code, NOW, None) is not None) == (code in good)
        for code in codes
    )


def test_the_address_names_issuer_and_account_and_carries_the_secret() -> None:
    parts = urlsplit(totp.uri(SECRET, "eva+calls@northgate.example"))
    asked = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Forecourt:eva+calls@northgate.example"
    assert asked["secret"] == [SECRET]
    assert asked["issuer"] == ["Forecourt"]
    assert pyotp.parse_uri(parts.geturl()).generate_otp(STEP) == code_at(STEP)


def test_the_picture_is_a_harmless_svg_that_holds_the_address() -> None:
    address = totp.uri(SECRET, '"><script>alert(1)</script>@x.example')
    svg = totp.qr_svg(address)
    tree = ET.fromstring(svg)
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} == {"svg", "path"}
    names = {name for element in tree.iter() for name in element.attrib}
    assert not names & {"style", "class", "href", "onload"}
    assert "script" not in svg
    assert SECRET not in svg
    assert totp.qr_svg(address) == svg != totp.qr_svg(totp.uri(totp.new_secret(), "x"))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(memory_kib=8, passes=1)
    yield made
    made.close()


def test_recovery_codes_are_ten_of_more_than_fifty_bits() -> None:
    codes = totp.new_recovery_codes()
    assert [code[0] for code in codes] == list("0123456789")
    assert len({code[2:] for code in codes}) == 10
    assert all([len(part) for part in code.split("-")] == [1, 4, 4, 4] for code in codes)
    assert 12 * math.log2(len(set(totp._LETTERS))) > 50
    assert not set("01ILO") & set(totp._LETTERS)


async def test_a_recovery_code_works_once_and_the_others_still_do(passwords: Passwords) -> None:
    codes = totp.new_recovery_codes()
    unspent = await totp.hash_recovery_codes(passwords, codes)
    assert all(entry[1:].startswith("$argon2id$") for entry in unspent)
    assert len({entry.split("$")[4] for entry in unspent}) == 10
    for code in codes[::-1]:
        left = await totp.spent_recovery_code(passwords, code, unspent)
        assert left is not None
        assert set(unspent) - set(left) == {unspent[-1]}
        assert await totp.spent_recovery_code(passwords, code, left) is None
        unspent = left
    assert unspent == ()


async def test_a_recovery_code_may_be_copied_sloppily(passwords: Passwords) -> None:
    codes = totp.new_recovery_codes()
    unspent = await totp.hash_recovery_codes(passwords, codes)
    for typed in (codes[3].lower(), codes[3].replace("-", ""), f"  {codes[3].replace('-', ' ')}\n"):
        left = await totp.spent_recovery_code(passwords, typed, unspent)
        assert left == unspent[:3] + unspent[4:]


async def test_a_wrong_recovery_code_is_refused(passwords: Passwords) -> None:
    codes = totp.new_recovery_codes()
    unspent = await totp.hash_recovery_codes(passwords, codes[:5])
    wrong = [
        "",
        "-",
        "3",
        "4" + codes[3][1:],
        codes[7],
        codes[3][:-1],
        codes[3] + "X",
        "\u0663" + codes[3][1:],
        "\u00b2" + codes[3][1:],
        "x" * 1000,
        "\ud800",
        totp.new_recovery_codes()[3],
    ]
    for code in wrong:
        assert await totp.spent_recovery_code(passwords, code, unspent) is None
    assert await totp.spent_recovery_code(passwords, codes[3], []) is None
