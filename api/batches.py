"""Photos of one vehicle: numbered shots that all get one look, and a ZIP of what came of them."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from api.archive import Pipe, entry
from api.attachments import EXTENSIONS
from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.base import Duplicate
from api.store.documents import Name, Short
from api.store.uploads import Batch, Upload
from engine.events import Wire
from processing.vin import NotVin, read_vin

MAX_OPTIONS = 20


Options = Annotated[dict[Name, bool | int | float | Short], Field(max_length=MAX_OPTIONS)]


class Look(Wire):
    """Settings of the job that each of its shots becomes."""

    quality: Literal["low", "medium", "high"] = "medium"
    format: Literal["png", "webp", "jpeg"] = "webp"
    options: Options = Field(default_factory=dict)


class Batches:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def begin(self, by: Identity, vin: str, look: Look) -> Batch:
        """Raises `Problem`: 422 for no VIN, 409 where the dealership has a batch of the vehicle."""
        try:
            vin = read_vin(vin)
        except NotVin as error:
            wrong = [{"field": "vin", "message": str(error)}]
            raise Problem(422, str(error), errors=wrong, code="no_vin") from error
        batch = Batch.new(
            by.dealership_id,
            self._services.now(),
            user_id=by.user_id,
            team_id=min(by.team_ids, default=None),
            vin=vin,
            look=look.model_dump(mode="json"),
            expires_at=await self._services.uploading.expiry(by.dealership_id),
        )
        try:
            await self._store.batches.add(by.dealership_id, batch)
        except Duplicate as error:
            raise await self._taken(by, vin) from error
        return batch

    async def restyle(self, batch: Batch, look: Look) -> Batch:
        """Give it another look. Raises `Stale`."""
        changed = batch.changed(self._services.now(), look=look.model_dump(mode="json"))
        await self._store.batches.save(batch.dealership_id, changed)
        return changed

    async def shots(self, batch: Batch) -> list[Upload]:
        """What was uploaded, by numbers, each followed by what was made of it."""
        return await self._store.uploads.of_batch(batch.dealership_id, batch.id)

    async def place(self, by: Identity, batch_id: str | None, shot: int | None) -> Batch | None:
        """The batch that one uploads this shot to, if it is one's. Raises `Problem` (422)."""
        if (batch_id is None) != (shot is None):
            raise Problem(422, "batchId and shot go together: name both, or neither.")
        if batch_id is None:
            return None
        batch = await self._store.batches.get(by.dealership_id, batch_id)
        if batch is None or batch.user_id != by.user_id:
            raise Problem(422, "You have no batch with this id: begin one for the vehicle first.")
        return batch

    async def remove(self, batch: Batch) -> None:
        """With all its shots. Raises `StoreError`; do it again then."""
        while found := await self._store.uploads.in_batch(batch.dealership_id, batch.id):
            for upload in found:
                await self._services.uploading.remove(upload)
        await self._store.batches.remove(batch.dealership_id, batch.id)

    async def results(self, batch: Batch) -> list[tuple[str, Upload]]:
        """Each shot's newest result, by its name in the archive: ``VIN-03.webp`` for shot 3."""
        shots = await self.shots(batch)
        newest = {each.shot or 0: each for each in shots if each.kind == "result"}
        return [
            (f"{batch.vin}-{shot:02}.{EXTENSIONS[each.media_type]}", each)
            for shot, each in sorted(newest.items())
        ]

    async def archive(self, results: Sequence[tuple[str, Upload]]) -> AsyncIterator[bytes]:
        """A ZIP of them, made while it is sent.

        Stored as they are: pictures do not become smaller. At most one window of one is in memory.
        """
        pipe, uploading = Pipe(), self._services.uploading
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as out:
            for name, upload in results:
                picture = await uploading.open(upload)
                with out.open(entry(name, upload.created_at), "w") as file:
                    async for chunk in picture.read():
                        file.write(chunk)
                        yield pipe.take()
                yield pipe.take()
        yield pipe.take()

    async def _taken(self, by: Identity, vin: str) -> Problem:
        found = await self._store.batches.page(by.dealership_id, vin=vin, limit=1)
        if found.items and found.items[0].user_id == by.user_id:
            detail = f"You have a batch of this vehicle already: {found.items[0].id}."
        else:
            detail = "A colleague has a batch of this vehicle already; ask them for its photos."
        return Problem(409, detail, code="vin_taken")
