"""Calls on disk: one folder a session, its journal and its recording.

Everything here reads files and may take long: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from api.ids import is_id
from api.problems import Problem
from api.views import ConsentView, SessionView, summary_of
from engine.journal import read
from signaling.room import TRAINEE

log = structlog.get_logger(__name__)

JOURNAL = "journal.jsonl"
UNREADABLE = (LookupError, OSError, TypeError, ValueError)
"""What a damaged journal, or one of another version, comes down to."""
STOPPED = "node_stopped"
"""Why a node's calls end, or are interrupted, when it is stopped."""
MAX_REMEMBERED = 2_000
"""Views of past calls kept in memory; the oldest are read again beyond this."""


def unknown() -> Problem:
    return Problem(404, "There is no session with this id on this node.")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A call that broke off with the node: what a new node needs to take it up.

    `is_whole`: the node stopped of its own accord, so that no event is missing behind `last_seq`.
    """

    path: Path
    first: dict[str, Any]
    view: SessionView
    last_seq: int
    last_utterance: int
    is_whole: bool


class Past:
    """The folder of all sessions."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._remembered: dict[str, tuple[int, SessionView]] = {}

    def prepare(self) -> None:
        """Create the folder, for this user alone."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder(self, session_id: str) -> Path:
        """Raises `Problem` for what is not an id: no path is ever made of anything else."""
        if not is_id(session_id):
            raise unknown()
        return self._root / session_id

    def journal(self, session_id: str) -> Path:
        return self.folder(session_id) / JOURNAL

    def recording(self, session_id: str) -> Path:
        return self.folder(session_id) / f"{TRAINEE}.ogg"

    def holds(self, session_id: str) -> bool:
        return self.journal(session_id).exists()

    def ids(self) -> list[str]:
        return [path.name for path in self._root.iterdir() if is_id(path.name)]

    def view(self, session_id: str) -> SessionView:
        """Raises `Problem` for an unknown session."""
        path = self.journal(session_id)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise unknown() from error
        remembered = self._remembered.get(session_id)
        if remembered is not None and remembered[0] == size:
            return remembered[1]
        try:
            view = summary_of(read(path))
        except UNREADABLE as error:
            log.error("journal_unreadable", session=session_id, error=repr(error))
            raise unknown() from error
        if view is None:
            raise unknown()
        view = view.model_copy(update={"has_recording": self.recording(session_id).exists()})
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered = {}
        self._remembered[session_id] = size, view
        return view

    def records(self, session_id: str) -> Iterator[dict[str, Any]]:
        """Raises `Problem` for an unknown session."""
        path = self.journal(session_id)
        if not path.exists():
            raise unknown()
        return read(path)

    def consent(self, session_id: str) -> ConsentView:
        """What the call was held with. Raises `Problem` for an unknown session."""
        for record in self.records(session_id):
            if record["k"] == "session":
                return ConsentView.model_validate(record["consent"])
        raise unknown()

    def events(self, session_id: str, after_seq: int) -> list[dict[str, Any]]:
        """Those with `seq` > `after_seq`, oldest first. Raises `Problem` for an unknown session."""
        return [
            record["e"]
            for record in self.records(session_id)
            if record["k"] == "event" and record["e"]["seq"] > after_seq
        ]

    def newest(self, views: dict[str, SessionView], limit: int) -> list[SessionView]:
        """At most `limit` of all sessions, newest first; `views` are of those that are not past."""
        items: list[SessionView] = []
        for session_id in sorted({*views, *self.ids()}, reverse=True):
            if len(items) == limit:
                break
            try:
                items.append(views.get(session_id) or self.view(session_id))
            except Problem:
                log.debug("session_without_journal", session=session_id)
        return items

    def recorded(self, session_id: str, *, is_growing: bool) -> Path | bytes | None:
        """The recording's file, or what there is of one `is_growing`; None without."""
        path = self.recording(session_id)
        if not path.exists():
            return None
        return path.read_bytes() if is_growing else path

    def forget_unbegun(self, session_id: str) -> None:
        """Remove what was laid out for a call whose first packet never came."""
        folder = self.folder(session_id)
        if [path.name for path in folder.iterdir()] == [JOURNAL]:
            (folder / JOURNAL).unlink()
            folder.rmdir()

    def unfinished(self) -> list[Unfinished]:
        """What a crash left behind. A journal that cannot be understood stays as it is."""
        found: list[Unfinished] = []
        for session_id in sorted(self.ids()):
            try:
                call = self._unfinished(session_id)
            except UNREADABLE as error:
                log.error("journal_unreadable", session=session_id, error=repr(error))
                continue
            if call is not None:
                found.append(call)
        return found

    def _unfinished(self, session_id: str) -> Unfinished | None:
        path = self.journal(session_id)
        records = list(read(path))
        view = summary_of(records)
        if view is None or view.status == "completed":
            return None
        if view.status == "created":
            self.forget_unbegun(session_id)
            return None
        if view.start_time is None or view.id != session_id:
            raise ValueError("the journal does not say when its call began, or is another's")
        events = [record["e"] for record in records if record["k"] == "event"]
        utterances = [e["data"]["utterance"] for e in events if e["type"] == "speech.start"]
        return Unfinished(
            path,
            next(record for record in records if record["k"] == "session"),
            view,
            max(event["seq"] for event in events),
            max(utterances, default=0),
            events[-1]["type"] == "session.state" and events[-1]["data"]["reason"] == STOPPED,
        )
