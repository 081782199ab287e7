"""An uploaded recording, decoded: wav, mp3, m4a or ogg in, 16 kHz of each channel out.

Nothing of the file is believed. What it is, its first bytes say; only its own demuxer is tried, so
that nothing which names other files or addresses (a playlist, a concatenation) is ever followed.
Memory does not grow with its length: it is read packet by packet, and no further than `MAX_S`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from engine.frames import SAMPLE_RATE
from processing.sniffing import HEAD_BYTES, media_type
from processing.work import Refused

Channels = NDArray[np.int16]
"""int16 of shape (channels, samples) at 16 kHz."""

MAX_BYTES: Final = 3 * 2**30
"""Four hours of stereo as it is on a CD."""
MAX_S: Final = 4 * 3600
MIN_S: Final = 1.0
MAX_CHANNELS: Final = 2
RATES: Final = range(8_000, 192_001)
HOLE_S: Final = 0.1
"""Time stamps that jump by less are only rounded."""
DEMUXERS: Final = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "mov",
    "audio/ogg": "ogg",
}
CODECS: Final = frozenset(
    {"aac", "adpcm_ima_wav", "adpcm_ms", "alac", "flac", "gsm_ms", "mp3", "mp3float", "opus"}
    | {"vorbis", "libopus", "libvorbis"}
)
"""And every kind of PCM. Of what FFmpeg decodes the rest is no recording of a call."""
MAX_BROKEN: Final = 0.5
"""Of the packets. Beyond this a file is no recording that lost a little."""


@dataclass(frozen=True, slots=True)
class Block:
    """`pcm` begins at sample `start` of the recording; what lies between two blocks was lost."""

    start: int
    pcm: Channels


@dataclass(slots=True)
class Losses:
    """What of a file could not be read."""

    packets: int = 0
    broken: int = 0
    is_cut_off: bool = False

    @property
    def any(self) -> bool:
        return self.is_cut_off or self.broken > 0


def blocks(
    path: Path, tell: Callable[[float], None] = lambda share: None, losses: Losses | None = None
) -> Iterator[Block]:
    """The recording from its beginning on, in blocks of well under a second.

    `tell` is called with the share of the file that has been read; `losses` counts what could not
    be. Raises `Refused` where `path` is no recording, or one beyond the limits, as soon as that
    is known.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Refused("too_large", f"The recording is larger than {MAX_BYTES // 2**30} GiB.")
    lost = Losses() if losses is None else losses
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        demuxer = _demuxer(head)
        lost.is_cut_off = _is_cut_off(head, size)
        file.seek(0)
        try:
            with av.open(file, "r", format=demuxer, metadata_errors="ignore") as container:
                stated_s = _stated_s(container, demuxer)
                end = 0
                for block in _placed(_frames(container, lost), lost):
                    end = block.start + block.pcm.shape[1]
                    if end > MAX_S * SAMPLE_RATE:
                        raise Refused(
                            "too_long",
                            f"The recording is longer than {MAX_S // 3600} hours: upload it in "
                            "parts.",
                        )
                    tell(min(file.tell() / size, 1.0))
                    yield block
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise Refused(
                "unreadable",
                "The recording is damaged so that nothing in it can be played. Export it again as "
                "WAV, MP3, M4A or Ogg, and upload that.",
            ) from error
    if stated_s - end / SAMPLE_RATE > max(1.0, stated_s / 50):
        lost.is_cut_off = True
    if lost.packets and lost.broken > MAX_BROKEN * lost.packets:
        raise Refused(
            "damaged",
            "Most of the recording is damaged. Export it again from where it was made, and upload "
            "that.",
        )
    if end < MIN_S * SAMPLE_RATE:
        raise Refused("too_short", "The recording is shorter than a second: nothing can be heard.")


