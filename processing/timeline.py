"""A call's time line, drawn in a process of its own: ``python -m processing.timeline``.

Standard input: a line of JSON ``[[part, bytes], …]``, then those bytes of each part in that order.
The part ``journal`` is a journal (`engine.journal`), any other the Ogg/Opus recording of the track
it is called by. Standard output: JSON ``{track: {"peaks": base64 | null, "lanes": {…} | null}}``.

It runs behind everything else on the machine, and within limits of the kernel: a broken recording
costs its own waveform, a hostile one this process.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

import av
import numpy as np
import structlog

from engine.disk import BLOCK
from engine.lanes import features_of, lanes
from engine.waveform import Waveform

log = structlog.get_logger(__name__)

JOURNAL = "journal"
MAX_MEMORY_BYTES = 2 * 2**30
MAX_CPU_S = 300
RATE = 48_000
_TOGETHER = 250
"""Frames (5 s) of which peaks are taken at once."""


class Part:
    """The next `size` bytes of a stream, which ends there for whoever reads it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = BLOCK) -> bytes:
        """At most `size` bytes; none at the end. Raises `EOFError` where the stream is shorter."""
        wanted = min(size, self._left)
        data = self._stream.read(wanted)
        if len(data) < wanted:
            raise EOFError("the call's files were cut off")
        self._left -= len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data


def peaks(file: Part) -> bytes | None:
    """One byte a twentieth of a second (`Waveform`); None of what is no recording. Packets that
    cannot be decoded are silent."""
    waveform = Waveform(RATE)
    try:
        with av.open(file, "r", format="ogg") as container:
            pieces: list[Any] = []
            start = end = 0
            for frame_start, pcm in _decoded(container):
                if pieces and (frame_start != end or len(pieces) >= _TOGETHER):
                    waveform.push(np.concatenate(pieces), start)
                    pieces = []
                if not pieces:
                    start = frame_start
                pieces.append(pcm)
                end = frame_start + len(pcm)
            if pieces:
                waveform.push(np.concatenate(pieces), start)
    except (av.FFmpegError, IndexError) as error:
        log.warning("recording_unreadable", error=repr(error))
        return waveform.peaks.tobytes() or None
    return waveform.peaks.tobytes()


def _decoded(container: Any) -> Iterator[tuple[int, Any]]:
    """(first sample, samples) of each frame of the first stream."""
    end = 0
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue
        for frame in frames:
            start = end
            if frame.pts is not None:
                start = round(frame.pts * frame.time_base * RATE)
            pcm = frame.to_ndarray()[0]
            end = start + len(pcm)
            yield start, pcm


def drawn(stream: BinaryIO) -> dict[str, dict[str, Any]]:
    """What `stream` tells of a call, by track."""
    tracks: dict[str, dict[str, Any]] = {}

    def track(name: str) -> dict[str, Any]:
        return tracks.setdefault(name, {"peaks": None, "lanes": None})

    for name, size in json.loads(stream.readline()):
        part = Part(stream, size)
        if name == JOURNAL:
            for owner, found in lanes(features_of(iter(part))).items():
                track(owner)["lanes"] = asdict(found)
        else:
            found_peaks = peaks(part)
            track(name)["peaks"] = (
                None if found_peaks is None else base64.b64encode(found_peaks).decode()
            )
        for _ in part:
            pass  # what nobody read
    return tracks


def main() -> None:
    # Native libraries may print: keep the pipe to ourselves and point their output at stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers.write(json.dumps(drawn(sys.stdin.buffer)).encode())
    answers.flush()


if __name__ == "__main__":
    main()
