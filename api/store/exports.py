"""A store as files: a file of JSON lines for each collection, and a manifest with their digests.

An export holds what the store holds: what was sealed stays sealed, and is worth nothing without the
keys. It is written beside its final place and renamed when it is whole. It is no snapshot: stop the
node first, or what changes meanwhile is there or not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from api.ids import new_id
from api.store.base import MAX_MANY, Database, Kind, StoreError, Unreadable
from api.store.documents import Count, Digest, Document, Moment, Part
from api.store.kinds import KINDS
from api.store.migrations import History

MANIFEST = "manifest.json"
MAX_LINE_BYTES = 20 * 2**20
"""Of a document; MongoDB takes 16 MiB."""
_BATCH = MAX_MANY // 5


class Exported(Part):
    """One collection's file."""

    documents: Count
    sha256: Digest


class Manifest(Part):
    format: Literal[1] = 1
    schema_: Annotated[int, Field(ge=1, alias="schema")]
    exported_at: Moment
    collections: dict[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,60}$")], Exported]


async def export(
    database: Database, folder: Path, kinds: Sequence[Kind[Any, Any]] = KINDS
) -> Manifest:
    """Into `folder`, which must not be there. Raises `StoreError`, `Unavailable`."""
    partial = _beside(folder)
    try:
        collections = {
            kind.name: await _write(database, kind, _file(partial, kind.name)) for kind in kinds
        }
        manifest = Manifest(
            schema_=await database.schema(), exported_at=datetime.now(UTC), collections=collections
        )
        with _new(partial / MANIFEST) as file:
            file.write(manifest.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise
    return manifest


def _beside(folder: Path) -> Path:
    if folder.exists():
        raise StoreError(f"{folder} is there already; an export makes its own folder.")
    partial = folder.with_name(f".{folder.name}.{new_id()}")
    try:
        partial.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{partial} cannot be made: {error.strerror}.") from error
    return partial


async def _write(database: Database, kind: Kind[Any, Any], path: Path) -> Exported:
    collection = database.collection(kind)
    digest, documents, after = hashlib.sha256(), 0, ""
    with _new(path) as file:
        while found := await collection.scan(after):
            lines = b"".join(one.model_dump_json(by_alias=True).encode() + b"\n" for one in found)
            digest.update(lines)
            file.write(lines)
            documents += len(found)
            after = found[-1].id
        file.flush()
        os.fsync(file.fileno())
    return Exported(documents=documents, sha256=digest.hexdigest())


async def restore(
    database: Database,
    folder: Path,
    kinds: Sequence[Kind[Any, Any]] = KINDS,
    history: History | None = None,
) -> Manifest:
    """Into an open store with nothing in it; an export of an older schema is upgraded.

    Every file is read and checked before anything is written. Raises `Unreadable` for damage,
    `NewerSchema`, `StoreError` for a store that is not empty.
    """
    history = history or History()
    manifest = _manifest(folder)
    history.refuse_newer(manifest.schema_)
    if unknown := sorted(manifest.collections.keys() - {kind.name for kind in kinds}):
        raise Unreadable(f"{folder} holds collections unknown here: {', '.join(unknown)}.")
    for kind in kinds:
        if await database.collection(kind).count(()):
            raise StoreError(f"{database.location} already holds {kind.name}; it must be empty.")
    for kind in kinds:
        if exported := manifest.collections.get(kind.name):
            _check(_file(folder, kind.name), kind, exported, manifest.schema_, history)
    for kind in kinds:
        if kind.name in manifest.collections:
            path = _file(folder, kind.name)
            await _insert(database, kind, _documents(path, kind, manifest.schema_, history))
    return manifest


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise Unreadable(f"{path} is not the manifest of an export.") from error


def _check(
    path: Path, kind: Kind[Any, Any], exported: Exported, schema: int, history: History
) -> None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    if digest.hexdigest() != exported.sha256:
        raise Unreadable(f"{path} was changed: its digest is not the one in the manifest.")
    if sum(1 for _ in _documents(path, kind, schema, history)) != exported.documents:
        raise Unreadable(f"{path} does not hold the {exported.documents} documents it should.")


def _documents(
    path: Path, kind: Kind[Any, Any], schema: int, history: History
) -> Iterator[Document]:
    """Raises `Unreadable` with the number of the line."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            try:
                raw = json.loads(line)
            except ValueError as error:
                raise Unreadable(f"{path}:{number} is not JSON.") from error
            if not isinstance(raw, dict):
                raise Unreadable(f"{path}:{number} is not a JSON object.")
            yield kind.read(history.upgrade(kind.name, raw, schema), kind.model)


async def _insert(database: Database, kind: Kind[Any, Any], documents: Iterator[Document]) -> None:
    collection = database.collection(kind)
    batch: list[Document] = []
    for document in documents:
        batch.append(document)
        if len(batch) == _BATCH:
            await _insert_all(collection, kind, batch)
            batch = []
    await _insert_all(collection, kind, batch)


async def _insert_all(collection: Any, kind: Kind[Any, Any], batch: list[Document]) -> None:
    if await collection.insert_new(batch) != len(batch):
        raise Unreadable(
            f"The export holds documents of {kind.name} that collide with each other; "
            "the store is incomplete and must be deleted."
        )


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


def _new(path: Path) -> Any:
    """A new file that only its owner reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
