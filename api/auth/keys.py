"""``secrets.toml``: the node's master keys, signing keys, audit key and link pepper.

The file lies in the data folder, readable by its owner alone. It is written at the first start and
belongs to the data: whoever has both reads everything, whoever loses it reads nothing encrypted.
Nodes that share a database share its contents.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from api.store.crypto import KEY_BYTES, KEY_ID, MasterKeys, derive

FILE_NAME: Final = "secrets.toml"
SIGNING_KEYS_KEPT: Final = 2
"""The current one and the one before: access tokens live 10 minutes."""

_MAX_BYTES = 64 * 1024
_TABLE = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_HEAD = """\
# Forecourt's secrets. Who has this file and the data folder can read everything; without it nothing
# that was encrypted can be read again. Keep a copy apart from the data, and never share it.
# `forecourt keys rotate signing` and `forecourt keys rotate master` change it.
"""


class BadSecrets(Exception):
    """secrets.toml is not there, not private, or not right; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    raw: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the file holds. Of the master and the signing keys the first is the current one."""

    master_keys: tuple[Key, ...]
    signing_keys: tuple[Key, ...]
    audit_key: bytes = field(repr=False)
    link_pepper: bytes = field(repr=False)

    @classmethod
    def new(cls, now: datetime) -> Secrets:
        return cls(
            (_new_key("m", now),),
            (_new_key("s", now),),
            secrets.token_bytes(KEY_BYTES),
            secrets.token_bytes(KEY_BYTES),
        )

    def masters(self) -> MasterKeys:
        return MasterKeys({key.id: key.raw for key in self.master_keys}, self.master_keys[0].id)

    def signing(self) -> dict[str, bytes]:
        """The JWT keys by kid, the current one first."""
        return {key.id: key.raw for key in self.signing_keys}

    def derived(self, purpose: str) -> bytes:
        """32 bytes for a purpose such as ``refresh`` or ``media``; a rotation leaves them."""
        return derive(self.link_pepper, purpose)

    def rotated(self, what: Literal["signing", "master"], now: datetime) -> Secrets:
        """With a new current key. All older master keys stay: they still unwrap data keys."""
        if what == "master":
            return replace(self, master_keys=(_new_key("m", now), *self.master_keys))
        keys = (_new_key("s", now), *self.signing_keys)
        return replace(self, signing_keys=keys[:SIGNING_KEYS_KEPT])

    def without_master(self, key_id: str) -> Secrets:
        """Without an older master key, once every data key was wrapped anew."""
        if key_id == self.master_keys[0].id:
            raise BadSecrets(f"{key_id} is the current master key: rotate first.")
        kept = tuple(key for key in self.master_keys if key.id != key_id)
        if len(kept) == len(self.master_keys):
            raise BadSecrets(f"There is no master key {key_id}.")
        return replace(self, master_keys=kept)

    def to_toml(self) -> str:
        parts = [_HEAD, "version = 1\n"]
        for table, keys in (("master_keys", self.master_keys), ("signing_keys", self.signing_keys)):
            parts += [
                f'\n[[{table}]]\nid = "{key.id}"\nkey = "{_encode(key.raw)}"\n'
                f"created = {key.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
                for key in keys
            ]
        parts.append(f'\n[audit]\nkey = "{_encode(self.audit_key)}"\n')
        parts.append(f'\n[links]\npepper = "{_encode(self.link_pepper)}"\n')
        return "".join(parts)


def load(path: Path) -> Secrets:
    """The secrets in `path`. Raises `BadSecrets`, with the line that is wrong."""
    return parse(_read_private(path), path)


def load_or_create(path: Path, now: datetime) -> tuple[Secrets, bool]:
    """The secrets in `path`, and whether they were made just now."""
    if os.path.lexists(path):
        return load(path), False
    made = Secrets.new(now)
    try:
        _write_new(path, made.to_toml())
    except FileExistsError:  # another process was first
        return load(path), False
    return made, True


def write_new(path: Path, kept: Secrets) -> None:
    """Write `kept` to `path`, where nothing may be. Raises `BadSecrets`."""
    try:
        _write_new(path, kept.to_toml())
    except FileExistsError as error:
        raise BadSecrets(f"{path} is there already.") from error


def rotate(path: Path, what: Literal["signing", "master"], now: datetime) -> Secrets:
    """Give `path` a new current key. A running node knows it after it reads the file again."""
    with _sole_writer(path):
        changed = load(path).rotated(what, now)
        _replace(path, changed.to_toml())
    return changed


def forget_master(path: Path, key_id: str) -> Secrets:
    """Remove an older master key from `path`; what it still wraps is lost."""
    with _sole_writer(path):
        changed = load(path).without_master(key_id)
        _replace(path, changed.to_toml())
    return changed


def parse(text: str, path: Path) -> Secrets:
    """Secrets of a file's text; `path` is for messages, which never quote a value."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at (.*)\)$", str(error))
        raise BadSecrets(f"{path}: this is not TOML, {where[1] if where else ''}.") from error
    return _Reader(document, text, path).secrets()


