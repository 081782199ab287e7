"""A microphone for other projects' recognizers: PCM over a WebSocket at the pace of speech."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.peers.protocols import Speech
from engine.frames import SAMPLE_RATE, Pcm

PIECE_MS = 40
LEAD_MS = 480
"""Silence ahead of the speech, about what our own client sends while it connects."""
END_WITHIN_S = 60.0
"""A server that has fallen behind first decodes what it has; then the client hangs up."""
MAX_MESSAGE = 1 << 24


@dataclass(slots=True)
class Heard:
    """A call as its client saw it, in monotonic seconds; `ended` by the server, or given up."""

    sent_s: list[float] = field(default_factory=list)
    messages: list[tuple[float, Any]] = field(default_factory=list)
    ended: bool = False

    def sent_at(self, audio_ms: float) -> float:
        """When the piece that holds `audio_ms` of the speech left.

        Raises `IndexError` for audio that was not sent.
        """
        return self.sent_s[int((audio_ms + LEAD_MS) // PIECE_MS)]


async def speak(
    url: str, pcm: Pcm, tail_s: float, speech: Speech, end_within_s: float = END_WITHIN_S
) -> Heard:
    """Speak `pcm` (16 kHz int16) and `tail_s` of silence; keep all that is answered to the end.

    Raises `ConnectionError` and websockets' exceptions for a server that refuses or fails.
    """
    heard = Heard()
    lead, tail = (
        np.zeros(SAMPLE_RATE * ms // 1000, np.int16) for ms in (LEAD_MS, int(tail_s * 1000))
    )
    # Neither compression nor pings: both would cost a busy server time.
    async with connect(url, compression=None, ping_interval=None, max_size=MAX_MESSAGE) as server:
        if speech.hello is not None:
            await server.send(speech.hello)
        while not speech.is_ready(json.loads(await server.recv())):
            pass
        listening = asyncio.create_task(_listen(server, speech, heard))
        await _play(server, np.concatenate([lead, pcm, tail]), heard)
        await server.send(speech.end)
        done, _ = await asyncio.wait([listening], timeout=end_within_s)
        if done:
            await listening
            heard.ended = True
        else:
            listening.cancel()
    return heard


async def _play(server: ClientConnection, pcm: Pcm, heard: Heard) -> None:
    """A piece leaves when its last sample has been spoken."""
    piece = SAMPLE_RATE * PIECE_MS // 1000
    begun_s = time.monotonic()
    for at in range(0, len(pcm), piece):
        wait_s = begun_s + (at + piece) / SAMPLE_RATE - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        heard.sent_s.append(time.monotonic())
        await server.send(pcm[at : at + piece].tobytes())


async def _listen(server: ClientConnection, speech: Speech, heard: Heard) -> None:
    async for text in server:
        at_s = time.monotonic()
        message = json.loads(text)
        heard.messages.append((at_s, message))
        if speech.is_over(message):
            return
