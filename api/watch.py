"""Ends live calls of whoever may not speak any more, and sends away who may not listen, or play the
customer, within 2 s.

What this node does itself ends them at once (`SignIns.on_ended`). Another node that shares the
store may have signed a person out: so each call's owner is looked at once a second. While the store
is away calls go on.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from api.accounts.sign_in import SignIns
from api.audit.record import Audit
from api.auth.roles import allows
from api.calls import Calls
from api.identity import Identity
from api.store.base import StoreError

log = structlog.get_logger(__name__)

LISTEN: Final = "session.listen"
EVERY_S: Final = 0.5
"""With what `SignIns` remembers: 2 s at most."""


class Watch:
    """Also writes into the audit log who has stopped listening."""

    def __init__(self, calls: Calls, sign_ins: SignIns, audit: Audit) -> None:
        self._calls = calls
        self._sign_ins = sign_ins
        self._audit = audit
        self._recording: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def start(self) -> None:
        self._sign_ins.on_ended = self._ended
        self._calls.listeners.on_left = self._left
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*self._recording, return_exceptions=True)

    def _left(self, identity: Identity, session_id: str) -> None:
        work = self._audit.allowed(identity, "session.leave", "session", session_id)
        task = asyncio.create_task(work)
        self._recording.add(task)
        task.add_done_callback(self._recorded)

    def _recorded(self, task: asyncio.Task[None]) -> None:
        self._recording.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("leaving_not_audited", error=repr(error))

    def _ended(self, user_id: str, family: str | None) -> None:
        if family is None:
            self._calls.revoke(user_id=user_id)
        else:
            self._calls.revoke(family=family)
        self._calls.listeners.revoke(user_id, family)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._look()
                self._is_away = False
            except StoreError as error:
                if not self._is_away:
                    log.warning("watch_blind", error=str(error))
                self._is_away = True

    async def _look(self) -> None:
        for session_id, owner in list(self._calls.owners()):
            standing = await self._sign_ins.standing(
                owner.dealership_id, owner.user_id, owner.family
            )
            if standing is None:
                log.info("call_revoked", session=session_id)
                self._calls.revoke(user_id=owner.user_id, family=owner.family)
        for dealership_id, partner in self._calls.partners.present():
            who = partner.person.id
            if await self._sign_ins.standing(dealership_id, who, partner.family) is None:
                self._calls.partners.revoke(user_id=who, family=partner.family)
        for listener, known in self._calls.listeners.present():
            now = await self._sign_ins.standing(known.dealership_id, known.user_id, known.family)
            owner_of = self._calls.owner_of
            whose = await owner_of(known.dealership_id, listener.session.id)
            if (
                now is None
                or whose is None
                or not allows(now.role, LISTEN, actor=now.actor, owner=whose)
            ):
                log.info("listener_revoked", session=listener.session.id)
                self._calls.listeners.send_away(listener)