class _Reader:
    """Checks a document and says on which line it is wrong."""

    def __init__(self, document: dict[str, Any], text: str, path: Path) -> None:
        self._document = document
        self._path = path
        self._lines = _lines_of(text)

    def secrets(self) -> Secrets:
        wanted = {"version", "master_keys", "signing_keys", "audit", "links"}
        self._exactly(self._document, wanted, ())
        if self._document["version"] != 1 or self._document["version"] is True:
            raise self._wrong(("version",), "this release reads version 1")
        return Secrets(
            self._keys("master_keys"),
            self._keys("signing_keys"),
            self._lone("audit", "key"),
            self._lone("links", "pepper"),
        )

    def _keys(self, table: str) -> tuple[Key, ...]:
        entries = self._document[table]
        if not isinstance(entries, list) or not entries:
            raise self._wrong((table,), f"at least one [[{table}]] is needed")
        keys: list[Key] = []
        for number, entry in enumerate(entries):
            where = (table, number)
            if not isinstance(entry, dict):
                raise self._wrong((table,), f"write each as [[{table}]]")
            self._exactly(entry, {"id", "key", "created"}, where)
            key_id, created = entry["id"], entry["created"]
            if not isinstance(key_id, str) or KEY_ID.fullmatch(key_id) is None:
                raise self._wrong((*where, "id"), "an id is 1 to 64 of A-Z a-z 0-9 _ -")
            if any(key.id == key_id for key in keys):
                raise self._wrong((*where, "id"), "this id is there twice")
            if not isinstance(created, datetime) or created.tzinfo is None:
                raise self._wrong((*where, "created"), "a date like 2026-01-31T12:00:00Z is needed")
            keys.append(Key(key_id, self._raw(entry["key"], (*where, "key")), created))
        return tuple(keys)

    def _lone(self, table: str, name: str) -> bytes:
        entry = self._document[table]
        if not isinstance(entry, dict):
            raise self._wrong((table,), f"write it as [{table}] with {name} = ...")
        self._exactly(entry, {name}, (table, 0))
        return self._raw(entry[name], (table, 0, name))

    def _raw(self, value: object, where: tuple[str | int, ...]) -> bytes:
        wrong = self._wrong(where, f"{KEY_BYTES} bytes in base64 are needed")
        try:
            raw = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
        except (ValueError, binascii.Error) as error:
            raise wrong from error
        if len(raw) != KEY_BYTES or len(set(raw)) < 8:
            raise wrong
        return raw

    def _exactly(
        self, entry: dict[str, Any], wanted: set[str], where: tuple[str | int, ...]
    ) -> None:
        for name in sorted(wanted - entry.keys()):
            raise self._wrong(where, f"{name} is missing")
        for name in sorted(entry.keys() - wanted):
            raise self._wrong((*where, name), "nothing of this name is known")

    def _wrong(self, where: tuple[str | int, ...], detail: str) -> BadSecrets:
        name = ".".join(str(part) for part in where if isinstance(part, str))
        line = self._lines.get(where) or self._lines.get((*where, 0)) or 1
        return BadSecrets(f"{self._path}, line {line}: {name + ': ' if name else ''}{detail}.")


def _lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    """Line numbers (from 1) of tables ``(name, n)`` and keys ``(name, n, key)`` or ``(key,)``."""
    lines: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            name = head[1]
            table = (name, counts.get(name, 0))
            counts[name] = counts.get(name, 0) + 1
            lines[table] = number
            lines.setdefault((name,), number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines


def _new_key(prefix: str, now: datetime) -> Key:
    made = now.astimezone(UTC).replace(microsecond=0)
    key_id = f"{prefix}{made:%Y%m%d}-{secrets.token_hex(4)}"
    return Key(key_id, secrets.token_bytes(KEY_BYTES), made)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _read_private(path: Path) -> str:
    """The text of a file that nobody else can read. Raises `BadSecrets`."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            detail = f"{path} is a symbolic link: put the file itself there."
        else:
            detail = f"{path} cannot be read: {error.strerror}."
        raise BadSecrets(detail) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise BadSecrets(f"{path} is not a file.")
        if status.st_uid != os.geteuid():
            raise BadSecrets(f"{path} belongs to another user: chown it to the one who runs this.")
        if status.st_mode & 0o077:
            raise BadSecrets(
                f"{path} can be read or changed by others (mode {status.st_mode & 0o777:04o}): "
                f"run chmod 600 {path}, and rotate the keys if somebody may have read them."
            )
        raw = os.read(file, _MAX_BYTES + 1)
    finally:
        os.close(file)
    if len(raw) > _MAX_BYTES:
        raise BadSecrets(f"{path} is larger than {_MAX_BYTES} bytes: it is no file of secrets.")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadSecrets(f"{path} is not UTF-8, at byte {error.start}.") from error


@contextlib.contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    """A private file with `text`, on the disk, in the same folder; gone afterwards."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(text.encode())
            opened.flush()
            os.fchmod(opened.fileno(), 0o600)
            os.fsync(opened.fileno())
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _write_new(path: Path, text: str) -> None:
    """All of it or nothing. Raises `FileExistsError`."""
    with _written_beside(path, text) as beside:
        os.link(beside, path)
    _sync_folder(path)


def _replace(path: Path, text: str) -> None:
    with _written_beside(path, text) as beside:
        beside.replace(path)
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
