"""A publisher over a WebSocket, for networks that let no UDP through. Subprotocol `forecourt.v1`.

The first message, within 5 s, is text, at most 4 KiB: ``{"type": "hello", "token": …, "format":
"opus" | "pcm", "rate": 48000 | 16000}``. `token` is the session's resume token, needed for a first
publication too; `rate` is that of PCM. From then on:

up    binary, one audio frame each, big-endian: 1 byte version (high 4 bits, 1) and kind (low 4
      bits: 1 Opus, 2 PCM), 1 byte flags (0), 2 bytes sequence (one more with each frame, counting
      those that were never sent), 4 bytes timestamp (of the frame's first sample, 48 kHz ticks),
      then one Opus packet of at most 1,500 bytes, or at most 60 ms of mono int16, little-endian.
      Text: the commands of the data channel, at most 4,096 bytes.
down  text: JSON arrays of event envelopes, meters among them, as on the data channels. An empty
      array answers the hello, and any text that nothing else is on its way to answer.

Close codes are 4000 + the HTTP status of the same refusal: 4400 for what cannot be read, 4401 for a
wrong token, 4403, 4408 for who is too slow, 4409, 4429 for who sends too much, 4503.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections import deque
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from signaling.bucket import Bucket
from signaling.channel import MAX_MESSAGE_BYTES
from signaling.pcm import PcmEncoder
from signaling.room import Room

SUBPROTOCOL = "forecourt.v1"
HELLO_WITHIN_S = 5.0
TAKEN_WITHIN_S = 10.0
"""A client that takes no message for this long is closed."""
CLOSED_WITHIN_S = 1.0
MAX_QUEUED_BYTES = 1024 * 1024
"""Waiting for the client to read; the outbox stops at half of it, so one more byte is a fault."""
MAX_PACKET_BYTES = 1_500
MAX_FRAME_BYTES = 8 * 1024
"""Any message: the longest PCM frame has 5,768 bytes."""
FRAMES_PER_S, BURST_FRAMES = 500.0, 1_500.0
BYTES_PER_S, BURST_BYTES = 125_000.0, 1_500_000.0
"""Bursts leave room for what a stall of 10 s held back, at 48 kHz PCM the more."""
MAX_MALFORMED = 20
_HEADER = struct.Struct("!BBHI")
_VERSION = 1
_KINDS = {"opus": 1, "pcm": 2}
_HEARD = "[]"


class Goodbye(Exception):
    """The socket is over. `reason` is a sentence of at most 123 bytes (RFC 6455, 5.5.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:123].decode(errors="ignore")


class Wire(Protocol):
    """An accepted WebSocket. Every method raises `Goodbye` once the client has gone."""

    async def receive(self) -> str | bytes: ...

    async def send(self, text: str) -> None:
        """Returns when the network takes more."""

    async def close(self, code: int, reason: str) -> None: ...


class Hello(BaseModel):
    """A client's first message."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    type: Literal["hello"]
    token: Annotated[str, Field(max_length=200, repr=False)]
    format: Literal["opus", "pcm"]
    rate: Literal[48_000, 16_000] = 48_000


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """One binary message: 16-bit `sequence`, 32-bit `timestamp` in 48 kHz ticks."""

    format: str
    sequence: int
    timestamp: int
    payload: bytes


def parse_hello(message: str | bytes) -> Hello:
    """Raises `Goodbye`, whose reason never repeats what was sent: it may hold the token."""
    expected = 'The first message must be {"type": "hello", "token", "format", "rate"} as JSON'
    if isinstance(message, bytes) or len(message.encode()) > MAX_MESSAGE_BYTES:
        raise Goodbye(4400, f"{expected} text of at most {MAX_MESSAGE_BYTES} bytes.")
    try:
        return Hello.model_validate_json(message)
    except ValidationError as error:
        fields = {str(part) for item in error.errors() for part in item["loc"]}
        known = sorted(fields & set(Hello.model_fields))
        where = f"; look at {', '.join(known)}" if known else ""
        code = 4401 if known == ["token"] else 4400
        raise Goodbye(code, f"{expected}{where}.") from None


def parse_frame(message: bytes) -> AudioFrame:
    """Raises `ValueError` with a sentence."""
    if len(message) <= _HEADER.size:
        raise ValueError(f"A binary message has a header of {_HEADER.size} bytes and audio.")
    kind, flags, sequence, timestamp = _HEADER.unpack_from(message)
    names = {number: name for name, number in _KINDS.items()}
    if kind >> 4 != _VERSION or kind & 0x0F not in names or flags:
        raise ValueError("A binary message begins with 0x11 (Opus) or 0x12 (PCM), then 0x00.")
    return AudioFrame(names[kind & 0x0F], sequence, timestamp, message[_HEADER.size :])


async def greeted(wire: Wire) -> Hello:
    """The client's hello. Raises `Goodbye`."""
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            return parse_hello(await wire.receive())
    except TimeoutError:
        raise Goodbye(4408, f"No hello came within {HELLO_WITHIN_S:.0f} s.") from None


