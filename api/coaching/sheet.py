"""Tables for spreadsheets: CSV as RFC 4180 has it, in UTF-8 with a mark that says so.

What a person wrote never becomes a formula: a text that begins as one gets an apostrophe in front,
as OWASP ("CSV injection") and spreadsheets themselves have it. Numbers are left as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

MARK = "\ufeff"
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | None


def sheet(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """`None` is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for row in [header, *rows]:
        writer.writerow([_written(cell) for cell in row])
    return (MARK + text.getvalue()).encode("utf-8")


def _written(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(_BEGINS_FORMULA):
        return f"'{cell}"
    return cell
