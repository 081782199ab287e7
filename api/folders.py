"""The node's folder of live calls: for each its journal and its recording, encrypted, until they
are in the store for good.

Everything here waits for the disk: call it in a thread.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from api.ids import is_id
from engine.session import TRACKS, TRAINEE
from signaling.recorder import broken_path

JOURNAL = "journal.jsonl"
ERASING = "erasing"
DAMAGED = ".damaged"


@dataclass(frozen=True, slots=True)
class Folder:
    """One call's. Raises `ValueError` for what are no ids: no path is made of anything else."""

    root: Path
    dealership_id: str
    session_id: str

    def __post_init__(self) -> None:
        if not (is_id(self.dealership_id) and is_id(self.session_id)):
            raise ValueError("a call's folder goes by two ids of 24 hexadecimal digits")

    @property
    def path(self) -> Path:
        return self.root / self.dealership_id / self.session_id

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL

    def recording(self, track: str = TRAINEE) -> Path:
        return self.path / f"{track}.ogg"

    @property
    def recorded(self) -> list[str]:
        """The tracks of which there is a recording, whole or not."""
        paths = {track: self.recording(track) for track in TRACKS}
        return [t for t, path in paths.items() if path.exists() or broken_path(path).exists()]

    def make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        _sync(self.root)
        _sync(self.path.parent)

    def remove(self) -> None:
        """It is not there afterwards, nor need it have been."""
        if self.path.exists():
            shutil.rmtree(self.path)
            _sync(self.path.parent)

    def forget_unbegun(self) -> None:
        """Remove what was laid out for a call whose first packet never came."""
        if self.path.exists() and [path.name for path in self.path.iterdir()] == [JOURNAL]:
            self.remove()

    def set_aside(self) -> Path:
        """Rename it, so that no start takes it up again, for somebody to look at; returns where."""
        aside = self.path.with_name(self.path.name + DAMAGED)
        self.path.rename(aside)
        return aside

    def begin_erasing(self, how: str) -> None:
        """Note that all of the call is to go, and `how`: the next start goes on with it."""
        self.make()
        (self.path / ERASING).write_text(how)
        _sync(self.path / ERASING)
        _sync(self.path)

    @property
    def erasing(self) -> str | None:
        try:
            return (self.path / ERASING).read_text()
        except FileNotFoundError:
            return None


class Folders:
    """Of all live calls."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Create the folder, for this user alone."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def of(self, dealership_id: str, session_id: str) -> Folder:
        return Folder(self._root, dealership_id, session_id)

    def all(self) -> list[Folder]:
        """By session id. What is no call's folder is left alone."""
        found = [
            Folder(self._root, dealership.name, path.name)
            for dealership in self._root.iterdir()
            if is_id(dealership.name) and dealership.is_dir()
            for path in dealership.iterdir()
            if is_id(path.name) and path.is_dir()
        ]
        return sorted(found, key=lambda folder: folder.session_id)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
