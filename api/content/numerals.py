"""Numbers that are written as words, in English and Spanish, as digits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_UNITS: Final = {
    "en": "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciseis diecisiete dieciocho diecinueve",
}
_TENS: Final = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_SPANISH_TWENTIES: Final = (
    "veintiun veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho "
    "veintinueve"
)
_SPANISH_HUNDREDS: Final = (
    "doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
)
_TIMES: Final = {
    "en": {"hundred": 100, "thousand": 1_000, "grand": 1_000, "million": 1_000_000},
    "es": {"mil": 1_000, "millon": 1_000_000, "millones": 1_000_000},
}
_JOINED: Final = re.compile(r"[ -]+(?:(?:and|y) )?")
_ONE: Final = {"en": {"one": 1, "a": 1}, "es": {"un": 1, "uno": 1, "una": 1}}


def _values(language: str) -> dict[str, int]:
    found = {word: n for n, word in enumerate(_UNITS[language].split(), 2)}
    found |= {word: 10 * n for n, word in enumerate(_TENS[language].split(), 2)}
    if language == "en":
        return found | {"zero": 0}
    found |= {word: n for n, word in enumerate(_SPANISH_TWENTIES.split(), 21)}
    found |= {word: 100 * n for n, word in enumerate(_SPANISH_HUNDREDS.split(), 2)}
    # `once` is eleven, and `cien` and `ciento` are a hundred.
    return found | {"cero": 0, "cien": 100, "ciento": 100, "veintiuno": 21}


_VALUES: Final = {language: _values(language) for language in _UNITS}
_WORD: Final = re.compile(r"[a-z]+")


def spelled(text: str, language: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, value) of each number in words in folded `text`. A lone "one" or "a" is none."""
    values, times, ones = _VALUES[language], _TIMES[language], _ONE[language]
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = match[0]
        joins = bool(run) and _JOINED.fullmatch(text[run[-1].end() : match.start()]) is not None
        if word in values or word in times or word in ones:
            if run and not joins:
                yield from _read(run, values, times, ones)
                run = []
            run.append(match)
        elif word not in ("and", "y") and run:
            yield from _read(run, values, times, ones)
            run = []
    yield from _read(run, values, times, ones)


def _read(
    run: Sequence[re.Match[str]],
    values: Mapping[str, int],
    times: Mapping[str, int],
    ones: Mapping[str, int],
) -> Iterator[tuple[int, int, int]]:
    if not any(match[0] in values or match[0] in times for match in run):
        return
    whole = part = 0
    for match in run:
        word = match[0]
        if (factor := times.get(word)) is None:
            part += values[word] if word in values else ones[word]
        elif factor == 100:
            part = max(part, 1) * factor
        else:
            whole += max(part, 1) * factor
            part = 0
    yield run[0].start(), run[-1].end(), whole + part
