"""Uploads: of a running node over HTTP, and of what it keeps them in."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import socket
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api import uploads, workbench
from api.accounts.vault import Vault
from api.attachments import EXTENSIONS, MAX_NAME, clean_name, disposition
from api.identity import Identity
from api.ids import new_id
from api.previews import Previews
from api.problems import Problem
from api.store import open_database
from api.store.blobs import Blobs, open_blobs
from api.store.crypto import MasterKeys
from api.store.documents import Dealership
from api.store.rewrapping import rewrap, wrapped_by
from api.store.store import Store
from api.store.uploads import Upload
from api.uploads import KEPT, Sent, Uploading, blob_of
from processing.scan import Clamd
from tests.api.people import joined
from tests.api.store.people import Clock
from tests.node import Node
from tests.processing.clamd import EICAR, FakeClamd

OCTETS = {"Content-Type": "application/octet-stream"}
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt "
Refused = Callable[[httpx.Response, int], dict[str, Any]]


def sent(http: httpx.Client, content: bytes, name: str = "", **query: Any) -> httpx.Response:
    params = {"name": name} | query if name else query
    return http.post("/uploads", params=params, content=content, headers=OCTETS)


def picture(size: int = 300_000) -> bytes:
    return JPEG + os.urandom(size - len(JPEG))


# over HTTP


def test_a_photo_is_kept_and_comes_back_as_it_was(http: httpx.Client) -> None:
    content = picture()
    made = sent(http, content, "Front left.JPEG")
    assert made.status_code == 201, made.text
    view = made.json()
    assert made.headers["location"] == f"/api/v1/uploads/{view['id']}"
    assert view["kind"] == "picture"
    assert view["mediaType"] == "image/jpeg"
    assert view["name"] == "Front left.jpg"
    assert view["sizeBytes"] == len(content)
    assert view["sha256"] == hashlib.sha256(content).hexdigest()
    assert http.get(f"/uploads/{view['id']}").json() == view
    assert view in http.get("/uploads", params={"kind": "picture"}).json()["items"]
    assert view not in http.get("/uploads", params={"kind": "recording"}).json()["items"]
    back = http.get(f"/uploads/{view['id']}/file")
    assert back.content == content
    assert back.headers["content-type"] == "application/octet-stream"
    assert back.headers["content-disposition"].startswith('attachment; filename="Front left.jpg"')
    assert back.headers["x-content-type-options"] == "nosniff"


def test_a_part_of_it_can_be_asked_for(http: httpx.Client) -> None:
    content = picture()
    made = sent(http, content).json()
    part = http.get(f"/uploads/{made['id']}/file", headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == content[1000:2000]


def test_nothing_of_it_lies_on_the_disk_in_the_clear(node: Node, http: httpx.Client) -> None:
    words = b"nobody may read this on the disk "
    sent(http, WAV + words * 5_000, "words of ours.wav").raise_for_status()
    for path in node.data.rglob("*"):
        if path.is_file():
            stored = path.read_bytes()
            assert words not in stored, path
            assert b"words of ours" not in stored, path
    assert "words of ours" not in node.log


def test_what_it_is_is_told_by_its_bytes_and_not_by_its_name(
    http: httpx.Client, refused: Refused
) -> None:
    assert sent(http, PNG + bytes(100), "photo.jpg").json()["name"] == "photo.png"
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    for content in (svg, b"%PDF-1.7", b"PK\x03\x04" + bytes(100), b"MZ" + bytes(600), b"\xff"):
        assert "JPEG, PNG" in refused(sent(http, content, "photo.jpg"), 415)["detail"]


def test_an_empty_file_is_said_to_be_empty(http: httpx.Client, refused: Refused) -> None:
    assert "empty" in refused(sent(http, b""), 422)["detail"]


def test_another_media_type_and_no_length_are_refused(http: httpx.Client, refused: Refused) -> None:
    form = http.post("/uploads", content=picture(), headers={"Content-Type": "image/jpeg"})
    assert "octet-stream" in refused(form, 415)["detail"]
    chunked = http.post("/uploads", content=iter([picture()]), headers=OCTETS)
    assert "Content-Length" in refused(chunked, 411)["detail"]


def begun(node: Node, size_bytes: int) -> socket.socket:
    """A connection on which a body of this size was announced."""
    request = httpx.Request("GET", f"{node.url}/api/v1/uploads")
    token = next(node.account.sync_auth_flow(request)).headers["authorization"]
    line = socket.create_connection(("127.0.0.1", node.port), timeout=30)
    head = (
        f"POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\n"
        f"Authorization: {token}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {size_bytes}\r\n\r\n"
    )
    line.sendall(head.encode())
    return line


def test_a_photo_that_is_too_large_is_refused(http: httpx.Client, refused: Refused) -> None:
    content = PNG + bytes(25 * 2**20)
    assert "at most 25" in refused(sent(http, content), 413)["detail"]


def test_what_is_larger_than_anything_is_refused_before_it_comes(node: Node) -> None:
    with begun(node, 5 * 2**30) as line:
        answer = line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_breaks_off_leaves_nothing(node: Node, http: httpx.Client) -> None:
    before = http.get("/uploads").json()["total"]
    with begun(node, 1_000_000) as line:
        line.sendall(picture(200_000))
    made = sent(http, picture())
    made.raise_for_status()
    assert http.get("/uploads").json()["total"] == before + 1


def test_what_was_removed_is_gone(node: Node, http: httpx.Client, refused: Refused) -> None:
    made = sent(http, picture()).json()
    (blob,) = (node.data / "blobs").rglob(made["id"] + "/" + made["id"])
    assert http.delete(f"/uploads/{made['id']}").status_code == 204
    assert not blob.exists()
    for path in (f"/uploads/{made['id']}", f"/uploads/{made['id']}/file"):
        refused(http.get(path), 404)


def test_a_colleague_does_not_see_it_and_the_manager_does(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    team = http.post("/teams", json={"name": new_id()}).raise_for_status().json()["id"]
    mine, manager = joined(node, "salesperson", [team]), joined(node, "manager", [team])
    mate = joined(node, "salesperson", [team])
    with node.client(mine) as own, node.client(mate) as other, node.client(manager) as above:
        made = sent(own, picture()).json()
        assert made["teamId"] == team
        assert made in above.get("/uploads").json()["items"]
        assert above.get(f"/uploads/{made['id']}/file").status_code == 200
        assert other.get("/uploads").json() == {"items": [], "total": 0}
        refused(other.get(f"/uploads/{made['id']}/file"), 403)
        refused(other.get(f"/uploads/{made['id']}/preview"), 403)
        refused(other.delete(f"/uploads/{made['id']}"), 403)


def test_a_person_takes_it_along_and_is_erased_with_it(node: Node, http: httpx.Client) -> None:
    leaving = joined(node, "salesperson")
    content = picture()
    with node.client(leaving) as own:
        made = sent(own, content, "../../etc/passwd.jpg").json()
        exported = own.get(f"/users/{made['userId']}/export")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert archive.read(f"uploads/{made['id']}/passwd.jpg") == content
    assert http.delete(f"/users/{made['userId']}").status_code == 204
    assert http.get(f"/uploads/{made['id']}").status_code == 404
    assert not list((node.data / "blobs").rglob(made["id"]))


# previews


def photo(width: int = 1_600, height: int = 800, kind: str = "JPEG") -> bytes:
    """One that decodes, red on its left half."""
    image = Image.new("RGB", (width, height), "navy")
    image.paste("red", (0, 0, width // 2, height))
    file = io.BytesIO()
    image.save(file, kind, exif=Image.Exif().tobytes())
    return file.getvalue()


def test_a_preview_is_a_small_picture_that_we_wrote(http: httpx.Client) -> None:
    made = sent(http, photo()).json()
    answer = http.get(f"/uploads/{made['id']}/preview")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private, ")
    with Image.open(io.BytesIO(answer.content)) as small:
        assert (small.format, small.size) == ("WEBP", (960, 480))
        red, _, blue = small.convert("RGB").getpixel((100, 240))
    assert red > 200 > 50 > blue


def test_a_small_picture_stays_as_it_is_in_its_preview(http: httpx.Client) -> None:
    made = sent(http, photo(40, 30, "PNG")).json()
    answer = http.get(f"/uploads/{made['id']}/preview")
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.size == (40, 30)


def test_what_has_no_preview_says_why(http: httpx.Client, refused: Refused) -> None:
    broken = sent(http, photo()[:2_000]).json()
    told = refused(http.get(f"/uploads/{broken['id']}/preview"), 422)
    assert told["code"] == "damaged_picture"
    recording = sent(http, WAV + bytes(2_000)).json()
    refused(http.get(f"/uploads/{recording['id']}/preview"), 404)
    # The process that met what is broken makes the next one, too.
    whole = sent(http, photo()).json()
    assert http.get(f"/uploads/{whole['id']}/preview").status_code == 200


@pytest.mark.test_data("odd_uploads/*/*")
def test_an_odd_photo_is_refused_or_shown_and_nothing_breaks(
    http: httpx.Client, refused: Refused, data_file: Path
) -> None:
    made = sent(http, data_file.read_bytes(), data_file.name)
    if made.status_code != 201:
        refused(made, 415)
        return
    answer = http.get(f"/uploads/{made.json()['id']}/preview")
    if answer.status_code != 200:
        assert refused(answer, 422)["code"] is not None
        return
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.format == "WEBP"
        assert max(small.size) <= 960


def test_previews_leave_nothing_in_the_clear(node: Node, http: httpx.Client) -> None:
    made = sent(http, photo()).json()
    http.get(f"/uploads/{made['id']}/preview").raise_for_status()
    assert list((node.data / "previews").iterdir()) == []


# names


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("IMG_0001.HEIC", "IMG_0001.jpg"),
        ("C:\\Users\\Ada\\car.jpg", "car.jpg"),
        ("../../../etc/passwd", "passwd.jpg"),
        ("", "photo.jpg"),
        ("...", "photo.jpg"),
        (".jpg", "photo.jpg"),
        ("invoice\u202egpj.exe", "invoicegpj.jpg"),
        ("a\0b\r\nc.jpg", "abc.jpg"),
        ("two  words .jpeg", "two words.jpg"),
        ('<b>"front"?.png', "_b__front__.jpg"),
        ("Sch\u00f6ner Wagen.png", "Sch\u00f6ner Wagen.jpg"),
        ("x" * 500 + ".jpg", "x" * (MAX_NAME - 4) + ".jpg"),
    ],
)
def test_a_name_keeps_what_a_person_would_recognize(given: str, cleaned: str) -> None:
    assert clean_name(given, "image/jpeg") == cleaned


@given(st.text(max_size=300), st.sampled_from(sorted(EXTENSIONS)))
def test_any_name_comes_out_safe(given: str, media_type: str) -> None:
    name = clean_name(given, media_type)
    assert 0 < len(name) <= MAX_NAME
    assert not set(name) & set('/\\:*?"<>|\r\n\0')
    assert name.endswith(f".{EXTENSIONS[media_type]}")
    assert clean_name(name, media_type) == name
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()


# what keeps them


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Desk:
    """Somebody who uploads, and all that is needed for it but HTTP."""

    def __init__(self, store: Store, blobs: Blobs, masters: MasterKeys, clock: Clock) -> None:
        self.store, self.blobs, self.clock = store, blobs, clock
        self.vault = Vault(masters)
        self.dealership_id = new_id()
        self.by = self.person()

    def person(self) -> Identity:
        return Identity(
            new_id(), self.dealership_id, "salesperson", frozenset(), new_id(), self.clock()
        )

    def uploading(self, scanner: Clamd | None = None) -> Uploading:
        return Uploading(self.store, self.blobs, self.vault, scanner, self.clock)

    async def receive(
        self, content: bytes, *, by: Identity | None = None, scanner: Clamd | None = None
    ) -> Upload:
        said = Sent("a.jpg", len(content))
        return await self.uploading(scanner).receive(by or self.by, said, chunks(content))

    async def is_empty(self) -> bool:
        documents = await self.store.uploads.every()
        return not documents and not [blob async for blob in self.blobs.list()]


async def chunks(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock) -> AsyncIterator[Desk]:
    store = Store(open_database(f"sqlite:///{tmp_path / 'store.db'}"), clock)
    await store.open()
    blobs = open_blobs((tmp_path / "blobs").as_uri())
    await blobs.open()
    made = Desk(store, blobs, MasterKeys({"m1": os.urandom(32)}, "m1"), clock)
    own = made.dealership_id
    await store.dealerships.add(Dealership.new(own, clock(), id=own, name="Here"))
    yield made
    await store.close()


async def test_malware_is_refused_and_not_kept(desk: Desk) -> None:
    async with FakeClamd() as clamd:
        with pytest.raises(Problem, match="malware scanner refuses") as refused:
            await desk.receive(JPEG + EICAR, scanner=Clamd(clamd.address))
    assert (refused.value.status, refused.value.code) == (422, "infected")
    assert await desk.is_empty()


async def test_what_the_scanner_finds_nothing_in_is_kept_whole(desk: Desk) -> None:
    content = picture(2_000_000)
    async with FakeClamd() as clamd:
        made = await desk.receive(content, scanner=Clamd(clamd.address))
        assert clamd.streams == [content]
    assert made.status == "ready"


async def test_without_the_scanner_s_word_nothing_is_kept(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="scanner does not answer") as refused:
        await desk.receive(picture(), scanner=Clamd(f"unix://{tmp_path / 'away'}"))
    assert refused.value.status == 503
    assert await desk.is_empty()


async def test_an_error_of_the_body_leaves_nothing(desk: Desk) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield picture(100_000)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await desk.uploading().receive(desk.by, Sent("a.jpg", 200_000), broken())
    assert await desk.is_empty()


async def test_an_upload_that_is_cancelled_leaves_nothing(desk: Desk) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield picture(100_000)
        begun.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(desk.uploading().receive(desk.by, Sent("a.jpg", 200_000), endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await desk.is_empty()


async def test_a_body_longer_than_it_said_is_cut_off(desk: Desk) -> None:
    with pytest.raises(Exception, match="may have 1000 bytes"):
        await desk.uploading().receive(desk.by, Sent("a.jpg", 1_000), chunks(picture()))
    assert await desk.is_empty()


async def test_no_one_keeps_more_than_the_quota(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(uploads.MAX_KEPT, "picture", 3)
    made = [await desk.receive(picture(1_000)) for _ in range(3)]
    with pytest.raises(Problem, match="3 pictures already") as refused:
        await desk.receive(picture(1_000))
    assert (refused.value.status, refused.value.code) == (409, "quota")
    await desk.receive(picture(1_000), by=desk.person())
    await desk.receive(WAV + bytes(1_000))
    await desk.uploading().remove(made[0])
    await desk.receive(picture(1_000))


async def test_quotas_hold_where_uploads_come_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(uploads.MAX_KEPT, "picture", 3)
    asked = [desk.receive(picture(1_000)) for _ in range(8)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, Upload) for one in found) <= 3
    assert {one.status for one in found if isinstance(one, Problem)} == {409}


async def test_only_so_many_come_at_once(desk: Desk) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield picture(1_000)
        await go_on.wait()

    uploading, people = desk.uploading(), [desk.person(), desk.person()]

    def receive(by: Identity) -> asyncio.Task[Upload]:
        return asyncio.create_task(uploading.receive(by, Sent("a.jpg", 1_000), slow()))

    tasks = [receive(by) for by in people for _ in range(uploads.AT_ONCE_EACH)]
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="Many files") as refused:
        await receive(desk.person())
    assert refused.value.headers == {"Retry-After": "5"}
    go_on.set()
    await asyncio.gather(*tasks)
    tasks = [receive(people[0]) for _ in range(uploads.AT_ONCE_EACH)]
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="You are uploading 4"):
        await receive(people[0])
    await asyncio.gather(*tasks)


async def test_the_sweep_takes_what_has_been_kept_long_enough(desk: Desk) -> None:
    old = await desk.receive(picture(1_000))
    desk.clock.pass_by(days=29)
    young = await desk.receive(picture(1_000))
    assert await desk.uploading().forget_expired(desk.dealership_id) == 0
    desk.clock.pass_by(days=1, seconds=1)
    assert await desk.uploading().forget_expired(desk.dealership_id) == 1
    assert [each.id for each in await desk.store.uploads.every()] == [young.id]
    assert not await desk.blobs.exists(blob_of(old))


async def test_the_sweep_takes_what_a_killed_node_left_half_received(desk: Desk) -> None:
    whole = await desk.receive(picture(1_000))
    half = whole.changed(
        desk.clock(), status="receiving", expires_at=desk.clock() + uploads.RECEIVING_KEPT
    )
    await desk.store.uploads.save(desk.dealership_id, half)
    page = await desk.store.uploads.page(desk.dealership_id)
    assert page.total == 0
    desk.clock.pass_by(hours=7)
    assert await desk.uploading().forget_expired(desk.dealership_id) == 1
    assert await desk.is_empty()


async def test_a_dealership_that_keeps_calls_shorter_keeps_uploads_no_longer(desk: Desk) -> None:
    dealership = await desk.store.dealerships.get(desk.dealership_id)
    assert dealership is not None
    assert (await desk.receive(picture(1_000))).expires_at == desk.clock() + KEPT
    policy = dealership.policy.model_copy(update={"retention_days": 7})
    changed = dealership.changed(desk.clock(), policy=policy)
    await desk.store.dealerships.save(desk.dealership_id, changed)
    made = await desk.receive(picture(1_000))
    assert made.expires_at == desk.clock() + timedelta(days=7)


async def test_a_result_belongs_to_whoever_uploaded_what_it_was_made_of(desk: Desk) -> None:
    source, job_id = await desk.receive(picture(1_000)), new_id()
    content = PNG + os.urandom(500_000)
    made = await desk.uploading().keep_result(
        source, job_id, "a-cut.png", "image/png", chunks(content)
    )
    assert (made.kind, made.job_id, made.user_id) == ("result", job_id, source.user_id)
    assert made.expires_at == source.expires_at
    opened = await desk.uploading().open(made)
    assert b"".join([part async for part in opened.read()]) == content


async def test_each_has_a_key_of_its_own_which_a_rotation_wraps_anew(desk: Desk) -> None:
    raw = os.urandom(32)
    old = MasterKeys({"m1": raw}, "m1")
    desk.vault = Vault(old)
    made = [await desk.receive(picture(1_000)) for _ in range(2)]
    assert made[0].data_key != made[1].data_key
    assert (await wrapped_by(desk.store, old))["m1"] == 2
    both = MasterKeys({"m2": os.urandom(32), "m1": raw}, "m2")
    assert (await rewrap(desk.store, both, desk.clock)).done == 2
    assert await wrapped_by(desk.store, both) == {"m2": 2}
    desk.vault = Vault(both)
    anew = await desk.store.uploads.get(desk.dealership_id, made[0].id)
    assert anew is not None
    opened = await desk.uploading().open(anew)
    assert opened.size == 1_000
    assert desk.uploading().name_of(anew) == "a.jpg"


async def test_no_name_is_stored_in_the_clear(desk: Desk) -> None:
    made = await desk.uploading().receive(
        desk.by, Sent("Ada Lovelace with her car.jpg", 1_000), chunks(picture(1_000))
    )
    assert "Lovelace" not in json.dumps(made.model_dump(mode="json"))
    assert desk.uploading().name_of(made) == "Ada Lovelace with her car.jpg"


async def test_too_many_previews_at_once_are_put_off(desk: Desk, tmp_path: Path) -> None:
    upload = await desk.receive(photo(90, 60))
    left = tmp_path / "previews" / "left by a crash"
    left.mkdir(parents=True)
    bench = workbench.Workbench(desk.uploading(), tmp_path / "previews")
    making = Previews(bench)
    await bench.start()
    assert not left.exists()
    try:
        asked = [making.of(upload) for _ in range(workbench.MAX_WAITING + 3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await bench.stop()
    put_off = [each for each in answers if isinstance(each, Problem)]
    assert [each.status for each in put_off] == [503] * 3
    assert {each.headers["Retry-After"] for each in put_off} == {str(workbench.RETRY_AFTER_S)}
    assert len([each for each in answers if isinstance(each, bytes)]) == workbench.MAX_WAITING
