"""The pictures of copy: which a project may show, and how large they are.

They are what jobs made of a vehicle's photos. Our own workers wrote them, so that reading a size
needs no process of its own.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Sequence

from PIL import Image

from api.auth.roles import Owner, allows
from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.content import MAX_IMAGES, Vehicle
from api.store.uploads import Upload

Size = tuple[int, int]
MAX_KNOWN = 2_000
"""Sizes that are remembered; beyond them the one asked for longest ago goes."""


class Images:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: OrderedDict[str, Size] = OrderedDict()

    async def of_vehicle(self, vehicle: Vehicle) -> list[Upload]:
        """Those that were chosen for it, or else each shot's newest result of its batch."""
        store = self._services.store
        if vehicle.images:
            found = [await store.uploads.get(vehicle.dealership_id, one) for one in vehicle.images]
            return [each for each in found if each is not None and each.status == "ready"]
        batches = await store.batches.page(vehicle.dealership_id, vin=vehicle.vin, limit=1)
        if not batches.items:
            return []
        shots = await store.uploads.of_batch(vehicle.dealership_id, batches.items[0].id)
        newest = {each.shot or 0: each for each in shots if each.kind == "result"}
        return [each for _, each in sorted(newest.items())][:MAX_IMAGES]

    async def check(self, by: Identity, ids: Sequence[str]) -> None:
        """Raises `Problem` (422) for one that is no picture a job made, or not for `by` to see."""
        for number, upload_id in enumerate(ids):
            found = await self._services.store.uploads.get(by.dealership_id, upload_id)
            if found is None or found.kind != "result" or not _is_seen(by, found):
                why = "There is no picture with this id that a job made and you may see."
                errors = [{"field": f"images.{number}", "message": why}]
                raise Problem(422, f"Picture {number + 1}: {why}", errors=errors, code="no_image")

    async def sizes(self, dealership_id: str, ids: Sequence[str]) -> list[Size]:
        """Widths and heights in pixels; (0, 0) of one that has gone since."""
        return [await self._size(dealership_id, each) for each in ids]

    async def _size(self, dealership_id: str, upload_id: str) -> Size:
        if (known := self._known.get(upload_id)) is not None:
            self._known.move_to_end(upload_id)
            return known
        upload = await self._services.store.uploads.get(dealership_id, upload_id)
        if upload is None or upload.status != "ready":
            return 0, 0
        blob = await self._services.uploading.open(upload)
        content = b"".join([part async for part in blob.read()])
        size = await asyncio.to_thread(_read, content)
        self._known[upload_id] = size
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return size


def _is_seen(by: Identity, upload: Upload) -> bool:
    return allows(by.role, "upload.read", actor=by.actor, owner=Owner.of(upload))


def _read(content: bytes) -> Size:
    with Image.open(io.BytesIO(content)) as picture:
        return picture.size
