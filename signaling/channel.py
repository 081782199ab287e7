"""Data channels: events out in batches, commands in."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from typing import Any, Protocol

from aiortc import RTCDataChannel
from pydantic import ValidationError

from engine.events import COMMANDS, URGENT, VERSION, Command, Event, Meters
from signaling import load, stack
from signaling.load import Load

URGENT_DELAY_S = 0.01
BATCH_DELAY_S = 0.1
MAX_PENDING = 2_000
"""Events waiting for a slow channel. Beyond it partial transcripts go first, then the oldest event;
what was dropped can be fetched with ``GET /sessions/{id}/events?after=SEQ``."""
MAX_BUFFERED_BYTES = 512 * 1024
MAX_BATCH_BYTES = 32 * 1024
"""One message of ours; a peer that says nothing else takes at most 64 KiB (RFC 8841, 6.1)."""
MAX_MESSAGE_BYTES = 4_096


FAREWELL_S = 2.0
"""How long the last events get to arrive before the connection closes."""
FAREWELL_STEP_S = 0.02


class DataChannel(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def readyState(self) -> str: ...  # noqa: N802

    @property
    def bufferedAmount(self) -> int: ...  # noqa: N802

    def send(self, data: str) -> None: ...


class Outbox:
    """Queues one connection's events and sends them as JSON arrays: urgent ones within 20 ms,
    the rest at 10 Hz. Nothing overtakes anything.

    Each batch waits `offset_s` longer, so that outboxes of one session need not all send at once.
    Of the session's meters, ten a second, `half_meters` are sent, as in a busy process anyway.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        offset_s: float = 0.0,
        load: Load = load.process,
        *,
        half_meters: bool = False,
    ) -> None:
        self._loop = loop
        self._load = load
        self._offset_s = offset_s
        self._pending: deque[Event] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._meters_seq = 0
        self._half_meters = half_meters
        # Not all that send half of them send the same half.
        self._skip_meters = half_meters and random.random() < 0.5
        self.events_channel: DataChannel | None = None
        self.meters_channel: DataChannel | None = None
        self.dropped = 0

    @property
    def depth(self) -> int:
        return len(self._pending)

    @property
    def is_open(self) -> bool:
        channel = self.events_channel
        return channel is not None and channel.readyState == "open"

    def push(self, event: Event) -> None:
        if len(self._pending) >= MAX_PENDING:
            self._drop_one()
        self._pending.append(event)
        self._flush_in(URGENT_DELAY_S if event.type in URGENT else BATCH_DELAY_S)

    def push_meters(self, track: str, t_ms: int, meters: Meters) -> None:
        """Send at once or never: the channel is unreliable, and a newer value comes soon."""
        channel = self.meters_channel
        if channel is None or channel.readyState != "open":
            return
        halves = self._half_meters or self._load.is_high
        self._skip_meters = halves and not self._skip_meters
        if self._skip_meters:
            return
        if channel.bufferedAmount > MAX_BUFFERED_BYTES // 16:
            self.dropped += 1
            return
        self._meters_seq += 1
        envelope = {
            "v": VERSION,
            "seq": self._meters_seq,
            "t": t_ms,
            "track": track,
            "type": "meters",
            "data": meters.model_dump(by_alias=True),
        }
        channel.send(_dump([envelope]))

    def flush(self) -> None:
        """Send what is pending, if the channel takes it."""
        self._cancel()
        channel = self.events_channel
        if not self._pending or channel is None or not self.is_open:
            return
        if channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self._flush_in(BATCH_DELAY_S)
            return
        batch: list[dict[str, Any]] = []
        size = 0
        while self._pending and size < MAX_BATCH_BYTES:
            event = self._pending.popleft().model_dump()
            size += len(str(event))
            batch.append(event)
        channel.send(_dump(batch))
        if self._pending:
            self._flush_in(URGENT_DELAY_S)

    async def farewell(self, within_s: float = FAREWELL_S) -> None:
        """Send what is pending and wait, at most `within_s`, until the client has all of it."""
        deadline_s = self._loop.time() + within_s
        while self.is_open and self._loop.time() < deadline_s:
            self.flush()
            if not self._pending and _has_arrived(self.events_channel):
                return
            await asyncio.sleep(FAREWELL_STEP_S)

    def close(self) -> None:
        self._cancel()
        self.events_channel = self.meters_channel = None

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush_in(self, delay_s: float) -> None:
        due_s = self._loop.time() + delay_s + self._offset_s
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self.flush)

    def _drop_one(self) -> None:
        self.dropped += 1
        for index, event in enumerate(self._pending):
            if event.type == "transcript.partial":
                del self._pending[index]
                return
        self._pending.popleft()


def _has_arrived(channel: DataChannel | None) -> bool:
    if channel is None:
        return True
    if isinstance(channel, RTCDataChannel):
        return stack.is_delivered(channel)
    return channel.bufferedAmount == 0


class BadMessage(ValueError):
    """A client's message cannot be used; the text says what is expected."""


def parse_command(message: str | bytes) -> Command | None:
    """The command in a client's message; None for a type that this version does not know.

    Raises `BadMessage`.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"A message of {len(message)} bytes; at most {MAX_MESSAGE_BYTES}.")
    try:
        command = Command.model_validate_json(message)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in wrong["loc"]) or "the message"
        raise BadMessage(
            f'A message must be a JSON object with a "type"; {where}: {wrong["msg"]}.'
        ) from error
    return command if command.type in COMMANDS else None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
