"""A client's messages -> commands, as many as one person can mean."""

from __future__ import annotations

from engine.events import Command, Error
from engine.session import Session
from signaling.bucket import Bucket
from signaling.channel import BadMessage, parse_command

PER_S = 10.0
AT_ONCE = 20.0
"""What one client may have written to the journal; what comes on top is dropped."""
TELL_AGAIN_S = 10.0
"""How long there is quiet before another flood is told."""


class Commands:
    """One client's commands. `dropped` counts what was too much; malformed ones the session counts.

    `now_s` everywhere is a monotonic time in seconds.
    """

    def __init__(self, session: Session) -> None:
        self.dropped = 0
        self._session = session
        self._bucket = Bucket(PER_S, AT_ONCE)
        self._dropped_s = float("-inf")

    def take(self, message: str | bytes, now_s: float) -> Command | None:
        """The command to obey, if `message` holds one; `error` tells the client if it cannot be."""
        try:
            command = parse_command(message)
        except BadMessage as error:
            self.refuse(str(error), now_s)
            return None
        if command is None or command.type == "ping":
            return None
        # Whoever wants not to be heard any more is obeyed however much was said before.
        stops = command.type == "pause" and self._session.state == "active"
        if stops or command.type == "end" or self._allows(now_s):
            return command
        return None

    def refuse(self, why: str, now_s: float) -> None:
        """Count a message that cannot be used and tell the client `why`."""
        self._session.malformed_commands += 1
        if self._allows(now_s):
            self._session.emit(Error(code="bad_message", detail=why))

    def _allows(self, now_s: float) -> bool:
        if self._bucket.take(now_s):
            return True
        self.dropped += 1
        is_new, self._dropped_s = now_s - self._dropped_s > TELL_AGAIN_S, now_s
        if is_new:
            detail = f"At most {PER_S:.0f} messages a second are taken; the others are dropped."
            self._session.emit(Error(code="too_many_messages", detail=detail))
        return False
