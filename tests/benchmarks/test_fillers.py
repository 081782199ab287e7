"""What counts as a filler that was kept, and what the material is."""

from __future__ import annotations

import pytest

from benchmarks.fillers import wilson
from benchmarks.hesitation import Tally, fillers_of, sounds, spliced, spontaneous, tally


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("so um it has uh four doors", "So, um, it has, uh, four doors.", Tally(2, 2, 0)),
        ("so um it has uh four doors", "So it has four doors.", Tally(2, 0, 0)),
        ("so um it has four doors", "So, uhh, it has four doors.", Tally(1, 1, 0)),
        ("so it has four doors", "So, um, it has four doors.", Tally(0, 0, 1)),
        ("um so it has four doors", "So it has four, um, doors.", Tally(1, 0, 1)),
        ("it has a human driver", "It has an umbrella.", Tally(0, 0, 0)),
        ("um", "", Tally(1, 0, 0)),
        ("", "Um.", Tally(0, 0, 1)),
    ],
)
def test_a_filler_counts_at_its_place_however_spelled(
    said: str, heard: str, expected: Tally
) -> None:
    assert tally(said, heard) == expected


def test_a_share_has_the_interval_that_wilson_gives() -> None:
    """Newcombe 1998, table I: 15 of 148 and 0 of 20."""
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_the_clips_have_fourteen_fillers_and_each_spliced_clause_one() -> None:
    assert fillers_of(spontaneous()) == 14
    clauses = spliced(quick=True)
    assert fillers_of(clauses) == len(clauses) > 10
    assert len(sounds()) == 12