def _demuxer(head: bytes) -> str:
    kind = media_type(head)
    if kind not in DEMUXERS:
        raise Refused(
            "not_a_recording",
            "This is no recording that can be read: WAV, MP3, M4A and Ogg (Opus, Vorbis, FLAC) "
            "can.",
        )
    return DEMUXERS[kind]


def _is_cut_off(head: bytes, size: int) -> bool:
    """Whether a WAV file is shorter than its head says, of which FFmpeg makes nothing. A recorder
    that cannot go back writes a length of nothing, or of all."""
    stated = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and 0 < stated < 0xFFFFFFFF and stated + 8 > size


def _stated_s(container: Any, demuxer: str) -> float:
    """How long the file says it is; 0 where it does not, or only guesses."""
    if demuxer == "mp3" or container.duration is None:
        return 0.0
    return min(float(container.duration / av.time_base), float(MAX_S))


def _frames(container: Any, lost: Losses) -> Iterator[Any]:
    """Decoded frames of the first stream of sound, all of one rate and layout."""
    if not container.streams.audio:
        raise Refused("no_sound", "The file has a picture, or nothing at all, but no sound.")
    stream = container.streams.audio[0]
    _check(stream.codec_context)
    stream.codec_context.thread_count = 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, EOFError):
            # What is cut off ends here, in the midst of a packet.
            lost.is_cut_off = True
            return
        lost.packets += 1
        try:
            yield from packet.decode()
        except av.FFmpegError:
            lost.broken += 1


def _check(codec: Any) -> None:
    if codec is None or not (codec.name in CODECS or codec.name.startswith("pcm_")):
        raise Refused(
            "unknown_codec",
            "The recording is coded in a way that is not read here. Export it as WAV, MP3, M4A or "
            "Ogg, and upload that.",
        )
    channels, rate = codec.channels, codec.sample_rate
    if not 1 <= channels <= MAX_CHANNELS:
        raise Refused(
            "channels",
            f"The recording has {channels} channels: upload it with one for everybody, or with one "
            "for each of two people.",
        )
    if rate not in RATES:
        raise Refused(
            "sample_rate",
            f"The recording has {rate} samples per second; {RATES[0]} to {RATES[-1]} are read.",
        )


def _placed(frames: Iterator[Any], lost: Losses) -> Iterator[Block]:
    """`frames` at 16 kHz, each where its time stamp puts it if that leaves a hole."""
    resampler: Any = None
    form: tuple[int, str] | None = None
    origin_s: float | None = None
    begin = given = 0
    heard_s = 0.0
    for frame in frames:
        now = frame.sample_rate, frame.layout.name
        if form is None:
            form = now
        elif now != form:
            raise Refused(
                "mixed",
                "The recording changes its sample rate or its channels midway. Export it as one, "
                "and upload that.",
            )
        at_s = heard_s
        if frame.pts is not None and frame.time_base is not None:
            stamp_s = float(frame.pts * frame.time_base)
            origin_s = stamp_s if origin_s is None else origin_s
            at_s = stamp_s - origin_s
        if resampler is None or at_s > heard_s + HOLE_S:
            if resampler is not None:
                lost.broken += 1
                for pcm in _resampled(resampler, None):
                    yield Block(begin + given, pcm)
                    given += pcm.shape[1]
            begin, given, heard_s = max(begin + given, round(at_s * SAMPLE_RATE)), 0, at_s
            resampler = av.AudioResampler("s16p", frame.layout, SAMPLE_RATE)
        heard_s += frame.samples / frame.sample_rate
        for pcm in _resampled(resampler, frame):
            yield Block(begin + given, pcm)
            given += pcm.shape[1]
    if resampler is not None:
        for pcm in _resampled(resampler, None):
            yield Block(begin + given, pcm)
            given += pcm.shape[1]


def _resampled(resampler: Any, frame: Any) -> Iterator[Channels]:
    if frame is not None:
        # Of a time stamp that jumps back the resampler would make a failure.
        frame.pts = None
    for piece in resampler.resample(frame):
        yield piece.to_ndarray()
