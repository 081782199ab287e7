"""Render a scripted call: `NAME.toml` in, `NAME.opus` and `NAME.json` out; by default the demo's.

Run `python -m api.demo.render [SCRIPT ...]` where the `voices` extra is installed (kokoro-onnx,
which phonemizes with GPL-licensed phonemizer and eSpeak NG; nothing of them is needed to play a
call). The result depends on the script, the weights and the package versions alone, all of which
`NAME.json` records; the noise is seeded and the Ogg stream carries no random serial.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.signal import butter, resample_poly, sosfilt

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "call.toml"

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = 960
MODEL = "kokoro-82m"
MODEL_FILE = "kokoro-v1.0.int8.onnx"
PACKAGES = ("kokoro-onnx", "onnxruntime", "espeakng-loader", "phonemizer", "numpy", "scipy", "av")
NOISE_SEED = 2026

Samples = NDArray[np.float64]


class Passage(BaseModel):
    """One stretch of speech and the silence after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    phrases: list[str] = Field(min_length=1)
    speed: float = Field(ge=0.5, le=2.0)
    tempo: float = Field(default=1.0, ge=0.5, le=2.0)
    gain_db: float = Field(le=0.0)
    drive_db: float = Field(default=0.0, ge=0.0, le=40.0)
    """Level above `gain_db` at which the microphone's converter is driven: it clips."""
    phrase_pause_ms: int = Field(ge=0)
    pause_after_ms: int = Field(ge=0)
    feedback: list[str]

    @property
    def text(self) -> str:
        """The words as one string."""
        return " ".join(self.phrases)


class Script(BaseModel):
    """The whole of a script."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    voice: str
    speech_level_dbfs: float
    room_noise_dbfs: float
    lead_in_ms: int
    tail_ms: int
    bit_rate: int
    passages: list[Passage] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path = SCRIPT) -> Script:
        """Read and check a script. Raises `pydantic.ValidationError` when it does not fit."""
        return cls.model_validate(tomllib.loads(path.read_text("utf-8")))


class Voice:
    """Kokoro with one voice; `speak` gives 48 kHz samples without leading or trailing silence."""

    def __init__(self, weights: Path, name: str) -> None:
        """`weights` holds `kokoro-v1.0.int8.onnx` and `voices/NAME.bin` (float32 [510, 256])."""
        import onnxruntime
        from kokoro_onnx import Kokoro

        onnxruntime.set_seed(NOISE_SEED)
        styles = np.fromfile(weights / "voices" / f"{name}.bin", "<f4").reshape(510, 1, 256)
        with tempfile.TemporaryDirectory() as folder:
            voices = Path(folder) / "voices.npz"
            np.savez(voices, **{name: styles})
            self._kokoro = Kokoro(str(weights / MODEL_FILE), str(voices))
        self._name = name

    def speak(self, text: str, speed: float, tempo: float) -> Samples:
        """Synthesize `text`: float64 mono at 48 kHz, first and last 5 ms faded."""
        audio, rate_hz = self._kokoro.create(text, self._name, speed=speed, lang="en-us")
        samples = resample_poly(audio.astype(np.float64), SAMPLE_RATE_HZ, rate_hz)
        samples = trimmed(compressed(samples, tempo))
        ramp = np.linspace(0.0, 1.0, milliseconds(5))
        samples[: ramp.size] *= ramp
        samples[-ramp.size :] *= ramp[::-1]
        return samples


def milliseconds(duration_ms: float) -> int:
    """Samples in `duration_ms` at 48 kHz."""
    return round(duration_ms * SAMPLE_RATE_HZ / 1000)


def frame_levels_dbfs(samples: Samples) -> Samples:
    """RMS level of each whole 20 ms frame in dB relative to full scale (1.0)."""
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return 10.0 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def active_level_dbfs(samples: Samples) -> float:
    """RMS level over the 20 ms frames within 25 dB of the 95th percentile frame.

    A plain stand-in for ITU-T P.56's active speech level, good to about 1 dB on clean speech.
    """
    levels = frame_levels_dbfs(samples)
    active = levels[levels > np.percentile(levels, 95) - 25.0]
    return float(10.0 * np.log10(np.mean(10.0 ** (active / 10.0))))


def trimmed(samples: Samples) -> Samples:
    """Drop 20 ms frames at either end that lie more than 40 dB below the loudest frame."""
    levels = frame_levels_dbfs(samples)
    loud = np.flatnonzero(levels > levels.max() - 40.0)
    return samples[loud[0] * FRAME_SAMPLES : (loud[-1] + 1) * FRAME_SAMPLES].copy()


def compressed(samples: Samples, tempo: float) -> Samples:
    """`samples` (48 kHz) `tempo` times as fast at the same pitch, by FFmpeg's `atempo` (WSOLA)."""
    if tempo == 1.0:
        return samples
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE_HZ, format="flt", layout="mono")
    stretch = graph.add("atempo", str(tempo))
    sink = graph.add("abuffersink")
    source.link_to(stretch)
    stretch.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        samples.astype(np.float32).reshape(1, -1), format="flt", layout="mono"
    )
    frame.sample_rate = SAMPLE_RATE_HZ
    graph.push(frame)
    graph.push(None)
    blocks = []
    while True:
        try:
            blocks.append(graph.pull().to_ndarray().reshape(-1))
        except av.error.EOFError:
            return np.concatenate(blocks).astype(np.float64)


