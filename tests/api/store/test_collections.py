"""The contract of a collection, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ids import is_id, new_id
from api.store import open_database
from api.store.base import (
    MAX_MANY,
    Collection,
    Condition,
    Database,
    Duplicate,
    Index,
    Kind,
    Query,
    Stale,
    StoreError,
    Unreadable,
    above,
    at_least,
    below,
    equal,
    has,
    one_of,
)
from api.store.documents import Document, moment, written
from tests.api.store.cars import CARS, DEALER, NOW, OTHER_DEALER, Car, CarHead, car, day

Cars = Collection[Car, CarHead]


@pytest.fixture
def cars(database: Database) -> Cars:
    return database.collection(CARS)


async def plates(cars: Cars, *where: Condition, **query: Any) -> list[str]:
    return [found.plate for found in await cars.page(Query(where, **query))]


def test_an_id_is_of_this_second_and_no_other_text_is_one() -> None:
    assert is_id(new_id())
    assert len({new_id() for _ in range(1000)}) == 1000
    assert not any(is_id(text) for text in ("", "x" * 24, "A" * 24, "0" * 23, "0" * 25, "٠" * 24))


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=-7)))))
def test_times_as_text_sort_as_the_times_do(time: datetime) -> None:
    try:
        later = time + timedelta(milliseconds=1)
        assert written(time) < written(later)
    except OverflowError:
        return
    assert datetime.fromisoformat(written(time)) == moment(time)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        moment(datetime(2026, 11, 23))  # noqa: DTZ001


async def test_what_is_inserted_is_found_whole(cars: Cars) -> None:
    mine = car(
        "Ärger 7 '\"; \0 \U0001f697",
        colour="red",
        doors=2**53,
        is_new=True,
        sold_at=datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=5))),
        keepers=("Ann", "Bob"),
        engine={"powerKw": 88.5},
        faults={"brakes": 2},
        manual="x" * 300_000,
    )
    await cars.insert(mine)
    found = await cars.find([equal("id", mine.id)])
    assert found == mine
    assert found.sold_at == datetime(2025, 12, 31, 19, 0, 0, 999_000, tzinfo=UTC)


async def test_a_list_lacks_what_is_heavy_and_nothing_else(cars: Cars) -> None:
    mine = car("A", colour="red", manual="long")
    await cars.insert(mine)
    (listed,) = await cars.page(Query())
    assert type(listed) is CarHead
    assert listed.model_dump() == mine.model_dump(exclude={"manual"})


async def test_a_second_one_with_the_same_plate_is_refused_by_name(cars: Cars) -> None:
    await cars.insert(car("A"))
    with pytest.raises(Duplicate) as refused:
        await cars.insert(car("A", OTHER_DEALER))
    assert refused.value.fields == ("plate",)
    assert await cars.count([]) == 1


async def test_a_second_one_with_the_same_id_is_refused_by_name(cars: Cars) -> None:
    first = car("A")
    await cars.insert(first)
    with pytest.raises(Duplicate) as refused:
        await cars.insert(car("B", id=first.id))
    assert refused.value.fields == ("id",)


async def test_a_refusal_among_concurrent_writes_harms_no_other(cars: Cars) -> None:
    await cars.insert(car("7"))
    results = await asyncio.gather(
        *(cars.insert(car(str(number))) for number in range(40)), return_exceptions=True
    )
    assert [number for number, result in enumerate(results) if result is not None] == [7]
    assert isinstance(results[7], Duplicate)
    assert await cars.count([]) == 40


async def test_inserting_anew_adds_only_what_is_new(cars: Cars) -> None:
    batch = [car(str(number)) for number in range(MAX_MANY)]
    assert await cars.insert_new(batch[:300]) == 300
    assert await cars.insert_new(batch) == MAX_MANY - 300
    assert await cars.insert_new(batch) == 0
    assert await cars.insert_new([]) == 0
    assert await cars.count([]) == MAX_MANY
    with pytest.raises(ValueError, match="limit"):
        await cars.insert_new([*batch, car("more")])


async def test_one_of_two_changes_to_a_version_wins(cars: Cars) -> None:
    first = car("A", doors=3)
    await cars.insert(first)
    results = await asyncio.gather(
        *(cars.replace(first.changed(day(1), doors=doors)) for doors in range(10)),
        return_exceptions=True,
    )
    winners = [doors for doors, result in enumerate(results) if result is None]
    assert len(winners) == 1
    assert all(isinstance(result, Stale) for result in results if result is not None)
    stored = await cars.find([equal("id", first.id)])
    assert stored is not None
    assert (stored.doors, stored.version, stored.updated_at) == (winners[0], 2, day(1))
    assert stored.created_at == NOW


async def test_a_replaced_document_is_found_by_what_it_is_now(cars: Cars) -> None:
    first = car("A", colour="red", keepers=("Ann",), faults={"rust": 1}, manual="old")
    await cars.insert(first)
    changed = first.changed(day(1), colour="blue", keepers=("Bob",), faults={}, manual="new")
    await cars.replace(changed)
    assert await cars.find([equal("colour", "red")]) is None
    assert await cars.find([has("keepers", "Ann")]) is None
    assert await cars.find([at_least("faults.rust", 0)]) is None
    assert await cars.find([equal("colour", "blue"), has("keepers", "Bob")]) == changed


async def test_a_change_into_anothers_plate_is_refused(cars: Cars) -> None:
    mine = car("A")
    await cars.insert(mine)
    await cars.insert(car("B"))
    with pytest.raises(Duplicate):
        await cars.replace(mine.changed(NOW, plate="B"))
    assert await cars.find([equal("id", mine.id)]) == mine


async def test_a_document_never_moves_to_another_dealership(cars: Cars) -> None:
    mine = car("A")
    await cars.insert(mine)
    with pytest.raises(Stale):
        await cars.replace(mine.changed(NOW, dealership_id=OTHER_DEALER))
    with pytest.raises(Stale):
        await cars.replace(car("never inserted").changed(NOW))
    assert await cars.find([equal("dealershipId", OTHER_DEALER)]) is None


async def test_every_comparison_means_the_same_on_both(cars: Cars) -> None:
    await cars.insert_new(
        [
            car("A", colour="red", doors=3, sold_at=day(1), keepers=("x", "y"), is_new=True),
            car("B", colour="blue", doors=5, sold_at=day(2), engine={"powerKw": 70.5}),
            car("C", colour=None, doors=4, keepers=("y",), faults={"rust": 3, "brakes": 1}),
            car("D", OTHER_DEALER, colour="red", doors=2, faults={"rust": 1}),
        ]
    )
    expected = {
        (): "ABCD",
        (equal("dealershipId", DEALER),): "ABC",
        (equal("colour", "red"),): "AD",
        (equal("colour", None),): "C",
        (equal("isNew", True),): "A",
        (equal("isNew", False),): "BCD",
        (one_of("colour", ["red", "blue"]),): "ABD",
        (one_of("colour", []),): "",
        (at_least("doors", 4),): "BC",
        (above("doors", 4),): "B",
        (below("doors", 4),): "AD",
        (at_least("doors", 3), below("doors", 5)): "AC",
        (at_least("soldAt", day(2)),): "B",
        (above("soldAt", day(1)),): "B",
        (below("soldAt", day(2)),): "A",
        (equal("soldAt", None),): "CD",
        (has("keepers", "y"),): "AC",
        (has("keepers", "z"),): "",
        (at_least("engine.powerKw", 70),): "B",
        (below("engine.powerKw", 999.5),): "B",
        (equal("engine.powerKw", None),): "ACD",
        (at_least("faults.rust", 1),): "CD",
        (at_least("faults.rust", 2), equal("dealershipId", DEALER)): "C",
        (below("faults.brakes", 5),): "C",
        (equal("faults.brakes", 1),): "C",
    }
    for where, letters in expected.items():
        assert await plates(cars, *where, sort=["plate"]) == list(letters), where
        assert await cars.count(where) == len(letters), where


async def test_lists_are_sorted_by_several_fields_null_first(cars: Cars) -> None:
    rows = [("A", 3, "red"), ("B", 5, None), ("C", 3, "blue"), ("D", 4, "Zinc"), ("E", 4, "ä")]
    for plate, doors, colour in rows:
        await cars.insert(car(plate, doors=doors, colour=colour))
    assert await plates(cars, sort=["colour"]) == list("BDCAE")
    assert await plates(cars, sort=["-colour"]) == list("EACDB")
    assert await plates(cars, sort=["doors", "-colour"]) == list("ACEDB")
    assert await plates(cars, sort=["-doors", "plate"]) == list("BDEAC")


async def test_pages_neither_repeat_nor_leave_out_what_sorts_alike(cars: Cars) -> None:
    await cars.insert_new([car(str(number), doors=number % 3) for number in range(60)])
    for sort in (["doors"], ["-doors"], []):
        seen = []
        for offset in range(0, 66, 7):
            seen += await plates(cars, sort=sort, offset=offset, limit=7)
        assert len(seen) == 60
        assert set(seen) == {str(number) for number in range(60)}
    assert await plates(cars, limit=0) == []


async def test_deletion_takes_what_meets_all_conditions(cars: Cars) -> None:
    await cars.insert_new([car(str(n), [DEALER, OTHER_DEALER][n % 2], doors=n) for n in range(10)])
    where = [equal("dealershipId", DEALER), below("doors", 6)]
    assert await cars.delete(where) == 3
    assert await cars.delete(where) == 0
    assert await cars.count([]) == 7
    with pytest.raises(ValueError, match="condition"):
        await cars.delete([])


async def test_a_scan_reads_everything_whole_once(cars: Cars) -> None:
    batch = [car(str(number), manual=f"manual {number}") for number in range(25)]
    await cars.insert_new(batch)
    seen: list[Car] = []
    while found := await cars.scan(seen[-1].id if seen else "", 10):
        seen += found
    assert seen == sorted(batch, key=lambda one: one.id)


@pytest.mark.parametrize(
    "query",
    [
        Query([equal("manual", "x")]),
        Query([equal("colour; DROP TABLE cars", "x")]),
        Query([equal('faults."', 1)]),
        Query([equal("faults.$gt", 1)]),
        Query([equal("faults", 1)]),
        Query([equal("keepers", "x")]),
        Query([has("colour", "x")]),
        Query(sort=["manual"]),
        Query(sort=["keepers"]),
        Query(sort=["faults.rust"]),
        Query(limit=MAX_MANY + 1),
        Query(limit=-1),
        Query(offset=-1),
        Query(offset=10**30),
        Query([at_least("doors", 2**63)]),
        Query([one_of("doors", [1, -(2**63)])]),
        Query([below("soldAt", datetime(2026, 11, 23))]),  # noqa: DTZ001
    ],
)
async def test_a_question_that_was_not_declared_is_refused(cars: Cars, query: Query) -> None:
    with pytest.raises(ValueError, match=r"cannot be|limit"):
        await cars.page(query)


@pytest.mark.parametrize("value", ["' OR 1=1 --", '{"$gt": ""}', "$where", "\0", "%", "*"])
async def test_a_value_is_only_ever_compared(cars: Cars, value: str) -> None:
    await cars.insert(car("A", colour="red", keepers=("Ann",)))
    assert await plates(cars, equal("colour", value)) == []
    await cars.insert(car(value, colour=value))
    assert await plates(cars, equal("colour", value)) == [value]


@pytest.mark.parametrize("value", ["' OR 1=1 --", '{"$gt": ""}', "$where", "%", "ä\U0001f697"])
async def test_a_member_is_only_ever_compared(cars: Cars, value: str) -> None:
    await cars.insert(car("A", keepers=("Ann",)))
    assert await plates(cars, has("keepers", value)) == []
    await cars.insert(car("B", keepers=(value,)))
    assert await plates(cars, has("keepers", value)) == ["B"]
    with pytest.raises(ValueError, match="NUL"):
        has("keepers", "\0")


async def test_what_does_not_fit_its_model_is_named_without_its_content(
    cars: Cars, database: Database
) -> None:
    mine = car("SECRET")
    await cars.insert(mine)
    narrow = database.collection(Kind("cars", Nameless, Nameless))
    with pytest.raises(Unreadable, match=f"cars/{mine.id}") as damage:
        await narrow.scan()
    assert "SECRET" not in str(damage.value)


class Nameless(Document):
    pass


def test_an_index_over_what_cannot_be_asked_for_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="indexed"):
        Kind("cars", Car, CarHead, indexes=(Index(("doors",)),))
    with pytest.raises(ValueError, match="listed"):
        Kind("cars", Car, CarHead, fields=("manual",))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pa55word",
        "sqlite:",
        "sqlite://pa55word",
        "redis://:pa55word@host",
        "mongodb://pa55word:",
    ],
)
def test_an_address_of_another_form_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(StoreError, match="address") as refused:
        open_database(url)
    assert "pa55word" not in str(refused.value)


def test_an_address_shows_no_password() -> None:
    database = open_database("mongodb://ann:pa55word@db.example:27018/shop?replicaSet=rs0")
    assert database.location == "mongodb://db.example:27018/shop"
