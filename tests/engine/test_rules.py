"""A rules file changes what it names and nothing else, and says where it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feedback import RULES, Rule
from engine.rules import MAX_BYTES, RulesError, load, version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def by_code(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    return {rule.code: rule for rule in rules}


def test_an_empty_file_changes_nothing(path: Path) -> None:
    path.write_text("# nothing yet\n")
    assert load(path) == RULES


def test_what_a_table_names_is_changed_and_the_rest_stays(path: Path) -> None:
    path.write_text(
        "[too_fast]\nenter = 5.6\nleave = 5\nhold_ms = 1500\ncooldown_ms = 30000\n"
        'severity = "high"\n'
    )
    rules, known = by_code(load(path)), by_code(RULES)
    assert rules.pop("too_fast") == replace(
        known.pop("too_fast"),
        enter=5.6,
        leave=5.0,
        hold_ms=1500,
        cooldown_ms=30_000,
        severity="high",
    )
    assert rules == known


def test_a_rule_that_is_off_is_gone_and_the_order_stays(path: Path) -> None:
    path.write_text("[monologue]\noff = true\n")
    assert load(path) == tuple(rule for rule in RULES if rule.code != "monologue")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[too_fats]\nenter = 1\n", ["line 1", "'too_fats'", "'too_fast'"]),
        ("\n[too_fast]\nentre = 1\n", ["line 3", "too_fast.entre", "'enter'"]),
        ("[too_fast]\nhold_ms = 1\nenter = 'x'\n", ["line 3", "too_fast.enter", "number"]),
        ("[too_fast]\nhold_ms = -1\n", ["line 2", "too_fast.hold_ms", "greater"]),
        ("[too_fast]\nhold_ms = 1.5\n", ["line 2", "too_fast.hold_ms", "integer"]),
        ("[too_fast]\nenter = nan\n", ["line 2", "too_fast.enter"]),
        ("[too_fast]\nenter = true\n", ["line 2", "too_fast.enter"]),
        ("[too_fast]\nseverity = 'dire'\n", ["line 2", "too_fast.severity", "'high'"]),
        ("[too_fast]\nleave = 9\n", ["line 2", "too_fast.leave", "below"]),
        ("[too_slow]\nenter = 5\n", ["line 2", "too_slow.leave", "above"]),
        ("too_fast = 5\n", ["line 1", "[too_fast]"]),
        ("too_fast.hold_ms = -1\n", ["line 1", "too_fast.hold_ms"]),
        ("[too_fast\n", ["line 1", "TOML"]),
    ],
)
def test_what_is_wrong_is_named_with_its_line(path: Path, text: str, told: list[str]) -> None:
    path.write_text(text)
    with pytest.raises(RulesError) as caught:
        load(path)
    for part in [str(path), *told]:
        assert part in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_file_that_is_none_is_refused(path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RulesError, match="UTF-8"):
        load(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RulesError, match="64 KiB"):
        load(path)


@given(text=st.text(max_size=80) | st.from_regex(r"\[too_fast\]\n(enter|leave|off) *= *\S{1,9}"))
def test_no_text_breaks_it(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("rules") / "rules.toml"
    path.write_bytes(text.encode())
    told = ""
    try:
        rules = load(path)
    except RulesError as error:
        told = str(error)
    assert told.startswith(str(path)) if told else len(rules) <= len(RULES)


def test_other_thresholds_are_another_version() -> None:
    assert version() == version(RULES) == version(tuple(RULES))
    (first, *others) = RULES
    assert version((replace(first, hold_ms=first.hold_ms + 1), *others)) != version()
    assert version(others) != version()
