"""Vehicles from a spreadsheet: CSV as dealer systems export it, line by line into facts.

Lines that are right are taken, what is wrong in the others is told by line and column. Nothing is
guessed: a number that could be read in two ways is refused with a sentence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from api.coaching.sheet import Cell, sheet
from api.content import figures
from api.store.content import Facts
from engine.events import Wire
from processing.vin import NotVin, read_vin

MAX_BYTES: Final = 2 * 2**20
MAX_ROWS: Final = 2_000
MAX_CELL: Final = 200_000

_COLUMNS: Final = {
    "vin": "vin|vin number|vehicle identification number|numero de serie",
    "stock_number": "stock number|stock #|stock no|stock|stk|stock num|inventario",
    "year": "year|model year|yr|ano",
    "make": "make|manufacturer|marca",
    "model": "model|modelo",
    "trim": "trim|series|trim level|version",
    "condition": "condition|type|new/used|new used|certified|condicion|estado",
    "mileage": "mileage|miles|odometer|odo|millaje|millas",
    "price": "price|internet price|selling price|asking price|list price|sale price|web price|"
    "precio",
    "exterior": "exterior|exterior color|ext color|ext. color|colour|color|color exterior",
    "interior": "interior|interior color|int color|int. color|color interior",
    "body": "body|body style|body type|carroceria",
    "engine": "engine|engine description|motor",
    "transmission": "transmission|trans|transmission description|transmision",
    "drivetrain": "drivetrain|drive train|drive|drive type|traccion",
    "fuel": "fuel|fuel type|combustible",
    "mpg_city": "mpg city|city mpg|city|epa city",
    "mpg_highway": "mpg highway|highway mpg|hwy mpg|highway|epa highway",
    "features": "features|options|equipment|option list|caracteristicas|equipo",
    "description": "description|comments|dealer comments|vehicle description|descripcion",
    "offer": "offer|finance type|offer type|tipo de oferta",
    "monthly": "monthly payment|payment|monthly|pago mensual|mensualidad",
    "term": "term|term months|months|plazo",
    "apr": "apr|rate|interest rate|tasa",
    "down": "down payment|down|cash down|enganche|pago inicial",
    "due_at_signing": "due at signing|total due at signing|drive off|a la firma",
    "deposit": "security deposit|deposit required|deposito",
    "annual_miles": "annual miles|miles per year|lease miles",
    "lender": "lender|bank|financed by|banco",
    "expires": "offer expires|expires|offer ends|expiration|expires on|vence",
}
_FIELDS: Final = {name: our for our, names in _COLUMNS.items() for name in names.split("|")}
_OF_OFFER: Final = {
    "offer": "kind",
    "monthly": "monthly_cents",
    "term": "term_months",
    "apr": "apr_bp",
    "down": "down_cents",
    "due_at_signing": "due_at_signing_cents",
    "deposit": "deposit_required",
    "annual_miles": "annual_miles",
    "lender": "lender",
    "expires": "expires_on",
}
_NEEDED: Final = ("vin", "year", "make", "model")
_HEADINGS: Final = {
    "vin": "VIN",
    "mpg_city": "MPG city",
    "mpg_highway": "MPG highway",
    "apr": "APR",
}
_CONDITIONS: Final = {
    "new": "new nuevo n",
    "used": "used usado u pre-owned preowned seminuevo no",
    "certified": "certified cpo certificado c yes",
}
_CONDITION: Final = {word: ours for ours, words in _CONDITIONS.items() for word in words.split()}
_AMERICAN: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?")
_SHARE: Final = re.compile(r"0?\.\d*[1-9]\d*")
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


class Fault(Wire):
    """What is wrong in a line; `column` is as the file calls it, empty for the whole line."""

    line: int
    column: str
    message: str


@dataclass(slots=True)
class Inventory:
    """What a file holds: facts by VIN in its order, and what was wrong in it. `unknown` are columns
    that nothing was taken from."""

    vehicles: dict[str, Facts] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class NotInventory(ValueError):
    """The file cannot be read as a whole; the sentence says what to do."""


def parse(raw: bytes) -> Inventory:
    """Raises `NotInventory`."""
    text = _decoded(raw)
    csv.field_size_limit(MAX_CELL)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    made = Inventory()
    try:
        heads = [head.strip() for head in next(lines, [])]
        names = [_FIELDS.get(_plain(head), "") for head in heads]
        _check_heads(heads, names)
        made.unknown = [h for h, name in zip(heads, names, strict=True) if h and not name]
        called = {name: head for head, name in zip(heads, names, strict=True) if name}
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(made.vehicles) >= MAX_ROWS:
                raise NotInventory(f"The file has more than {MAX_ROWS:,} vehicles: divide it.")
            _take(made, lines.line_num, heads, names, called, cells)
    except csv.Error as error:
        raise NotInventory(f"Line {lines.line_num} cannot be read: {error}.") from error
    return made


def written(vehicles: Sequence[Facts]) -> bytes:
    """A file that `parse` reads back to the same facts."""
    columns = list(_COLUMNS)
    header = [
        _HEADINGS.get(name, _COLUMNS[name].partition("|")[0].capitalize()) for name in columns
    ]
    rows = ([_cell(facts, name) for name in columns] for facts in vehicles)
    return sheet(header, rows)


def _decoded(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise NotInventory(f"The file is larger than {MAX_BYTES // 2**20} MB: divide it.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise NotInventory("This is no text file: export it as CSV in UTF-8.")


def _separator(text: str) -> str:
    """What the first line is divided by."""
    head = text.partition("\n")[0]
    return max(",;\t|", key=head.count)


def _plain(head: str) -> str:
    return " ".join(head.lower().replace("_", " ").replace("ñ", "n").replace("ó", "o").split())


def _check_heads(heads: Sequence[str], names: Sequence[str]) -> None:
    lacking = [name for name in _NEEDED if name not in names]
    if lacking:
        raise NotInventory(
            "The first line must name the columns. There is none for: " + ", ".join(lacking) + "."
        )
    for name in set(names) - {""}:
        twice = [h for h, each in zip(heads, names, strict=True) if each == name]
        if len(twice) > 1:
            raise NotInventory(
                f"{' and '.join(map(repr, twice))} both mean the {name.replace('_', ' ')}: "
                "keep one of them."
            )


def _take(
    made: Inventory,
    line: int,
    heads: Sequence[str],
    names: Sequence[str],
    called: Mapping[str, str],
    cells: Sequence[str],
) -> None:
    if len(cells) > len(heads):
        told = f"This line has {len(cells)} cells and the first line {len(heads)}: check quotes."
        made.faults.append(Fault(line=line, column="", message=told))
        return
    given = {n: c.strip() for n, c in zip(names, cells, strict=False) if n and c.strip()}
    fields, faults = _read(given)
    if not faults:
        fields, faults = _validated(fields)
    if not faults and fields["facts"].vin in made.vehicles:
        faults = {"vin": "This VIN stands in an earlier line, too: keep one of them."}
    if faults:
        made.faults += [
            Fault(line=line, column=called.get(name, name), message=told)
            for name, told in faults.items()
        ]
    else:
        made.vehicles[fields["facts"].vin] = fields["facts"]


def _read(given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of `Facts` and what was wrong, by column."""
    fields: dict[str, Any] = {}
    offer: dict[str, Any] = {}
    faults = {name: "This is missing." for name in _NEEDED if name not in given}
    for name, text in given.items():
        try:
            value = _READERS.get(name, str)(text)
        except ValueError as error:
            faults[name] = str(error)
            continue
        if name in _OF_OFFER:
            offer[_OF_OFFER[name]] = value
        else:
            fields["price_cents" if name == "price" else name] = value
    if offer.keys() - {"kind", "lender", "expires_on", "annual_miles"}:
        fields["finance"] = offer
    return fields, faults


