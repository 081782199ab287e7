"""The Monday mail: each manager's last week, once, from 07:00 UTC on.

Who is to be mailed is claimed in the store before the mail goes out and marked as sent after the
server took it; so of several nodes one sends it, and a claim whose node died is taken over after
`LOST_AFTER`. Where a node dies between the two, the mail comes twice rather than never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from api.accounts.post import wants
from api.coaching.digest import Digest, Digests, Week
from api.coaching.progress import Progress, Scope
from api.problems import Problem
from api.services import Services
from api.store.base import MAX_MANY, Stale, StoreError
from api.store.documents import Dealership, User
from engine.catalogue import Catalogue, catalogue

log = structlog.get_logger(__name__)

KIND: Final = "digest"
EVERY_S: Final = 60.0
BEGINS: Final = timedelta(hours=7)
"""After Monday 0:00 UTC."""
LASTS: Final = timedelta(days=2)
"""How late it still goes out: nodes that were down on Monday make up for it."""
LOST_AFTER: Final = timedelta(minutes=15)
MAX_LINES: Final = 50
"""Of each list in the mail; the page has all."""

Link = Callable[[str, int], str]
"""The address of a moment (ms) of a call."""


class Mailing:
    def __init__(self, services: Services, every_s: float = EVERY_S) -> None:
        self._services = services
        progress = Progress(services.store, services.profiles, services.store.assignments)
        self._digests = Digests(services.store, progress, services.vault)
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self._done = ""
        """The week about which everybody has been mailed."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mailing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def send_due(self) -> int:
        """Mail whoever is due now and has not been mailed; returns how many. Raises
        `StoreError`."""
        now = self._services.now()
        week = Week.before(now)
        if not BEGINS <= now - week.end < BEGINS + LASTS or self._done == week.name:
            return 0
        sent, left = 0, 0
        after = ""
        while found := await self._services.store.dealerships.every(after):
            for dealership in found:
                for manager in await self._managers(dealership, week):
                    done = await self._serve(manager, week)
                    sent += done is True
                    left += done is False
            after = found[-1].id
        if not left:
            self._done = week.name
        return sent

    async def _run(self) -> None:
        while True:
            try:
                if sent := await self.send_due():
                    log.info("digests_sent", count=sent)
            except StoreError as error:
                log.warning("digests_postponed", error=str(error))
            except Exception:
                # A defect in one round must not end all later ones.
                log.exception("digests_failed")
            await asyncio.sleep(self._every_s)

    async def _managers(self, dealership: Dealership, week: Week) -> list[User]:
        """Who wants the mail and was there when the week was over."""
        found: list[User] = []
        offset = 0
        while True:
            page = await self._services.store.users.page(
                dealership.id, role="manager", status="active", offset=offset, limit=MAX_MANY
            )
            offset += len(page.items)
            found += [
                user
                for user in page.items
                if wants(user, KIND) and user.created_at < week.end + BEGINS
            ]
            if len(page.items) < MAX_MANY:
                return found

    async def _serve(self, manager: User, week: Week) -> bool | None:
        """True: it went out now; False: it is yet to; None: there is nothing to do."""
        digests, dealership_id = self._services.store.digests, manager.dealership_id
        known = await digests.get(dealership_id, manager.id, week.name)
        if known is not None and known.state != "claimed":
            return None
        now = self._services.now()
        if known is not None and known.claimed_at > now - LOST_AFTER:
            return False
        managed = await self._services.store.teams.managed_by(dealership_id, manager.id)
        teams = {*manager.team_ids, *(team.id for team in managed)}
        scope = Scope(dealership_id, tuple(sorted(teams)))
        try:
            digest = await self._digests.of(scope, week, now)
        except Problem as problem:
            log.error("digest_not_made", user=manager.id, why=problem.detail)
            return None
        if not digest.practised and not digest.idle:
            return None
        claimed = await digests.claim(dealership_id, manager.id, week.name, now - LOST_AFTER)
        if claimed is None:
            return False
        if claimed.state == "failed":
            log.error("digest_given_up", user=manager.id, week=week.name)
            return None
        if not await self._mail(manager, week, digest):
            return False
        try:
            await digests.sent(dealership_id, claimed)
        except Stale:
            log.warning("digest_sent_twice", user=manager.id, week=week.name)
        return True

    async def _mail(self, manager: User, week: Week, digest: Digest) -> bool:
        texts = catalogue(manager.preferences.language)
        post = self._services.post

        def link(session_id: str, at_ms: int) -> str:
            return post.page(f"/replay#{session_id}?t={at_ms}")

        told = "\n\n".join(_sections(texts, digest, link))
        return await post.mail(manager, KIND, week=week.name, told=told, link=post.page("/monday"))


def _sections(texts: Catalogue, digest: Digest, link: Link) -> list[str]:
    """Lists under their headings; empty ones are left out."""
    practised = [
        texts.text(
            "digest.practised.line",
            name=_one_line(each.name),
            calls=each.calls,
            minutes=each.minutes,
        )
        for each in digest.practised
    ]
    idle = [texts.text("digest.idle.line", name=_one_line(each.name)) for each in digest.idle]
    improved = [
        texts.text(
            "digest.improved.line",
            name=_one_line(each.name),
            change=each.change,
            overall=each.overall,
        )
        for each in digest.improved
    ]
    moments = [
        texts.text(f"digest.moments.{each.kind}", name=_one_line(each.name), told=each.message)
        + f"\n  {link(each.session_id, each.at_ms)}"
        for each in digest.moments
    ]
    lists = {"practised": practised, "idle": idle, "improved": improved, "moments": moments}
    sections = [_list(texts, what, lines) for what, lines in lists.items() if lines]
    if digest.assignments_due:
        sections.append(texts.text("digest.due", count=digest.assignments_due))
    return sections


def _list(texts: Catalogue, what: str, lines: Sequence[str]) -> str:
    shown = [texts.text(f"digest.{what}.heading", count=len(lines)), *lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        shown.append(texts.text("digest.more", count=len(lines) - MAX_LINES))
    return "\n".join(shown)


def _one_line(name: str) -> str:
    return " ".join(name.split())
