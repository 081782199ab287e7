"""What the product asks of its store, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from api.ids import new_id
from api.store.base import Duplicate, Missing, Stale
from api.store.documents import Policy, Totp
from api.store.jobs import Job
from api.store.repositories.scoped import WALKED, walk
from api.store.repositories.sessions import SessionFilter
from api.store.store import Store
from tests.api.store.people import Clock, Sample, digest


@pytest.fixture
def sample(clock: Clock) -> Sample:
    return Sample(clock)


async def together(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls)


async def test_a_dealership_keeps_its_policy(store: Store, sample: Sample, clock: Clock) -> None:
    first = sample.dealership()
    await store.dealerships.add(first)
    changed = first.changed(
        clock.pass_by(hours=1), policy=Policy(totp_required=("admin",), retention_days=30)
    )
    await store.dealerships.save(first.id, changed)
    assert await store.dealerships.get(first.id) == changed
    assert changed in await store.dealerships.every(f"{int(first.id, 16) - 1:024x}", 1)
    with pytest.raises(Stale):
        await store.dealerships.save(first.id, changed)
    with pytest.raises(Missing):
        await store.dealerships.add(sample.dealership(id=new_id()))


async def test_teams_are_listed_by_name_and_have_one_each(store: Store, sample: Sample) -> None:
    mine = sample.dealership_id
    for name in ("Used", "New", "Fleet"):
        managers = [sample.user_id] if name != "New" else []
        await store.teams.add(mine, sample.team(name=name, manager_ids=managers))
    with pytest.raises(Duplicate):
        await store.teams.add(mine, sample.team(name="New"))
    page = await store.teams.page(mine, 1, 1)
    assert ([team.name for team in page.items], page.total) == (["New"], 3)
    managed = await store.teams.managed_by(mine, sample.user_id)
    assert [team.name for team in managed] == ["Fleet", "Used"]
    assert await store.teams.remove(mine, managed[0].id)
    assert not await store.teams.remove(mine, managed[0].id)
    assert await store.teams.get(mine, managed[0].id) is None


async def test_an_address_belongs_to_one_person_whatever_its_case(
    store: Store, sample: Sample, clock: Clock
) -> None:
    name = new_id()
    user = sample.user(email=f"{name.upper()}@Example.COM")
    await store.users.add(sample.dealership_id, user)
    assert await store.users.by_email(f" {name}@EXAMPLE.com ") == user
    assert await store.users.by_email("nobody@example.com") is None
    other = Sample(clock)
    with pytest.raises(Duplicate) as refused:
        await store.users.add(other.dealership_id, other.user(email=f"{name}@example.com"))
    assert refused.value.fields == ("email",)


async def test_people_are_found_by_role_status_and_team(store: Store, sample: Sample) -> None:
    mine, team = sample.dealership_id, new_id()
    for number, (role, status, teams) in enumerate(
        [
            ("admin", "active", []),
            ("admin", "disabled", [team]),
            ("coach", "active", [team, new_id()]),
            ("salesperson", "invited", [team]),
        ]
    ):
        email = f"{number}{new_id()}@example.com"
        user = sample.user(email=email, role=role, status=status, team_ids=teams)
        await store.users.add(mine, user)
    page = await store.users.page(mine, team_ids=[team], limit=2)
    assert ([user.role for user in page.items], page.total) == (["admin", "coach"], 3)
    page = await store.users.page(mine, role="admin", status="active", sort="-createdAt")
    assert page.total == 1
    assert await store.users.count_active(mine, "admin") == 1
    assert len(await store.users.in_team(mine, team)) == 3
    with pytest.raises(ValueError, match="sorted"):
        await store.users.page(mine, sort="passwordHash")
    assert await store.users.remove(mine, page.items[0].id)
    assert await store.users.count_active(mine, "admin") == 0


async def test_failed_sign_ins_are_all_counted_and_lock_the_account(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, user = sample.dealership_id, sample.user()
    await store.users.add(mine, user)
    lock_for = timedelta(minutes=5)
    await together(
        *(
            store.users.record_failed_sign_in(mine, user.id, lock_at=5, lock_for=lock_for)
            for _ in range(5)
        )
    )
    locked = await store.users.get(mine, user.id)
    assert locked is not None
    assert (locked.failed_sign_ins, locked.locked_until) == (5, clock() + lock_for)
    await store.users.forget_failed_sign_ins(mine, user.id)
    free = await store.users.get(mine, user.id)
    assert free is not None
    assert (free.failed_sign_ins, free.locked_until) == (0, None)
    nobody = store.users.record_failed_sign_in(mine, new_id(), lock_at=5, lock_for=lock_for)
    assert await nobody is None


async def test_a_second_factor_is_taken_once(store: Store, sample: Sample) -> None:
    mine = sample.dealership_id
    user = sample.user(totp=Totp(secret="s", last_step=100, recovery_hashes=("a", "b")))
    await store.users.add(mine, user)
    use = store.users.use_totp_step
    assert not await use(mine, user.id, 100)
    assert sorted(await together(*(use(mine, user.id, 101) for _ in range(6)))) == [False] * 5 + [
        True
    ]
    assert not await use(mine, user.id, 99)
    recover = store.users.use_recovery_hash
    assert sum(await together(*(recover(mine, user.id, "a") for _ in range(6)))) == 1
    left = await store.users.get(mine, user.id)
    assert left is not None
    assert left.totp == Totp(secret="s", last_step=101, recovery_hashes=("b",))
    plain = sample.user()
    await store.users.add(mine, plain)
    assert not await use(mine, plain.id, 1)
    assert not await recover(mine, plain.id, "a")


async def test_sign_out_everywhere_is_remembered(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, user = sample.dealership_id, sample.user()
    await store.users.add(mine, user)
    assert await store.users.end_sessions(mine, user.id)
    ended = await store.users.get(mine, user.id)
    assert ended is not None
    assert ended.sessions_valid_from == clock()


async def test_sessions_are_filtered_sorted_and_paged(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, team, other = sample.dealership_id, new_id(), new_id()
    for number in range(6):
        await store.sessions.add(
            mine,
            sample.session(
                user_id=sample.user_id if number % 2 else other,
                team_id=team if number < 4 else None,
                session_type="closing" if number == 5 else "pitch",
                status="completed" if number else "active",
                duration_ms=1000 * number,
                metrics={"clarity": 50 + number},
                feedback_counts={"too_fast": number} if number else {},
                transcript="sealed",
                feedback="sealed",
            ),
        )
        clock.pass_by(days=1)
    page = store.sessions.page

    async def durations(only: SessionFilter, sort: str = "durationMs", **paging: int) -> list[int]:
        found = await page(mine, only, sort=sort, **paging)
        return [head.duration_ms // 1000 for head in found.items]

    start = clock() - timedelta(days=6)
    for only, expected in [
        (SessionFilter(), [0, 1, 2, 3, 4, 5]),
        (SessionFilter(user_ids=[sample.user_id]), [1, 3, 5]),
        (SessionFilter(user_ids=[]), []),
        (SessionFilter(team_ids=[team], user_ids=[other, new_id()]), [0, 2]),
        (SessionFilter(session_type="closing"), [5]),
        (SessionFilter(status="completed", team_ids=[team]), [1, 2, 3]),
        (SessionFilter(started_from=start + timedelta(days=4)), [4, 5]),
        (SessionFilter(started_before=start + timedelta(days=1)), [0]),
        (SessionFilter(feedback_code="too_fast"), [1, 2, 3, 4, 5]),
        (SessionFilter(feedback_code="too_slow"), []),
        (SessionFilter(least={"clarity": 54}), [4, 5]),
        (SessionFilter(least={"confidence": 0}), []),
    ]:
        assert await durations(only) == expected, only
        assert (await page(mine, only, limit=0)).total == len(expected), only
    assert await durations(SessionFilter(), "-metrics.clarity", offset=1, limit=2) == [4, 3]
    assert await durations(SessionFilter(), "-createdAt", limit=1) == [5]
    with pytest.raises(ValueError, match="sorted"):
        await page(mine, sort="transcript")
    with pytest.raises(ValueError, match="filtered"):
        await page(mine, SessionFilter(feedback_code="x' OR 1=1"))
    trend = await store.sessions.trend(mine, sample.user_id, 2)
    assert [head.metrics.clarity for head in trend] == [53, 55]
    old = await store.sessions.created_before(mine, start + timedelta(days=2), 1)
    assert [head.duration_ms for head in old] == [0]


async def test_an_erased_session_keeps_its_figures_and_no_key(store: Store, sample: Sample) -> None:
    mine = sample.dealership_id
    recording = {"blob_id": "b", "size_bytes": 1, "duration_ms": 1}
    session = sample.session(
        data_key="wrapped", transcript="t", feedback="f", recording=recording, duration_ms=9
    )
    await store.sessions.add(mine, session)
    assert await store.sessions.get(mine, session.id) == session
    assert await store.sessions.erase(mine, session.id)
    left = await store.sessions.get(mine, session.id)
    assert left is not None
    gone = (left.data_key, left.transcript, left.feedback, left.recording)
    assert gone == (None, None, None, None)
    assert left.duration_ms == 9
    assert await store.sessions.remove(mine, session.id)
    assert not await store.sessions.erase(mine, session.id)


async def test_a_node_finds_what_it_was_in_the_midst_of(
    store: Store, sample: Sample, clock: Clock
) -> None:
    node, other = new_id(), Sample(clock)
    under_way = [
        (sample, sample.session(node=node, status="active")),
        (other, other.session(node=node, status="interrupted")),
        (sample, sample.session(node=node, status="completed")),
        (sample, sample.session(node=new_id(), status="active")),
    ]
    for owner, session in under_way:
        await store.sessions.add(owner.dealership_id, session)
    found = await store.sessions.unfinished(node)
    assert {head.id for head in found} == {under_way[0][1].id, under_way[1][1].id}


async def test_events_arrive_in_order_and_once_however_often_they_are_sent(
    store: Store, sample: Sample
) -> None:
    mine, session = sample.dealership_id, sample.session_id
    assert await store.events.last_seq(mine, session) == 0
    events = [sample.event(seq) for seq in range(1, 1201)]
    assert await store.events.append(mine, session, events[:700]) == 700
    again = [sample.event(seq) for seq in range(1, 1201)]
    assert await store.events.append(mine, session, again) == 500
    assert await store.events.count(mine, session) == 1200
    assert await store.events.last_seq(mine, session) == 1200
    assert await store.events.after(mine, session, 698, 4) == [*events[698:700], *again[700:702]]
    with pytest.raises(Missing):
        await store.events.append(mine, new_id(), events[:1])
    assert await store.events.remove_of(mine, session) == 1200


async def test_consent_is_given_once_changed_and_withdrawn(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, session, user = sample.dealership_id, sample.session_id, sample.user_id
    consent = sample.consent(recording=False)
    await store.consents.add(mine, consent)
    with pytest.raises(Duplicate):
        await store.consents.add(mine, sample.consent())
    await store.consents.save(mine, consent.changed(clock(), recording=True))
    assert await store.consents.withdraw(mine, session, user)
    assert not await store.consents.withdraw(mine, session, user)
    (of_session,) = await store.consents.of_session(mine, session)
    assert await store.consents.of_user(mine, user) == [of_session]
    assert await store.consents.get(mine, session, user) == of_session
    assert (of_session.recording, of_session.withdrawn_at) == (True, clock())
    assert await store.consents.remove_of(mine, session) == 1


async def test_a_refresh_token_is_rotated_once(store: Store, sample: Sample, clock: Clock) -> None:
    mine, first = sample.dealership_id, sample.token()
    await store.tokens.add(mine, first)
    successors = [sample.token(family=first.family) for _ in range(6)]
    rotated = await together(*(store.tokens.rotate(mine, first, next_) for next_ in successors))
    assert sum(rotated) == 1
    winner = successors[rotated.index(True)]
    used = await store.tokens.by_digest(first.digest)
    assert used is not None
    assert (used.used_at, used.replaced_by) == (clock(), winner.id)
    assert not await store.tokens.rotate(mine, used, sample.token(family=first.family))
    assert await store.tokens.live_of_user(mine, sample.user_id) == [winner]
    with pytest.raises(Missing):
        await store.tokens.rotate(mine, winner, sample.token())
    assert await store.tokens.revoke_family(mine, first.family) == 2
    assert await store.tokens.revoke_family(mine, first.family) == 0
    assert await store.tokens.live_of_user(mine, sample.user_id) == []
    revoked = await store.tokens.by_digest(winner.digest)
    assert revoked is not None
    assert not await store.tokens.rotate(mine, revoked, sample.token(family=first.family))


async def test_all_sign_ins_of_a_person_end_and_expired_ones_are_forgotten(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine = sample.dealership_id
    for _ in range(3):
        await store.tokens.add(mine, sample.token())
    await store.tokens.add(mine, sample.token(user_id=new_id()))
    assert await store.tokens.revoke_of_user(mine, sample.user_id) == 3
    assert await store.tokens.forget_expired(mine, clock()) == 0
    clock.pass_by(days=15)
    assert await store.tokens.live_of_user(mine, sample.user_id) == []
    assert await store.tokens.forget_expired(mine, clock()) == 4


async def test_a_link_works_once_and_in_time(store: Store, sample: Sample, clock: Clock) -> None:
    mine = sample.dealership_id
    link, late, unused = sample.link(), sample.link(), sample.link()
    for one in (link, late, unused):
        await store.links.add(mine, one)
    assert await store.links.by_digest(link.digest) == link
    assert await store.links.by_digest(digest()) is None
    assert sum(await together(*(store.links.use(mine, link.id) for _ in range(6)))) == 1
    clock.pass_by(days=3)
    assert not await store.links.use(mine, late.id)
    assert await store.links.cancel(mine, sample.user_id, "reset") == 0
    assert await store.links.cancel(mine, sample.user_id, "invite") == 2
    assert await store.links.forget_expired(mine, clock.pass_by(seconds=1)) == 1


async def test_an_inbox_counts_what_is_unread(store: Store, sample: Sample, clock: Clock) -> None:
    mine, user = sample.dealership_id, sample.user_id
    for _ in range(3):
        await store.notifications.add(mine, sample.notification())
        clock.pass_by(minutes=1)
    page = await store.notifications.page(mine, user, limit=1)
    assert page.total == 3
    newest = page.items[0]
    assert newest.created_at == clock() - timedelta(minutes=1)
    assert await store.notifications.mark_read(mine, user, newest.id)
    assert await store.notifications.mark_read(mine, user, newest.id)
    assert not await store.notifications.mark_read(mine, new_id(), newest.id)
    assert await store.notifications.count_unread(mine, user) == 2
    unread = await store.notifications.page(mine, user, only_unread=True)
    assert newest.id not in {one.id for one in unread.items}
    assert await store.notifications.mark_all_read(mine, user) == 2
    assert await store.notifications.count_unread(mine, user) == 0
    assert await store.notifications.forget_before(mine, newest.created_at) == 2
    assert await store.notifications.remove_of_user(mine, user) == 1


async def test_the_audit_log_is_a_chain_that_only_grows(
    store: Store, sample: Sample, clock: Clock
) -> None:
    node, other = new_id(), Sample(clock)
    assert await store.audit.last(node) is None
    entries = [
        (sample if seq % 2 else other).entry(node, seq, at=clock.pass_by(minutes=1))
        for seq in range(1, 6)
    ]
    for entry in entries:
        await store.audit.append(entry.dealership_id, entry)
    with pytest.raises(Duplicate) as refused:
        await store.audit.append(sample.dealership_id, sample.entry(node, 5))
    assert refused.value.fields == ("node", "seq")
    assert await store.audit.chain(node) == entries
    assert await store.audit.chain(node, 2, 2) == entries[2:4]
    assert await store.audit.last(node) == entries[-1]
    page = await store.audit.page(
        sample.dealership_id, actor_id=sample.user_id, since=entries[2].at, before=entries[4].at
    )
    assert page.items == [entries[2]]
    assert (await store.audit.page(sample.dealership_id, outcome="refused")).total == 0
    names = {name for name in dir(store.audit) if not name.startswith("_")}
    assert names == {"append", "page", "chain", "last", "nodes"}


async def test_a_create_is_claimed_once_and_answered_again(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, user, asked = sample.dealership_id, sample.user_id, digest()
    soon = clock() + timedelta(hours=1)
    claims = await together(
        *(store.idempotency.claim(mine, user, "key", asked, soon) for _ in range(6))
    )
    (claimed,) = [claim for claim, is_mine in claims if is_mine]
    assert {claim.id for claim, _ in claims} == {claimed.id}
    await store.idempotency.complete(mine, claimed, 201, "sealed")
    found, is_mine = await store.idempotency.claim(mine, user, "key", digest(), soon)
    assert (found.status, found.body, found.digest, is_mine) == (201, "sealed", asked, False)
    clock.pass_by(hours=1)
    later = clock() + timedelta(hours=1)
    claimed, is_mine = await store.idempotency.claim(mine, user, "key", asked, later)
    assert is_mine
    await store.idempotency.release(mine, claimed)
    with pytest.raises(Stale):
        await store.idempotency.complete(mine, claimed, 201, "sealed")
    await store.idempotency.claim(mine, user, "key", asked, later)
    assert await store.idempotency.forget_expired(mine, later) == 0
    assert await store.idempotency.forget_expired(mine, later + timedelta(seconds=1)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "x"},
        {"role": "owner"},
        {"shoe_size": 43},
        {"team_ids": ["x"]},
        {"email": f"{'x' * 255}@example.com"},
        {"email": "nobody"},
        {"email": "a@b\nBcc: c@d"},
        {"locked_until": "2026-11-23T09:30:00"},
        {"failed_sign_ins": -1},
        {"failed_sign_ins": 2**63},
    ],
)
def test_a_document_that_does_not_fit_is_refused_without_quoting_it(
    clock: Clock, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as refused:
        Sample(clock).user(**fields)
    assert "input_value" not in str(refused.value)


async def test_annotations_come_in_the_order_of_their_moments(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, annotations = sample.dealership_id, store.annotations
    made = [sample.annotation(at_ms=at_ms) for at_ms in (9_000, 1_000, 5_000)]
    for each in made:
        await annotations.add(mine, each)
    await annotations.add(mine, sample.annotation(session_id=new_id()))
    page = await annotations.of_session(mine, sample.session_id, 1, 5)
    assert ([each.at_ms for each in page.items], page.total) == ([5_000, 9_000], 3)
    assert await annotations.get(mine, made[0].id) == made[0]
    await annotations.save(mine, made[0].changed(clock(), text="other"))
    with pytest.raises(Stale):
        await annotations.save(mine, made[0].changed(clock(), text="late"))
    assert await annotations.remove_of(mine, sample.session_id) == 3
    assert (await annotations.of_session(mine, sample.session_id)).total == 0
    assert len(await annotations.of_author(mine, sample.user_id)) == 1


async def test_a_comment_with_answers_keeps_its_place_until_the_last_is_gone(
    store: Store, sample: Sample
) -> None:
    mine, annotations = sample.dealership_id, store.annotations
    first = sample.annotation(mentions=[new_id()])
    answers = [sample.annotation(parent_id=first.id) for _ in range(2)]
    for each in (first, *answers):
        await annotations.add(mine, each)
    await annotations.take_back(mine, first)
    left = await annotations.get(mine, first.id)
    assert left is not None
    assert (left.text, left.mentions, left.version) == (None, (), 2)
    await annotations.take_back(mine, answers[0])
    assert await annotations.get(mine, first.id) == left
    await annotations.take_back(mine, answers[1])
    assert await annotations.count_of_session(mine, sample.session_id) == 0
    stamp = sample.annotation(kind="stamp", stamp="great", text=None)
    await annotations.add(mine, stamp)
    await annotations.take_back(mine, stamp)
    assert await annotations.get(mine, stamp.id) is None


async def test_of_an_erased_person_no_comment_and_no_mention_is_left(
    store: Store, sample: Sample
) -> None:
    mine, gone, other = sample.dealership_id, new_id(), new_id()
    begun = sample.annotation(author_id=gone)
    answer = sample.annotation(author_id=other, parent_id=begun.id, mentions=[gone, other])
    theirs = sample.annotation(author_id=gone, parent_id=begun.id)
    for each in (begun, answer, theirs):
        await store.annotations.add(mine, each)
    assert await store.annotations.forget_user(mine, gone) == 3
    page = await store.annotations.of_session(mine, sample.session_id)
    assert {each.id: (each.author_id, each.text, each.mentions) for each in page.items} == {
        begun.id: (None, None, ()),
        answer.id: (other, "sealed", (other,)),
    }
    card = sample.scorecard(author_id=gone)
    await store.scorecards.add(mine, card)
    given = sample.assignment(author_id=gone)
    await store.assignments.add(mine, given)
    assert await store.scorecards.disown(mine, gone) == 1
    assert await store.assignments.disown(mine, gone) == 1
    kept = await store.scorecards.of_session(mine, sample.session_id)
    assert kept is not None
    assert (kept.author_id, kept.criteria) == (None, card.criteria)


async def test_a_call_has_one_scorecard_and_a_person_those_that_were_published(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, cards = sample.dealership_id, store.scorecards
    made = sample.scorecard()
    added = [cards.add(mine, each) for each in (made, sample.scorecard(), sample.scorecard())]
    done = await asyncio.gather(*added, return_exceptions=True)
    assert sum(isinstance(each, Duplicate) for each in done) == 2
    (draft,) = [await cards.of_session(mine, sample.session_id)]
    assert draft is not None
    await cards.save(mine, draft.changed(clock(), author_id=new_id()))
    with pytest.raises(Stale):
        await cards.save(mine, draft.changed(clock(), total=80))
    for days in (3, 1, 2):
        at = clock() + timedelta(days=days)
        fields = {"session_id": new_id(), "status": "published", "published_at": at}
        await cards.add(mine, sample.scorecard(total=days, **fields))
    of = cards.published_of
    assert [each.total for each in await of(mine, sample.user_id)] == [3, 2, 1]
    before = clock() + timedelta(days=3)
    assert [each.total for each in await of(mine, sample.user_id, before=before, limit=1)] == [2]
    assert await cards.remove_of(mine, sample.session_id) == 1


async def test_assignments_are_found_by_person_team_status_and_period(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, team, now = sample.dealership_id, new_id(), clock()
    for days, status, team_id in (
        (-9, "open", team),
        (-8, "failed", team),
        (2, "passed", None),
        (1, "open", team),
    ):
        due = now + timedelta(days=days)
        made = sample.assignment(due_at=due, status=status, team_id=team_id, best=days + 10)
        await store.assignments.add(mine, made)
    page = await store.assignments.page(mine, team_ids=[team], status="open")
    assert ([each.best for each in page.items], page.total) == ([1, 11], 2)
    page = await store.assignments.page(mine, user_ids=[sample.user_id], offset=1, limit=2)
    assert ([each.best for each in page.items], page.total) == ([2, 11], 4)
    of_period = store.assignments.of_period
    start, end = now - timedelta(days=1), now + timedelta(days=1)
    assert [each.best for each in await of_period(mine, start, end, 10)] == [1, 11, 12]
    assert await of_period(mine, start, now, 10) == []  # given later
    changed = page.items[0].changed(now, attempts=2)
    await store.assignments.save(mine, changed)
    assert await store.assignments.get(mine, changed.id) == changed
    assert await store.assignments.forget_before(mine, start) == 2
    assert await store.assignments.remove_of_user(mine, sample.user_id) == 2


async def test_calls_are_found_by_what_they_are_an_attempt_at(store: Store, sample: Sample) -> None:
    mine, assignment_id = sample.dealership_id, new_id()
    attempt = sample.session(assignment_id=assignment_id)
    for each in (attempt, sample.session(), sample.session(assignment_id=new_id())):
        await store.sessions.add(mine, each)
    page = await store.sessions.page(mine, SessionFilter(assignment_ids=[assignment_id]))
    assert ([head.id for head in page.items], page.total) == ([attempt.id], 1)


async def test_waiting_jobs_are_taken_by_priority_turn_and_age_and_not_before_they_are_due(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, jobs = sample.dealership_id, store.jobs
    for name, minutes, priority, turn in (
        ("a", 3, 1, 0),
        ("b", 1, 1, 0),
        ("late in turn", 5, 1, 1),
        ("c", 2, 0, 7),
        ("d", 4, 2, 0),
    ):
        at = clock() - timedelta(minutes=minutes)
        made = sample.job(priority=priority, turn=turn, due_at=at, settings={"name": name})
        await jobs.add(mine, made.model_copy(update={"created_at": at}))
    await jobs.add(mine, sample.job(due_at=clock() + timedelta(seconds=1)))
    await jobs.add(mine, sample.job(status="completed"))

    def named(found: list[Job]) -> list[str]:
        return [job.settings["name"] for job in found if job.dealership_id == mine]

    assert named(await jobs.due(clock())) == ["c", "a", "b", "late in turn", "d"]
    assert await jobs.count_open(mine, sample.user_id) == 6
    assert len([job for job in await jobs.due(clock.pass_by(seconds=1)) if job.settings == {}]) >= 1


async def test_of_many_that_claim_a_job_one_has_it(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, jobs, lease = sample.dealership_id, store.jobs, timedelta(seconds=30)
    made = sample.job(error={"code": "worker_lost", "message": "again"}, attempts=1, progress=40)
    await jobs.add(mine, made)
    node = new_id()
    claims = await asyncio.gather(*(jobs.claim(made, node, lease) for _ in range(5)))
    (held,) = [claim for claim in claims if claim is not None]
    assert (held.status, held.attempts, held.progress, held.error) == ("processing", 2, 0, None)
    assert held.lease_until == clock() + lease
    assert await jobs.held_by(node) == [held]
    assert held not in await jobs.lapsed(held.lease_until)
    assert held in await jobs.lapsed(clock.pass_by(seconds=31))
    done = held.changed(clock(), status="completed")
    await jobs.save(mine, done)
    with pytest.raises(Stale):
        await jobs.save(mine, held.changed(clock(), status="failed"))
    assert await jobs.get(mine, made.id) == done


async def test_of_all_that_a_person_has_nothing_is_left_out_or_told_twice(
    store: Store, sample: Sample
) -> None:
    """Pages by their places would leave out as many as were removed before them."""
    mine, user, inbox = sample.dealership_id, sample.user_id, store.notifications
    made = sorted((sample.notification() for _ in range(2 * WALKED + 20)), key=lambda one: one.id)
    await asyncio.gather(*(inbox.add(mine, each) for each in made))
    await inbox.add(mine, sample.notification(user_id=new_id()))
    told = []
    async for each in walk(inbox.of_user, mine, user):
        told.append(each)
        if len(told) == 10:
            for gone in made[:10]:
                await inbox.remove(mine, user, gone.id)
    assert told == made


async def test_jobs_are_found_by_person_team_type_and_status_and_forgotten_when_over(
    store: Store, sample: Sample, clock: Clock
) -> None:
    mine, jobs, team = sample.dealership_id, store.jobs, new_id()
    batch = new_id()
    ours = sample.job(team_id=team, status="dead", batch_id=batch)
    theirs = sample.job(user_id=new_id(), job_type="call_analysis", batch_id=batch)
    for each in (ours, theirs):
        await jobs.add(mine, each)
    assert (await jobs.page(mine, team_ids=[team])).items == [ours]
    assert (await jobs.page(mine, user_ids=[theirs.user_id], status="pending")).items == [theirs]
    assert (await jobs.page(mine, job_type="call_analysis", status="dead")).total == 0
    assert (await jobs.page(mine, batch_id=batch)).total == 2
    assert (await jobs.page(mine, batch_id=new_id())).total == 0
    assert await jobs.open_of_batch(mine, batch) == [theirs]
    assert await jobs.of_user(mine, theirs.user_id) == [theirs]
    assert await jobs.of_type(mine, "call_analysis") == [theirs]
    assert await jobs.of_type(mine, "call_analysis", after=theirs.id) == []
    assert await jobs.forget_before(mine, clock.pass_by(days=1)) == 1
    assert await jobs.get(mine, theirs.id) == theirs
    assert await jobs.remove_of_user(mine, theirs.user_id) == 1
