"""Nobody reads across dealerships: every method of every repository, asked by another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from api.ids import new_id
from api.store.base import Duplicate, Missing, Stale
from api.store.documents import IdempotencyKey
from api.store.repositories.scoped import Page, Scoped
from api.store.repositories.sessions import SessionFilter
from api.store.store import Store
from tests.api.store.people import Clock, Sample

BEFORE_THE_TENANT_IS_KNOWN = {
    "users.by_email",
    "tokens.by_digest",
    "links.by_digest",
    "dealerships.add",
    "users.any_admin",
    "links.cancel_first_admin",
}
OF_THE_NODE = {
    "dealerships.every",
    "users.every",
    "sessions.every",
    "sessions.unfinished",
    "sessions.of_id",
    "audit.chain",
    "audit.last",
    "audit.nodes",
    "uploads.every",
    "jobs.due",
    "jobs.lapsed",
    "jobs.held_by",
    "jobs.claim",
    "deliveries.due",
    "deliveries.lapsed",
    "deliveries.claim",
}
NOTHING: tuple[object, ...] = (None, False, 0, [], Page([], 0))


@dataclass
class Everything:
    """One document of each kind, as stored, of one dealership."""

    sample: Sample
    node: str = field(default_factory=new_id)

    async def insert(self, store: Store) -> None:
        made = self.sample
        self.dealership = made.dealership()
        self.user = made.user(
            team_ids=[new_id()],
            totp={"secret": "x", "recovery_hashes": ["h"]},
            failed_sign_ins=2,
        )
        self.team = made.team(manager_ids=[self.user.id])
        self.session = made.session(
            user_id=self.user.id,
            status="completed",
            data_key="k",
            feedback_counts={"rust": 1},
            job_id=self.user.id,
        )
        self.session_id = self.session.id
        self.unbegun = made.session(user_id=self.user.id, status="created")
        self.event = made.event(1, session_id=self.session.id)
        self.consent = made.consent(session_id=self.session.id, user_id=self.user.id)
        self.token = made.token(user_id=self.user.id)
        self.link = made.link(user_id=self.user.id)
        self.notification = made.notification(user_id=self.user.id)
        self.entry = made.entry(self.node, 1)
        mine = made.dealership_id
        await store.dealerships.add(self.dealership)
        await store.users.add(mine, self.user)
        await store.teams.add(mine, self.team)
        await store.sessions.add(mine, self.session)
        await store.sessions.add(mine, self.unbegun)
        await store.events.append(mine, self.session.id, [self.event])
        await store.consents.add(mine, self.consent)
        await store.tokens.add(mine, self.token)
        await store.links.add(mine, self.link)
        await store.notifications.add(mine, self.notification)
        await store.audit.append(mine, self.entry)
        self.playbook = made.playbook()
        self.draft = made.playbook(2, status="draft", published_at=None)
        await store.playbooks.add(mine, self.playbook)
        await store.playbooks.add(mine, self.draft)
        digest = await store.digests.claim(mine, self.user.id, "2026-W47", made.clock())
        assert digest is not None
        self.digest = digest
        mine_too = {"session_id": self.session.id, "author_id": self.user.id}
        self.annotation = made.annotation(**mine_too, mentions=[self.user.id])
        self.scorecard = made.scorecard(
            **mine_too, user_id=self.user.id, status="published", published_at=made.clock()
        )
        self.assignment = made.assignment(user_id=self.user.id, author_id=self.user.id)
        await store.annotations.add(mine, self.annotation)
        await store.scorecards.add(mine, self.scorecard)
        await store.assignments.add(mine, self.assignment)
        soon = made.clock() + timedelta(hours=1)
        own = {"user_id": self.user.id, "expires_at": soon}
        self.batch = made.batch(**own)
        self.upload = made.upload(**own, batch_id=self.batch.id, shot=1, job_id=self.user.id)
        await store.batches.add(mine, self.batch)
        await store.uploads.add(mine, self.upload)
        self.job = made.job(user_id=self.user.id, batch_id=self.batch.id)
        self.done = made.job(status="completed")
        await store.jobs.add(mine, self.job)
        await store.jobs.add(mine, self.done)
        self.vehicle = made.vehicle(user_id=self.user.id)
        self.project = made.project(user_id=self.user.id)
        self.released = made.project(user_id=self.user.id, status="published")
        author = {"author_id": self.user.id}
        self.content_version = made.content_version(self.project, **author)
        self.content_comment = made.content_comment(self.project, **author)
        await store.vehicles.add(mine, self.vehicle)
        await store.content.add(mine, self.project)
        await store.content.add(mine, self.released)
        await store.content_versions.add(mine, self.content_version)
        await store.content_comments.add(mine, self.content_comment)
        self.subscriber = made.subscriber()
        self.webhook = made.webhook(author_id=self.user.id)
        self.delivery = made.delivery(user_id=self.user.id)
        self.delivered = made.delivery(status="delivered")
        await store.subscribers.add(mine, self.subscriber)
        await store.webhooks.add(mine, self.webhook)
        await store.deliveries.add(mine, self.delivery)
        await store.deliveries.add(mine, self.delivered)
        self.claim, _ = await store.idempotency.claim(mine, self.user.id, "k", "0" * 64, soon)

    async def stored(self, store: Store) -> list[object]:
        """All of it as it is now."""
        mine, session, user = self.sample.dealership_id, self.session.id, self.user.id
        return [
            await store.dealerships.get(mine),
            await store.users.get(mine, user),
            await store.teams.get(mine, self.team.id),
            await store.sessions.get(mine, session),
            await store.sessions.get(mine, self.unbegun.id),
            await store.events.after(mine, session),
            await store.consents.get(mine, session, user),
            await store.tokens.by_digest(self.token.digest),
            await store.links.by_digest(self.link.digest),
            await store.notifications.page(mine, user),
            await store.audit.page(mine),
            await store.playbooks.get(mine, "en", 1),
            await store.playbooks.get(mine, "en", 2),
            await store.digests.get(mine, user, "2026-W47"),
            await store.annotations.get(mine, self.annotation.id),
            await store.scorecards.of_session(mine, session),
            await store.assignments.get(mine, self.assignment.id),
            await store.batches.get(mine, self.batch.id),
            await store.uploads.get(mine, self.upload.id),
            await store.jobs.get(mine, self.job.id),
            await store.jobs.get(mine, self.done.id),
            await store.vehicles.get(mine, self.vehicle.id),
            await store.content.get(mine, self.project.id),
            await store.content.get(mine, self.released.id),
            await store.content_versions.get(mine, self.project.id, 1),
            await store.content_comments.get(mine, self.content_comment.id),
            await store.subscribers.get(mine, self.subscriber.id),
            await store.webhooks.get(mine, self.webhook.id),
            await store.deliveries.get(mine, self.delivery.id),
            await store.deliveries.get(mine, self.delivered.id),
            await store.idempotency.claim(mine, user, "k", "0" * 64, self.claim.expires_at),
        ]


Call = Callable[[Everything, Clock], tuple[Any, ...]]
LATER = timedelta(days=1000)

QUESTIONS: dict[str, Call] = {
    "dealerships.get": lambda all_, now: (),
    "dealerships.save": lambda all_, now: (all_.dealership.changed(now(), name="x"),),
    "dealerships.remove": lambda all_, now: (),
    "teams.add": lambda all_, now: (all_.sample.team(),),
    "teams.get": lambda all_, now: (all_.team.id,),
    "teams.page": lambda all_, now: (),
    "teams.managed_by": lambda all_, now: (all_.user.id,),
    "teams.save": lambda all_, now: (all_.team.changed(now(), name="x"),),
    "teams.remove": lambda all_, now: (all_.team.id,),
    "users.add": lambda all_, now: (all_.sample.user(),),
    "users.get": lambda all_, now: (all_.user.id,),
    "users.page": lambda all_, now: (),
    "users.in_team": lambda all_, now: (all_.user.team_ids[0],),
    "users.count_active": lambda all_, now: ("salesperson",),
    "users.save": lambda all_, now: (all_.user.changed(now(), role="admin"),),
    "users.remove": lambda all_, now: (all_.user.id,),
    "users.record_failed_sign_in": lambda all_, now: (
        all_.user.id,
        {"lock_at": 1, "lock_for": LATER},
    ),
    "users.forget_failed_sign_ins": lambda all_, now: (all_.user.id,),
    "users.end_sessions": lambda all_, now: (all_.user.id,),
    "users.use_totp_step": lambda all_, now: (all_.user.id, 9),
    "users.use_recovery_hash": lambda all_, now: (all_.user.id, "h"),
    "sessions.add": lambda all_, now: (all_.sample.session(),),
    "sessions.get": lambda all_, now: (all_.session.id,),
    "sessions.save": lambda all_, now: (all_.session.changed(now(), node="x"),),
    "sessions.page": lambda all_, now: (SessionFilter(user_ids=[all_.user.id]),),
    "sessions.of_user": lambda all_, now: (all_.user.id,),
    "sessions.trend": lambda all_, now: (all_.user.id,),
    "sessions.created_before": lambda all_, now: (now() + LATER,),
    "sessions.of_job": lambda all_, now: (all_.user.id,),
    "sessions.unbegun": lambda all_, now: (all_.unbegun.node, now() + LATER),
    "sessions.change": lambda all_, now: (all_.session.id, lambda _: {"node": "y"}),
    "sessions.erase": lambda all_, now: (all_.session.id,),
    "sessions.remove": lambda all_, now: (all_.session.id,),
    "events.append": lambda all_, now: (
        all_.session.id,
        [all_.sample.event(2, session_id=all_.session.id)],
    ),
    "events.after": lambda all_, now: (all_.session.id,),
    "events.last_seq": lambda all_, now: (all_.session.id,),
    "events.count": lambda all_, now: (all_.session.id,),
    "events.remove_of": lambda all_, now: (all_.session.id,),
    "consents.add": lambda all_, now: (all_.sample.consent(),),
    "consents.get": lambda all_, now: (all_.session.id, all_.user.id),
    "consents.save": lambda all_, now: (all_.consent.changed(now(), recording=False),),
    "consents.of_session": lambda all_, now: (all_.session.id,),
    "consents.of_user": lambda all_, now: (all_.user.id,),
    "consents.withdraw": lambda all_, now: (all_.session.id, all_.user.id),
    "consents.remove_of": lambda all_, now: (all_.session.id,),
    "tokens.add": lambda all_, now: (all_.sample.token(),),
    "tokens.rotate": lambda all_, now: (
        all_.token,
        all_.sample.token(user_id=all_.user.id, family=all_.token.family),
    ),
    "tokens.live_of_user": lambda all_, now: (all_.user.id,),
    "tokens.is_live": lambda all_, now: (all_.user.id, all_.token.family),
    "tokens.revoke_family_of": lambda all_, now: (all_.user.id, all_.token.family),
    "tokens.revoke_family": lambda all_, now: (all_.token.family,),
    "tokens.revoke_of_user": lambda all_, now: (all_.user.id,),
    "tokens.forget_expired": lambda all_, now: (now() + LATER,),
    "tokens.remove_of_user": lambda all_, now: (all_.user.id,),
    "links.add": lambda all_, now: (all_.sample.link(),),
    "links.use": lambda all_, now: (all_.link.id,),
    "links.cancel": lambda all_, now: (all_.user.id, "invite"),
    "links.forget_expired": lambda all_, now: (now() + LATER,),
    "links.remove_of_user": lambda all_, now: (all_.user.id,),
    "notifications.add": lambda all_, now: (all_.sample.notification(),),
    "notifications.page": lambda all_, now: (all_.user.id,),
    "notifications.of_user": lambda all_, now: (all_.user.id,),
    "notifications.count_unread": lambda all_, now: (all_.user.id,),
    "notifications.mark_read": lambda all_, now: (all_.user.id, all_.notification.id),
    "notifications.mark_all_read": lambda all_, now: (all_.user.id,),
    "notifications.forget_before": lambda all_, now: (now() + LATER,),
    "notifications.remove": lambda all_, now: (all_.user.id, all_.notification.id),
    "notifications.remove_of_user": lambda all_, now: (all_.user.id,),
    "audit.append": lambda all_, now: (all_.sample.entry(all_.node, 2),),
    "audit.page": lambda all_, now: (),
    "sessions.figures": lambda all_, now: (SessionFilter(user_ids=[all_.user.id]), 10),
    "users.some": lambda all_, now: ([all_.user.id],),
    "playbooks.add": lambda all_, now: (all_.sample.playbook(3),),
    "playbooks.get": lambda all_, now: ("en", 1),
    "playbooks.newest": lambda all_, now: (),
    "playbooks.last_number": lambda all_, now: ("en",),
    "playbooks.count_drafts": lambda all_, now: ("en",),
    "playbooks.published": lambda all_, now: ("en",),
    "playbooks.of_digest": lambda all_, now: (all_.playbook.digest,),
    "playbooks.save": lambda all_, now: (all_.playbook.changed(now(), status="retired"),),
    "playbooks.retire_before": lambda all_, now: ("en", now() + LATER),
    "playbooks.remove_draft": lambda all_, now: ("en", 2),
    "digests.get": lambda all_, now: (all_.user.id, "2026-W47"),
    "digests.sent": lambda all_, now: (all_.digest,),
    "digests.forget_before": lambda all_, now: (now() + LATER,),
    "digests.remove_of_user": lambda all_, now: (all_.user.id,),
    "annotations.add": lambda all_, now: (all_.sample.annotation(),),
    "annotations.get": lambda all_, now: (all_.annotation.id,),
    "annotations.of_session": lambda all_, now: (all_.session.id,),
    "annotations.every_of_session": lambda all_, now: (all_.session.id,),
    "annotations.of_author": lambda all_, now: (all_.user.id,),
    "annotations.save": lambda all_, now: (all_.annotation.changed(now(), text="x"),),
    "annotations.take_back": lambda all_, now: (all_.annotation,),
    "annotations.count_of_session": lambda all_, now: (all_.session.id,),
    "annotations.remove_of": lambda all_, now: (all_.session.id,),
    "annotations.forget_user": lambda all_, now: (all_.user.id,),
    "scorecards.add": lambda all_, now: (all_.sample.scorecard(),),
    "scorecards.of_session": lambda all_, now: (all_.session.id,),
    "scorecards.published_of": lambda all_, now: (all_.user.id,),
    "scorecards.save": lambda all_, now: (all_.scorecard.changed(now(), total=1),),
    "scorecards.remove_of": lambda all_, now: (all_.session.id,),
    "scorecards.disown": lambda all_, now: (all_.user.id,),
    "assignments.add": lambda all_, now: (all_.sample.assignment(),),
    "assignments.get": lambda all_, now: (all_.assignment.id,),
    "assignments.page": lambda all_, now: (),
    "assignments.of_user": lambda all_, now: (all_.user.id,),
    "assignments.of_period": lambda all_, now: (now() - LATER, now() + LATER, 10),
    "assignments.save": lambda all_, now: (all_.assignment.changed(now(), title="x"),),
    "assignments.forget_before": lambda all_, now: (now() + LATER,),
    "assignments.remove_of_user": lambda all_, now: (all_.user.id,),
    "assignments.disown": lambda all_, now: (all_.user.id,),
    "batches.add": lambda all_, now: (all_.sample.batch(vin="W" * 17),),
    "batches.get": lambda all_, now: (all_.batch.id,),
    "batches.page": lambda all_, now: (),
    "batches.of_user": lambda all_, now: (all_.user.id,),
    "batches.save": lambda all_, now: (all_.batch.changed(now(), look={"format": "png"}),),
    "batches.remove": lambda all_, now: (all_.batch.id,),
    "batches.remove_of_user": lambda all_, now: (all_.user.id,),
    "batches.forget_expired": lambda all_, now: (now() + LATER,),
    "uploads.add": lambda all_, now: (all_.sample.upload(),),
    "uploads.get": lambda all_, now: (all_.upload.id,),
    "uploads.page": lambda all_, now: (),
    "uploads.of_batch": lambda all_, now: (all_.batch.id,),
    "uploads.in_batch": lambda all_, now: (all_.batch.id,),
    "uploads.of_user": lambda all_, now: (all_.user.id,),
    "uploads.of_job": lambda all_, now: (all_.user.id,),
    "uploads.count_of_user": lambda all_, now: (all_.user.id, "picture"),
    "uploads.expired": lambda all_, now: (now() + LATER,),
    "uploads.save": lambda all_, now: (all_.upload.changed(now(), size_bytes=7),),
    "uploads.remove": lambda all_, now: (all_.upload.id,),
    "jobs.add": lambda all_, now: (all_.sample.job(),),
    "jobs.get": lambda all_, now: (all_.job.id,),
    "jobs.page": lambda all_, now: (),
    "jobs.changed_since": lambda all_, now: (now() - LATER,),
    "jobs.open_of_batch": lambda all_, now: (all_.job.batch_id,),
    "jobs.count_open": lambda all_, now: (all_.user.id,),
    "jobs.save": lambda all_, now: (all_.job.changed(now(), progress=7),),
    "jobs.change": lambda all_, now: (all_.job.id, lambda job: job.changed(now(), progress=8)),
    "jobs.remove": lambda all_, now: (all_.job.id,),
    "jobs.cancel": lambda all_, now: (all_.job.id, all_.user.id),
    "jobs.of_status": lambda all_, now: (all_.job.status,),
    "jobs.of_type": lambda all_, now: (all_.job.job_type,),
    "jobs.of_user": lambda all_, now: (all_.user.id,),
    "jobs.remove_of_user": lambda all_, now: (all_.user.id,),
    "jobs.forget_before": lambda all_, now: (now() + LATER,),
    "vehicles.add": lambda all_, now: (all_.sample.vehicle(vin="W" * 17),),
    "vehicles.get": lambda all_, now: (all_.vehicle.id,),
    "vehicles.of_vin": lambda all_, now: (all_.vehicle.vin,),
    "vehicles.page": lambda all_, now: (),
    "vehicles.search": lambda all_, now: ("civic",),
    "vehicles.every": lambda all_, now: (),
    "vehicles.count": lambda all_, now: (),
    "vehicles.save": lambda all_, now: (all_.vehicle.changed(now()),),
    "vehicles.remove": lambda all_, now: (all_.vehicle.id,),
    "vehicles.disown": lambda all_, now: (all_.user.id, new_id()),
    "content.add": lambda all_, now: (all_.sample.project(),),
    "content.get": lambda all_, now: (all_.project.id,),
    "content.page": lambda all_, now: (),
    "content.of_user": lambda all_, now: (all_.user.id,),
    "content.save": lambda all_, now: (all_.project.changed(now(), title="x"),),
    "content.remove": lambda all_, now: (all_.project.id,),
    "content.hand_over": lambda all_, now: (all_.user.id, new_id()),
    "content_versions.add": lambda all_, now: (
        all_.sample.content_version(all_.project, number=2),
    ),
    "content_versions.get": lambda all_, now: (all_.project.id, 1),
    "content_versions.page": lambda all_, now: (all_.project.id,),
    "content_versions.remove_of": lambda all_, now: ([all_.project.id],),
    "content_versions.disown": lambda all_, now: (all_.user.id,),
    "content_comments.add": lambda all_, now: (all_.sample.content_comment(all_.project),),
    "content_comments.get": lambda all_, now: (all_.content_comment.id,),
    "content_comments.page": lambda all_, now: (all_.project.id,),
    "content_comments.of_author": lambda all_, now: (all_.user.id,),
    "content_comments.save": lambda all_, now: (all_.content_comment.changed(now()),),
    "content_comments.remove": lambda all_, now: (all_.content_comment.id,),
    "content_comments.remove_of": lambda all_, now: ([all_.project.id],),
    "content_comments.remove_of_author": lambda all_, now: (all_.user.id,),
    "subscribers.add": lambda all_, now: (all_.sample.subscriber(),),
    "subscribers.add_new": lambda all_, now: ([all_.sample.subscriber()],),
    "subscribers.get": lambda all_, now: (all_.subscriber.id,),
    "subscribers.of_emails": lambda all_, now: ([all_.subscriber.email],),
    "subscribers.page": lambda all_, now: (),
    "subscribers.every": lambda all_, now: (),
    "subscribers.on_list": lambda all_, now: ("Weekly",),
    "subscribers.count": lambda all_, now: (),
    "subscribers.save": lambda all_, now: (all_.subscriber.changed(now(), name="x"),),
    "subscribers.unsubscribe": lambda all_, now: (all_.subscriber.id,),
    "subscribers.remove": lambda all_, now: (all_.subscriber.id,),
    "webhooks.add": lambda all_, now: (all_.sample.webhook(),),
    "webhooks.get": lambda all_, now: (all_.webhook.id,),
    "webhooks.page": lambda all_, now: (),
    "webhooks.count": lambda all_, now: (),
    "webhooks.remove": lambda all_, now: (all_.webhook.id,),
    "webhooks.disown": lambda all_, now: (all_.user.id,),
    "deliveries.add": lambda all_, now: (all_.sample.delivery(),),
    "deliveries.get": lambda all_, now: (all_.delivery.id,),
    "deliveries.of_project": lambda all_, now: (all_.delivery.project_id,),
    "deliveries.of_user": lambda all_, now: (all_.user.id,),
    "deliveries.count_open": lambda all_, now: (),
    "deliveries.save": lambda all_, now: (all_.delivery.changed(now(), sent=7),),
    "deliveries.hand_over": lambda all_, now: (all_.user.id, new_id()),
    "deliveries.forget_before": lambda all_, now: (now() + LATER,),
    "idempotency.complete": lambda all_, now: (all_.claim, 201, "sealed"),
    "idempotency.release": lambda all_, now: (all_.claim,),
    "idempotency.forget_expired": lambda all_, now: (now() + LATER,),
    "idempotency.remove_of_user": lambda all_, now: (all_.user.id,),
}
"""What belongs to the first argument's dealership; a mapping at the end is keywords."""

