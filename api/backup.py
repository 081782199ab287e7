"""A node's data as a folder: the store, the blobs, the audit log's tails and the secrets.

::

    manifest.json    format, schema, when, and the digest of SHA256SUMS
    SHA256SUMS       every other file, as `sha256sum --check` reads it
    store/           an export (`api.store.exports`)
    blobs/           as they are stored: sealed
    audit/           what the store has yet to take of the audit log
    secrets.sealed   secrets.toml under a passphrase (`api.passphrase`)

What was sealed stays sealed; so without the passphrase a backup shows no more than the store does.
It is made beside its final place and renamed when it is whole. It is no snapshot: stop the node
first. A call that is over has its journal and its recording among the blobs. One that is not put
away yet has its files in ``sessions/``, which are the node's own and not in it: its events are, as
far as the store has them. The node's next start puts it away, or takes it up again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from api import passphrase as passphrases
from api.auth import keys
from api.ids import new_id
from api.store import exports
from api.store.base import Database, StoreError, Unreadable
from api.store.blobs import BlobId, Blobs
from api.store.documents import Count, Digest, Moment, Part
from api.store.kinds import KINDS
from api.store.migrations import History
from api.store.rewrapping import wrapped_by
from api.store.store import Store

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SECRETS: Final = "secrets.sealed"

_BLOCK = 2**20
_ID = "[0-9a-f]{24}"
_LINE = re.compile(
    rf"([0-9a-f]{{64}})  (store/[a-z_]{{1,60}}\.jsonl?|blobs/{_ID}/{_ID}/{_ID}"
    rf"|audit/[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,63}}\.jsonl|{re.escape(SECRETS)})"
)


class Manifest(Part):
    format: Literal[1] = 1
    schema_: int = Field(ge=1, alias="schema")
    made_at: Moment
    files: Count
    bytes_: Count = Field(alias="bytes")
    sums: Digest
    has_secrets: bool


@dataclass(frozen=True, slots=True)
class Node:
    """What a backup is made of, or restored to: an open store, its blobs, the data folder."""

    database: Database
    blobs: Blobs
    data: Path

    @property
    def secrets(self) -> Path:
        return self.data / keys.FILE_NAME

    @property
    def audit(self) -> Path:
        return self.data / "audit"


async def back_up(node: Node, folder: Path, passphrase: str | None, now: datetime) -> Manifest:
    """Into `folder`, which must not be there; without a passphrase the secrets are left out.

    Raises `StoreError`, `BadSecrets`, `WrongPassphrase`, `OSError`.
    """
    if _is_there(folder):
        raise StoreError(f"{folder} is there already; a backup makes its own folder.")
    sealed = None if passphrase is None else await _sealed_secrets(node, passphrase)
    partial = folder.with_name(f".{folder.name}.{new_id()}")
    partial.mkdir(parents=True, mode=0o700)
    try:
        schema = (await exports.export(node.database, partial / "store")).schema_
        async for blob, size in node.blobs.list():
            await _fetch(node.blobs, blob, size, partial / "blobs" / blob.path)
        for tail in sorted(node.audit.glob("*.jsonl")):
            await asyncio.to_thread(_write, partial / "audit" / tail.name, tail.read_bytes())
        if sealed is not None:
            _write(partial / SECRETS, sealed)
        sums, size = await asyncio.to_thread(_sums, partial)
        _write(partial / SUMS, sums)
        manifest = Manifest(
            schema_=schema,
            made_at=now,
            files=sums.count(b"\n"),
            bytes_=size,
            sums=hashlib.sha256(sums).hexdigest(),
            has_secrets=sealed is not None,
        )
        _write(partial / MANIFEST, manifest.model_dump_json(by_alias=True, indent=2).encode())
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise
    return manifest


async def _sealed_secrets(node: Node, passphrase: str) -> bytes:
    """Raises `BadSecrets` also for secrets that do not open what the store holds."""
    secrets = keys.load(node.secrets)
    known = {key.id for key in secrets.master_keys}
    needed = await wrapped_by(Store(node.database), secrets.masters())
    if lacking := sorted(needed.keys() - known):
        raise keys.BadSecrets(
            f"{node.secrets} lacks the master keys {', '.join(lacking)}, which the store needs: "
            "it is not the one that belongs to this store."
        )
    return await asyncio.to_thread(passphrases.seal, secrets.to_toml().encode(), passphrase)


async def restore(node: Node, folder: Path, passphrase: str | None) -> Manifest:
    """Into a node with nothing in it. Everything is read and checked before anything is written.

    Raises `Unreadable` for damage, `NewerSchema`, `StoreError` for a node that is not empty,
    `BadSecrets`, `WrongPassphrase`, `OSError`.
    """
    manifest = read_manifest(folder)
    History().refuse_newer(manifest.schema_)
    await _refuse_filled(node, manifest)
    names = await asyncio.to_thread(_checked, folder, manifest)
    secrets = None
    if manifest.has_secrets:
        if passphrase is None:
            raise passphrases.WrongPassphrase(f"{folder} needs the passphrase of its secrets.")
        sealed = (folder / SECRETS).read_bytes()
        plain = await asyncio.to_thread(passphrases.unseal, sealed, passphrase)
        secrets = keys.parse(plain.decode(), folder / SECRETS)
    await exports.restore(node.database, folder / "store")
    for name in names:
        if blob := BlobId.at(name.removeprefix("blobs/")):
            await node.blobs.put_stored(blob, _blocks(folder / name))
        elif name.startswith("audit/"):
            await asyncio.to_thread(_write, node.data / name, (folder / name).read_bytes())
    if secrets is not None:
        node.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys.write_new(node.secrets, secrets)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Raises `Unreadable`."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise Unreadable(
            f"{path} is not the manifest of a backup that this version of Forecourt knows."
        ) from error


async def _refuse_filled(node: Node, manifest: Manifest) -> None:
    """Raises `StoreError` for a node that holds anything already."""
    for kind in KINDS:
        if await node.database.collection(kind).count(()):
            raise StoreError(f"{node.database.location} already holds {kind.name}: not restored.")
    async for _ in node.blobs.list():
        raise StoreError(f"{node.blobs.location} already holds blobs: not restored.")
    if manifest.has_secrets and _is_there(node.secrets):
        raise StoreError(f"{node.secrets} is there already: not restored.")
    if any(node.audit.glob("*.jsonl")):
        raise StoreError(f"{node.audit} already holds an audit log's tail: not restored.")


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _checked(folder: Path, manifest: Manifest) -> list[str]:
    """The names of all files, each as it was when it was written. Raises `Unreadable`."""
    path = folder / SUMS
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(raw).hexdigest() != manifest.sums:
        raise Unreadable(f"{path} was changed: its digest is not the one in the manifest.")
    names = []
    for number, line in enumerate(raw.decode("ascii", "replace").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise Unreadable(f"{path}:{number} names no file of a backup.")
        digest, name = found.groups()
        if _digest(folder / name)[0] != digest:
            raise Unreadable(f"{folder / name} was changed: its digest is not the one in {SUMS}.")
        names.append(name)
    if surplus := sorted(set(_files(folder)) - {*names, MANIFEST, SUMS}):
        raise Unreadable(f"{folder / surplus[0]} is not in {SUMS}: it was put there later.")
    if manifest.has_secrets != (SECRETS in names):
        raise Unreadable(f"{folder / MANIFEST} and {SUMS} disagree about {SECRETS}.")
    return names


def _sums(folder: Path) -> tuple[bytes, int]:
    """SHA256SUMS of all files in `folder`, by name, and how many bytes they have."""
    lines, size = [], 0
    for name in _files(folder):
        digest, length = _digest(folder / name)
        lines.append(f"{digest}  {name}\n")
        size += length
    return "".join(lines).encode(), size


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _digest(path: Path) -> tuple[str, int]:
    """Raises `Unreadable`; a symbolic link is none of a backup's files."""
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest(), size


async def _fetch(blobs: Blobs, blob: BlobId, size: int, path: Path) -> None:
    with _new(path) as file:
        for at in range(0, size, _BLOCK):
            file.write(await blobs.fetch(blob, at, min(at + _BLOCK, size)))
        await asyncio.to_thread(_settle, file)


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block


def _write(path: Path, data: bytes) -> None:
    with _new(path) as file:
        file.write(data)
        _settle(file)


def _new(path: Path) -> Any:
    """A new file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _settle(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
