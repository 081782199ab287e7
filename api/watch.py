"""Ends live calls of whoever may not speak any more, within 2 s.

What this node does itself ends them at once (`SignIns.on_ended`). Another node that shares the
store may have signed a person out: so each call's owner is looked at once a second. While the store
is away calls go on.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from api.accounts.sign_in import SignIns
from api.calls import Calls
from api.store.base import StoreError

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
"""With what `SignIns` remembers: 2 s at most."""


class Watch:
    def __init__(self, calls: Calls, sign_ins: SignIns) -> None:
        self._calls = calls
        self._sign_ins = sign_ins
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def start(self) -> None:
        self._sign_ins.on_ended = self._ended
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, user_id: str, family: str | None) -> None:
        if family is None:
            self._calls.revoke(user_id=user_id)
        else:
            self._calls.revoke(family=family)

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
