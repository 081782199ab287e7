"""Recording: untouched Opus packets into Ogg (RFC 7845), on session time.

A hole in the packets is filled with one-byte TOC packets, which decoders conceal as silence: a hole
left in the timestamps would be lost by every decoder (RFC 7845, 4.1). Files are written by one
thread per node, behind a bounded queue; after a crash at most the last page (0.2 s) is missing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import structlog

from engine.disk import PLAIN, Appending, Disk, Unreadable
from signaling import opus

log = structlog.get_logger(__name__)

RATE = 48_000
PAGE_US = 200_000
FILL_RTP = RATE // 50
FILL_PACKET = bytes([9 << 3])
"""TOC of a 20 ms mono packet (SILK, wideband) without a frame: every decoder conceals it."""
MAX_QUEUED = 20_000
"""Packets waiting for the disk (over 6 minutes of one call); more are dropped and counted."""
BATCH_S = 0.1
"""Packets wait for the writer this long, unless a file is to be closed."""


class _Pages:
    """Takes the muxer's pages, each as it is finished."""

    def __init__(self, file: Appending) -> None:
        self._file = file

    def write(self, page: bytes) -> int:
        self._file.append(bytes(page))
        return len(page)


class _Chunks:
    """Hands the demuxer what a disk yields; it cannot seek."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


class OggFile:
    """One track's recording. Not thread-safe: the writer thread owns it."""

    def __init__(self, path: Path, disk: Disk = PLAIN) -> None:
        """Raises `OSError`, also where `path` is there already."""
        self.path = path
        self._file = disk.create(path)
        try:
            self._container = av.open(
                _Pages(self._file),
                "w",
                format="ogg",
                options={"page_duration": str(PAGE_US), "flush_packets": "1"},
            )
            # Opened for its header alone: OpusHead with libopus's pre-skip of 312.
            self._stream: Any = self._container.add_stream("libopus", rate=RATE, layout="mono")
            self._container.start_encoding()
        except BaseException:
            self._file.close()
            raise
        self.end_rtp = 0

    def write(self, start_rtp: int, payload: bytes) -> None:
        """Add a packet at `start_rtp` (48 kHz session time). What overlaps the past is left out."""
        self.fill(start_rtp)
        if start_rtp + opus.duration_rtp(payload) > self.end_rtp:
            self.append(payload)

    def append(self, payload: bytes) -> None:
        """Add a packet right behind the one before it."""
        self._mux(payload, opus.duration_rtp(payload))

    def fill(self, end_rtp: int) -> None:
        """Silence up to `end_rtp`, to the nearest 20 ms."""
        while self.end_rtp + FILL_RTP // 2 < end_rtp:
            self._mux(FILL_PACKET, FILL_RTP)

    def close(self) -> None:
        try:
            self._container.close()
        finally:
            self._file.close()

    def _mux(self, payload: bytes, duration: int) -> None:
        packet = av.Packet(payload)
        packet.stream = self._stream
        packet.time_base = Fraction(1, RATE)
        packet.pts = packet.dts = self.end_rtp
        packet.duration = duration
        self._container.mux_one(packet)
        self.end_rtp += duration


def continued(path: Path, disk: Disk = PLAIN) -> OggFile:
    """Open a recording that broke off (a crash, then a resume) and go on behind what it holds."""
    broken = broken_path(path)
    # Where it exists already, the copy itself broke off, and it holds more than `path`.
    if broken.exists():
        path.unlink(missing_ok=True)
    else:
        path.replace(broken)
    file = OggFile(path, disk)
    for payload in _packets_of(broken, disk):
        file.append(payload)
    broken.unlink()
    return file


def broken_path(path: Path) -> Path:
    """Where the recording `path` waits while it is copied into the one that goes on."""
    return path.with_suffix(".broken")


def _packets_of(path: Path, disk: Disk) -> Iterator[bytes]:
    """The packets of a recording, as far as it can be read: a crash may have left it empty."""
    try:
        with av.open(_Chunks(disk.chunks(path)), "r") as container:
            for packet in container.demux(audio=0):
                if packet.size:
                    yield bytes(packet)
    except (av.FFmpegError, IndexError, Unreadable) as error:
        log.warning("recording_unreadable", file=path.name, error=repr(error))


OnFailed = Callable[[str], None]
"""Takes the reason why a recording is not, or no longer, complete."""


