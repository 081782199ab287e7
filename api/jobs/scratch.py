"""Folders for what workers copy out of sealed blobs, which must not outlive who made them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"


@contextlib.contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """The folder `name` in `parent`, ours until the end; the caller makes it.

    A lock beside it is held as long as this process lives, in whichever container that shares the
    disk. Folders whose locks nobody holds were left by processes that were killed, and go first.
    Raises `OSError`.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = parent / f"{name}{LOCK}"
    held = _own(lock)
    try:
        for left in parent.glob(f"*{LOCK}"):
            _clear(left)
        yield parent / name
    finally:
        shutil.rmtree(parent / name, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(held)


def emptied(folder: Path) -> None:
    """Make a folder, without what a crash left in it. Raises `OSError`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


def _own(lock: Path) -> int:
    """The descriptor of a lock that is held. Who clears up may take a file of ours away before it
    is locked: then there is another."""
    while True:
        held = _held(lock)
        if held is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), lock.stat()):
                return held
        os.close(held)


def _clear(lock: Path) -> None:
    held = _held(lock)
    if held is None:
        return
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
    os.close(held)


def _held(lock: Path) -> int | None:
    """None where somebody else holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
