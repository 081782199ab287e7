"""What a node keeps of a call, in the clear."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from api.kept import Kept, kept
from api.settings import Settings
from engine.journal import decoded


def kept_of(data: Path, session_id: str) -> Kept:
    """`data` is the node's folder; the node may run."""
    return asyncio.run(kept(Settings(data=data), session_id, with_audio=True))


def records_of(data: Path, session_id: str) -> list[dict[str, Any]]:
    """The call's journal."""
    return list(decoded(iter([kept_of(data, session_id).journal])))


def in_the_clear(data: Path, session_id: str, folder: Path) -> Path:
    """Write the call's files to a new folder in `folder`, as `forecourt replay` reads them."""
    found = kept_of(data, session_id)
    path = folder / session_id
    path.mkdir()
    (path / "journal.jsonl").write_bytes(found.journal)
    for track, recording in found.recordings.items():
        (path / f"{track}.ogg").write_bytes(recording)
    return path
