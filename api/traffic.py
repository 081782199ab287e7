"""What a node's calls have taken in and lost since it started, counted."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from signaling.room import Room
from signaling.rtp import Counts


@dataclass(slots=True)
class Traffic:
    """Sums over calls. Every number only grows."""

    audio: Counts = field(default_factory=Counts)
    dropped_events: int = 0
    malformed_commands: int = 0
    dropped_commands: int = 0
    unwritten_records: int = 0

    def add(self, room: Room) -> None:
        """Count what came into a room."""
        self.join(
            Traffic(
                room.counts,
                room.dropped_events,
                room.session.malformed_commands,
                room.dropped_commands,
                room.session.unwritten,
            )
        )

    def join(self, other: Traffic) -> None:
        for each in fields(Counts):
            total = getattr(self.audio, each.name) + getattr(other.audio, each.name)
            setattr(self.audio, each.name, total)
        self.dropped_events += other.dropped_events
        self.malformed_commands += other.malformed_commands
        self.dropped_commands += other.dropped_commands
        self.unwritten_records += other.unwritten_records
