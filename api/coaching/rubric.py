"""What calls are judged by: criteria with weights, each given 0 to 5.

The shipped rubric has what research on selling has found to matter, in parts that a listener can
tell apart in one call:

- **discovery** weighs most: in N. Rackham's observation of sales calls (SPIN Selling, 1988) those
  that succeeded differed most in how needs were asked about, and how sellers adapt to what they
  learn goes with performance (Franke & Park, J. Marketing Research 43, 2006, a meta-analysis);
- **objections** next: what is answered after listening and asking keeps the customer's trust
  (Drollinger & Comer, J. Business & Industrial Marketing 28, 2013, on active empathetic listening);
- **opening**, **delivery** and **close** equally; Rackham found openings and closing techniques to
  matter less than what lies between them;
- **compliance** is no skill: what must be said and what must not. It weighs least since it is also
  shown by itself.

The weights are ours, no study has them; a dealership sets its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from api.store.coaching import MAX_CRITERIA
from api.store.documents import Criterion, Dealership
from engine.catalogue import catalogue
from engine.events import Wire

SHIPPED: Final = (
    ("opening", 15),
    ("discovery", 25),
    ("objections", 20),
    ("delivery", 15),
    ("compliance", 10),
    ("close", 15),
)
"""Codes and weights; titles are in the catalogues."""
MOST = 5
"""The best mark."""


def _stripped(title: str) -> str:
    title = title.strip()
    if not title:
        raise ValueError("a criterion has a title")
    return title


class CriterionView(Wire):
    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: Annotated[
        str,
        StringConstraints(min_length=1, max_length=120, pattern=r"\S"),
        AfterValidator(_stripped),
    ]
    weight: Annotated[int, Field(ge=1, le=100)]


def _different(criteria: Sequence[CriterionView]) -> Sequence[CriterionView]:
    codes = [each.code for each in criteria]
    if len(set(codes)) < len(codes):
        raise ValueError("two criteria have the same code")
    return criteria


class RubricView(Wire):
    criteria: Annotated[
        list[CriterionView],
        Field(min_length=1, max_length=MAX_CRITERIA),
        AfterValidator(_different),
    ]


def rubric_of(dealership: Dealership) -> tuple[Criterion, ...]:
    """Its own, or the shipped one in its language."""
    if dealership.rubric is not None:
        return dealership.rubric
    texts = catalogue(dealership.language)
    return tuple(
        Criterion(code=code, title=texts.text(f"rubric.{code}"), weight=weight)
        for code, weight in SHIPPED
    )


def view_of(criteria: Sequence[Criterion]) -> RubricView:
    return RubricView(criteria=[CriterionView(**dict(each)) for each in criteria])


def total_of(marks: Sequence[tuple[int, int | None]]) -> int | None:
    """0-100 from weights and marks 0-5: the weighted mean of the marks given, times 20, rounded.

    What was not judged leaves its weight to the rest; None where nothing was.
    """
    given = [(weight, mark) for weight, mark in marks if mark is not None]
    if not given:
        return None
    mean = sum(weight * mark for weight, mark in given) / sum(weight for weight, _ in given)
    return round(mean * 100 / MOST)
