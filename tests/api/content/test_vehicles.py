"""Vehicles over HTTP: entered, searched, imported from files, exported again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.content.inventory import MAX_BYTES, MAX_ROWS, Inventory, NotInventory, parse, written
from tests.api.content.vehicles import VEHICLES
from tests.api.test_batches import new_vin

Refused = Callable[[httpx.Response, int], dict[str, Any]]
HEAD = "VIN,Stock #,Year,Make,Model,Trim,Miles,Internet Price,Options,Comments\n"


def facts(**fields: Any) -> dict[str, Any]:
    own = {"vin": new_vin(), "year": 2022, "make": "Honda", "model": "Civic"}
    return {"facts": own | fields}


def line(vin: str | None = None, **cells: str) -> str:
    own = {
        "stock": "A1",
        "year": "2022",
        "make": "Honda",
        "model": "Civic",
        "trim": "EX",
        "miles": "36,120",
        "price": "$24,995",
        "options": "Sunroof|Bluetooth",
        "comments": "",
    } | cells
    return ",".join(f'"{each}"' for each in (vin or new_vin(), *own.values())) + "\n"


def read(text: str | bytes) -> Inventory:
    return parse(text if isinstance(text, bytes) else text.encode())


# over HTTP


def test_a_vehicle_is_entered_found_corrected_and_taken_out(
    http: httpx.Client, refused: Refused
) -> None:
    body = facts(trim="Touring", stockNumber="Z-77", priceCents=2_499_500)
    made = http.post("/vehicles", json=body)
    assert made.status_code == 201
    shown = made.json()
    assert shown["facts"]["priceCents"] == 2_499_500
    assert (shown["images"], shown["contradictions"]) == ([], [])
    assert refused(http.post("/vehicles", json=body), 409)["code"] == "vin_taken"
    for q in ("civ", "z-77", "2022 touring hond", body["facts"]["vin"][:10]):
        found = http.get("/vehicles", params={"q": q}).json()["items"]
        assert shown["id"] in [each["id"] for each in found]
    assert http.get("/vehicles", params={"q": "civic corolla"}).json()["items"] == []

    path, tag = made.headers["location"].removeprefix("/api/v1"), made.headers["etag"]
    changed = facts(vin=body["facts"]["vin"], model="Accord")
    put = http.put(path, json=changed, headers={"If-Match": tag})
    assert put.json()["facts"]["model"] == "Accord"
    refused(http.put(path, json=changed, headers={"If-Match": tag}), 412)
    assert http.delete(path).status_code == 204
    refused(http.get(path), 404)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"vin": "1G4AH59H55G118342"}, "facts.vin"),
        ({"year": 1492}, "facts.year"),
        ({"make": "  "}, "facts.make"),
        ({"make": "Hon\u202eda"}, "facts.make"),
        ({"description": "x" * 50_000}, "facts.description"),
        ({"features": ["x"] * 61}, "facts.features"),
        ({"priceCents": -1}, "facts.priceCents"),
        ({"finance": {"aprBp": 10_001}}, "facts.finance.aprBp"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    http: httpx.Client, refused: Refused, wrong: dict[str, Any], field: str
) -> None:
    told = refused(http.post("/vehicles", json=facts(**wrong)), 422)
    assert told["errors"][0]["field"] == field


def test_contradictory_terms_are_told(http: httpx.Client) -> None:
    offer = {"monthlyCents": 10_000, "termMonths": 60, "aprBp": 590, "downCents": 0}
    made = http.post("/vehicles", json=facts(priceCents=2_499_500, finance=offer)).json()
    assert [each["rule"] for each in made["contradictions"]] == ["facts.payment"]


def test_a_file_is_looked_at_first_and_then_taken(http: httpx.Client, refused: Refused) -> None:
    vin = new_vin()
    content = HEAD + line(vin) + line("1G4AH59H55G118342") + line(price="24.995,00")
    headers = {"Content-Type": "text/csv"}
    for dry in ("true", "false"):
        told = http.post("/inventory", params={"dry": dry}, content=content, headers=headers).json()
        assert (told["added"], told["changed"], told["faulty"]) == (1, 0, 2)
        assert [(each["line"], each["column"]) for each in told["faults"]] == [
            (3, "VIN"),
            (4, "Internet Price"),
        ]
        there = http.get("/vehicles", params={"q": vin}).json()["total"]
        assert there == (0 if dry == "true" else 1)
    again = HEAD + line(vin, price="$23,995")
    told = http.post("/inventory", content=again, headers=headers).json()
    assert (told["added"], told["changed"]) == (0, 1)
    (found,) = http.get("/vehicles", params={"q": vin}).json()["items"]
    assert found["facts"]["priceCents"] == 2_399_500
    refused(http.post("/inventory", content="a,b\n1,2\n", headers=headers), 422)
    refused(http.post("/inventory", content=b"x" * (MAX_BYTES + 1), headers=headers), 413)
    refused(http.post("/inventory", json={}), 415)

    sheet = http.get("/inventory")
    assert sheet.headers["content-type"].startswith("text/csv")
    assert parse(sheet.content).vehicles[vin].price_cents == 2_399_500


# files


def test_what_is_written_is_read_back_the_same() -> None:
    vehicles = list(VEHICLES.values())
    made = parse(written(vehicles))
    assert made.faults == []
    assert made.unknown == []
    assert list(made.vehicles.values()) == vehicles


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_files_of_many_systems_are_read(encoding: str, separator: str) -> None:
    text = f"VIN,Year,Make,Model,Exterior Color\n{new_vin()},2021,Citroën,C3,Añil\n"
    made = parse(text.replace(",", separator).encode(encoding))
    (facts,) = made.vehicles.values()
    assert (facts.make, facts.exterior) == ("Citroën", "Añil")


@pytest.mark.parametrize(
    ("cells", "column", "says"),
    [
        ({"year": ""}, "Year", "missing"),
        ({"price": "24.995,00"}, "Internet Price", "no number"),
        ({"price": "24 995 EUR"}, "Internet Price", "no number"),
        ({"miles": "about 30k"}, "Miles", "no number"),
        ({"miles": "12.5"}, "Miles", "whole"),
        ({"comments": "x" * 50_000}, "Comments", "at most 5000"),
        ({"options": "|".join(f"Option {n}" for n in range(61))}, "Options", "at most 60"),
        ({"make": "Hon\u202eda"}, "Make", "direction"),
    ],
)
def test_a_fault_is_told_by_line_and_column(cells: dict[str, str], column: str, says: str) -> None:
    made = read(HEAD + line() + line(**cells))
    (fault,) = made.faults
    assert (fault.line, fault.column) == (3, column)
    assert says in fault.message
    assert len(made.vehicles) == 1


def test_what_could_harm_elsewhere_is_only_text_here() -> None:
    hostile = ["=cmd|'/c calc'!A1", "{{ 7*7 }}", "<script>alert(1)</script>", "السيارة 🚗"]
    made = read(HEAD + "".join(line(trim=each) for each in hostile))
    assert [each.trim for each in made.vehicles.values()] == hostile
    assert parse(written(list(made.vehicles.values()))).faults == []


def test_a_price_that_is_none_is_none() -> None:
    made = read(HEAD + line(price="Call for price") + line(price="0"))
    assert [each.price_cents for each in made.vehicles.values()] == [None, None]


def test_an_offer_is_read_with_its_terms() -> None:
    head = "vin,year,make,model,offer,payment,apr,term,down,expires\n"
    row = f"{new_vin()},2022,Kia,Soul,loan,$389.50,5.9%,72,2000,01/31/2027\n"
    (facts,) = read(head + row).vehicles.values()
    offer = facts.finance
    assert offer is not None
    assert (offer.monthly_cents, offer.apr_bp, offer.term_months) == (38_950, 590, 72)
    assert (offer.down_cents, str(offer.expires_on)) == (200_000, "2027-01-31")
    made = read(head + row.replace("5.9%", "0.059"))
    assert "write 5.9%" in made.faults[0].message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"VIN,Make\n",
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"VIN,Year,Make,Model,Price,Internet Price\n",
        b'VIN,Year,Make,Model\n"1,2\n',
        (HEAD + "".join(line() for _ in range(MAX_ROWS + 1))).encode(),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(NotInventory, match=r"[.:]"):
        parse(content)


def test_a_vin_stands_in_a_file_once() -> None:
    vin = new_vin()
    made = read(HEAD + line(vin) + line(vin))
    assert (len(made.vehicles), made.faults[0].line) == (1, 3)


@given(st.binary(max_size=400))
def test_any_bytes_are_vehicles_or_refused(content: bytes) -> None:
    try:
        made = parse(b"VIN,Year,Make,Model,Price\n" + content)
    except NotInventory:
        return
    assert all(facts.vin == vin for vin, facts in made.vehicles.items())
