"""Render the spoken test set of the domain benchmark: `sentences.toml` in, Ogg/Opus and JSON out.

Run `python -m benchmarks.domain.render` where the `voices` extra is installed (kokoro-onnx).
Sentences with terms are spoken by two voices, ordinary ones by one; the two halves share no voice.
The result depends on the sentences, how the list says terms with digits, the weights and the
package versions; the JSON beside each file records them.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from api.demo.render import (
    MODEL,
    MODEL_FILE,
    NOISE_SEED,
    PACKAGES,
    SAMPLE_RATE_HZ,
    Samples,
    active_level_dbfs,
    encode,
    milliseconds,
    room_noise,
    sha256,
    trimmed,
)
from benchmarks.domain.sentences import FOLDER, HALVES, SENTENCES, Half, Sentence, Sentences
from engine import models
from engine.asr.domain import Terms, load

VOICES: dict[Half, tuple[str, ...]] = {
    "tuning": ("af_heart", "am_michael", "af_sarah", "am_eric"),
    "heldout": ("af_nova", "am_puck", "af_kore", "am_liam"),
}
SPEEDS = (1.0, 1.1, 0.95, 1.05, 1.15)
LEVEL_DBFS = -23.0
ROOM_DBFS = -65.0
LEAD_MS, TAIL_MS = 250, 350
BIT_RATE = 24_000


@dataclass(frozen=True, slots=True)
class Take:
    """One sentence to be spoken."""

    sentence: Sentence
    voice: str
    speed: float


class Speaker:
    """Kokoro with several voices, reading IPA."""

    def __init__(self, weights: Path, voices: list[str], say: dict[str, str], terms: Terms) -> None:
        """`weights` holds `kokoro-v1.0.int8.onnx` and `voices/NAME.bin` (float32 [510, 256])."""
        import onnxruntime
        from kokoro_onnx import Kokoro

        onnxruntime.set_seed(NOISE_SEED)
        one_thread = onnxruntime.SessionOptions()
        one_thread.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(weights / MODEL_FILE), one_thread, providers=["CPUExecutionProvider"]
        )
        styles = {
            name: np.fromfile(weights / "voices" / f"{name}.bin", "<f4").reshape(510, 1, 256)
            for name in voices
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "voices.npz"
            np.savez(path, **styles)
            self._kokoro = Kokoro.from_session(session, str(path))
        self._say = say
        self._terms = terms

    def phonemes(self, sentence: Sentence) -> str:
        """IPA of a sentence: eSpeak NG's, but for the terms that `say` spells."""
        pieces: list[str] = []
        plain = ""
        for text, is_term in sentence.pieces:
            if is_term and text in self._say:
                pieces += [self._ipa(plain), self._say[text]]
                plain = ""
            else:
                plain += spoken(text, self._terms) if is_term else text
        pieces.append(self._ipa(plain))
        joined = " ".join(piece for piece in pieces if piece)
        return re.sub(r" +([.,?!])", r"\1", joined)

    def speak(self, take: Take) -> Samples:
        """Float64 mono at 48 kHz at the set's level, silence at the ends cut off."""
        audio, rate_hz = self._kokoro.create(
            self.phonemes(take.sentence),
            take.voice,
            speed=take.speed,
            lang="en-us",
            is_phonemes=True,
        )
        samples = trimmed(resample_poly(audio.astype(np.float64), SAMPLE_RATE_HZ, rate_hz))
        ramp = np.linspace(0.0, 1.0, milliseconds(5))
        samples[: ramp.size] *= ramp
        samples[-ramp.size :] *= ramp[::-1]
        return samples * 10.0 ** ((LEVEL_DBFS - active_level_dbfs(samples)) / 20.0)

    def _ipa(self, text: str) -> str:
        return self._kokoro.tokenizer.phonemize(text, "en-us").strip() if text.strip(" ") else ""


def spoken(term: str, terms: Terms) -> str:
    """What eSpeak NG is given for a term: digits as words, capitals letter by letter."""
    if re.search(r"\d", term):
        return re.sub(r"\b[a-z]\b", lambda letter: letter[0].upper(), terms.said(term)[0])
    parts = re.split(r"[\s/-]+", term)
    return " ".join(" ".join(part) if part.isupper() else part for part in parts)


def takes(sentences: Sentences, half: Half) -> list[Take]:
    """Every sentence with its voices, in order."""
    voices, speeds = cycle(VOICES[half]), cycle(SPEEDS)
    wanted: list[Take] = []
    for sentence in sentences.of(half):
        times = 2 if sentence.terms else 1
        wanted += [Take(sentence, next(voices), next(speeds)) for _ in range(times)]
    return wanted


def render(weights: Path, half: Half, folder: Path) -> dict[str, Any]:
    """Render one half into `folder`; return the sidecar. Raises `ValueError` where it clips."""
    sentences = Sentences.load()
    speaker = Speaker(weights, list(VOICES[half]), sentences.say, load())
    at = 0
    parts: list[Samples] = []
    clips: list[dict[str, Any]] = []
    for take in takes(sentences, half):
        print(take.voice, take.sentence.text, flush=True)
        speech = speaker.speak(take)
        part = np.zeros(milliseconds(LEAD_MS) + speech.size + milliseconds(TAIL_MS))
        # Whole milliseconds, so that a clip is where the sidecar says.
        part = np.pad(part, (0, -part.size % milliseconds(1)))
        part[milliseconds(LEAD_MS) :][: speech.size] = speech
        start_ms, end_ms = (1000 * n // SAMPLE_RATE_HZ for n in (at, at + part.size))
        clips.append(
            {
                "startMs": start_ms,
                "endMs": end_ms,
                "voice": take.voice,
                "speed": take.speed,
                "text": take.sentence.marked,
                "phonemes": speaker.phonemes(take.sentence),
            }
        )
        parts.append(part)
        at += part.size
    mix = np.concatenate(parts) + room_noise(at, ROOM_DBFS)
    peak = float(np.abs(mix).max())
    if peak >= 0.98:
        raise ValueError(f"{half} peaks at {peak:.2f} of full scale: lower LEVEL_DBFS")
    audio = folder / f"{half}.opus"
    encode(mix, audio, BIT_RATE)
    sidecar = {
        "audioSha256": sha256(audio),
        "sentencesSha256": sha256(SENTENCES),
        "command": "python -m benchmarks.domain.render",
        "model": {"name": MODEL, "sha256": sha256(weights / MODEL_FILE)},
        "packages": {name: version(name) for name in PACKAGES},
        "clips": clips,
    }
    text = json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{half}.json").write_text(text, "utf-8")
    return sidecar


def main() -> None:
    """The command: fetch the voices unless `--weights` names their folder, then render."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.domain.render", description=__doc__)
    parser.add_argument("--weights", type=Path, help=f"folder of {MODEL} (default: fetched)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    parser.add_argument("--half", choices=HALVES, action="append", help="only this half")
    arguments = parser.parse_args()
    weights = arguments.weights or Path(models.ensure(MODEL))
    for half in arguments.half or HALVES:
        clips = render(weights, half, arguments.out)["clips"]
        print(f"{half}: {len(clips)} clips, {clips[-1]['endMs'] / 1000:.0f} s")


if __name__ == "__main__":
    main()
