"""Recordings as people upload them: real speech, coded by FFmpeg."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from engine.frames import SAMPLE_RATE, Pcm

RATE = 48_000
FORMATS = {
    "wav": ("wav", "pcm_s16le", "s16"),
    "mulaw.wav": ("wav", "pcm_mulaw", "s16"),
    "mp3": ("mp3", "libmp3lame", "s16p"),
    "m4a": ("ipod", "aac", "fltp"),
    "opus.ogg": ("ogg", "libopus", "s16"),
    "flac.ogg": ("ogg", "flac", "s16"),
}
"""Container, codec and its sample format, by the ending of the file's name."""
VORBIS = "vorbis.ogg"
"""Which PyAV's FFmpeg reads and does not write."""
ENDINGS = (*FORMATS, VORBIS)
CHUNK = 1024

Channels = NDArray[np.int16]


def write(path: Path, pcm: Channels, rate: int = SAMPLE_RATE, ending: str = "wav") -> Path:
    """int16 (channels, samples) at `rate`, as a file of `ending` at `path`."""
    if ending == VORBIS:
        soundfile.write(path, pcm.T, rate, format="OGG", subtype="VORBIS")
        return path
    container, codec, sample_format = FORMATS[ending]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(pcm)]
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)  # type: ignore[call-overload]
        resampler = av.AudioResampler(sample_format, layout, rate, stream.frame_size or CHUNK)
        for at in range(0, pcm.shape[1], CHUNK):
            piece = pcm[:, at : at + CHUNK].T.reshape(1, -1).copy()
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, at
            for ready in resampler.resample(frame):
                out.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))
    return path


def by_turns(speech: Pcm, other: Pcm, turn_s: float, turns: int) -> Channels:
    """Two people on a channel each, of whom one talks at a time; int16 (2, samples) on a line that
    hisses a little."""
    size = round(turn_s * SAMPLE_RATE)
    pcm = np.random.default_rng(3).normal(0.0, 6.0, (2, turns * size)).astype(np.int16)
    for number in range(turns):
        person, at = number % 2, number // 2 * size
        source = (speech, other)[person][at : at + size]
        pcm[person, number * size : number * size + len(source)] += source
    return pcm