def _validated(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        return {"facts": Facts.model_validate(fields)}, {}
    except ValidationError as error:
        names = {ours: name for name, ours in _OF_OFFER.items()} | {"price_cents": "price"}
        told: dict[str, str] = {}
        for each in error.errors(include_url=False, include_input=False):
            where = [str(part) for part in each["loc"]]
            last = next((p for p in reversed(where) if not p.isdigit()), "")
            told[names.get(last, last)] = f"{each['msg']}."
        return {}, told


def _vin(text: str) -> str:
    try:
        return read_vin(text)
    except NotVin as error:
        raise ValueError(str(error)) from error


def _number(text: str) -> float:
    """As it is written in the United States."""
    bare = text.replace("$", "").replace("USD", "").strip()
    if _AMERICAN.fullmatch(bare) is None:
        raise ValueError(f"{text[:40]!r} is no number like 24,995 or 24995.50: write it like that.")
    return float(bare.replace(",", ""))


def _whole(text: str) -> int:
    value = _number(re.sub(r"\s*(?:miles|mi|millas|months|mo|meses|mpg)\.?$", "", text.lower()))
    if value != int(value):
        raise ValueError(f"{text[:40]!r} must be a whole number.")
    return int(value)


def _cents(text: str) -> int:
    return round(_number(text) * 100)


def _price(text: str) -> int | None:
    """None where there is none, as systems export it."""
    if text.lower() in ("call", "call for price", "n/a", "na", "-", "0", "0.00", "$0"):
        return None
    return _cents(text)


def _basis_points(text: str) -> int:
    if _SHARE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} could be a share or a percentage: write 5.9%.")
    return round(_number(text.removesuffix("%").strip()) * 100)