class _Queue:
    """What waits for the client to read it."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int]] = deque()
        self._filled = asyncio.Event()
        self.bytes = 0
        self.overflowed = False

    def put(self, text: str) -> None:
        size = len(text.encode())
        self.overflowed |= self.bytes + size > MAX_QUEUED_BYTES
        if not self.overflowed:
            self.bytes += size
            self._waiting.append((text, size))
        self._filled.set()

    async def drain(self, wire: Wire) -> None:
        """Send what comes, for ever. Raises `Goodbye` where the client does not keep up."""
        while True:
            await self._filled.wait()
            while self._waiting and not self.overflowed:
                text, size = self._waiting.popleft()
                try:
                    async with asyncio.timeout(TAKEN_WITHIN_S):
                        await wire.send(text)
                except TimeoutError:
                    self.overflowed = True
                    break
                self.bytes -= size
            if self.overflowed:
                raise Goodbye(4408, "The events sent were not read fast enough.")
            self._filled.clear()


@dataclass(frozen=True, slots=True)
class Channel:
    """The room's view of the socket as one of its two data channels (signaling.channel)."""

    label: str
    socket: Socket

    @property
    def readyState(self) -> str:  # noqa: N802
        return "closed" if self.socket.is_over else "open"

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """Bytes that the network has not taken, of both channels."""
        return self.socket.queued_bytes

    def send(self, data: str) -> None:
        self.socket.send(data)


@dataclass(slots=True)
class Traffic:
    """What one socket carried up."""

    frames: int = 0
    messages: int = 0
    malformed: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class Socket:
    """A speaker's transport (signaling.speaker). `carry` runs it; `close` may come at any time."""

    def __init__(self, wire: Wire, hello: Hello) -> None:
        self.traffic = Traffic()
        self._wire = wire
        self._format = hello.format
        self._pcm = PcmEncoder(hello.rate) if hello.format == "pcm" else None
        self._ssrc = secrets.randbits(32)
        self._queue = _Queue()
        self._frames = Bucket(FRAMES_PER_S, BURST_FRAMES)
        self._bytes = Bucket(BYTES_PER_S, BURST_BYTES)
        self._leaving = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._leaving.is_set()

    @property
    def queued_bytes(self) -> int:
        return self._queue.bytes

    def send(self, text: str) -> None:
        if not self.is_over:
            self._queue.put(text)

    async def carry(self, room: Room) -> Goodbye:
        """Everything between the client and `room`, to which this socket is attached already;
        returns how it ended."""
        goodbye = Goodbye(1011, "The node broke this connection off.")
        try:
            self._queue.put(_HEARD)
            for label in ("events", "meters"):
                room.take_channel(self, Channel(label, self))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(room))
                tasks.create_task(self._queue.drain(self._wire))
                tasks.create_task(self._await_leave())
        except* Goodbye as group:
            goodbye = _first(group)
        finally:
            self._leaving.set()
            room.transport_closed(self, "closed")
            await farewell(self._wire, goodbye)
            self._over.set()
        return goodbye

    async def close(self) -> None:
        self._leaving.set()
        try:
            await asyncio.wait_for(self._over.wait(), 3 * CLOSED_WITHIN_S)
        except TimeoutError:
            # Nobody carries it, or its last words find no reader: the server drops both.
            self._over.set()

    async def _await_leave(self) -> None:
        await self._leaving.wait()
        raise Goodbye(1000, "The call is over here, or goes on over another connection.")

    async def _read(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._wire.receive()
            now_s = loop.time()
            if not (self._frames.take(now_s) and self._bytes.take(now_s, len(message))):
                raise Goodbye(4429, "Too much was sent: at most 500 messages and 1 Mb a second.")
            if isinstance(message, str):
                self.traffic.messages += 1
                room.take_message(self, message)
                if not self._queue.bytes:
                    self.send(_HEARD)
            else:
                self._take_frame(room, message)
            # What is queued already does not wait: a burst would hold up every other call.
            await asyncio.sleep(0)

    def _take_frame(self, room: Room, message: bytes) -> None:
        self.traffic.frames += 1
        try:
            packets = self._packets(parse_frame(message))
        except ValueError as error:
            self.traffic.malformed += 1
            room.refuse_message(self, str(error))
            if self.traffic.malformed > MAX_MALFORMED:
                raise Goodbye(4400, f"More than {MAX_MALFORMED} bad messages: {error}") from error
            return
        for sequence, timestamp, payload in packets:
            room.take_packet(self, self._ssrc, sequence, timestamp, payload)

    def _packets(self, frame: AudioFrame) -> list[tuple[int, int, bytes]]:
        if frame.format != self._format:
            raise ValueError(f"The hello promised {self._format}, this is {frame.format}.")
        if self._pcm is not None:
            return self._pcm.push(frame.sequence, frame.timestamp, frame.payload)
        if len(frame.payload) > MAX_PACKET_BYTES:
            raise ValueError(f"An Opus packet has at most {MAX_PACKET_BYTES} bytes here.")
        return [(frame.sequence, frame.timestamp, frame.payload)]


async def farewell(wire: Wire, goodbye: Goodbye) -> None:
    """Tell the client why, if it is still there."""
    try:
        async with asyncio.timeout(CLOSED_WITHIN_S):
            await wire.close(goodbye.code, goodbye.reason)
    except (Goodbye, TimeoutError):
        return


def _first(group: BaseExceptionGroup[Goodbye]) -> Goodbye:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, Goodbye)
    return found
