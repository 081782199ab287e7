"""Model weights and test speech: catalogues of files that are fetched once, verified and cached.

A catalogue is a TOML file (`engine/models.toml`; its head describes the format). `ensure` yields a
folder that holds an entry's files and looks, in this order, at an explicit path, the cache, data
packages (pip and npm) and the hub at a pinned revision. Whatever the source, a file is used only
when its sha256 is the catalogue's. A good cache is recognised without hashing and without network.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from engine.sources import Entry, Packages, Report, Repository, Source, SourceError

DEFAULT = "whisper-tiny.en"
SOURCES: tuple[Source, ...] = (Packages(), Repository())
STAMP = ".verified.json"
SCRATCH = ".fetch-"
ABANDONED_AFTER_S = 24 * 3600

State = Literal["absent", "damaged", "unverified", "ready"]
Signature = dict[str, list[int]]


class ModelError(Exception):
    """An entry cannot be used; the message says what was wrong and what to do."""


class UnknownModelError(ModelError):
    """The catalogue has no entry of that name."""


class DamagedError(ModelError):
    """A file is missing or differs from the catalogue.

    `expected` and `actual` are sha256 in hexadecimal; `actual` is None when the file is missing.
    """

    def __init__(self, path: Path, expected: str, actual: str | None, remedy: str = "") -> None:
        found = "is missing" if actual is None else f"has sha256 {actual}"
        super().__init__(f"{path} {found}; the catalogue says {expected}. {remedy}".rstrip())
        self.path, self.expected, self.actual = path, expected, actual


class UnreachableError(ModelError):
    """No source delivered the entry; the message names each and the commands to run by hand."""


class Catalogue:
    """The entries of one catalogue and their folders below `root`."""

    def __init__(
        self, entries: Sequence[Entry], *, root: Path, sources: Sequence[Source] = SOURCES
    ) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.root = root
        self._sources = tuple(sources)

    @classmethod
    def load(
        cls, path: Path, *, root: Path | None = None, sources: Sequence[Source] = SOURCES
    ) -> Catalogue:
        """Read a catalogue; its folders lie below `root` (by default `cache_root`)/<file stem>.

        Raises OSError, tomllib.TOMLDecodeError or pydantic.ValidationError.
        """
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = [Entry.model_validate({"name": name, **table}) for name, table in tables.items()]
        return cls(entries, root=(root or cache_root()) / path.stem, sources=sources)

    def entry(self, name: str) -> Entry:
        """The entry called `name`. Raises UnknownModelError."""
        if name not in self.entries:
            known = ", ".join(sorted(self.entries))
            raise UnknownModelError(f"There is no model called {name!r}; known are {known}.")
        return self.entries[name]

    def folder(self, name: str) -> Path:
        """Where the cache keeps the entry, whether it is there or not.

        The name changes with the content, so that two versions never meet in one folder.
        """
        entry = self.entry(name)
        content = "".join(f"{file.path}\0{file.sha256}\0" for file in entry.files)
        return self.root / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def state(self, name: str) -> State:
        """What the cache holds of the entry, without hashing.

        `unverified`: every size is right but no full verification is on record for these files.
        """
        entry, folder = self.entry(name), self.folder(name)
        if not folder.is_dir():
            return "absent"
        signature = _signature(entry, folder)
        if signature is None:
            return "damaged"
        return "ready" if signature == _read_stamp(folder) else "unverified"

    def verify(self, name: str, *, path: Path | None = None) -> Path:
        """Hash every file in `path`, or in the cache, and return the folder.

        Raises DamagedError, naming both checksums; ModelError when the entry is not cached.
        """
        entry = self.entry(name)
        if path is not None:
            _check(entry, path, f"The folder must hold the files of {name} unchanged.")
            return path
        folder = self.folder(name)
        if not folder.is_dir():
            raise ModelError(f"{name} is not in the cache; `forecourt models fetch {name}`.")
        _check(entry, folder, f"`forecourt models fetch {name}` replaces it.")
        _write_stamp(entry, folder)
        return folder

    def ensure(
        self, name: str, *, path: Path | None = None, progress: bool = True, repair: bool = False
    ) -> Path:
        """Folder that holds the entry's verified files, fetched if need be.

        With `path` only that folder is considered. A damaged cache is refused unless `repair`
        allows replacing it. `progress` shows a bar and the licence on stderr while fetching.
        Raises UnknownModelError, DamagedError, UnreachableError; ModelError when the cache
        cannot be written.
        """
        if path is not None:
            return self.verify(name, path=path)
        entry, folder = self.entry(name), self.folder(name)
        if folder.is_dir():
            if self.state(name) == "ready":
                return folder
            try:
                return self.verify(name)
            except DamagedError:
                if not repair:
                    raise
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            _sweep(self.root)
            return self._fetch(entry, folder, progress)
        except OSError as error:
            raise ModelError(
                f"{name} could not be stored below {self.root}: {error}. Fetching takes up to "
                f"{decimal(3 * entry.size)} there; FORECOURT_CACHE names another folder."
            ) from error

    def _fetch(self, entry: Entry, folder: Path, progress: bool) -> Path:
        failures: list[str] = []
        for source in self._sources:
            label = source.label(entry)
            if label is None:
                continue
            with tempfile.TemporaryDirectory(dir=self.root, prefix=SCRATCH) as name:
                scratch, files = Path(name), Path(name) / "files"
                files.mkdir()
                try:
                    with _bar(entry, label, source.total(entry), progress) as report:
                        source.fetch(entry, files, scratch, report)
                    _check(entry, files)
                except (SourceError, DamagedError) as error:
                    failures.append(f"  {label}: {error}".replace(f"{files}{os.sep}", ""))
                    failures += [f"    {line}" for line in source.by_hand(entry, folder)]
                    continue
                _write_stamp(entry, files)
                self._install(entry, files, folder)
                return folder
        raise UnreachableError(
            "\n".join(
                [
                    f"{entry.name} ({decimal(entry.size)}) is not in the cache and no source "
                    "delivered it. Each source, why it failed, and how to do it by hand:",
                    *failures,
                ]
            )
        )

    def _install(self, entry: Entry, files: Path, folder: Path) -> None:
        """Move `files` to `folder` in one step; a good folder that is there already stays."""
        while True:
            try:
                files.replace(folder)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            # Another process was first, or a damaged copy is in the way.
            with contextlib.suppress(DamagedError):
                _check(entry, folder)
                return
            with (
                tempfile.TemporaryDirectory(dir=self.root, prefix=SCRATCH) as aside,
                contextlib.suppress(FileNotFoundError),
            ):
                folder.replace(Path(aside) / "damaged")


def cache_root() -> Path:
    """$FORECOURT_CACHE, else `forecourt` in the user's cache folder (XDG)."""
    if chosen := os.environ.get("FORECOURT_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "forecourt"


def catalogue() -> Catalogue:
    """The catalogue of model weights that comes with the engine."""
    return Catalogue.load(Path(__file__).with_name("models.toml"))


def ensure(name: str = DEFAULT, *, path: Path | None = None, progress: bool = True) -> Path:
    """Folder with the verified files of a model: `Catalogue.ensure` of `catalogue`."""
    return catalogue().ensure(name, path=path, progress=progress)


def verify(name: str = DEFAULT, *, path: Path | None = None) -> Path:
    """Hash every file of a model: `Catalogue.verify` of `catalogue`."""
    return catalogue().verify(name, path=path)


def _check(entry: Entry, folder: Path, remedy: str = "") -> None:
    for file in entry.files:
        path = folder / file.path
        try:
            with path.open("rb") as content:
                actual = hashlib.file_digest(content, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DamagedError(path, file.sha256, None, remedy) from error
        if actual != file.sha256:
            raise DamagedError(path, file.sha256, actual, remedy)


def _signature(entry: Entry, folder: Path) -> Signature | None:
    """Size (bytes) and mtime (ns) of each file; None when one is missing or of another size."""
    signature = {}
    for file in entry.files:
        try:
            status = (folder / file.path).stat()
        except OSError:
            return None
        if status.st_size != file.size:
            return None
        signature[file.path] = [status.st_size, status.st_mtime_ns]
    return signature


def _read_stamp(folder: Path) -> object:
    try:
        return json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None


def _write_stamp(entry: Entry, folder: Path) -> None:
    # A cache that cannot be written (baked into an image) is hashed at each start instead.
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=folder, prefix=STAMP)
        with os.fdopen(handle, "w") as stamp:
            json.dump(_signature(entry, folder), stamp)
        Path(name).replace(folder / STAMP)


def _sweep(root: Path) -> None:
    """Remove what killed processes left behind."""
    for scratch in root.glob(f"{SCRATCH}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _bar(entry: Entry, label: str, total: int, shown: bool) -> Iterator[Report]:
    """Progress of one source on stderr, headed by what is fetched and under which licence."""
    if not shown:
        yield lambda done: None
        return
    console = Console(stderr=True)
    console.print(f"[bold]{entry.name}[/]: {entry.summary}", soft_wrap=True)
    console.print(f"  licence: {entry.licence}\n  from: {label}", soft_wrap=True, highlight=False)
    columns = (TextColumn(" "), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(entry.name, total=total)
        yield lambda done: progress.update(task, completed=min(done, total))
        progress.update(task, completed=total)
