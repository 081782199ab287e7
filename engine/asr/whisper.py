"""Whisper on windows of speech that goes on: short context, kept states, drafted decoding.

Whisper was trained on 30 s at a time. Its encoder takes less, but with the states of the audio
alone the decoder runs on and repeats itself. So the audio is encoded with some silence behind it,
and states of silence, computed once per model, are appended: a third of the CPU at an equal word
error rate.

Of an utterance that is asked about again, spectrum, keys and values of all but the newest positions
are kept, and its last words are the draft of the next: another half. Where the last words are asked
for, all is computed again, and every token of the draft is compared with the whole vocabulary. Last
words that run away are decoded again with the full 30 s.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from engine.asr import checkpoint
from engine.asr.alignment import begun_ms
from engine.asr.decoded import (
    UNSURE_LOG_PROBABILITY,
    Decoded,
    is_silence,
    most_tokens,
    repeats,
    spoken,
)
from engine.asr.decoder import MAX_TOKENS, Decoder
from engine.asr.drafted import Token, Transcript, decode
from engine.asr.encoder import MAX_POSITIONS, Encoder, Memory
from engine.asr.full_context import FullContextWhisper
from engine.asr.kernels import Floats
from engine.asr.mel import BANDS, HOP, WINDOW, LogMel, scaled
from engine.asr.vocabulary import Vocabulary
from engine.frames import SAMPLE_RATE, Pcm

LONGEST_S = 28
PADDED = 30
"""Positions (20 ms) of silence that are encoded behind the audio. With 25, twice as many cuts of
unbroken speech lose or double a word (20 of 52 against 11 of 58)."""
REDONE = 45
"""Of the positions encoded before, so many are computed again with what has come behind them."""
SHORT_TAIL = 100
"""States of silence kept right behind those and, again, from the end of the 30 s."""
MAX_KEPT = 32
"""Utterances whose states are kept; beyond this those asked about longest ago are let go."""
MAX_SPARE = 4
"""Blocks that wait for the next utterance, of up to 38 MB each; others go back to the system."""
SAMPLES_PER_POSITION = 2 * HOP


@dataclass(slots=True)
class _Kept:
    """What is known of an utterance: `frames` of the spectrum `logs`, `positions` of the rest."""

    logs: Floats
    encoded: Memory
    heard: Memory
    frames: int = 0
    positions: int = 0
    tokens: Sequence[Token] = ()


@dataclass(slots=True)
class _Room:
    """Blocks that utterances and decodes take and give back: fresh memory costs page faults."""

    kept: list[_Kept] = field(default_factory=list)
    said: list[Memory] = field(default_factory=list)


class ShortContextWhisper:
    """One loaded model. Not thread-safe; one per worker process.

    `folder` holds a CTranslate2 Whisper model (model.bin, config.json, tokenizer.json).
    `whole_tail` appends all the silence up to 30 s (base wants it; tiny.en does not).
    `compute_type` is that of the full context. Raises `BadCheckpoint` and `ValueError` for a folder
    that holds no such model, or one that does not know the `language`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        language: str = "en",
        whole_tail: bool = False,
        compute_type: str = "int8",
    ) -> None:
        self._vocabulary = Vocabulary(folder, language)
        tensors = checkpoint.read(folder / "model.bin")
        self._encoder = Encoder(tensors)
        self._decoder = Decoder(tensors, self._vocabulary.alignment)
        # Seldom needed, and a worker that died is to be back soon: loaded when first asked.
        self._load_full = partial(
            FullContextWhisper, folder, language=language, compute_type=compute_type
        )
        self._full: FullContextWhisper | None = None
        self._loading = Lock()
        self._mel = LogMel()
        self._whole_tail = whole_tail
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._room = _Room()
        silence = self._mel.frames(np.zeros(0, np.int16), 0, 2 * MAX_POSITIONS)
        states = self._encoder.states(scaled(silence), self._encoder.memory())
        self._silence = self._decoder.memory(MAX_POSITIONS)
        self._decoder.hear(states, self._silence, 0)

    def decode(
        self, windows: list[Pcm], times: list[bool], utterances: Sequence[Hashable] | None = None
    ) -> list[Decoded]:
        """Transcribe int16 windows (16 kHz, each at most 28 s) in the same passes.

        `times[i]` asks for the last words of window i: decoded exactly, with word times, and with
        the full context if need be. `utterances[i]`, if not None, names an utterance of which
        window i is a beginning. Raises `ValueError` for a window over 28 s, and for two of one
        utterance.
        """
        for pcm in windows:
            if len(pcm) > LONGEST_S * SAMPLE_RATE:
                seconds = len(pcm) / SAMPLE_RATE
                raise ValueError(f"a window of {seconds:.1f} s; at most {LONGEST_S} s")
        names = utterances or [None] * len(windows)
        named = [name for name in names if name is not None]
        if len(set(named)) < len(named):
            raise ValueError("two windows of one utterance at once")
        kept = [self._take(name) for name in names]
        transcripts = [self._heard(*each) for each in zip(windows, kept, times, strict=True)]
        decode(self._decoder, self._vocabulary, transcripts)
        answers = []
        for pcm, name, utterance, transcript in zip(windows, names, kept, transcripts, strict=True):
            decoded = self._decoded(pcm, transcript)
            # What is no speech is no draft: the next look asks again whether it is.
            utterance.tokens = transcript.tokens if decoded.words else ()
            if name is None:
                self._give_back(utterance)
            self._room.said.append(transcript.said)
            answers.append(decoded)
        return answers

    @property
    def kept(self) -> list[Hashable]:
        """The utterances of which something is kept."""
        return list(self._kept)

    def forget(self, utterance: Hashable) -> None:
        """Keep nothing of `utterance` any more."""
        if utterance in self._kept:
            self._give_back(self._kept.pop(utterance))

    def full_context(self) -> FullContextWhisper:
        """The same model with the full context, loaded the first time; any thread may ask."""
        with self._loading:
            if self._full is None:
                self._full = self._load_full()
            return self._full

    def _decoded(self, pcm: Pcm, transcript: Transcript) -> Decoded:
        ids = [token.id for token in transcript.tokens]
        score, silent = transcript.average_log_probability, transcript.no_speech_probability
        ran_away = len(ids) > transcript.cap or repeats(self._vocabulary.text(ids))
        if is_silence(silent, score):
            return Decoded([], score, silent)
        if transcript.exact and (ran_away or score < UNSURE_LOG_PROBABILITY):
            return self.full_context().decode(pcm, times=True)
        begun = None
        if transcript.attention is not None and ids:
            first = len(self._vocabulary.before) + len(self._vocabulary.prompt) - 1
            begun = begun_ms(transcript.attention[first : first + len(ids) + 1])
        probabilities = [token.probability for token in transcript.tokens]
        words = spoken(self._vocabulary, ids, probabilities, begun)
        return Decoded(words, score, silent, ran_away=ran_away)

    def _heard(self, pcm: Pcm, kept: _Kept, exact: bool) -> Transcript:
        """Bring what is kept up to the end of `pcm`, and begin a transcript of it."""
        audio = -(-len(pcm) // SAMPLES_PER_POSITION)
        end = audio + PADDED
        frames = 2 * end
        # A frame of whose window a part is still to come is computed again.
        whole = max(len(pcm) - WINDOW // 2, 0) // HOP
        begin = min(kept.frames, whole)
        kept.logs[begin:frames] = self._mel.frames(pcm, begin, frames)
        kept.frames = whole
        first = 0 if exact else max(min(kept.positions, audio) - REDONE, 0)
        states = self._encoder.states(scaled(kept.logs[:frames]), kept.encoded, first)
        self._decoder.hear(states, kept.heard, first)
        kept.positions = audio
        said = self._room.said.pop() if self._room.said else self._decoder.memory(MAX_TOKENS)
        transcript = Transcript(
            kept.heard, self._with_tail(kept.heard, end), said, kept.tokens, most_tokens(pcm), exact
        )
        if exact:
            heads = len(self._decoder.alignment)
            transcript.audible = max(audio, 1)
            transcript.attention = np.empty((MAX_TOKENS, heads, transcript.audible), np.float32)
        return transcript

    def _with_tail(self, heard: Memory, end: int) -> int:
        """Put keys and values of silence behind the first `end` positions; how many there are."""
        pieces = [(end, MAX_POSITIONS)]
        if not self._whole_tail:
            near = min(end + SHORT_TAIL, MAX_POSITIONS)
            pieces = [(end, near), (max(MAX_POSITIONS - SHORT_TAIL, near), MAX_POSITIONS)]
        for begin, stop in pieces:
            size = stop - begin
            heard.keys[:, :, end : end + size] = self._silence.keys[:, :, begin:stop]
            heard.values[:, :, end : end + size] = self._silence.values[:, :, begin:stop]
            end += size
        return end

    def _take(self, name: Hashable) -> _Kept:
        kept = self._kept.get(name) if name is not None else None
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        kept = self._room.kept.pop() if self._room.kept else self._new()
        if name is not None:
            self._kept[name] = kept
            if len(self._kept) > MAX_KEPT:
                self._give_back(self._kept.popitem(last=False)[1])
        return kept

    def _new(self) -> _Kept:
        logs = np.empty((2 * MAX_POSITIONS, BANDS), np.float32)
        return _Kept(logs, self._encoder.memory(), self._decoder.memory(MAX_POSITIONS))

    def _give_back(self, kept: _Kept) -> None:
        kept.frames = kept.positions = 0
        kept.tokens = ()
        if len(self._room.kept) < MAX_SPARE:
            self._room.kept.append(kept)
