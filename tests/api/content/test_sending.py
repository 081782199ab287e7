"""Deliveries at a real SMTP server and a real receiver: each person once, whatever breaks."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from api.content.hooks import signature
from api.content.sending import MAX_ATTEMPTS
from api.ids import new_id
from api.problems import Problem
from api.store.repositories.scoped import WALKED
from tests.api.content.outbox import Outbox, opened, working
from tests.api.content.receiver import Answer, receiving
from tests.api.test_mail import Box, port_of, served
from tests.node import ROOT


class Choosy(Box):
    """Also knows addresses that are none, and may have a bad time."""

    def __init__(self) -> None:
        super().__init__()
        self.unknown: set[str] = set()
        self.away = 0
        """Recipients that it puts off."""
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """What happens while it is given the first mail, in its own thread."""

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if self.away:
            self.away -= 1
            return "451 Try again later"
        if address in self.unknown:
            return "550 No such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @property
    def told(self) -> Counter[str]:
        """How many mails came for each address."""
        return Counter(str(message["To"]) for message in self.messages)


@pytest.fixture
def box() -> Choosy:
    return Choosy()


@pytest.fixture
def server(box: Choosy) -> Iterator[Controller]:
    controller = served(box)
    yield controller
    controller.stop()


@pytest.fixture
async def outbox(tmp_path: Path, server: Controller) -> AsyncIterator[Outbox]:
    async with opened(tmp_path / "node", port_of(server)) as outbox:
        yield outbox


async def test_everybody_on_the_list_gets_one_mail_and_nobody_else_any(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(WALKED + 5)
    await outbox.people(2, "Other")
    delivery = await outbox.asked(await outbox.project())
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert (done.status, done.sent, done.refused, done.error) == ("delivered", 55, 0, "")
    assert done.done_at is not None
    assert box.told == Counter(each.email for each in people)
    links = {message.get_content().split()[-1] for message in box.messages}
    assert len(links) == len(people)
    tokens = [link.partition("https://forecourt.example/unsubscribe?token=")[2] for link in links]
    whose = [await outbox.services.outlets.subscriber_of(token) for token in tokens]
    assert {each.email for each in whose if each} == {each.email for each in people}


async def test_who_unsubscribed_gets_nothing_even_while_it_goes_out(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(6)
    gone, later = people[1], people[-1]
    await outbox.store.subscribers.unsubscribe(outbox.dealership_id, gone.id)
    delivery = await outbox.asked(await outbox.project())

    loop = asyncio.get_running_loop()

    def leave() -> asyncio.Future[object]:
        leaving = outbox.store.subscribers.unsubscribe(outbox.dealership_id, later.id)
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(leaving, loop))

    box.meanwhile = leave
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert done.status == "delivered"
    assert set(box.told) == {each.email for each in people} - {gone.email, later.email}


async def test_an_address_that_is_none_is_counted_and_the_others_get_theirs(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(4)
    box.unknown = {people[0].email, people[2].email}
    delivery = await outbox.asked(await outbox.project())
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert (done.status, done.sent, done.refused) == ("delivered", 2, 2)
    assert set(box.told) == {people[1].email, people[3].email}


async def test_a_server_that_takes_nobody_is_told_as_a_failure(outbox: Outbox, box: Choosy) -> None:
    box.unknown = {each.email for each in await outbox.people(3)}
    delivery = await outbox.asked(await outbox.project())
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert (done.status, done.refused) == ("failed", 3)
    assert "none of the addresses" in done.error


async def test_a_server_that_is_busy_is_asked_again_and_nobody_is_left_out(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(5)
    box.away = 3
    delivery = await outbox.asked(await outbox.project())
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert (done.status, done.sent) == ("delivered", 5)
    assert box.told == Counter(each.email for each in people)


async def test_a_server_that_stays_away_ends_it_and_asking_again_goes_on(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(3)
    box.away = MAX_ATTEMPTS
    project = await outbox.project()
    delivery = await outbox.asked(project)
    async with working(outbox.deliverer()):
        failed = await outbox.over(delivery)
        assert (failed.status, failed.attempts) == ("failed", MAX_ATTEMPTS)
        assert "tried 8 times" in failed.error
        assert box.messages == []
        again = await outbox.asked(project)
        assert (again.id, again.status) == (delivery.id, "pending")
        done = await outbox.over(delivery)
    assert (done.status, done.sent, done.error) == ("delivered", 3, "")
    assert box.told == Counter(each.email for each in people)


async def test_two_nodes_that_work_on_one_delivery_write_to_nobody_twice(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(30)
    delivery = await outbox.asked(await outbox.project())
    short = {"lease": timedelta(milliseconds=1)}
    async with working(outbox.deliverer(**short)), working(outbox.deliverer(**short)):
        done = await outbox.over(delivery)
    assert done.status == "delivered"
    assert max(box.told.values()) == 1
    assert set(box.told) <= {each.email for each in people}


async def test_a_node_that_stops_in_the_middle_leaves_the_rest_to_the_next(
    outbox: Outbox, box: Choosy
) -> None:
    people = await outbox.people(20)
    delivery = await outbox.asked(await outbox.project())
    async with working(outbox.deliverer()):
        while not box.messages:
            await asyncio.sleep(0.005)
    left = await outbox.found(delivery)
    assert left.status == "pending"
    assert 0 < left.sent < 20
    async with working(outbox.deliverer()):
        done = await outbox.over(delivery)
    assert (done.status, done.sent) == ("delivered", 20)
    assert box.told == Counter(each.email for each in people)


@pytest.mark.slow
async def test_nodes_that_are_killed_in_the_middle_write_to_nobody_twice(
    tmp_path: Path, server: Controller, box: Choosy
) -> None:
    """Each kill may cost the one mail that was about to leave, which was counted as begun."""
    data, port = tmp_path / "node", port_of(server)
    kills = (5, 20, 35)
    async with opened(data, port) as outbox:
        people = await outbox.people(WALKED)
        delivery = await outbox.asked(await outbox.project())
        for mails in (*kills, None):
            command = [sys.executable, "-m", "tests.api.content.outbox", str(data), str(port)]
            node = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
            if mails is None:
                done = await outbox.over(delivery)
            while mails is not None and len(box.messages) < mails:
                assert node.returncode is None
                await asyncio.sleep(0.001)
            node.kill()
            await node.wait()
    assert done.status == "delivered"
    assert max(box.told.values()) == 1
    assert len(people) - len(kills) <= len(box.told) <= len(people)
    assert len(box.told) - len(kills) <= done.sent <= len(box.told)


async def test_what_was_changed_or_removed_meanwhile_does_not_go_out(
    outbox: Outbox, box: Choosy
) -> None:
    await outbox.people(1)
    changed, removed = await outbox.project(), await outbox.project()
    deliveries = [await outbox.asked(changed), await outbox.asked(removed)]
    draft = changed.changed(outbox.now(), status="draft")
    await outbox.store.content.save(outbox.dealership_id, draft)
    await outbox.store.content.remove(outbox.dealership_id, removed.id)
    async with working(outbox.deliverer()):
        ends = [await outbox.over(each) for each in deliveries]
    assert [each.status for each in ends] == ["failed", "failed"]
    assert "changed" in ends[0].error
    assert "removed" in ends[1].error
    assert box.messages == []


async def test_a_webhook_gets_the_published_content_signed_and_once(outbox: Outbox) -> None:
    project = await outbox.project("social")
    async with receiving() as receiver:
        receiver.answers = [Answer(500), Answer(manner="stall"), Answer(429, "Retry-After: 0\r\n")]
        delivery = await outbox.called(project, receiver.port)
        async with working(outbox.deliverer()):
            done = await outbox.over(delivery)
    assert (done.status, done.attempts, done.error) == ("delivered", 4, "")
    assert len(receiver.received) == 4
    (hook,) = (await outbox.store.webhooks.page(outbox.dealership_id)).items
    secret = outbox.services.outlets.secret_of(hook)
    assert secret not in hook.model_dump_json()
    last = receiver.received[-1]
    assert {each.headers["webhook-id"] for each in receiver.received} == {delivery.id}
    at = last.headers["webhook-timestamp"]
    then = outbox.now().fromtimestamp(int(at), outbox.now().tzinfo)
    signed = signature(secret, delivery.id, then, last.body)
    assert last.headers["webhook-signature"] == signed
    data = last.json["data"]
    assert (data["id"], data["revision"], data["type"]) == (project.id, 1, "social")
    assert data["text"][1]["text"] == "It stands <here> & waits."
    assert data["vehicle"]["vin"] == project.facts.vin
    assert data["dealership"]["name"] == "North & Sons"


async def test_a_receiver_that_refuses_ends_it_at_once(outbox: Outbox) -> None:
    async with receiving() as receiver:
        receiver.answers = [Answer(301, "Location: http://127.0.0.1:1/\r\n")]
        delivery = await outbox.called(await outbox.project("social"), receiver.port)
        async with working(outbox.deliverer()):
            done = await outbox.over(delivery)
    assert (done.status, done.attempts, len(receiver.received)) == ("failed", 1, 1)
    assert "elsewhere" in done.error


async def test_a_webhook_that_was_removed_ends_what_was_to_go_there(outbox: Outbox) -> None:
    async with receiving() as receiver:
        delivery = await outbox.called(await outbox.project("social"), receiver.port)
        await outbox.store.webhooks.remove(outbox.dealership_id, delivery.target)
        async with working(outbox.deliverer()):
            done = await outbox.over(delivery)
    assert (done.status, receiver.received) == ("failed", [])


async def test_receivers_that_stall_keep_no_mail_waiting(outbox: Outbox, box: Choosy) -> None:
    await outbox.people(3)
    async with receiving() as receiver:
        receiver.answers = [Answer(manner="stall")] * 3
        for _ in range(3):
            await outbox.called(await outbox.project("social"), receiver.port)
        delivery = await outbox.asked(await outbox.project())
        async with working(outbox.deliverer()):
            done = await outbox.over(delivery)
            assert done.status == "delivered"


@pytest.mark.parametrize(
    ("fields", "type_", "code"),
    [
        ({"status": "draft"}, "email", "not_published"),
        ({"status": "review"}, "email", "not_published"),
        ({}, "social", "wrong_type"),
    ],
)
async def test_what_may_not_go_to_a_list_is_refused(
    outbox: Outbox, fields: dict[str, str], type_: str, code: str
) -> None:
    await outbox.people(1)
    project = await outbox.project(type_, **fields)  # type: ignore[arg-type]
    with pytest.raises(Problem) as refusal:
        await outbox.asked(project)
    assert (refusal.value.status, refusal.value.code) == (409, code)


async def test_a_list_of_nobody_a_missing_address_and_an_unknown_webhook_are_refused(
    outbox: Outbox,
) -> None:
    project = await outbox.project()
    with pytest.raises(Problem, match="Nobody on this list"):
        await outbox.asked(project)
    await outbox.people(1)
    with pytest.raises(Problem, match="no such webhook"):
        await outbox.services.outlets.deliver(outbox.by, project, "webhook", new_id())
    dealership = await outbox.store.dealerships.get(outbox.dealership_id)
    assert dealership is not None
    bare = dealership.changed(outbox.now(), contact={})
    await outbox.store.dealerships.save(outbox.dealership_id, bare)
    with pytest.raises(Problem, match="postal address") as refusal:
        await outbox.asked(project)
    assert refusal.value.code == "no_address"


async def test_a_revision_goes_to_a_list_once_however_often_it_is_asked_for(
    outbox: Outbox, box: Choosy
) -> None:
    await outbox.people(2)
    project = await outbox.project()
    asked = await asyncio.gather(*(outbox.asked(project) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Problem) for each in asked) == 4
    async with working(outbox.deliverer()):
        (delivery,) = [each for each in asked if not isinstance(each, BaseException)]
        await outbox.over(delivery)
        with pytest.raises(Problem) as refusal:
            await outbox.asked(project)
    assert refusal.value.code == "delivered_before"
    assert len(box.messages) == 2


async def test_a_token_that_was_changed_or_cut_is_nobodys(outbox: Outbox) -> None:
    outlets = outbox.services.outlets
    (person,) = await outbox.people(1)
    token = outlets.token_of(person)
    assert await outlets.subscriber_of(token) == person
    for place in range(0, len(token), 5):
        changed = token[:place] + ("B" if token[place] != "B" else "C") + token[place + 1 :]
        assert await outlets.subscriber_of(changed) is None, place
    for wrong in ("", token[:-4], token + token, "é", "a b", "=" * 54, "\ud800"):
        assert await outlets.subscriber_of(wrong) is None, wrong
