"""The lists of domain terms: the node's own, a dealership's, and files that are neither."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.domain import (
    KINDS,
    LIST,
    MAX_CHARACTERS,
    MAX_FILE_BYTES,
    MAX_TERMS,
    DomainError,
    Term,
    load,
    read,
)


@pytest.fixture
def listed(tmp_path):
    """Write a list and give its path."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "dealership.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def read_or_refused(path: Path) -> tuple[list[Term], str | None]:
    try:
        return read(path), None
    except DomainError as error:
        return [], str(error)


def test_the_nodes_own_list_holds_makes_models_trims_and_finance():
    tables = tomllib.loads(LIST.read_text("utf-8"))
    assert tuple(tables) == KINDS
    assert len(tables["make"]) >= 40
    assert len(tables["model"]) >= 150
    terms = load()
    assert len(terms.terms) == sum(map(len, tables.values()))


def test_a_term_is_spoken_as_the_list_says_else_as_it_is_spelled():
    terms = load()
    assert terms.said("RAV4") == ("rav four",)
    assert terms.said("CR-V") == ("c r v",)
    assert terms.said("EX-L") == ("e x l",)
    assert terms.said("Grand Cherokee") == ("grand cherokee",)
    assert terms.said("out-the-door price") == ("out the door price",)
    with pytest.raises(KeyError):
        terms.said("Zeppelin")


def test_a_dealerships_list_is_added_and_wins(listed):
    own = listed('make = ["BYD"]\nmodel = [{ term = "Rav4", spoken = ["rav for"] }]\n')
    merged, plain = load(own), load()
    assert len(merged.terms) == len(plain.terms) + 1
    assert merged.said("BYD") == ("b y d",)
    assert merged.said("RAV4") == ("rav for",)
    assert "Rav4" in {term.term for term in merged.terms}


def test_a_version_tells_lists_apart(listed):
    plain = load()
    assert load().version == plain.version
    assert len(plain.version) == 16
    one = load(listed('make = ["BYD"]')).version
    other = load(listed('make = [{ term = "BYD", spoken = ["bid"] }]')).version
    assert len({plain.version, one, other}) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('make = ["Kia",, ]', r"not TOML: .*line 1"),
        ('make = ["Kia"]\nmodle = ["Rio"]', r"'modle' is no kind of term; make, model,"),
        ('make = "Kia"', r"make: Input should be a valid (list|array)"),
        ('make = ["Kia", 7]', r"make entry 2 \(7\)"),
        ('model = ["Rio", "CX-7"]', r"model entry 2 \('CX-7'\): holds a digit.*spoken ="),
        ('model = ["Škoda"]', r"model entry 1 \('Škoda'\): has a letter beyond a to z"),
        ('model = [{ term = "Rio", said = ["r"] }]', r"entry 1 \('Rio'\): said Extra inputs"),
        ('model = [{ spoken = ["rio"] }]', r"model entry 1 .*term Field required"),
        ('model = [{ term = "Rio", spoken = ["Río"] }]', r"spoken.0 must be lower-case words"),
        ('model = [{ term = "Rio", spoken = ["rio 7"] }]', r"spoken.0 must be lower-case words"),
        (
            'model = [{ term = "Rio", spoken = ["a", "b", "c", "d", "e"] }]',
            r"spoken Tuple should have at most 4 items",
        ),
        ('model = ["Rio\\u0000"]', r"entry 1 .*a character that is not a letter"),
        ('model = ["<b>Rio</b>"]', r"entry 1 .*a character that is not a letter"),
        ('model = [" Rio"]', r"entry 1 .*a character that is not a letter"),
        ('model = [""]', r"model entry 1 \(''\)"),
        ('model = ["one two three four five six"]', r"more than 5 words"),
        (f'model = ["{"R" * (MAX_CHARACTERS + 1)}"]', r"at most 40 characters"),
        ('model = ["Rio", "Ceed", "rio"]', r"'rio' stands twice"),
        ('make = ["Rio"]\nmodel = ["RIO"]', r"'RIO' stands twice"),
        (b'make = ["\xff"]', r"is not UTF-8: byte 9"),
        ("make = " + "[" * 5_000, r"is not TOML"),
    ],
)
def test_a_list_that_does_not_fit_says_which_entry_and_why(listed, text, says):
    with pytest.raises(DomainError, match=says):
        read(listed(text))


def test_a_list_is_bounded(listed):
    names = [f"{a}{b}{c}" for a in string.ascii_lowercase for b in "aeiou" for c in "lmnrstvz"]
    entries = ", ".join(f'"{name}"' for name in names[:MAX_TERMS])
    assert len(read(listed(f"sales = [{entries}]"))) == MAX_TERMS
    entries += ', "onemore"'
    with pytest.raises(DomainError, match=f"holds {MAX_TERMS + 1} terms; at most {MAX_TERMS}"):
        read(listed(f"sales = [{entries}]"))
    with pytest.raises(DomainError, match="larger than 256 KiB"):
        read(listed(b"#" * (MAX_FILE_BYTES + 1)))


def test_a_list_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DomainError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(DomainError, match="cannot be read: Is a directory"):
        load(tmp_path)


@given(st.text(max_size=60))
def test_any_text_is_a_term_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    escaped = "".join(
        f"\\U{ord(letter):08x}" for letter in text if not 0xD800 <= ord(letter) < 0xE000
    )
    path.write_text(f'sales = ["{escaped}"]')
    terms, refusal = read_or_refused(path)
    if refusal:
        assert "sales entry 1" in refusal
        assert len(refusal) < 400
    for term in terms:
        assert all(set(said) <= set(string.ascii_lowercase + "' ") for said in term.said)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    _, refusal = read_or_refused(path)
    assert refusal is None or str(path) in refusal
