"""Progress of people: what counts, who sees whom, and a table that no spreadsheet obeys."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.coaching.progress import MAX_CALLS, Progress, Report, Scope
from api.coaching.sheet import MARK, Cell, sheet
from api.ids import new_id
from api.problems import Problem
from api.routes.progress import LONGEST, USUAL, ProgressQuery
from api.services import Services
from api.store.documents import SessionMetrics, TrainingSession
from api.store.kinds import SESSIONS
from tests.api.coaching.staff import Staff, serving
from tests.api.seeds import Seeds
from tests.api.store.people import Clock
from tests.node import Node

TODAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = TODAY - 28 * DAY
TIMES = st.datetimes(timezones=st.just(UTC))


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with serving(tmp_path, Clock()) as services:
        yield services


@pytest.fixture
async def staff(services: Services) -> Staff:
    return await Staff.new(services)


async def told(
    staff: Staff, teams: tuple[str, ...] | None = None, user: str | None = None
) -> Report:
    progress = Progress(staff.services.store, staff.services.profiles)
    return await progress.of(Scope(staff.id, teams, user), SINCE, TODAY, TODAY)


async def test_scores_of_a_period_are_held_against_as_long_before(staff: Staff) -> None:
    team = await staff.team("One")
    bo = await staff.person("Bo Lund", team)
    await staff.call(bo, TODAY - 3 * DAY, (80, 70, None, None), minutes=10)
    await staff.call(bo, TODAY - 2 * DAY, (60, 70, 50, None), minutes=5.5)
    await staff.call(bo, TODAY - DAY, (0, 0, 0, 0), minutes=0.4)  # too short to count
    await staff.call(bo, TODAY - 40 * DAY, (50, 50, 50, 50))
    await staff.call(bo, TODAY - 57 * DAY, (0, 0, 0, 0))  # longer ago
    report = await told(staff)
    (person,) = report.people
    assert (person.name, person.team_ids, person.calls, person.minutes) == (
        "Bo Lund",
        [team],
        2,
        15.5,
    )
    assert person.scores.model_dump() == {
        "confidence": 70.0,
        "clarity": 70.0,
        "pace": 50.0,
        "volume": None,
    }
    assert person.overall == 67.5  # of 75 and 60
    assert person.before.model_dump() == {"overall": 50.0, "calls": 1}
    assert person.change == 17.5
    assert person.last_call_at == TODAY - DAY
    team_total = report.team.model_dump()
    assert team_total == {
        "calls": 2,
        "minutes": 15.5,
        "practised": 1,
        "people": 1,
        "scores": person.scores.model_dump(),
        "overall": 67.5,
        "change": 17.5,
    }


async def test_who_has_not_called_is_listed_with_their_last_call(staff: Staff) -> None:
    team = await staff.team("One")
    away = [await staff.person(f"Away {letter}", team) for letter in "abc"]
    coach = await staff.person("Cleo Coach", team, role="coach")
    await staff.call(away[0], TODAY - 100 * DAY)
    await staff.call(away[1], TODAY - 300 * DAY)
    people = {each.name: each for each in (await told(staff)).people}
    assert coach.id not in {each.user_id for each in people.values()}
    assert [people[f"Away {letter}"].last_call_at for letter in "abc"] == [
        TODAY - 100 * DAY,
        TODAY - 300 * DAY,
        None,
    ]
    assert {each.overall for each in people.values()} == {None}
    await staff.call(coach, TODAY - DAY)
    assert coach.id in {each.user_id for each in (await told(staff)).people}


async def test_a_team_is_told_of_what_was_done_in_it_by_whom_it_has(staff: Staff) -> None:
    one, two = await staff.team("One"), await staff.team("Two")
    both = await staff.person("Both Teams", one, two)
    other = await staff.person("Other Team", two)
    elsewhere = await Staff.new(staff.services, "South Motors")
    foreign = await elsewhere.person("For Eign", one)
    await staff.call(both, TODAY - DAY, team=one)
    await staff.call(both, TODAY - DAY, team=two)
    await staff.call(other, TODAY - DAY, team=two)
    await elsewhere.call(foreign, TODAY - DAY, team=one)
    assert {p.name: p.calls for p in (await told(staff, (one,))).people} == {"Both Teams": 1}
    assert {p.name: p.calls for p in (await told(staff)).people} == {
        "Both Teams": 2,
        "Other Team": 1,
    }
    assert (await told(staff, (one,), other.id)).people == []
    assert (await told(staff, ())).people == []


@dataclass(frozen=True)
class One:
    user_id: str
    status: str
    due_at: datetime


@dataclass(frozen=True)
class Kept:
    """Keeps assignments in a list."""

    given: list[One]

    async def of_period(
        self, dealership_id: str, start: datetime, end: datetime, most: int
    ) -> list[One]:
        return self.given[:most]


async def test_assignments_are_counted_by_how_they_stand(staff: Staff) -> None:
    bo, di = await staff.person("Bo Lund"), await staff.person("Di Lund")
    standing = ["passed", "failed", "failed", "cancelled", "open", "open"]
    dues = [TODAY + DAY] * 4 + [TODAY + 2 * DAY, TODAY - DAY]
    given = [One(bo.id, status, due) for status, due in zip(standing, dues, strict=True)]
    given.append(One(new_id(), "open", TODAY + DAY))  # somebody else's
    kept = Kept(given)
    progress = Progress(staff.services.store, staff.services.profiles, kept)
    scope = Scope(staff.id)
    report = await progress.of(scope, SINCE, TODAY, TODAY)
    counted = {each.user_id: each.assignments.model_dump() for each in report.people}
    assert counted == {
        bo.id: {"open": 2, "passed": 1, "failed": 2, "overdue": 1},
        di.id: {"open": 0, "passed": 0, "failed": 0, "overdue": 0},
    }
    assert await progress.due(scope, report, TODAY, TODAY + 7 * DAY) == 1


@pytest.mark.slow
async def test_many_people_and_calls_are_summed_within_the_limits(staff: Staff) -> None:
    store = staff.services.store
    people = [await staff.person(f"Person {number:03}") for number in range(200)]
    calls = store.database.collection(SESSIONS)

    async def add(count: int, at: datetime) -> None:
        made = [
            TrainingSession.new(
                staff.id,
                at,
                user_id=people[number % 200].id,
                session_type="pitch",
                status="completed",
                start_time=at - timedelta(seconds=number),
                duration_ms=60_000,
                metrics=SessionMetrics(pace=number % 100),
                node="n",
            )
            for number in range(count)
        ]
        for first in range(0, count, 500):
            await calls.insert_new(made[first : first + 500])

    await add(5_000, TODAY - DAY)
    report = await told(staff)
    assert (report.team.calls, report.team.people, report.team.practised) == (5_000, 200, 200)
    assert {person.calls for person in report.people} == {25}
    await add(MAX_CALLS - 5_000 + 1, TODAY - 40 * DAY)
    with pytest.raises(Problem, match="shorter period"):
        await told(staff)


@given(st.none() | TIMES, st.none() | TIMES)
def test_any_two_times_make_a_period(since: datetime | None, before: datetime | None) -> None:
    asked = ProgressQuery.model_validate(
        {
            name: value.isoformat()
            for name, value in (("from", since), ("to", before))
            if value is not None
        }
    )
    start, end = asked.period(TODAY)
    assert start <= end <= TODAY
    assert end - start <= LONGEST
    if since is None and before is None:
        assert (start, end) == (TODAY - USUAL, TODAY)
    assert start - (end - start) > datetime(1999, 1, 1, tzinfo=UTC)


# Lone surrogates are no text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CELLS = (
    st.sampled_from("=+-@\t\r").flatmap(lambda sign: TEXTS.map(lambda text: sign + text)) | TEXTS
)
NUMBERS = st.none() | st.integers(-999, 999) | st.floats(-100, 100).map(lambda n: round(n, 1))


@given(st.lists(st.tuples(CELLS, NUMBERS), max_size=6))
def test_whatever_a_person_is_called_a_table_holds_it_and_no_formula(
    rows: list[tuple[str, Cell]],
) -> None:
    content = sheet(["name", "change"], rows)
    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode().removeprefix(MARK)
    assert text.endswith("\r\n")
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert len(found) == len(rows) + 1
    for (name, number), (shown, value) in zip(rows, found[1:], strict=True):
        assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert shown in (name, f"'{name}")
        assert value == ("" if number is None else str(number))
        assert re.fullmatch(r"(-?[0-9.]+)?", value)


async def test_each_role_is_told_of_those_it_reaches_as_json_and_as_a_table(node: Node) -> None:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here, elsewhere = await seeds.dealership("Here"), await seeds.dealership("Elsewhere")
        team, other = await seeds.team(here, "=1+1"), await seeds.team(here, "Two")
        mate = await seeds.person(here, "salesperson", team)
        stranger = await seeds.person(here, "salesperson", other)
        foreign = await seeds.person(elsewhere, "salesperson", await seeds.team(elsewhere, "T"))
        for who, of in ((mate, team), (stranger, other), (foreign, new_id())):
            await seeds.session(who, of, days_ago=1)
        seen = {
            "admin": {mate.id, stranger.id},
            "manager": {mate.id},
            "coach": {mate.id},
            "salesperson": set(),
        }
        for role, others in seen.items():
            actor = await seeds.person(here, role, team)  # type: ignore[arg-type]
            own = {actor.id} if role == "salesperson" else set()
            answer = await http.get("/progress", headers=actor.headers)
            listed = {each["userId"]: each["calls"] for each in answer.json()["people"]}
            assert set(listed) - own == others, role
            assert sum(listed.values()) == len(others)
            asked = {"userId": stranger.id}
            answer = await http.get("/progress", headers=actor.headers, params=asked)
            listed = {each["userId"] for each in answer.json()["people"]}
            assert listed == ({stranger.id} if role == "admin" else set())
            await seeds.store.users.remove(here, actor.id)
        manager = await seeds.person(here, "manager", team)
        table = await http.get("/progress.csv", headers=manager.headers)
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert ".csv" in table.headers["content-disposition"]
        header, row = csv.reader(io.StringIO(table.text.removeprefix(MARK)))
        assert header[:4] == ["Name", "Teams", "Calls", "Minutes"]
        assert row[1:4] == ["'=1+1", "1", "5.0"]