def _condition(text: str) -> str:
    known = _CONDITION.get(text.lower().replace(" ", "-"), _CONDITION.get(text.lower().split()[0]))
    if known is None:
        raise ValueError("A condition is new, used or certified.")
    return known


def _kind(text: str) -> str:
    word = text.lower()
    if word in ("lease", "leasing", "arrendamiento"):
        return "lease"
    if word in ("loan", "finance", "financing", "retail", "prestamo", "financiamiento"):
        return "loan"
    raise ValueError("An offer is a loan or a lease.")


def _yes(text: str) -> bool:
    word = text.lower()
    if word in ("yes", "y", "true", "1", "required", "si", "sí"):
        return True
    if word in ("no", "n", "false", "0", "none"):
        return False
    raise ValueError("Say yes or no.")


def _day(text: str) -> date:
    try:
        if match := _SLASHED.fullmatch(text):
            return date(int(match[3]), int(match[1]), int(match[2]))
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError("A day is written 2027-01-31 or 01/31/2027.") from error


def _features(text: str) -> tuple[str, ...]:
    """Between bars, semicolons or lines, or else commas; each once."""
    separator = next((s for s in ("|", ";", "\n") if s in text), ",")
    names = (" ".join(each.split()) for each in text.split(separator))
    return tuple(dict.fromkeys(name for name in names if name))


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "vin": _vin,
    "year": _whole,
    "mileage": _whole,
    "price": _price,
    "condition": _condition,
    "mpg_city": _whole,
    "mpg_highway": _whole,
    "features": _features,
    "offer": _kind,
    "monthly": _cents,
    "term": _whole,
    "apr": _basis_points,
    "down": _cents,
    "due_at_signing": _cents,
    "deposit": _yes,
    "annual_miles": _whole,
    "expires": _day,
}


def _cell(facts: Facts, name: str) -> Cell:
    if name == "features":
        return "|".join(facts.features)
    if name == "price":
        return None if facts.price_cents is None else facts.price_cents / 100
    if name not in _OF_OFFER:
        value: Cell = getattr(facts, name)
        return value
    return (
        None if facts.finance is None else _of_offer(getattr(facts.finance, _OF_OFFER[name]), name)
    )


def _of_offer(value: Any, name: str) -> Cell:
    if value is None:
        return None
    if name in ("monthly", "down", "due_at_signing"):
        return float(value) / 100
    if name == "apr":
        return figures.percent(value)
    if name == "deposit":
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)
