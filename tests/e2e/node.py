"""The node that the browsers talk to."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from api.kept import kept
from api.settings import Settings
from engine.journal import Record, decoded
from tests import node


class Node(node.Node):
    """A `forecourt serve` that tells a session's events, and takes a call however busy the machine
    is that the tests share with their browsers."""

    def __init__(self, data: Path, **environment: str) -> None:
        super().__init__(data, **({"FORECOURT_ASR_ADMISSION": "off"} | environment))

    def events(self, session_id: str) -> list[dict[str, Any]]:
        """The session's events, as the API tells them."""
        answer = self.get(f"/sessions/{session_id}/events").raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def journal(self, session_id: str) -> list[Record]:
        """All that was kept of the session's call, unsealed."""
        # Playwright's own loop runs in this thread.
        with ThreadPoolExecutor(1) as thread:
            reading = kept(Settings(data=self.data), session_id)
            found = thread.submit(asyncio.run, reading).result()
        return list(decoded(iter([found.journal])))
