"""What people upload: streamed into a sealed blob, told by its first bytes, looked at for malware.

Nothing of it touches a disk in the clear, and no more than some megabytes of each are in memory. An
upload's document comes first, as ``receiving``: what is cut off is found by it and swept away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from api.accounts.vault import Vault
from api.attachments import clean_name
from api.identity import Identity
from api.ids import new_id
from api.problems import Problem
from api.store.base import Missing, StoreError
from api.store.blobs import BlobId, Blobs, OpenBlob
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.kinds import UPLOADS
from api.store.repositories.scoped import Now
from api.store.store import Store
from api.store.uploads import Batch, Upload, UploadKind
from processing.scan import Clamd, Infected, Unscanned
from processing.sniffing import HEAD_BYTES, media_type

log = structlog.get_logger(__name__)

MIB: Final = 2**20
MAX_BYTES: Final[dict[UploadKind, int]] = {"picture": 25 * MIB, "recording": 1024 * MIB}
MAX_KEPT: Final[dict[UploadKind, int]] = {"picture": 2_000, "recording": 20}
"""Of one person at a time."""
KEPT: Final = timedelta(days=30)
RECEIVING_KEPT: Final = timedelta(hours=6)
"""Longer than any upload may take: what is not whole by then never will be."""
AT_ONCE: Final = 8
AT_ONCE_EACH: Final = 4
"""Uploads under way on this node, and of one person; some 15 MiB each."""
TAKES: Final = "JPEG, PNG, WebP, GIF, TIFF, HEIC or AVIF, or a WAV, MP3, M4A or Ogg recording"


@dataclass(frozen=True, slots=True)
class Sent:
    """What is said of a file that is sent; `size_bytes` is what its sender says. A shot of a batch
    has its number, and is kept as long as that."""

    name: str
    size_bytes: int
    batch: Batch | None = None
    shot: int | None = None


class Uploading:
    """Uploads of one node. Without a `scanner` nothing is looked at for malware."""

    def __init__(
        self, store: Store, blobs: Blobs, vault: Vault, scanner: Clamd | None, now: Now
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._vault = vault
        self._scanner = scanner
        self._now = now
        self._under_way: Counter[str] = Counter()

    # in

    async def receive(self, by: Identity, sent: Sent, chunks: AsyncIterator[bytes]) -> Upload:
        """Keep what `chunks` bring; what they raise comes through, and nothing is kept.

        Raises `Problem`: 413, 415, 422 for the file, 409 for a quota, 503 where it is to be sent
        again, and `StoreError`.
        """
        with self._turn(by.user_id):
            head, whole = await _headed(chunks)
            found = media_type(head)
            if found is None:
                raise _unknown(head)
            kind: UploadKind = "picture" if found.startswith("image/") else "recording"
            check_size(kind, sent.size_bytes)
            if kind == "recording" and sent.batch is not None:
                raise Problem(422, "A batch holds photos of a vehicle; this is a recording.")
            fields = {
                "user_id": by.user_id,
                "team_id": min(by.team_ids, default=None),
                "kind": kind,
                "media_type": found,
                "batch_id": None if sent.batch is None else sent.batch.id,
                "shot": sent.shot,
            }
            upload, key = self._made(by.dealership_id, sent.name, sent.size_bytes, fields)
            async with self._kept_or_gone(upload):
                await self._claim(upload)
                filled = await self._filled(upload, key, whole, sent.size_bytes)
                await self._scan(filled, key)
                if sent.batch is not None:
                    return await self._settle(filled, sent.batch.expires_at)
                return await self._settle(filled, await self.expiry(by.dealership_id))

    async def keep_result(
        self, source: Upload, job_id: str, name: str, found: str, chunks: AsyncIterator[bytes]
    ) -> Upload:
        """A file of the media type `found` that a job made of `source`, whose owner has it then.

        Raises `StoreError`, `TooLarge`, and what `chunks` raise.
        """
        fields = {
            "user_id": source.user_id,
            "team_id": source.team_id,
            "kind": "result",
            "media_type": found,
            "batch_id": source.batch_id,
            "shot": source.shot,
            "job_id": job_id,
        }
        size = MAX_BYTES["recording"]
        upload, key = self._made(source.dealership_id, name, size, fields)
        async with self._kept_or_gone(upload):
            await self._store.uploads.add(upload.dealership_id, upload)
            filled = await self._filled(upload, key, chunks, size)
            return await self._settle(filled, source.expires_at)

    # out

    async def open(self, upload: Upload) -> OpenBlob:
        """To be read in ranges. 404 where it was removed meanwhile. Raises `Unavailable`."""
        try:
            return await self._blobs.get(self._key(upload), blob_of(upload))
        except Missing as error:
            raise Problem(404, "This file was removed; upload it again.") from error
        except (Damaged, WrongKey) as error:
            log.error("upload_locked", upload=upload.id, error=str(error))
            raise Problem(503, "This file cannot be read just now; tell an operator.") from error

    async def copy(self, upload: Upload, path: Path) -> None:
        """All of it into a new file. Raises as `open` and as reading a blob does, and `OSError`."""
        opened = await self.open(upload)
        with path.open("wb") as file:
            async for chunk in opened.read():
                await asyncio.to_thread(file.write, chunk)

    def name_of(self, upload: Upload) -> str:
        """What its owner called it; where that does not open, which is logged, as what has no name
        is called."""
        try:
            return self._key(upload).open(upload.name, place=_place(upload)).decode()
        except (Damaged, WrongKey) as error:
            log.error("upload_name_locked", upload=upload.id, error=str(error))
            return clean_name("", upload.media_type)

    async def expiry(self, dealership_id: str) -> datetime:
        """Until when what comes now is kept: never longer than a call would be."""
        dealership = await self._store.dealerships.get(dealership_id)
        days = KEPT if dealership is None else timedelta(days=dealership.policy.retention_days)
        return self._now() + min(KEPT, days)

    # gone

    async def remove(self, upload: Upload) -> None:
        """Its blob, then its document with its key. Raises `StoreError`; do it again then."""
        await self._blobs.delete(blob_of(upload))
        await self._store.uploads.remove(upload.dealership_id, upload.id)

    async def forget_of(self, dealership_id: str, user_id: str) -> None:
        """All that a person uploaded, and what was made of it."""
        while found := await self._store.uploads.of_user(dealership_id, user_id):
            for upload in found:
                await self.remove(upload)
        await self._store.batches.remove_of_user(dealership_id, user_id)

    async def forget_expired(self, dealership_id: str) -> int:
        """What was kept for long enough, or never came whole; returns how many."""
        now, forgotten = self._now(), 0
        while found := await self._store.uploads.expired(dealership_id, now):
            for upload in found:
                await self.remove(upload)
            forgotten += len(found)
        await self._store.batches.forget_expired(dealership_id, now)
        return forgotten

    # the inside

    @contextlib.contextmanager
    def _turn(self, user_id: str) -> Iterator[None]:
        if self._under_way.total() >= AT_ONCE:
            raise _busy("Many files are being uploaded just now")
        if self._under_way[user_id] >= AT_ONCE_EACH:
            raise _busy(f"You are uploading {AT_ONCE_EACH} files already")
        self._under_way[user_id] += 1
        try:
            yield
        finally:
            self._under_way[user_id] -= 1

    def _made(
        self, dealership_id: str, given: str, size_bytes: int, fields: Mapping[str, object]
    ) -> tuple[Upload, DataKey]:
        now = self._now()
        # The name is sealed with a key that is bound to the document it stands in.
        blank = Upload.new(
            dealership_id,
            now,
            id=new_id(),
            name="",
            data_key="",
            size_bytes=size_bytes,
            expires_at=now + RECEIVING_KEPT,
            **fields,
        )
        key, wrapped = self._vault.new_key(blank)
        name = clean_name(given, blank.media_type).encode()
        sealed = {"name": key.seal(name, place=_place(blank)), "data_key": wrapped}
        return blank.model_copy(update=sealed), key

    @contextlib.asynccontextmanager
    async def _kept_or_gone(self, upload: Upload) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            try:
                await asyncio.shield(self.remove(upload))
            except StoreError as error:
                log.warning("upload_left_to_the_sweep", upload=upload.id, error=str(error))
            raise

    async def _claim(self, upload: Upload) -> None:
        """Its document is added before it is counted, so that no two pass for one place."""
        uploads, most = self._store.uploads, MAX_KEPT[upload.kind]
        await uploads.add(upload.dealership_id, upload)
        count = await uploads.count_of_user(upload.dealership_id, upload.user_id, upload.kind)
        if count > most:
            detail = (
                f"You keep {most} {upload.kind}s already, which is the most there can be: "
                "remove some that you need no more."
            )
            raise Problem(409, detail, code="quota")

    async def _filled(
        self, upload: Upload, key: DataKey, chunks: AsyncIterator[bytes], most: int
    ) -> Upload:
        digest = hashlib.sha256()

        async def hashed() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                digest.update(chunk)
                yield chunk

        size = await self._blobs.put(key, blob_of(upload), hashed(), max_bytes=most)
        return upload.model_copy(update={"size_bytes": size, "sha256": digest.hexdigest()})

    async def _scan(self, upload: Upload, key: DataKey) -> None:
        if self._scanner is None:
            return
        opened = await self._blobs.get(key, blob_of(upload))
        try:
            await self._scanner.scan(opened.read())
        except Infected as error:
            log.warning("upload_infected", upload=upload.id, signature=error.signature)
            detail = "The malware scanner refuses this file, so it was not kept."
            raise Problem(422, detail, code="infected") from error
        except Unscanned as error:
            log.error("upload_unscanned", upload=upload.id, error=str(error))
            raise _busy("The malware scanner does not answer, so the file was not kept") from error

    async def _settle(self, filled: Upload, expires_at: datetime) -> Upload:
        ready = filled.changed(self._now(), status="ready", expires_at=expires_at)
        await self._store.uploads.save(ready.dealership_id, ready)
        await self._supersede(ready)
        return ready

    async def _supersede(self, ready: Upload) -> None:
        """A shot that is taken again takes the place of the one before, and of what was made of
        that; of two that come at once the one begun later stays in any case."""
        if ready.batch_id is None or ready.kind == "result":
            return
        for each in await self._store.uploads.of_batch(ready.dealership_id, ready.batch_id):
            is_earlier = (each.created_at, each.id) < (ready.created_at, ready.id)
            if each.shot == ready.shot and is_earlier:
                await self.remove(each)

    def _key(self, upload: Upload) -> DataKey:
        key = self._vault.key_of(upload)
        assert key is not None
        return key


def blob_of(upload: Upload) -> BlobId:
    """Where an upload's bytes are: the only blob in a place of its own."""
    return BlobId(upload.dealership_id, upload.id, upload.id)


def check_size(kind: UploadKind, size_bytes: int) -> None:
    """Raises `Problem` (413)."""
    most = MAX_BYTES[kind]
    if size_bytes > most:
        detail = f"This {kind} has {size_bytes / MIB:.1f} MiB; at most {most // MIB} are taken."
        raise Problem(413, detail)


async def _headed(chunks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes of what comes, and all of it."""
    head = bytearray()
    async for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break

    async def whole() -> AsyncIterator[bytes]:
        yield bytes(head)
        async for chunk in chunks:
            yield chunk

    return bytes(head[:HEAD_BYTES]), whole()


def _place(upload: Upload) -> str:
    return f"{upload.dealership_id}:{UPLOADS.name}:{upload.id}:name"


def _unknown(head: bytes) -> Problem:
    if not head:
        return Problem(422, "The file is empty.")
    return Problem(415, f"This is no file that can be used here: send a photo as {TAKES}.")


def _busy(why: str) -> Problem:
    return Problem(503, f"{why}; send this one again in a moment.", headers={"Retry-After": "5"})
