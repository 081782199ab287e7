"""Photos of one vehicle: numbered shots that all get one look, and a ZIP of what came of them."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from api.archive import Pipe, entry
from api.attachments import EXTENSIONS
from api.identity import Identity
from api.ids import new_id
from api.jobs.views import JobBody, PhotoJob
from api.problems import Problem, invalid
from api.services import Services
from api.store.base import Duplicate
from api.store.documents import Name, Short
from api.store.uploads import Batch, Upload
from engine.events import Wire
from processing.vin import NotVin, read_vin

MAX_OPTIONS = 20


Options = Annotated[dict[Name, bool | int | float | Short], Field(max_length=MAX_OPTIONS)]


class Look(Wire):
    """The job that each of its shots becomes, and its settings."""

    job_type: PhotoJob = "image_enhancement"
    quality: Literal["low", "medium", "high"] = "medium"
    format: Literal["png", "webp", "jpeg"] = "webp"
    options: Options = Field(default_factory=dict)

    def job(self, files: Sequence[str]) -> JobBody:
        """What is asked for, for these uploads. Raises `Problem` (422) for what is no such look."""
        settings = self.model_dump(mode="json", by_alias=True, exclude={"job_type"})
        try:
            return JobBody.model_validate(
                {"jobType": self.job_type, "inputFiles": files, "settings": settings}
            )
        except ValidationError as error:
            raise invalid(error, "This look is not valid.") from error

    def taking_for(self, shot: str | None) -> Look:
        """The same for photos that are known to show `shot`."""
        if shot is None or self.job_type != "background_removal":
            return self
        return self.model_copy(update={"options": self.options | {"shot": shot}})

    def check(self) -> None:
        """Raises `Problem` (422) for what no job would take."""
        self.job([new_id()])


class Batches:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def begin(self, by: Identity, vin: str, look: Look) -> Batch:
        """Raises `Problem`: 422 for no VIN or no look, 409 where the dealership has a batch of the
        vehicle."""
        try:
            vin = read_vin(vin)
        except NotVin as error:
            wrong = [{"field": "vin", "message": str(error)}]
            raise Problem(422, str(error), errors=wrong, code="no_vin") from error
        look.check()
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
        """Give it another look. Raises `Stale`, and `Problem` (422) for what is none."""
        look.check()
        changed = batch.changed(self._services.now(), look=look.model_dump(mode="json"))
        await self._store.batches.save(batch.dealership_id, changed)
        return changed

    async def shots(self, batch: Batch) -> list[Upload]:
        """What was uploaded, by numbers, each followed by what was made of it."""
        return await self._store.uploads.of_batch(batch.dealership_id, batch.id)

    async def due(self, batch: Batch, numbers: Collection[int] | None) -> list[Upload]:
        """The shots called `numbers`, or those that nothing was made of; without those that are
        worked on. Raises `Problem`: 422 for a number without a shot, 409 where nothing is due."""
        shots = await self.shots(batch)
        photos = {each.shot or 0: each for each in shots if each.kind == "picture"}
        if numbers is None:
            wanted = photos.keys() - {each.shot for each in shots if each.kind == "result"}
        else:
            wanted = set(numbers)
        if missing := sorted(wanted - photos.keys()):
            raise Problem(422, f"This batch has no shot {missing[0]}; look at it again.")
        open_jobs = await self._store.jobs.open_of_batch(batch.dealership_id, batch.id)
        under_way = {each for job in open_jobs for each in job.input_files}
        found = [photos[number] for number in photos if number in wanted]
        due = [each for each in found if each.id not in under_way]
        if not due:
            detail = "Every photo is done or being worked on; name shots to make them again."
            raise Problem(409, detail, code="nothing_due")
        return due

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
