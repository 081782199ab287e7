"""Whisper as it was trained, 30 s at a time, on CTranslate2: three times the cost of short context,
and harder to lead astray. What short context cannot make out is decoded again by this."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np

from engine.asr.decoded import Decoded, is_silence, most_tokens, repeats, spoken
from engine.asr.encoder import MAX_POSITIONS
from engine.asr.mel import LogMel, scaled
from engine.asr.vocabulary import Vocabulary
from engine.frames import SAMPLE_RATE, Pcm

LONGEST_S = 30
POSITION_MS = 20


class FullContextWhisper:
    """One loaded model. Not thread-safe; one per worker process.

    `folder` holds a CTranslate2 Whisper model (model.bin, config.json, tokenizer.json).
    """

    def __init__(
        self, folder: Path, *, language: str = "en", compute_type: str = "int8", threads: int = 1
    ) -> None:
        self._vocabulary = Vocabulary(folder, language)
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type=compute_type, intra_threads=threads
        )
        self._mel = LogMel()

    def decode(self, pcm: Pcm, times: bool) -> Decoded:
        """Transcribe int16 at 16 kHz, at most 30 s; with word `times` or without."""
        if len(pcm) > LONGEST_S * SAMPLE_RATE:
            raise ValueError(f"a window of {len(pcm) / SAMPLE_RATE:.1f} s; at most {LONGEST_S} s")
        mel = scaled(self._mel.frames(pcm, 0, 2 * MAX_POSITIONS)).T[None]
        states = self._model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel)))
        vocabulary = self._vocabulary
        cap = most_tokens(pcm)
        opening = [*vocabulary.before, *vocabulary.prompt]
        (result,) = self._model.generate(
            states,
            [opening],
            beam_size=1,
            max_length=min(448, 2 * (len(opening) + cap)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        ids = [token for token in result.sequences_ids[0] if token < vocabulary.end]
        ran_away = len(ids) > cap or repeats(vocabulary.text(ids))
        score, silent = float(result.scores[0]), float(result.no_speech_prob)
        ids = [] if is_silence(silent, score) else ids[:cap]
        words = spoken(vocabulary, ids, [1.0] * len(ids), None)
        if times and ids:
            frames = len(pcm) * 100 // SAMPLE_RATE
            (aligned,) = self._model.align(states, vocabulary.start, [ids], [frames])
            first = np.full(len(ids) + 1, frames // 2, np.int64)
            for token, position in reversed(aligned.alignments):
                if token < len(first):
                    first[token] = position
            words = spoken(vocabulary, ids, aligned.text_token_probs, first * POSITION_MS)
        return Decoded(words, score, silent, full_context=True, ran_away=ran_away)
