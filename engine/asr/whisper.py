"""Whisper on windows far shorter than the 30 s that it was trained on.

The encoder takes fewer than 3000 mel frames, but with a short state sequence alone the decoder runs
on and repeats itself. So the audio is encoded with 1 s of zeros behind it, and encoder states of
silence, computed once per model, are appended: a third to a quarter of the CPU at an equal word
error rate. A window whose output still runs away is decoded again with the full 30 s context.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from engine.asr.window import SpokenWord
from engine.frames import SAMPLE_RATE, Pcm

PAD_S = 1.0
MEL_PER_S = 100
STATES_PER_S = 50
MAX_MEL = 3000
MAX_STATES = 1500
SHORT_TAIL = 100
"""States of silence kept right behind the audio and, again, from the end of the 30 s."""
TOKENS_PER_S = 7
"""People say fewer tokens a second than this; more is a decoder running on."""
RUNAWAY_COMPRESSION = 2.4
"""Text that zlib shrinks by more than this repeats itself (the limit Whisper's authors use)."""
ATTENTION_LAG_MS = 110
"""Cross-attention finds a word this much later than forced alignment does: the median over 1,357
words of 77 clips of read speech, tiny.en against pocketsphinx (the ends: 120 ms)."""
SILENCE_PROBABILITY = 0.6
SILENCE_LOG_PROBABILITY = -0.75
"""Less sure than this of its words and surer than `SILENCE_PROBABILITY` of silence: no words.
Digital silence scores -0.87 to -1.02 ("you"), speech taken for silence below -1.2."""


@dataclass(frozen=True, slots=True)
class Decoded:
    words: list[SpokenWord]
    average_log_probability: float
    no_speech_probability: float
    full_context: bool


class ShortContextWhisper:
    """One loaded model. Not thread-safe; one per worker process.

    `folder` holds a CTranslate2 Whisper model (model.bin, config.json, tokenizer.json).
    `whole_tail` appends all the silence up to 30 s (base wants it; tiny.en does not).
    """

    def __init__(
        self,
        folder: Path,
        *,
        language: str = "en",
        whole_tail: bool = False,
        compute_type: str = "int8",
        threads: int = 1,
    ) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type=compute_type, intra_threads=threads
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._features = FeatureExtractor(feature_size=80)
        token = self._tokenizer.token_to_id
        start = [token("<|startoftranscript|>")]
        if self._model.is_multilingual:
            code = token(f"<|{language}|>")
            if code is None:
                raise ValueError(f"this model knows no language {language!r}")
            start += [code, token("<|transcribe|>")]
        self._start = start
        self._prompt = [*start, token("<|notimestamps|>")]
        self._end = token("<|endoftext|>")
        self._whole_tail = whole_tail
        silence = np.zeros(30 * SAMPLE_RATE, np.float32)
        self._silence: NDArray[np.float32] = np.array(self._encode(self._mel([silence], MAX_MEL)))

    def decode(self, windows: list[Pcm], times: list[bool]) -> list[Decoded]:
        """Transcribe int16 windows (16 kHz, each at most 28 s) as one batch, padded alike.

        `times[i]` asks for word times of window i. Raises `ValueError` for a window over 28 s.
        """
        audio = [pcm.astype(np.float32) / 32768.0 for pcm in windows]
        longest = max(len(samples) for samples in audio)
        if longest > 28 * SAMPLE_RATE:
            raise ValueError(f"a window of {longest / SAMPLE_RATE:.1f} s; at most 28 s")
        mel_frames = int((longest / SAMPLE_RATE + PAD_S) * MEL_PER_S) // 2 * 2
        states = self._with_tail(np.array(self._encode(self._mel(audio, mel_frames))))
        decoded = self._generate(states, audio, times, full_context=False)
        for index, (result, samples) in enumerate(zip(decoded, audio, strict=True)):
            if result is None:
                whole = np.array(self._encode(self._mel([samples], MAX_MEL)))
                again = self._generate(whole, [samples], [times[index]], full_context=True)[0]
                decoded[index] = again or Decoded([], -9.0, 1.0, True)
        return [result for result in decoded if result is not None]

    def _mel(self, audio: list[NDArray[np.float32]], frames: int) -> NDArray[np.float32]:
        padded = np.zeros((len(audio), frames * SAMPLE_RATE // MEL_PER_S), np.float32)
        for row, samples in zip(padded, audio, strict=True):
            row[: len(samples)] = samples
        mel = np.stack([self._features(row, padding=0)[:, :frames] for row in padded])
        return np.ascontiguousarray(mel, dtype=np.float32)

    def _encode(self, mel: NDArray[np.float32]) -> Any:
        return self._model.encode(ctranslate2.StorageView.from_array(mel))

    def _with_tail(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        batch, used, _ = states.shape
        if self._whole_tail:
            tail = np.arange(used, MAX_STATES)
        else:
            near = np.arange(used, min(used + SHORT_TAIL, MAX_STATES))
            tail = np.concatenate([near, np.arange(MAX_STATES - SHORT_TAIL, MAX_STATES)])
        silence = np.repeat(self._silence[:, tail], batch, axis=0)
        return np.ascontiguousarray(np.concatenate([states, silence], axis=1))

    def _generate(
        self,
        states: NDArray[np.float32],
        audio: list[NDArray[np.float32]],
        times: list[bool],
        *,
        full_context: bool,
    ) -> list[Decoded | None]:
        """Decode greedily; None marks an output that ran away and has a fuller context to try."""
        view = ctranslate2.StorageView.from_array(states)
        caps = [int(TOKENS_PER_S * len(samples) / SAMPLE_RATE) + 8 for samples in audio]
        results = self._model.generate(
            view,
            [self._prompt] * len(audio),
            beam_size=1,
            max_length=min(448, 2 * (len(self._prompt) + max(caps))),
            return_scores=True,
            return_no_speech_prob=True,
        )
        decoded: list[Decoded | None] = []
        for index, (result, cap) in enumerate(zip(results, caps, strict=True)):
            ids = [i for i in result.sequences_ids[0] if i < self._end]
            text = self._tokenizer.decode(ids)
            ran_away = len(ids) > cap or _repeats(text)
            if ran_away and not full_context:
                decoded.append(None)
                continue
            ids = ids[:cap]
            score = float(result.scores[0])
            silent = float(result.no_speech_prob)
            if silent > SILENCE_PROBABILITY and score < SILENCE_LOG_PROBABILITY:
                ids = []
            words = self._words(ids)
            if times[index] and words:
                words = self._timed(states[index : index + 1], audio[index], ids, words)
            spoken = [word for word in (w[0] for w in words) if word.text]
            decoded.append(Decoded(spoken, score, silent, full_context))
        return decoded

    def _words(self, ids: list[int]) -> list[tuple[SpokenWord, int]]:
        """Words with their number of tokens. A token that begins with a space begins a word."""
        groups: list[list[int]] = []
        for token in ids:
            piece = self._tokenizer.id_to_token(token) or ""
            if not groups or piece.startswith("Ġ"):
                groups.append([])
            groups[-1].append(token)
        return [(SpokenWord(self._tokenizer.decode(g).strip()), len(g)) for g in groups]

    def _timed(
        self,
        states: NDArray[np.float32],
        samples: NDArray[np.float32],
        ids: list[int],
        words: list[tuple[SpokenWord, int]],
    ) -> list[tuple[SpokenWord, int]]:
        """Word times from the cross-attention path (dynamic time warping inside CTranslate2)."""
        view = ctranslate2.StorageView.from_array(states)
        frames = len(samples) * MEL_PER_S // SAMPLE_RATE
        aligned = self._model.align(view, self._start, [ids], [frames])[0]
        first_state = np.full(len(ids) + 1, frames // 2, np.int64)
        for token, state in reversed(aligned.alignments):
            if token < len(first_state):
                first_state[token] = state
        begun_ms = np.maximum(first_state * 1000 // STATES_PER_S - ATTENTION_LAG_MS, 0)
        probabilities = aligned.text_token_probs
        timed: list[tuple[SpokenWord, int]] = []
        at = 0
        for word, count in words:
            start, end = int(begun_ms[at]), int(begun_ms[at + count])
            probability = float(np.mean(probabilities[at : at + count]))
            at += count
            timed.append(
                (SpokenWord(word.text, start, max(start, end), round(probability, 3)), count)
            )
        return timed


def _repeats(text: str) -> bool:
    data = text.encode()
    return len(data) > 40 and len(data) / len(zlib.compress(data)) > RUNAWAY_COMPRESSION
