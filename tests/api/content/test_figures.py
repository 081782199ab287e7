"""Figures as copy states them: for the American market, in English and Spanish."""

from datetime import date

import pytest

from api.content import figures
from tests.api.content.vehicles import VEHICLES


@pytest.mark.parametrize(
    ("cents", "written"),
    [
        (24_995_00, "$24,995"),
        (389_50, "$389.50"),
        (5, "$0.05"),
        (0, "$0"),
        (1_000_000_00, "$1,000,000"),
    ],
)
def test_money_has_cents_only_where_there_are_some(cents: int, written: str) -> None:
    assert figures.money(cents) == written


@pytest.mark.parametrize(
    ("basis_points", "written"),
    [(590, "5.9%"), (0, "0%"), (600, "6%"), (649, "6.49%"), (1_000, "10%"), (5, "0.05%")],
)
def test_a_rate_has_as_many_decimals_as_it_takes(basis_points: int, written: str) -> None:
    assert figures.percent(basis_points) == written


def test_days_are_written_out_in_both_languages() -> None:
    day = date(2027, 1, 31)
    assert figures.day(day, "en") == "January 31, 2027"
    assert figures.day(day, "es") == "31 de enero de 2027"


def test_what_is_counted_is_singular_for_one() -> None:
    assert figures.miles(36_120, "en") == "36,120 miles"
    assert figures.miles(1, "es") == "1 milla"
    assert figures.months(72, "es") == "72 meses"
    assert figures.months(1, "en") == "1 month"


def test_the_year_leads_in_english_and_ends_in_spanish() -> None:
    assert figures.name(VEHICLES["civic"]) == "2022 Honda Civic EX"
    assert figures.name(VEHICLES["civic"], "es") == "Honda Civic EX 2022"
    assert figures.name(VEHICLES["corolla"]) == "2017 Toyota Corolla"
