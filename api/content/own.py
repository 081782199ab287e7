"""What the studio keeps of a person: to take along, and to erase."""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.store.content import ContentProject
from api.store.repositories.scoped import walk
from api.store.store import Store


async def projects_of(
    store: Store, dealership_id: str, user_id: str
) -> AsyncIterator[ContentProject]:
    """All of a person's, whole. Raises `StoreError`."""
    async for head in walk(store.content.of_user, dealership_id, user_id):
        project = await store.content.get(dealership_id, head.id)
        if project is not None:
            yield project


async def erase_of(store: Store, dealership_id: str, user_id: str, heir_id: str) -> None:
    """What was not published goes; what was, and what is known of vehicles, is `heir_id`'s from now
    on, without the person. Raises `StoreError`; do it again then."""
    await store.content.hand_over(dealership_id, user_id, heir_id)
    while found := await store.content.of_user(dealership_id, user_id):
        ids = [head.id for head in found]
        await store.content_versions.remove_of(dealership_id, ids)
        await store.content_comments.remove_of(dealership_id, ids)
        for project_id in ids:
            await store.content.remove(dealership_id, project_id)
    await store.content_versions.disown(dealership_id, user_id)
    await store.content_comments.remove_of_author(dealership_id, user_id)
    await store.vehicles.disown(dealership_id, user_id, heir_id)
