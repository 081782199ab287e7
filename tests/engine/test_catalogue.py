"""What people read is whole in every language, and its numbers are written as there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest

from engine.catalogue import BETA, DEFAULT, LANGUAGES, catalogue
from engine.feedback import RULES

each_language = pytest.mark.parametrize("language", LANGUAGES)
WEB = Path(__file__).parents[2] / "api" / "web"
PAGES = sorted(page.name for page in WEB.glob("*.html") if page.name != "docs.html")
SHOWN = re.compile(r"""["'`](page\.[\w.]*(?:\$\{)?)""")
"""A key in a module, or what comes before the part of it that is worked out."""
VOID = {"meta", "link", "input", "br", "path", "circle", "rect", "use"}


class Marked(HTMLParser):
    """Collects (key, text) of a page's elements and attributes that are marked with a key, and the
    words of the others."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marked: list[tuple[str, str]] = []
        self.bare: list[str] = []
        self._open: list[str | None] = []
        self.feed((WEB / page).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            if name.startswith("data-text-"):
                self.marked.append((value, given[name.removeprefix("data-text-")]))
            elif name == "aria-label" and "data-text-aria-label" not in given:
                self.bare.append(value)
        if tag not in VOID:
            self._open.append(given.get("data-text"))
            if self._open[-1] is not None:
                self.marked.append((self._open[-1], ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] is not None:
            key, text = self.marked[-1]
            self.marked[-1] = (key, text + data)
        elif re.search(r"\w", data):
            self.bare.append(data.strip())


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


@pytest.mark.parametrize("page", PAGES)
def test_a_served_page_says_what_the_english_catalogue_says(page: str) -> None:
    texts = catalogue(DEFAULT).texts
    marked = Marked(page).marked
    assert marked
    assert [one for one in marked if texts.get(one[0]) != one[1]] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_words_of_a_page_are_left_to_one_language(page: str) -> None:
    """But for names, keys, and what is read without JavaScript."""
    names = {"Forecourt", "P", "B", "T", "G", "L", "X", "E", "⇧E", "Shift", "0:00"}
    left = [text for text in Marked(page).bare if text not in names]
    assert [text for text in left if "JavaScript" not in text and " · Forecourt" not in text] == []


def test_the_modules_ask_for_texts_that_there_are() -> None:
    texts = catalogue(DEFAULT).texts
    asked = {
        (module.name, key)
        for module in sorted((WEB / "static" / "js").glob("*.js"))
        for key in SHOWN.findall(module.read_text(encoding="utf-8"))
    }
    assert len(asked) > 150
    for module, key in asked:
        if key.endswith("${"):
            assert any(one.startswith(key[:-2]) for one in texts), (module, key)
        else:
            assert key in texts, (module, key)


def test_no_text_of_the_page_is_forgotten() -> None:
    """Each is asked for by a module or marks an element."""
    sources = [*(WEB / "static" / "js").glob("*.js"), *(WEB / page for page in PAGES)]
    whole = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    begun = tuple(key[:-2] for key in SHOWN.findall(whole) if key.endswith("${"))
    for key in catalogue(DEFAULT).texts:
        if key.startswith("page."):
            assert f'"{key}"' in whole or key.startswith(begun), key
