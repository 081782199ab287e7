"""Figures as copy states them, for the American market: dollars, miles, percent, dates.

In Spanish, too, money and numbers are written as they are in the United States, where it is read:
``$24,995``, a comma for thousands and a point for decimals.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from babel.dates import format_date

from api.store.content import CopyLanguage, Facts

_MONTH: Final = {"en": ("month", "months"), "es": ("mes", "meses")}
_MILE: Final = {"en": ("mile", "miles"), "es": ("milla", "millas")}
_DAY: Final = {"en": "MMMM d, y", "es": "d 'de' MMMM 'de' y"}


def money(cents: int) -> str:
    """``$24,995``; cents only where there are some: ``$389.50``."""
    dollars, rest = divmod(cents, 100)
    return f"${dollars:,}.{rest:02}" if rest else f"${dollars:,}"


def number(count: int) -> str:
    """``36,120``"""
    return f"{count:,}"


def miles(count: int, language: CopyLanguage) -> str:
    """``36,120 miles``"""
    return f"{count:,} {_MILE[language][count != 1]}"


def months(count: int, language: CopyLanguage) -> str:
    """``72 months``"""
    return f"{count} {_MONTH[language][count != 1]}"


def percent(basis_points: int) -> str:
    """``5.9%``: with as many decimals as it takes."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".") + "%"


def day(of: date, language: CopyLanguage) -> str:
    """``January 31, 2027``; ``31 de enero de 2027``"""
    return format_date(of, _DAY[language], locale=language)


def name(facts: Facts, language: CopyLanguage = "en") -> str:
    """``2022 Honda Civic EX``; ``Honda Civic EX 2022``"""
    model = (facts.make, facts.model, facts.trim)
    year = str(facts.year)
    parts = (year, *model) if language == "en" else (*model, year)
    return " ".join(filter(None, parts))
