"""What coaching keeps of a person, for them to take along: told as pages tell it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from api.coaching import texts
from api.coaching.assignments import Assigning
from api.coaching.subject import key_of
from api.services import Services
from api.store.coaching import Annotation, Scorecard
from api.store.crypto import DataKey
from api.store.documents import SessionHead, User
from api.store.repositories.scoped import walk

Json = dict[str, Any]


class Coached:
    """Of one person. Raises `StoreError`."""

    def __init__(self, services: Services, user: User) -> None:
        self._services = services
        self._store = services.store
        self._user = user

    async def comments(self) -> list[Json]:
        """All that they wrote, about anybody's calls."""
        told: list[Json] = []
        keys: dict[str, DataKey | None] = {}
        of_author, user = self._store.annotations.of_author, self._user
        async for one in walk(of_author, user.dealership_id, user.id):
            if one.session_id not in keys:
                keys[one.session_id] = await self._key(one.session_id)
            told.append(_annotation(one, keys[one.session_id]))
        return told

    async def assignments(self) -> list[Json]:
        told: list[Json] = []
        assigning, user, after = Assigning(self._services), self._user, ""
        of_user = self._store.assignments.of_user
        while found := await of_user(user.dealership_id, user.id, after):
            told += [_json(view) for view in await assigning.views(found)]
            after = found[-1].id
        return told

    async def said_of(self, head: SessionHead) -> list[Json]:
        """What anybody said of a call of theirs, in the order of its moments."""
        key, every = await self._key(head.id), self._store.annotations.every_of_session
        found = [one async for one in walk(every, head.dealership_id, head.id)]
        found.sort(key=lambda one: (one.at_ms, one.created_at))
        return [_annotation(one, key) for one in found]

    async def card_of(self, head: SessionHead) -> Json | None:
        """Of a call of theirs, once it is published."""
        card = await self._store.scorecards.of_session(head.dealership_id, head.id)
        if card is None or card.status == "draft":
            return None
        return _scorecard(card, await self._key(head.id))

    async def _key(self, session_id: str) -> DataKey | None:
        session = await self._store.sessions.get(self._user.dealership_id, session_id)
        return None if session is None else key_of(self._services, session)


def _json(model: BaseModel) -> Json:
    return model.model_dump(mode="json", by_alias=True)


def _annotation(one: Annotation, key: DataKey | None) -> Json:
    text = None if key is None else texts.opened(key, one, "text", one.text)
    return {**_json(one), "text": text}


def _scorecard(card: Scorecard, key: DataKey | None) -> Json:
    told = _json(card)
    told["comment"] = None if key is None else texts.opened(key, card, "comment", card.comment)
    for each, shown in zip(card.criteria, told["criteria"], strict=True):
        field = texts.reason_of(each.code)
        shown["reason"] = None if key is None else texts.opened(key, card, field, each.reason)
    return told
