"""Blobs: recordings and whatever else is too large for a document, in a folder or in S3.

A blob goes by three ids (dealership, session, blob), never by a path. It is sealed while it streams
in (`api.store.segments`, the place being those ids), so that neither the folder nor the bucket ever
holds a word in the clear, and a range opens only the segments that it lies in. A blob is there when
it is whole, or not at all. In a folder it is on the disk when `put` returns. An upload to S3 that a
crash ended leaves hidden parts there: give the bucket a rule that ends incomplete uploads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from api.ids import is_id, new_id
from api.store.base import Duplicate, Full, Missing, StoreError, Unavailable, is_full
from api.store.crypto import DataKey
from api.store.segments import HEADER_BYTES, SEGMENT_BYTES, FixedLayout, Sealer, Segments

FORMS: Final = "file:///folder or s3://bucket/prefix"
MAX_BYTES: Final = 4 * 2**30
"""Of plain text in one blob."""

_WINDOW = 16 * SEGMENT_BYTES
"""Plain text that is fetched and opened at once."""
_FULL: Final = re.compile(rf"\(os error ({errno.ENOSPC}|{errno.EDQUOT})\)")
"""As obstore's errors end, which have no number of their own."""
_PART_BYTES = 5 * 2**20
_PARTS = 2
_PARTIAL = ".partial"
_TIMEOUT = timedelta(seconds=30)
_CONNECT = timedelta(seconds=5)


class TooLarge(StoreError):
    """More than a blob may hold."""


@dataclass(frozen=True, slots=True)
class BlobId:
    """Where a blob belongs. Raises `ValueError` for anything but ids."""

    dealership_id: str
    session_id: str
    blob_id: str

    def __post_init__(self) -> None:
        for part in (self.dealership_id, self.session_id, self.blob_id):
            if not is_id(part):
                raise ValueError("a blob goes by three ids of 24 hexadecimal digits")

    @property
    def place(self) -> str:
        return f"{self.dealership_id}:{self.session_id}:{self.blob_id}"

    @property
    def path(self) -> str:
        return f"{self.dealership_id}/{self.session_id}/{self.blob_id}"

    @classmethod
    def at(cls, path: str) -> BlobId | None:
        """None of a path that is no blob's."""
        parts = path.split("/")
        return cls(*parts) if len(parts) == 3 and all(is_id(part) for part in parts) else None


