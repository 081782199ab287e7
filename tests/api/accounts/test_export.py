"""What a person takes along: all that there is of them, whatever goes while it is made."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from api.accounts.export import MANIFEST, archive
from api.accounts.sign_in import SignedIn
from api.call import CallOwner
from api.calls import Calls
from api.keep import Keep
from api.store.jobs import Job
from api.store.uploads import Upload
from api.uploads import Sent
from tests.api import keeping
from tests.api.accounts.conftest import House
from tests.api.jobs.yard import PNG

MIB = 2**20


class Archive:
    """What an export came to."""

    def __init__(self, content: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(content))
        assert self._zip.testzip() is None
        assert self._zip.namelist()[-1] == MANIFEST
        self.names = set(self._zip.namelist())
        self.missing = {one["folder"]: one["why"] for one in self.json(MANIFEST)["missing"]}

    def read(self, name: str) -> bytes:
        return self._zip.read(name)

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))


@pytest.fixture
async def calls(house: House, tmp_path: Path) -> AsyncIterator[Calls]:
    services = house.services
    keep = Keep(services.store, services.blobs, services.vault, services.node)
    async with keeping.calling(tmp_path / "calls", keep) as calls:
        yield calls


async def uploaded(house: House, who: SignedIn, content: bytes) -> Upload:
    async def sent() -> AsyncIterator[bytes]:
        yield content

    by = await house.identity(who)
    return await house.services.uploading.receive(by, Sent("car.png", len(content)), sent())


async def job(house: House, who: SignedIn, **fields: Any) -> Job:
    now = house.services.now()
    known = {"user_id": who.user.id, "job_type": "image_enhancement", "due_at": now}
    made = Job.new(who.user.dealership_id, now, **(known | {"input_files": ()} | fields))
    await house.services.store.jobs.add(made.dealership_id, made)
    return made


async def taken(
    house: House,
    calls: Calls,
    who: SignedIn,
    mark: bytes = b"",
    meanwhile: Callable[[], Coroutine[Any, Any, object]] | None = None,
) -> Archive:
    """The export; once `mark` has come, `meanwhile` happens."""
    content = bytearray()
    async for part in archive(house.services, calls, who.user):
        content += part
        if meanwhile is not None and mark in content:
            await meanwhile()
            meanwhile = None
    assert meanwhile is None
    return Archive(bytes(content))


async def test_jobs_and_batches_are_told_with_what_was_made_of_them(
    house: House, calls: Calls
) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example")
    services, content = house.services, PNG + os.urandom(64)
    photo = await uploaded(house, bo, content)

    async def made() -> AsyncIterator[bytes]:
        yield content[::-1]

    mine = await job(house, bo, input_files=[photo.id])
    result = await services.uploading.keep_result(photo, mine.id, "car.png", "image/png", made())
    done = mine.changed(services.now(), status="completed", output_files=[result.id])
    await services.store.jobs.save(mine.dealership_id, done)
    about = await job(house, admin, job_type="call_analysis", settings={"userId": bo.user.id})
    await job(house, admin, job_type="call_analysis", settings={"userId": admin.user.id})
    found = await taken(house, calls, bo)
    assert found.missing == {}
    told = found.json("jobs.json")
    assert {each["id"] for each in told} == {mine.id, about.id}
    assert [each["outputFiles"] for each in told if each["id"] == mine.id] == [[result.id]]
    assert found.read(f"uploads/{photo.id}/car.png") == content
    assert found.read(f"uploads/{result.id}/car.png") == content[::-1]
    assert found.json(f"uploads/{result.id}/upload.json")["jobId"] == mine.id
    assert found.json("batches.json") == []


async def test_a_file_whose_name_does_not_open_has_one_all_the_same(
    house: House, calls: Calls
) -> None:
    admin = await house.admin()
    content = PNG + os.urandom(64)
    photo = await uploaded(house, admin, content)
    other = await uploaded(house, admin, content)
    locked = photo.changed(house.services.now(), name=other.name)
    await house.services.store.uploads.save(photo.dealership_id, locked)
    found = await taken(house, calls, admin)
    assert found.read(f"uploads/{photo.id}/photo.png") == content


async def test_a_file_that_is_removed_while_it_is_sent_is_missing_and_the_others_are_whole(
    house: House, calls: Calls
) -> None:
    admin = await house.admin()
    contents = [PNG + os.urandom(3 * MIB) for _ in range(3)]
    made = [(await uploaded(house, admin, content), content) for content in contents]
    (cut, cut_content), (gone, _), (whole, content) = sorted(made, key=lambda one: one[0].id)

    async def removed() -> None:
        for each in (cut, gone):
            await house.services.uploading.remove(each)

    found = await taken(house, calls, admin, cut_content[:MIB], removed)
    assert found.missing.keys() == {f"uploads/{cut.id}", f"uploads/{gone.id}"}
    assert all(why.endswith(".") for why in found.missing.values())
    assert found.read(f"uploads/{whole.id}/car.png") == content
    assert len(found.read(f"uploads/{cut.id}/car.png")) < len(cut_content)
    assert not any(gone.id in name for name in found.names)


async def test_a_call_that_is_erased_meanwhile_is_missing_and_the_others_are_whole(
    house: House, calls: Calls
) -> None:
    admin = await house.admin()
    user, now = admin.user, house.services.now()
    owner = CallOwner(user.dealership_id, user.id, None, keeping.FAMILY, now)
    made = [(await calls.create(keeping.PITCH, owner))[0].id for _ in range(3)]
    first, gone, last = sorted(made)

    async def erased() -> None:
        await calls.erase(user.dealership_id, gone)

    found = await taken(house, calls, admin, f"calls/{first}/events.json".encode(), erased)
    assert found.missing.keys() == {f"calls/{gone}"}
    assert found.json(f"calls/{last}/call.json")["id"] == last
    assert f"calls/{gone}/call.json" not in found.names


async def test_who_breaks_the_download_off_in_the_middle_of_a_file_leaves_no_error(
    house: House, calls: Calls
) -> None:
    admin = await house.admin()
    content = PNG + os.urandom(3 * MIB)
    await uploaded(house, admin, content)
    parts = archive(house.services, calls, admin.user)
    async for part in parts:
        if content[:MIB] in part:
            break
    await parts.aclose()


async def test_every_notice_is_in_it_however_many(house: House, calls: Calls) -> None:
    admin = await house.admin()
    for _ in range(120):
        await house.services.post.warn(admin.user, "password_changed")
    found = await taken(house, calls, admin)
    assert len(found.json("notifications.json")) == 120