MAKES_ITS_OWN = {"idempotency.claim", "digests.claim"}


def methods(store: Store) -> set[str]:
    return {
        f"{name}.{method}"
        for name, repository in vars(store).items()
        if isinstance(repository, Scoped)
        for method, _ in inspect.getmembers(repository, inspect.iscoroutinefunction)
        if not method.startswith("_")
    }


async def test_every_method_of_every_repository_is_asked_here(store: Store) -> None:
    known = BEFORE_THE_TENANT_IS_KNOWN | OF_THE_NODE | MAKES_ITS_OWN
    assert known.isdisjoint(QUESTIONS)
    assert methods(store) == known | QUESTIONS.keys()


async def test_every_method_that_is_asked_here_takes_the_dealership_first(store: Store) -> None:
    for name in QUESTIONS.keys() | MAKES_ITS_OWN:
        repository, method = name.split(".")
        signature = inspect.signature(getattr(getattr(store, repository), method))
        assert next(iter(signature.parameters)) == "dealership_id", name


async def asked(store: Store, name: str, dealership_id: str, arguments: tuple[Any, ...]) -> Any:
    repository, method = name.split(".")
    keywords = {}
    if arguments and isinstance(arguments[-1], dict):
        *arguments_, keywords = arguments
        arguments = tuple(arguments_)
    return await getattr(getattr(store, repository), method)(dealership_id, *arguments, **keywords)