def room_noise(size: int, level_dbfs: float) -> Samples:
    """Seeded noise like a quiet room's: `size` samples, first-order band-pass 60-1500 Hz."""
    white = np.random.default_rng(NOISE_SEED).standard_normal(size)
    band = butter(1, [60.0, 1500.0], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    noise = sosfilt(band, white)
    return noise * 10.0 ** (level_dbfs / 20.0) / np.sqrt(np.mean(noise**2))


def compose(script: Script, voice: Voice) -> tuple[Samples, list[dict[str, Any]]]:
    """Speak every passage at its level and lay them out in time over the room noise.

    Returns the samples (float64 mono, 48 kHz) and one record per passage. Raises `ValueError` when
    the mix would clip.
    """
    at = milliseconds(script.lead_in_ms)
    placed: list[tuple[int, Samples]] = []
    records: list[dict[str, Any]] = []
    for passage in script.passages:
        spoken = [voice.speak(phrase, passage.speed, passage.tempo) for phrase in passage.phrases]
        wanted_dbfs = script.speech_level_dbfs + passage.gain_db
        gain = 10.0 ** ((wanted_dbfs - active_level_dbfs(np.concatenate(spoken))) / 20.0)
        start = at
        for index, phrase in enumerate(spoken):
            if index:
                at += milliseconds(passage.phrase_pause_ms)
            driven = phrase * gain * 10.0 ** (passage.drive_db / 20.0)
            placed.append((at, np.clip(driven, -1.0, 1.0)))
            at += phrase.size
        words = len(passage.text.split())
        records.append(
            {
                "name": passage.name,
                "startMs": start * 1000 // SAMPLE_RATE_HZ,
                "endMs": at * 1000 // SAMPLE_RATE_HZ,
                "text": passage.text,
                "words": words,
                "rateWpm": round(words * 60.0 * SAMPLE_RATE_HZ / (at - start), 1),
                "levelDbfs": round(wanted_dbfs, 1),
                "pauseAfterMs": passage.pause_after_ms,
                "feedback": passage.feedback,
            }
        )
        at += milliseconds(passage.pause_after_ms)
    call = room_noise(at + milliseconds(script.tail_ms), script.room_noise_dbfs)
    for start, phrase in placed:
        call[start : start + phrase.size] += phrase
    peak = float(np.abs(call).max())
    if peak >= 0.98 and not any(passage.drive_db for passage in script.passages):
        raise ValueError(f"the call peaks at {peak:.2f} of full scale: lower speech_level_dbfs")
    return call, records


def encode(samples: Samples, path: Path, bit_rate: int) -> None:
    """Write mono 48 kHz samples as Ogg/Opus: libopus, 20 ms packets, no DTX, one-second pages."""
    pcm = np.clip(np.round(samples * 32767.0), -32768, 32767).astype(np.int16)
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(
            "libopus",
            rate=SAMPLE_RATE_HZ,
            options={"application": "audio", "frame_duration": "20", "compression_level": "10"},
        )
        stream.bit_rate = bit_rate
        stream.layout = "mono"
        for start in range(0, pcm.size, FRAME_SAMPLES):
            block = np.zeros(FRAME_SAMPLES, np.int16)
            part = pcm[start : start + FRAME_SAMPLES]
            block[: part.size] = part
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def render(weights: Path, path: Path = SCRIPT, folder: Path | None = None) -> dict[str, Any]:
    """Render the script at `path` with the voices in `weights` into `folder`, by default beside the
    script; return the sidecar."""
    script = Script.load(path)
    samples, passages = compose(script, Voice(weights, script.voice))
    folder = folder or path.parent
    audio = folder / f"{path.stem}.opus"
    encode(samples, audio, script.bit_rate)
    sidecar = {
        "audioSha256": sha256(audio),
        "scriptSha256": sha256(path),
        "durationMs": samples.size * 1000 // SAMPLE_RATE_HZ,
        "speechLevelDbfs": script.speech_level_dbfs,
        "roomNoiseDbfs": script.room_noise_dbfs,
        "voice": script.voice,
        "model": {"name": MODEL, "sha256": sha256(weights / MODEL_FILE)},
        "packages": {name: version(name) for name in PACKAGES},
        "passages": passages,
    }
    (folder / f"{path.stem}.json").write_text(json.dumps(sidecar, indent=2) + "\n", "utf-8")
    return sidecar


def main() -> None:
    """The command: fetch the voice unless `--weights` names its folder, then render."""
    parser = argparse.ArgumentParser(prog="python -m api.demo.render", description=__doc__)
    parser.add_argument("--weights", type=Path, help=f"folder of {MODEL} (default: fetched)")
    parser.add_argument("--out", type=Path, help="folder to write to (default: the script's)")
    parser.add_argument("scripts", type=Path, nargs="*", default=[SCRIPT], metavar="SCRIPT")
    arguments = parser.parse_args()
    weights = arguments.weights
    if weights is None:
        from engine import models

        weights = Path(models.ensure(MODEL))
    for script in arguments.scripts:
        print(script)
        for passage in render(weights, script, arguments.out)["passages"]:
            start_s, end_s = passage["startMs"] / 1000, passage["endMs"] / 1000
            print(
                f"{start_s:6.2f}-{end_s:5.2f} s  {passage['name']:10}"
                f" {passage['rateWpm']:5.0f} wpm  {passage['levelDbfs']:6.1f} dBFS"
                f"  {', '.join(passage['feedback'])}"
            )


if __name__ == "__main__":
    main()