class OpenBlob:
    """One blob to read from."""

    def __init__(self, blobs: Blobs, blob: BlobId, segments: Segments, layout: FixedLayout) -> None:
        self._blobs = blobs
        self._blob = blob
        self._segments = segments
        self._layout = layout

    @property
    def size(self) -> int:
        """Bytes of plain text."""
        return self._layout.size

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Plain text ``[start, end)``, in parts of at most 1 MiB.

        Raises `ValueError` for a range beyond it, `Damaged`, `Missing`, `Unavailable`.
        """
        end = self.size if end is None else end
        self._layout.span(start, end)
        while start < end:
            until = min(start - start % SEGMENT_BYTES + _WINDOW, end)
            low, high, _ = self._layout.span(start, until)
            stored = await self._blobs.fetch(self._blob, low, high)
            yield self._layout.open(self._segments, start, until, stored)
            start = until


class Blobs:
    """All blobs of a node or, in S3, of all nodes. `open` it first."""

    def __init__(self, at: LocalStore | S3Store, location: str, folder: Path | None = None) -> None:
        """`folder` is where a `LocalStore` lies. `open_blobs` makes one of an address."""
        self._at = at
        self.location = location
        self._folder = folder

    async def open(self) -> None:
        """Make the folder, and clear what a crash left half written. Raises `Unavailable`."""
        if self._folder is not None:
            with self._answers():
                await asyncio.to_thread(_clear, self._folder / _PARTIAL)

    async def put(
        self,
        key: DataKey,
        blob: BlobId,
        chunks: AsyncIterator[bytes],
        *,
        max_bytes: int = MAX_BYTES,
    ) -> int:
        """Seal and store what `chunks` bring; returns how many bytes that was.

        At most some 15 MiB are in memory. What `chunks` raises comes through, and nothing is
        stored. Raises `TooLarge`, `Duplicate`, `Unavailable`.
        """
        sealer = Sealer(key, blob.place)
        size = 0

        async def sealed() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge(f"A blob may have {max_bytes} bytes; this one has more.")
                for at in range(0, len(chunk), SEGMENT_BYTES):
                    if ready := sealer.push(chunk[at : at + SEGMENT_BYTES]):
                        yield ready
            yield sealer.finish()

        await self.put_stored(blob, sealed())
        return size

    async def get(self, key: DataKey, blob: BlobId) -> OpenBlob:
        """Raises `Missing`, `Damaged`, `WrongKey`, `Unavailable`."""
        layout = FixedLayout(await self.stored_bytes(blob))
        header = await self.fetch(blob, 0, HEADER_BYTES)
        return OpenBlob(self, blob, Segments(key, blob.place, header), layout)

    async def exists(self, blob: BlobId) -> bool:
        try:
            await self.stored_bytes(blob)
        except Missing:
            return False
        return True

    async def delete(self, blob: BlobId) -> None:
        """It is not there afterwards, nor need it have been. Raises `Unavailable`."""
        with self._answers(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._at, blob.path)
            if self._folder is not None:
                await asyncio.to_thread(_prune, (self._folder / blob.path).parent)

    async def list(
        self, dealership_id: str | None = None, session_id: str | None = None
    ) -> AsyncIterator[tuple[BlobId, int]]:
        """The blobs of a session, a dealership or (for the operator) all, with their stored sizes.

        Raises `ValueError` for what is no id, and `Unavailable`.
        """
        parts = [part for part in (dealership_id, session_id) if part is not None]
        if not all(is_id(part) for part in parts) or (session_id and not dealership_id):
            raise ValueError("blobs are listed by a dealership's id, or also a session's")
        if self._folder is not None and not self._folder.joinpath(*parts).is_dir():
            return
        with self._answers():
            async for some in obstore.list(self._at, "/".join(parts) or None, chunk_size=500):
                for one in some:
                    blob = BlobId.at(one["path"])
                    if blob is not None:
                        yield blob, one["size"]

    async def stored_bytes(self, blob: BlobId) -> int:
        """Raises `Missing`, `Unavailable`."""
        with self._answers(blob):
            return (await obstore.head_async(self._at, blob.path))["size"]

    async def fetch(self, blob: BlobId, start: int, end: int) -> bytes:
        """Stored bytes ``[start, end)``, as they are. Raises `Missing`, `Unavailable`."""
        if start == end:
            return b""
        with self._answers(blob):
            return bytes(await obstore.get_range_async(self._at, blob.path, start=start, end=end))

    async def put_stored(self, blob: BlobId, chunks: AsyncIterator[bytes]) -> None:
        """Store what is sealed already. Raises `Duplicate`, `Unavailable`."""
        if await self.exists(blob):
            raise Duplicate("blobs", ["id"])
        raised: list[BaseException] = []

        async def watched() -> AsyncIterator[bytes]:
            try:
                async for chunk in chunks:
                    yield chunk
            except BaseException as error:
                raised.append(error)
                raise

        to = blob.path if self._folder is None else f"{_PARTIAL}/{new_id()}"
        try:
            with self._answers():
                await obstore.put_async(
                    self._at,
                    to,
                    watched(),
                    use_multipart=True,
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS,
                )
                if self._folder is not None:
                    move = (self._folder / to, self._folder / blob.path, self._folder)
                    await asyncio.shield(asyncio.to_thread(_settle, *move))
        except Unavailable:
            if raised:  # an error of the source is the source's, not the store's
                raise raised[0] from None
            raise

    @contextlib.contextmanager
    def _answers(self, blob: BlobId | None = None) -> Iterator[None]:
        """What the folder or the bucket raises, as the store's errors."""
        try:
            yield
        except (BaseError, OSError) as error:
            if blob is not None and isinstance(error, FileNotFoundError):
                raise Missing(f"The blob {blob.path} is not there.") from error
            told = str(error).partition("\n")[0][:300]
            kind = Full if is_full(error) or _FULL.search(told) else Unavailable
            raise kind(f"{self.location}: {told}") from error


def open_blobs(url: str) -> Blobs:
    """The blobs at ``file:///absolute/folder`` or ``s3://bucket/prefix``.

    Where S3 is, and what it asks for, stands in the environment, as for all its clients:
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP. Raises
    `StoreError` for an address of another form; the message never quotes it.
    """
    parts = urlsplit(url)
    is_plain = not parts.query and not parts.fragment
    if parts.scheme == "file" and is_plain and not parts.netloc and len(parts.path) > 1:
        folder = Path(unquote(parts.path))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"{folder} cannot be made: {error.strerror}.") from error
        return Blobs(LocalStore(folder), str(folder), folder)
    bucket = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc)
    if parts.scheme == "s3" and bucket and is_plain:
        prefix = parts.path.strip("/")
        at = S3Store(
            parts.netloc,
            prefix=prefix or None,
            client_options={
                "timeout": _TIMEOUT,
                "connect_timeout": _CONNECT,
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
            },
            retry_config={"max_retries": 3, "retry_timeout": _TIMEOUT},
        )
        return Blobs(at, f"s3://{parts.netloc}/{prefix}")
    raise StoreError(f"The blobs' address must be like {FORMS}.")


def _clear(partial: Path) -> None:
    partial.mkdir(exist_ok=True, mode=0o700)
    for path in partial.iterdir():
        path.unlink()


def _settle(partial: Path, path: Path, root: Path) -> None:
    """Force a whole file to the disk, and then give it its name."""
    try:
        partial.chmod(0o600)
        _sync(partial)
        path.parent.parent.mkdir(exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            path.hardlink_to(partial)  # unlike a renaming, never over another
        except FileExistsError as error:
            raise Duplicate("blobs", ["id"]) from error
    finally:
        partial.unlink()
    for folder in (path.parent, path.parent.parent, root):
        _sync(folder)


def _prune(folder: Path) -> None:
    """Remove a session's folder once it is empty; its name is an id that was to be forgotten."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        _sync(folder)  # there are others in it
    else:
        _sync(folder.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