async def test_another_dealership_finds_nothing_and_changes_nothing(
    store: Store, clock: Clock
) -> None:
    theirs, others = Everything(Sample(clock)), Everything(Sample(clock))
    await theirs.insert(store)
    before = await theirs.stored(store)
    for name, question in QUESTIONS.items():
        try:
            found = await asked(store, name, new_id(), question(theirs, clock))
        except Missing:
            pass
        else:
            assert found in NOTHING, name
        assert await theirs.stored(store) == before, name
    await others.insert(store)
    for name, question in QUESTIONS.items():
        try:
            found = await asked(store, name, others.sample.dealership_id, question(theirs, clock))
        except Missing:
            found = None
        assert theirs.sample.dealership_id not in repr(found), name
        assert await theirs.stored(store) == before, name


async def test_a_document_forged_into_ones_own_dealership_takes_no_ones_place(
    store: Store, clock: Clock
) -> None:
    theirs, mine = Everything(Sample(clock)), new_id()
    await theirs.insert(store)
    before = await theirs.stored(store)
    forged = {
        store.users.save: theirs.user,
        store.teams.save: theirs.team,
        store.sessions.save: theirs.session,
        store.consents.save: theirs.consent,
        store.dealerships.save: theirs.dealership,
    }
    for save, document in forged.items():
        with pytest.raises(Stale):
            await save(mine, document.changed(clock(), dealership_id=mine))  # type: ignore[operator]
    for add, document in {store.users.add: theirs.user, store.sessions.add: theirs.session}.items():
        with pytest.raises(Duplicate):
            await add(mine, document.model_copy(update={"dealership_id": mine}))  # type: ignore[operator]
    assert await theirs.stored(store) == before


async def test_the_same_questions_find_it_for_whom_it_belongs_to(
    store: Store, clock: Clock
) -> None:
    """The test above would pass as well if nothing were ever found."""
    quiet = {"users.forget_failed_sign_ins", "idempotency.complete", "idempotency.release"}
    for name, question in QUESTIONS.items():
        mine = Everything(Sample(clock))
        await mine.insert(store)
        before = await mine.stored(store)
        found = await asked(store, name, mine.sample.dealership_id, question(mine, clock))
        changed = await mine.stored(store) != before
        added = name.endswith(".add")
        assert changed or added or (name not in quiet and found not in NOTHING), name


async def test_a_key_of_another_dealership_is_free_in_ones_own(store: Store, clock: Clock) -> None:
    theirs = Everything(Sample(clock))
    await theirs.insert(store)
    soon = clock() + timedelta(hours=1)
    claimed, is_mine = await store.idempotency.claim(new_id(), theirs.user.id, "k", "f" * 64, soon)
    assert is_mine
    assert isinstance(claimed, IdempotencyKey)
    assert claimed.id != theirs.claim.id
