"""Recording: untouched Opus packets into Ogg (RFC 7845), on session time.

A hole in the packets is filled with one-byte TOC packets, which decoders conceal as silence: a hole
left in the timestamps would be lost by every decoder (RFC 7845, 4.1). Files are written by one
thread per node, behind a bounded queue; after a crash at most the last page (0.2 s) is missing.
"""

from __future__ import annotations

import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import structlog

from signaling import opus

log = structlog.get_logger(__name__)

RATE = 48_000
PAGE_US = 200_000
FILL_RTP = RATE // 50
FILL_PACKET = bytes([9 << 3])
"""TOC of a 20 ms mono packet (SILK, wideband) without a frame: every decoder conceals it."""
MAX_QUEUED = 20_000
"""Packets waiting for the disk (over 6 minutes of one call); more are dropped and counted."""


class OggFile:
    """One track's recording. Not thread-safe: the writer thread owns it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = av.open(
            str(path),
            "w",
            format="ogg",
            options={"page_duration": str(PAGE_US), "flush_packets": "1"},
        )
        # The encoder is opened for its header alone: OpusHead with libopus's pre-skip of 312.
        self._stream: Any = self._container.add_stream("libopus", rate=RATE, layout="mono")
        self._container.start_encoding()
        self.end_rtp = 0

    def write(self, start_rtp: int, payload: bytes) -> None:
        """Add a packet at `start_rtp` (48 kHz session time). What overlaps the past is left out."""
        duration = opus.duration_rtp(payload)
        self.fill(start_rtp)
        if start_rtp + duration <= self.end_rtp:
            return
        self._mux(payload, duration)

    def fill(self, end_rtp: int) -> None:
        """Silence up to `end_rtp`, to the nearest 20 ms."""
        while self.end_rtp + FILL_RTP // 2 < end_rtp:
            self._mux(FILL_PACKET, FILL_RTP)

    def close(self) -> None:
        self._container.close()

    def _mux(self, payload: bytes, duration: int) -> None:
        packet = av.Packet(payload)
        packet.stream = self._stream
        packet.time_base = Fraction(1, RATE)
        packet.pts = packet.dts = self.end_rtp
        packet.duration = duration
        self._container.mux_one(packet)
        self.end_rtp += duration


def continued(path: Path) -> OggFile:
    """Open a recording that broke off (a crash, then a resume) and go on behind what it holds."""
    broken = path.with_suffix(".broken")
    path.replace(broken)
    file = OggFile(path)
    with av.open(str(broken)) as container:
        for packet in container.demux(audio=0):
            if packet.size:
                payload = bytes(packet)
                file._mux(payload, opus.duration_rtp(payload))
    broken.unlink()
    return file


class Writer:
    """The node's disk thread for recordings."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, Path, int, bytes]] = queue.Queue(MAX_QUEUED)
        self._files: dict[Path, OggFile] = {}
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write out what is queued, close every file, end the thread."""
        self._queue.put(("stop", Path(), 0, b""))
        self._thread.join()

    def depth(self) -> int:
        return self._queue.qsize()

    def put(self, action: str, path: Path, at_rtp: int = 0, payload: bytes = b"") -> None:
        """Queue `open`, `packet` or `close`; packets beyond the bound are dropped and counted."""
        try:
            self._queue.put_nowait((action, path, at_rtp, payload))
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        while True:
            action, path, at_rtp, payload = self._queue.get()
            if action == "stop":
                for file in self._files.values():
                    file.close()
                return
            try:
                self._do(action, path, at_rtp, payload)
            except (OSError, av.FFmpegError, ValueError):
                log.exception("recording_failed", action=action, file=path.name)

    def _do(self, action: str, path: Path, at_rtp: int, payload: bytes) -> None:
        if action == "open":
            self._files[path] = continued(path) if path.exists() else OggFile(path)
            return
        file = self._files.get(path)
        if file is None:
            return
        if action == "packet":
            file.write(at_rtp, payload)
        elif action == "close":
            file.fill(at_rtp)
            file.close()
            del self._files[path]


class Recorder:
    """One track's handle on the writer. `start` and `close` once, `packet` in between."""

    def __init__(self, writer: Writer, path: Path) -> None:
        self._writer = writer
        self._path = path
        self._is_open = False

    def packet(self, start_rtp: int, payload: bytes) -> None:
        if not self._is_open:
            self._is_open = True
            self._writer.put("open", self._path)
        self._writer.put("packet", self._path, start_rtp, payload)

    def close(self, end_rtp: int) -> None:
        """Fill up to the end of the session, then close the file."""
        if self._is_open:
            self._is_open = False
            self._writer.put("close", self._path, end_rtp)
