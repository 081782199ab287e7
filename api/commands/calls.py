"""A call named on the command line: a session's id, or a folder with its files in the clear."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click

from api.auth.keys import BadSecrets
from api.folders import JOURNAL
from api.ids import is_id
from api.kept import kept
from api.settings import Settings
from api.store.base import StoreError
from api.store.crypto import Damaged, WrongKey
from engine.disk import PLAIN
from engine.journal import Record
from engine.replay import loaded

TROUBLE = 2


class Trouble(click.ClickException):
    """Nothing could be compared."""

    exit_code = TROUBLE


@dataclass(frozen=True, slots=True)
class Named:
    """Its records, how many of its journal's lines are damaged, and its recordings by track."""

    name: str
    records: list[Record] = field(repr=False)
    damaged: int
    recordings: dict[str, BinaryIO] = field(repr=False)


def named(session: str, data: Path | None, url: str | None, *, with_audio: bool = False) -> Named:
    """`data` and `url` are the node's folder and store, for an id. Raises `Trouble`."""
    if is_id(session):
        given: dict[str, Any] = {"data": data, "store": url}
        settings = Settings(**{name: each for name, each in given.items() if each is not None})
        return _of_node(settings, session, with_audio=with_audio)
    path = Path(session)
    journal = path / JOURNAL if path.is_dir() else path
    if not journal.is_file():
        raise Trouble(
            f"{session} is neither a session's id (24 hex digits) nor a folder with a {JOURNAL}."
        )
    try:
        records, damaged = loaded(PLAIN.chunks(journal))
        recordings: dict[str, BinaryIO] = {}
        if with_audio:
            recordings = {one.stem: one.open("rb") for one in journal.parent.glob("*.ogg")}
    except OSError as error:
        raise Trouble(f"{journal} cannot be read: {error.strerror}.") from error
    return Named(journal.parent.name, records, damaged, recordings)


def _of_node(settings: Settings, session_id: str, *, with_audio: bool) -> Named:
    try:
        found = asyncio.run(kept(settings, session_id, with_audio=with_audio))
    except (StoreError, BadSecrets, Damaged, WrongKey) as error:
        raise Trouble(
            f"{error} Name the node's folder with --data, and its store with --store."
        ) from error
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror or error}.") from error
    records, damaged = loaded(iter([found.journal]))
    recordings: dict[str, BinaryIO] = {
        track: io.BytesIO(content) for track, content in found.recordings.items()
    }
    return Named(session_id, records, damaged, recordings)
