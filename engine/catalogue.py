"""What people read, by key and parameters, in their language.

One gettext catalogue per language, `locales/LANGUAGE.po`: ``msgid`` is a key such as
``feedback.too_fast.message``, ``msgstr`` the text with its parameters in braces. A number is
written as the language writes numbers: ``{value:.1f}`` is "5.2" or "5,2".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("en", "es")
DEFAULT = "en"
BETA = frozenset({"es"})
"""Not yet read by enough people who speak it, and little speech in it was tried."""


class _Number(float):
    """A parameter: its format is that of a float, its digits are those of `language`."""

    language = DEFAULT

    def __format__(self, spec: str) -> str:
        digits = int(spec[1:-1]) if spec else 0
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return str(format_decimal(round(float(self), digits), pattern, self.language))


class Catalogue:
    """The texts of one language; immutable."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts
        self._number = type("_Number", (_Number,), {"language": language})

    @property
    def texts(self) -> dict[str, str]:
        """Every text by its key, parameters still in braces: what a page takes."""
        return dict(self._texts)

    def text(self, key: str, **parameters: float | int | str) -> str:
        """The text of `key`. Raises `KeyError` for one that no catalogue has, or a parameter that
        is missing."""
        shown = {
            name: value if isinstance(value, str) else self._number(value)
            for name, value in parameters.items()
        }
        return self._texts[key].format_map(shown)


@cache
def catalogue(language: str = DEFAULT) -> Catalogue:
    """The catalogue of `language`, or the English one where there is none."""
    if language not in LANGUAGES:
        return catalogue(DEFAULT)
    file = resources.files("engine") / "locales" / f"{language}.po"
    with file.open("rb") as stream:
        messages = read_po(stream, locale=language, abort_invalid=True)
    return Catalogue(language, {str(m.id): str(m.string) for m in messages if m.id})
