"""Vehicle identification numbers: ISO 3779, and the check digit of 49 CFR 565.15(c).

Seventeen capital letters and digits without I, O and Q (ISO 3779:2009, 4.1). The ninth is a check
digit where the law wants one: in North America (49 CFR 565.15; Canada's TSD 115), whose makers'
numbers begin with 1 to 5 (ISO 3780). Elsewhere the ninth is the maker's to choose, also where it
looks like a check digit, so that there it proves nothing either way.
"""

from __future__ import annotations

import re
from typing import Final

LENGTH: Final = 17

_CHECKED: Final = frozenset("12345")
_SEPARATORS = re.compile(r"[\s-]+")
_ALLOWED = re.compile(r"[0-9A-HJ-NPR-Z]*")
_VALUES: Final = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
"""Table III. The letters I, O and Q are not there, and S begins at 2."""
_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
"""Table IV; the check digit weighs nothing itself."""


class NotVin(ValueError):
    """This is no VIN; the sentence says what to look at."""


def read_vin(text: str) -> str:
    """The VIN that was typed or pasted: capitals, without spaces and hyphens. Raises `NotVin`."""
    vin = _SEPARATORS.sub("", text).upper()
    if len(vin) != LENGTH:
        raise NotVin(f"A VIN has {LENGTH} letters and digits; this one has {len(vin)}.")
    if not _ALLOWED.fullmatch(vin):
        raise NotVin(
            "A VIN has letters from A to Z and digits only, without I, O and Q, "
            "which are mostly a 1 or a 0 misread."
        )
    if vin[0] in _CHECKED and vin[8] != check_digit(vin):
        raise NotVin("The VIN's check digit does not fit: one or more of its letters is mistyped.")
    return vin


def check_digit(vin: str) -> str:
    """What the ninth letter of 17 allowed ones is to be: 0 to 9, or X for ten.

    49 CFR 565.15(c): the weighted sum of the letters' values, modulo 11.
    """
    values = (int(_VALUES.get(letter, letter)) for letter in vin)
    rest = sum(value * weight for value, weight in zip(values, _WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)