class Writer:
    """The node's disk thread for recordings. A file that cannot be written is given up, alone."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._files: dict[Path, OggFile] = {}
        self._failures: dict[Path, OnFailed] = {}
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._hurry = threading.Event()
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write out what is queued, close every file, end the thread."""
        self._jobs.put(None)
        self._hurry.set()
        self._thread.join()

    def depth(self) -> int:
        return self._jobs.qsize()

    def open(self, path: Path, on_failed: OnFailed, disk: Disk = PLAIN) -> None:
        """Begin `path`, or go on with what it holds.

        `on_failed(why)` is called in the writer's thread when the file has to be given up.
        """
        self._jobs.put(partial(self._guarded, self._open, path, on_failed, disk))

    def packet(self, path: Path, start_rtp: int, payload: bytes) -> bool:
        """Queue one packet; False, and it is dropped and counted, beyond the bound."""
        if self._jobs.qsize() >= MAX_QUEUED:
            self.dropped += 1
            return False
        self._jobs.put(partial(self._guarded, self._packet, path, start_rtp, payload))
        return True

    def close(self, path: Path, end_rtp: int) -> Future[None]:
        """Fill `path` up to `end_rtp` and close it; the result comes when that is done."""
        done: Future[None] = Future()
        self._jobs.put(partial(self._guarded, self._close, path, end_rtp))
        self._jobs.put(partial(_finish, done))
        self._hurry.set()
        return done

    def _run(self) -> None:
        # In batches: a thread that wakes for every packet takes Python's lock from the media loop.
        while self._work_off():
            self._hurry.wait(BATCH_S)
            self._hurry.clear()
        for path in list(self._files):
            self._guarded(self._close, path, 0)

    def _work_off(self) -> bool:
        """Do what is queued; False once the writer is to stop."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return True
            if job is None:
                return False
            job()

    def _guarded(self, action: Callable[..., None], path: Path, *arguments: Any) -> None:
        try:
            action(path, *arguments)
        except (OSError, av.FFmpegError, ValueError) as error:
            log.error("recording_failed", file=str(path), error=repr(error))
            self._give_up(path, error)

    def _open(self, path: Path, on_failed: OnFailed, disk: Disk) -> None:
        self._failures[path] = on_failed
        resumes = path.exists() or broken_path(path).exists()
        self._files[path] = continued(path, disk) if resumes else OggFile(path, disk)

    def _packet(self, path: Path, start_rtp: int, payload: bytes) -> None:
        if path in self._files:
            self._files[path].write(start_rtp, payload)

    def _close(self, path: Path, end_rtp: int) -> None:
        file = self._files.get(path)
        if file is not None:
            file.fill(end_rtp)
            file.close()
            del self._files[path]
        self._failures.pop(path, None)

    def _give_up(self, path: Path, error: Exception) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            try:
                file.close()
            except (OSError, av.FFmpegError) as again:
                log.debug("recording_close_failed", file=str(path), error=repr(again))
        on_failed = self._failures.pop(path, None)
        if on_failed is not None:
            on_failed(getattr(error, "strerror", None) or str(error))


def _finish(done: Future[None]) -> None:
    if done.set_running_or_notify_cancel():
        done.set_result(None)


class Recorder:
    """One track's handle on the writer; lives on the media loop.

    The file is begun with the first packet. What a node before this one wrote of the same call is
    gone on with.
    """

    def __init__(self, writer: Writer, path: Path, disk: Disk = PLAIN) -> None:
        self.on_failed: OnFailed | None = None
        self.closed: Future[None] | None = None
        """Since `close`: done when the file is whole."""
        self._writer = writer
        self._path = path
        self._disk = disk
        self._is_open = False
        self._is_told = False
        self._resumes = path.exists() or broken_path(path).exists()

    @property
    def has_file(self) -> bool:
        """Whether anything has been recorded."""
        return self._is_open or self._resumes

    def packet(self, start_rtp: int, payload: bytes) -> None:
        self._open()
        if not self._writer.packet(self._path, start_rtp, payload):
            self._fail("the disk is too slow")

    def close(self, end_rtp: int) -> Future[None] | None:
        """Fill up to the end of the session, then close the file; None where there is none."""
        if not self.has_file:
            return None
        self._open()
        self.closed = self._writer.close(self._path, end_rtp)
        return self.closed

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._writer.open(self._path, self._fail, self._disk)

    def _fail(self, why: str) -> None:
        if not self._is_told and self.on_failed is not None:
            self._is_told = True
            self.on_failed(why)
