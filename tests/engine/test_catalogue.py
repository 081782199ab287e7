"""What people read is whole in every language, and its numbers are written as there."""

from __future__ import annotations

from string import Formatter

import pytest

from engine.catalogue import BETA, DEFAULT, LANGUAGES, catalogue
from engine.feedback import RULES

each_language = pytest.mark.parametrize("language", LANGUAGES)


def parameters(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@each_language
def test_every_language_has_the_same_keys_with_the_same_parameters(language: str) -> None:
    texts, english = catalogue(language).texts, catalogue(DEFAULT).texts
    assert texts.keys() == english.keys()
    for key, text in texts.items():
        assert parameters(text) == parameters(english[key]), key
        assert text.strip() == text != "", key


@each_language
def test_every_rule_has_its_texts(language: str) -> None:
    texts = catalogue(language).texts
    for rule in RULES:
        assert f"feedback.{rule.code}.message" in texts
        assert f"feedback.{rule.code}.evidence" in texts
        assert (f"followed.{rule.code}.message" in texts) == (rule.follow_ms > 0)


@each_language
def test_messages_are_read_at_a_glance(language: str) -> None:
    texts = catalogue(language).texts
    messages = {key: text for key, text in texts.items() if key.endswith(".message")}
    assert messages
    assert all(len(text.split()) <= 6 for text in messages.values()), messages


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "5.2 syllables"), ("es", "5,2 sílabas")], ids=["en", "es"]
)
def test_numbers_are_written_as_the_language_writes_them(language: str, shown: str) -> None:
    text = catalogue(language).text("feedback.too_fast.evidence", value=5.2345)
    assert text.startswith(shown)


def test_a_language_without_a_catalogue_reads_english() -> None:
    assert catalogue("fr") is catalogue(DEFAULT)


def test_a_parameter_is_text_whatever_it_holds() -> None:
    """Braces and markup in a parameter are shown, not obeyed."""
    texts = catalogue(DEFAULT)
    with pytest.raises(KeyError):
        texts.text("feedback.too_fast.evidence")
    with pytest.raises(KeyError):
        texts.text("no.such.key")


def test_spanish_is_marked_as_beta() -> None:
    assert {"es"} == BETA
