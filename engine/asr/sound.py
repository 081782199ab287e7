"""Roughly how English spelling sounds, and how far apart two sounds are.

Not a pronouncing dictionary: names and mishearings are in none. Some seventy rules from letters to
phonemes, and an edit distance in which phonemes that are easily confused lie near each other.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache

_NAMES = "ei bi si di i ef Ji eiC ai Jei kei el em en ou pi kyu ar es ti yu vi dubulyu eks wai zi"
LETTERS = dict(zip(string.ascii_lowercase, _NAMES.split(), strict=True))
"""The sound of each letter's name."""

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_V = "aeiouy"
_RULES: tuple[tuple[str, str], ...] = (
    # ^ stands for the beginning of the word, $ for its end.
    ("^wr", "r"), ("^kn", "n"), ("^gn", "n"), ("^ps", "s"), ("^x", "z"), ("^y", "y"),
    ("tch", "C"), ("dge", "J"), ("dg", "J"), ("sch", "sk"), ("eigh", "ei"), ("igh", "ai"),
    ("augh", "o"), ("ough", "o"), ("tion", "Sun"), ("cian", "Sun"), ("ssion", "Sun"),
    ("sion", "Zun"), ("cious", "Sus"), ("tious", "Sus"), ("ture", "Cer"),
    ("ph", "f"), ("gh", "g"), ("chr", "kr"), ("ch", "C"), ("ck", "k"), ("sh", "S"), ("th", "T"),
    ("wh", "w"), ("qu", "kw"), ("q", "k"), ("mb$", "m"), ("x", "ks"),
    ("sce", "se"), ("sci", "si"), ("ce", "se"), ("ci", "si"), ("cy", "si"), ("c", "k"),
    ("ge$", "J"), ("gi", "Ji"), ("gy", "Ji"), ("j", "J"),
    ("eau", "ou"), ("ee", "i"), ("ea", "i"), ("eo", "io"), ("oo", "u"), ("oa", "ou"),
    ("our", "or"), ("ou", "au"), ("ow$", "ou"), ("ow", "au"), ("ai", "ei"), ("ay", "ei"),
    ("ey$", "i"), ("ei", "ei"), ("ey", "ei"), ("oi", "oi"), ("oy", "oi"), ("au", "o"), ("aw", "o"),
    ("ew", "yu"), ("ue$", "u"), ("ie$", "i"), ("ies$", "iz"), ("ie", "i"),
    ("er", "er"), ("ir", "er"), ("ur", "er"), ("y$", "i"), ("y", "i"), ("le$", "ul"),
    ("re$", "er"), ("oe$", "ou"), ("o$", "ou"),
)  # fmt: skip
_BY_LENGTH = sorted(_RULES, key=lambda rule: -len(rule[0].strip("^$")))
_LONG = {"a": "ei", "e": "i", "i": "ai", "o": "ou", "u": "yu", "y": "ai"}
_MAGIC = re.compile(rf"([{_V}])([^{_V}wx])e(?=$|s$)")

_CLASSES = ("pb", "td", "kg", "fv", "szT", "SZCJ", "mn", "l", "r", "wu", "yi", "h")
_KIND = {sound: number for number, group in enumerate(_CLASSES) for sound in group}
VOWELS = frozenset("aeiou")
_NEAR = frozenset(
    map(frozenset, ["td", "pb", "kg", "fv", "sz", "mn", "SZ", "CJ", "sT", "SC", "Jy"])
)
_NEAR_VOWELS = frozenset(map(frozenset, ["ie", "ea", "ao", "ou", "au", "eu"]))
_HALF_VOWELS = frozenset(map(frozenset, ["yi", "wu", "re"]))


@lru_cache(maxsize=10_000)
def of_word(word: str) -> str:
    """The sound of a lower-case word of a to z and apostrophes, a letter alone by its name."""
    if len(word) == 1 and word not in "ai":
        return LETTERS.get(word, "")
    word = word.replace("'", "")
    magic = _MAGIC.search(word)
    sounds: list[str] = []
    at = 0
    while at < len(word):
        if magic and at == magic.start(1):
            said, read = _LONG[word[at]], 1
        elif magic and at == magic.end(2):
            said, read = "", 1
        else:
            said, read = _read(word, at)
        sounds.append(said)
        at += read
    return _once("".join(sounds))


def _read(word: str, at: int) -> tuple[str, int]:
    """What is said for the letters at `at`, and how many they are."""
    for letters, said in _BY_LENGTH:
        bare = letters.strip("^$")
        if (
            word.startswith(bare, at)
            and not (letters[0] == "^" and at)
            and not (letters[-1] == "$" and at + len(bare) != len(word))
        ):
            return said, len(bare)
    is_silent = word[at] == "e" and at == len(word) - 1 and len(word) > 2
    return ("" if is_silent else word[at]), 1


def _once(sound: str) -> str:
    return re.sub(r"(.)\1", r"\1", sound)


def of(phrase: str) -> str:
    """The sound of words as `spoken` writes them, run together."""
    return _once("".join(map(of_word, phrase.split())))


def skeleton(sound: str) -> str:
    """The classes of the consonants of a sound: what even a bad hearing keeps."""
    return "".join(_CLASSES[_KIND[s]][0] for s in sound if s not in VOWELS and s not in "hwy")


def weight(sound: str) -> float:
    return sum(map(_cost, sound))


def _cost(sound: str) -> float:
    if sound in VOWELS:
        return 0.4
    return 0.5 if sound in "hwyr" else 1.0


def _change(one: str, other: str) -> float:
    if one == other:
        return 0.0
    pair = frozenset((one, other))
    if one in VOWELS and other in VOWELS:
        return 0.15 if pair in _NEAR_VOWELS else 0.3
    if one in VOWELS or other in VOWELS:
        return 0.3 if pair in _HALF_VOWELS else 1.2
    if pair in _NEAR:
        return 0.3
    return 0.6 if _KIND[one] == _KIND[other] else 1.0


def distance(one: str, other: str) -> float:
    """Weighted edit distance of two sounds; 1 is a whole consonant more or less."""
    row = [0.0]
    for sound in other:
        row.append(row[-1] + _cost(sound))
    for sound in one:
        diagonal, row[0] = row[0], row[0] + _cost(sound)
        for j, heard in enumerate(other, 1):
            best = min(
                diagonal + _change(sound, heard),
                row[j] + _cost(sound),
                row[j - 1] + _cost(heard),
            )
            diagonal, row[j] = row[j], best
    return row[-1]


def spelled(part: str) -> str:
    """A run of digits as it is said ("350" three fifty, "1500" fifteen hundred); else `part`."""
    if not part.isdigit():
        return part
    if len(part) == 3 and part[1:] != "00":
        return f"{_SMALL[int(part[0])]} {_two_digits(part[1:])}"
    if len(part) == 4 and part[2:] == "00":
        return f"{_two_digits(part[:2])} hundred"
    if len(part) <= 2:
        return _two_digits(part)
    return " ".join(_SMALL[int(digit)] for digit in part)


def _two_digits(digits: str) -> str:
    number = int(digits)
    if number < len(_SMALL):
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")
