"""A manager's week: what is in it, and that its mail comes on Monday, once, by a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from api.coaching.digest import Digest, Digests, Week
from api.coaching.mailing import LOST_AFTER, Mailing
from api.coaching.progress import Progress, Scope
from api.services import Services
from api.store.documents import Notifications, User
from api.store.repositories.digests import MAX_ATTEMPTS
from tests.api.coaching.staff import ADDRESS, NUDGE, PRAISE, SUMMARY, Staff, serving
from tests.api.seeds import Seeds
from tests.api.store.people import Clock
from tests.api.test_mail import Box, port_of, served
from tests.node import Node

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)
SEVEN = MONDAY + timedelta(hours=7)
W47 = Week.named("2026-W47")


def test_weeks_are_as_iso_8601_has_them() -> None:
    assert W47 == ("2026-W47", MONDAY - 7 * DAY, MONDAY)
    assert Week.before(MONDAY) == Week.before(MONDAY + 6 * DAY) == W47
    assert Week.before(MONDAY - timedelta(seconds=1)).name == "2026-W46"
    assert Week.before(datetime(2027, 1, 5, tzinfo=UTC)).name == "2026-W53"
    for wrong in ("2025-W53", "2026-W00"):
        with pytest.raises(ValueError, match="week"):
            Week.named(wrong)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = SEVEN
    return clock


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def server(box: Box) -> Iterator[Controller]:
    controller = served(box)
    yield controller
    if controller.loop.is_running():
        controller.stop()


@pytest.fixture
async def services(tmp_path: Path, clock: Clock, server: Controller) -> AsyncIterator[Services]:
    smtp: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": port_of(server)}
    async with serving(tmp_path, clock, smtp_tls="none", **smtp) as services:
        services.mail._wait_s = 0.01
        yield services


@pytest.fixture
async def staff(services: Services) -> Staff:
    return await Staff.new(services)


async def told(staff: Staff, *teams: str) -> Digest:
    services = staff.services
    digests = Digests(services.store, Progress(services.store, services.profiles), services.vault)
    return await digests.of(Scope(staff.id, teams or None), W47, services.now())


async def test_a_week_tells_who_practised_who_did_not_and_who_improved(staff: Staff) -> None:
    team = await staff.team("One")
    bo, cy, di = [await staff.person(f"{name} Lund", team) for name in ("Bo", "Cy", "Di")]
    await staff.call(bo, MONDAY - DAY, (80,) * 4, minutes=12)
    await staff.call(bo, MONDAY - 8 * DAY, (60,) * 4)
    await staff.call(cy, MONDAY - 2 * DAY, (50,) * 4)
    await staff.call(cy, MONDAY - 9 * DAY, (70,) * 4)
    await staff.call(di, MONDAY - 20 * DAY)
    await staff.call(di, MONDAY + timedelta(hours=1))  # is next week's
    digest = await told(staff)
    assert [(each.name, each.calls, each.minutes) for each in digest.practised] == [
        ("Bo Lund", 1, 12.0),
        ("Cy Lund", 1, 5.0),
    ]
    assert [(each.name, each.last_call_at) for each in digest.idle] == [
        ("Di Lund", MONDAY - 20 * DAY)
    ]
    assert [(each.name, each.change, each.overall) for each in digest.improved] == [
        ("Bo Lund", 20.0, 80.0)
    ]


async def test_a_moment_of_each_is_the_newest_praise_or_the_best_there_is(staff: Staff) -> None:
    team = await staff.team("One")
    at = MONDAY - DAY
    names = ("Praised", "Strong", "Weak", "Erased", "Quiet")
    people = {name: await staff.person(name, team) for name in names}
    older = {**PRAISE, "spanMs": [1_000, 3_000], "message": "Earlier"}
    praised = await staff.call(people["Praised"], at - DAY, feedback=[older, NUDGE, PRAISE])
    await staff.call(people["Praised"], at, feedback=[NUDGE], summary=SUMMARY)
    strong = await staff.call(people["Strong"], at, feedback=[NUDGE], summary=SUMMARY)
    only_weak = {**SUMMARY, "strengths": []}
    weak = await staff.call(people["Weak"], at, feedback=[NUDGE], summary=only_weak)
    await staff.call(people["Erased"], at, feedback=[PRAISE], is_kept=False)
    await staff.call(people["Quiet"], at, feedback=[], summary={"strengths": [], "workOn": []})
    found = {each.name: each for each in (await told(staff, team)).moments}
    assert {
        name: (each.session_id, each.kind, each.at_ms, each.message) for name, each in found.items()
    } == {
        "Praised": (praised, "praise", 61_000, "Steady and clear"),
        "Strong": (strong, "strength", 20_000, "A calm pace"),
        "Weak": (weak, "work_on", 5, "Fewer fillers"),
    }


async def managed(staff: Staff, name: str = "Mona Field", **fields: Any) -> tuple[User, str]:
    """A manager, and who is in their team: Bo, who was praised; Di, who did nothing."""
    manager = await staff.person(name, role="manager", **fields)
    team = await staff.team(f"{name}'s", manager)
    bo = await staff.person("Bo <Lund>\nx", team)
    await staff.person("Di Lund", team)
    session_id = await staff.call(bo, MONDAY - DAY, (80,) * 4, feedback=[PRAISE])
    return manager, session_id


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


async def test_managers_are_mailed_on_monday_once(staff: Staff, box: Box, clock: Clock) -> None:
    mona, session_id = await managed(staff)
    luis, _ = await managed(staff, "Luis Campo", language="es")
    await managed(staff, "No Mails", notifications=Notifications(email=False))
    await managed(staff, "Not This", notifications=Notifications(muted=("digest",)))
    await managed(staff, "Came Later", joined=SEVEN + timedelta(minutes=1))
    await staff.person("No Team", role="manager")
    clock.now = SEVEN - timedelta(minutes=1)
    assert await Mailing(staff.services).send_due() == 0
    clock.now = SEVEN
    mailing = Mailing(staff.services)
    assert await mailing.send_due() == 2
    assert {message["To"] for message in box.messages} == {mona.email, luis.email}
    text = text_of(next(each for each in box.messages if each["To"] == mona.email))
    assert text.startswith("Hello Mona Field,")
    assert "Bo <Lund> x · calls: 1 · minutes: 5" in text
    assert f"Steady and clear\n  {ADDRESS}/replay#{session_id}?t=61000\n" in text
    assert "Without a call (1):\n- Di Lund" in text
    assert f"{ADDRESS}/monday" in text
    spanish = text_of(next(each for each in box.messages if each["To"] == luis.email))
    assert spanish.startswith("Hola, Luis Campo:")
    assert "Practicaron (1):" in spanish
    # Again, after a restart, at the end of the day, and on the next Monday.
    assert await mailing.send_due() == await Mailing(staff.services).send_due() == 0
    clock.now = SEVEN + timedelta(hours=20)
    assert await Mailing(staff.services).send_due() == 0
    clock.now = SEVEN + 7 * DAY
    assert await mailing.send_due() == 3  # who came later is mailed, too


async def test_of_two_nodes_one_sends_it(staff: Staff, box: Box) -> None:
    await managed(staff)
    nodes = [Mailing(staff.services) for _ in range(4)]
    assert sum(await asyncio.gather(*(node.send_due() for node in nodes))) == 1
    assert len(box.messages) == 1


async def test_what_a_node_claimed_and_never_sent_is_sent_by_another(
    staff: Staff, box: Box, clock: Clock
) -> None:
    mona, _ = await managed(staff)
    digests = staff.services.store.digests
    died = await digests.claim(staff.id, mona.id, W47.name, clock.now - LOST_AFTER)
    assert died is not None
    mailing = Mailing(staff.services)
    assert await mailing.send_due() == 0
    clock.pass_by(seconds=LOST_AFTER.total_seconds() + 1)
    assert await mailing.send_due() == 1
    assert len(box.messages) == 1
    sent = await digests.get(staff.id, mona.id, W47.name)
    assert sent is not None
    assert (sent.state, sent.attempts) == ("sent", 2)


async def test_while_the_server_is_away_it_is_tried_again_and_then_given_up(
    staff: Staff, server: Controller, clock: Clock
) -> None:
    mona, _ = await managed(staff)
    server.stop()
    mailing = Mailing(staff.services)
    for _ in range(MAX_ATTEMPTS + 1):
        assert await mailing.send_due() == 0
        clock.pass_by(seconds=LOST_AFTER.total_seconds() + 1)
    found = await staff.services.store.digests.get(staff.id, mona.id, W47.name)
    assert found is not None
    assert (found.state, found.attempts) == ("failed", MAX_ATTEMPTS)


async def test_a_week_is_told_to_managers_of_their_own_teams(node: Node) -> None:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here = await seeds.dealership("Here")
        team, other = await seeds.team(here, "One"), await seeds.team(here, "Two")
        mate = await seeds.person(here, "salesperson", team)
        stranger = await seeds.person(here, "salesperson", other)
        manager = await seeds.person(here, "manager", team)
        admin = await seeds.person(here, "admin")
        coach = await seeds.person(here, "coach", team)
        await seeds.session(mate, team)
        year, week, _ = datetime.now(UTC).isocalendar()
        asked = {"week": f"{year}-W{week:02}"}
        body = (await http.get("/digest", params=asked, headers=manager.headers)).json()
        assert [each["userId"] for each in body["practised"]] == [mate.id]
        assert (body["idle"], body["week"]) == ([], asked["week"])
        body = (await http.get("/digest", params=asked, headers=admin.headers)).json()
        assert [each["userId"] for each in body["idle"]] == [stranger.id]
        body = (await http.get("/digest", headers=manager.headers)).json()
        assert body["week"] == Week.before(datetime.now(UTC)).name
        for wrong, status in (("2025-W53", 404), ("2026-47", 422), ("now", 422)):
            answer = await http.get("/digest", params={"week": wrong}, headers=manager.headers)
            assert answer.status_code == status, wrong
        assert (await http.get("/digest", headers=coach.headers)).status_code == 403
