"""One track's analyzers, wired: frames and words in, features at 10 Hz and metrics out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzers import delivery
from analyzers.activity import ActiveLevel, LevelVariation, ShortSpeechLevel
from analyzers.baseline import measure_microphone
from analyzers.clarity import Certainty, NoiseFloor, snr_db
from analyzers.clipping import Clipping
from analyzers.disfluencies import Disfluencies
from analyzers.endings import Endings
from analyzers.filled_pauses import FilledPauses
from analyzers.fillers import Lexicon, Occurrence, lexicon, per_100_words
from analyzers.frame import FLOOR_DBFS, FRAME_MS, check
from analyzers.intonation import FinalContour
from analyzers.loudness import Level, Loudness
from analyzers.modulation import Modulation
from analyzers.pace import SyllableNuclei, WordRate
from analyzers.pauses import Pauses
from analyzers.pitch import Pitch, PitchRange, PitchSpread
from analyzers.questions import interrogatives
from analyzers.spectrum import Balance, Bands
from analyzers.talk import TURN_PAUSE_MS, Monologue, Talk
from engine.events import Metrics, Quantities, Scores, Word
from engine.frames import FRAME_SAMPLES, Pcm

RATE_WINDOW_MS = 30_000
TEXT_WINDOW_MS = 60_000
HOLD_MS = 200
"""A shorter hole in the audio leaves the gauges where they were; a longer one empties them."""
TEXT_WITHIN_MS = 15_000
"""An utterance is no longer than this: what was heard so long ago has its words or gets none."""
HANGOVER_MS = 100
"""Voice activity says "speaking" for so long after the speech: a stop consonant is no pause."""
ENDING_MS = 300
"""Silence behind the hangover after which the speech before it has ended."""
MIN_ABSENCE_MS = 250
"""A hole of a pause's length may have swallowed words: it is left out of speaking rates."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A person's own levels from the microphone check (dBFS); levels are judged against them."""

    speech_level_dbfs: float
    noise_floor_dbfs: float


@dataclass(frozen=True, slots=True)
class Features:
    """What one track measured up to `t_ms`, ready for JSON: rounded, finite, `None` for unknown.

    Counts and rates of words are `None` or 0 until finals arrive. Windows: 0.4 and 3 s for
    loudness, 3 s of speech for levels, 3 s for clipping, 4 s of speaking time for
    `syllables_per_s`, 10 s of voiced frames for the pitch range, 30 s for `rate_wpm`, 60 s for
    fillers and hedges and the `words` they are in.
    """

    t_ms: int
    level_dbfs: float
    lufs_momentary: float | None
    pitch_hz: float | None
    pitch_range_semitones: float | None
    syllables_per_s: float | None
    speech_level_dbfs: float | None
    level_vs_baseline_db: float | None
    noise_floor_dbfs: float | None
    snr_db: float | None
    clipped_pct: float
    speaking: bool
    speech_ms: int
    silence_ms: int
    monologue_ms: int
    rate_wpm: float | None
    words: int
    fillers: int
    hedges: int
    fillers_per_100_words: float | None
    hedges_per_100_words: float | None
    lufs_short_term: float | None = None
    recent_vs_baseline_db: float | None = None
    """As `level_vs_baseline_db`, of the last 1.9 s of speech."""


class TrackAnalyzers:
    """Every streaming analyzer of one track. Fillers are those written and those only heard.

    `baseline` is the person's microphone check, if there was one; `language` that of the call, in
    which questions, fillers and hedges are found, these by `words` instead where given.
    """

    def __init__(
        self, baseline: Baseline | None, words: Lexicon | None = None, *, language: str = "en"
    ) -> None:
        self.baseline = baseline
        self._lexicon = lexicon(language) if words is None else words
        self._interrogatives = interrogatives(language)
        self._level = Level()
        self._loudness = Loudness()
        self._active = ActiveLevel()
        self._short = ShortSpeechLevel()
        self._recent = ShortSpeechLevel(1.9)
        self._variation = LevelVariation()
        self._clipping = Clipping()
        self._noise = NoiseFloor()
        self._pitch = Pitch()
        self._range = PitchRange()
        self._spread = PitchSpread()
        self._contour = FinalContour()
        self._endings = Endings()
        self._bands = Bands()
        self._modulation = Modulation()
        self._balance = Balance()
        self._filled = FilledPauses()
        self._disfluencies = Disfluencies()
        self._nuclei = SyllableNuclei(4.0)
        self._pauses = Pauses(HANGOVER_MS)
        self._monologue = Monologue()
        self._certainty = Certainty()
        self._t_ms = 0
        self._speech_ms = 0
        self._speaking = False
        self._absent_ms = 0
        self._absences: deque[tuple[int, int]] = deque(maxlen=64)
        self._rate = WordRate()
        self._word_ends_ms: deque[int] = deque(maxlen=1024)
        self._occurrences: deque[Occurrence] = deque(maxlen=1024)
        self._fillers = 0
        self._hedges = 0
        self._questions = 0

    def push(self, pcm: Pcm, start_ms: int, measured: bool, speaking: bool) -> None:
        """Take the track's next frame: int16[320] that begins at `start_ms` of session time.

        `measured` is `Source.measured`: any other frame advances the time and nothing else, so
        that neither its samples nor its duration enter a statistic. `speaking` is the
        voice-activity decision for this frame. Raises `ValueError` for a frame of another shape.
        """
        pcm = check(pcm)
        jumped_ms = start_ms - self._t_ms
        self._t_ms = start_ms + FRAME_MS
        if not measured:
            self._absent(start_ms)
            return
        if max(self._absent_ms, jumped_ms) >= HOLD_MS:
            # What lies before a long hole must not be correlated with what follows it.
            self._loudness.interrupt()
            self._pitch.reset()
            self._contour.reset()
            self._filled.reset()
            self._bands.reset()
        self._absent_ms = 0
        self._speaking = speaking
        self._level.push(pcm)
        power = self._level.power
        self._loudness.push(pcm)
        self._clipping.push(pcm)
        self._noise.push(power, speaking)
        energies = self._bands.push(pcm)
        self._modulation.push(energies, speaking)
        self._balance.push(energies, speaking)
        f0_hz = self._pitch.push(pcm)
        if speaking:
            if f0_hz is not None:
                self._range.push(f0_hz)
            for hop_hz in self._pitch.hops_hz.tolist():
                self._spread.push(hop_hz)
        self._contour.push(self._pitch.hops_hz, speaking)
        filled = self._filled.push(pcm, self._pitch.voiced, start_ms)
        if filled is not None and speaking:
            self._disfluencies.hear(filled)
        noise_dbfs = self._noise.level_dbfs
        self._nuclei.push(
            pcm,
            self._pitch.decided_voiced,
            speaking,
            FLOOR_DBFS if noise_dbfs is None else noise_dbfs,
        )
        self._pauses.push(speaking)
        if self._pauses.silence_ms == ENDING_MS:
            self._end_speech()
        self._monologue.push(speaking)
        if speaking:
            self._speech_ms += FRAME_MS
            # Of speech only: in a noisy room P.56 over everything would take the noise for speech.
            self._active.push(pcm)
            self._short.push(power)
            self._recent.push(power)
            self._variation.push(power)

    def _end_speech(self) -> None:
        contour = self._contour.end()
        if contour is not None:
            self._endings.hear(contour, self._t_ms - ENDING_MS - HANGOVER_MS)

    def add_words(self, words: Sequence[Word]) -> None:
        """Take the words of one final, once, in order of time."""
        questions = self._interrogatives.find(words)
        self._questions += len(questions)
        self._endings.read(words, questions)
        self._count(self._disfluencies.read(words, self._lexicon.find(words)))
        self._word_ends_ms.extend(word[2] for word in words)
        self._rate.push(words, self._absences)
        self._certainty.push(words)

    def _count(self, occurrences: Sequence[Occurrence]) -> None:
        self._occurrences.extend(occurrences)
        fillers = sum(found.kind == "filler" for found in occurrences)
        self._fillers += fillers
        self._hedges += len(occurrences) - fillers

    def features(self) -> Features:
        """Snapshot up to the newest frame. Meant to be taken every 100 ms."""
        heard = self._absent_ms < HOLD_MS and self._t_ms > 0
        short_dbfs = self._short.level_dbfs
        noise_dbfs = self._noise.level_dbfs
        self._count(self._disfluencies.settle(self._t_ms - TEXT_WITHIN_MS))
        since_ms = self._t_ms - TEXT_WINDOW_MS
        while self._word_ends_ms and self._word_ends_ms[0] < since_ms:
            self._word_ends_ms.popleft()
        while self._occurrences and self._occurrences[0].end_ms < since_ms:
            self._occurrences.popleft()
        words = len(self._word_ends_ms)
        fillers = sum(found.kind == "filler" for found in self._occurrences)
        hedges = len(self._occurrences) - fillers
        fillers += self._disfluencies.waiting
        talking = self._pauses.silence_ms < TURN_PAUSE_MS
        return Features(
            t_ms=self._t_ms,
            level_dbfs=round(self._level.level_dbfs, 1) if heard else FLOOR_DBFS,
            lufs_momentary=_rounded(self._loudness.momentary_lufs) if heard else None,
            pitch_hz=_rounded(self._pitch.f0_hz) if heard and self._speaking else None,
            pitch_range_semitones=_rounded(self._range.semitones),
            syllables_per_s=_rounded(self._nuclei.articulation_rate, 2) if talking else None,
            speech_level_dbfs=_rounded(short_dbfs),
            level_vs_baseline_db=_rounded(self._above_baseline(short_dbfs)),
            noise_floor_dbfs=_rounded(noise_dbfs),
            snr_db=_snr(short_dbfs, noise_dbfs),
            clipped_pct=round(self._clipping.recent_pct, 2),
            speaking=self._speaking and heard,
            speech_ms=self._speech_ms,
            silence_ms=self._pauses.silence_ms,
            monologue_ms=self._monologue.speech_ms,
            rate_wpm=_rounded(self._rate.recent_wpm(self._t_ms - RATE_WINDOW_MS)),
            words=words,
            fillers=fillers,
            hedges=hedges,
            fillers_per_100_words=_rounded(per_100_words(fillers, words)),
            hedges_per_100_words=_rounded(per_100_words(hedges, words)),
            lufs_short_term=_rounded(self._loudness.short_term_lufs) if heard else None,
            recent_vs_baseline_db=_rounded(self._above_baseline(self._recent.level_dbfs)),
        )

    def metrics(self, talk: Talk | None = None) -> Metrics:
        """The four scores and the quantities behind them, over the whole call so far.

        `talk` is this track's part in a conversation, where there is another. The scores are
        computed from the rounded quantities, so that a reader of the event can compute them again.
        """
        active_dbfs = self._active.level_dbfs
        acceleration = self._nuclei.acceleration
        fillers = self._fillers + self._disfluencies.waiting
        quantities = Quantities(
            speech_s=round(self._speech_ms / 1000, 1),
            words=self._rate.count,
            rate_wpm=_rounded(self._rate.mean_wpm),
            syllables_per_s=_rounded(self._nuclei.mean_articulation_rate, 2),
            active_level_dbfs=_rounded(active_dbfs),
            level_vs_baseline_db=_rounded(self._above_baseline(active_dbfs)),
            level_variation_db=_rounded(self._variation.deviation_db),
            snr_db=_snr(active_dbfs, self._noise.level_dbfs),
            clipped_pct=round(self._clipping.total_pct, 2),
            asr_certainty=_rounded(self._certainty.mean, 3),
            modulation_db=_rounded(self._modulation.depth_db),
            consonants_db=_rounded(self._balance.consonants_db),
            fillers=fillers,
            hedges=self._hedges,
            fillers_per_100_words=_rounded(per_100_words(fillers, self._rate.count)),
            hedges_per_100_words=_rounded(per_100_words(self._hedges, self._rate.count)),
            pauses=self._pauses.count,
            longest_pause_ms=self._pauses.longest_ms,
            lufs_integrated=_rounded(self._loudness.integrated_lufs),
            pitch_median_hz=_rounded(self._spread.median_hz),
            pitch_range_semitones=_rounded(self._spread.range_semitones),
            pitch_variation_semitones=_rounded(self._spread.variation_semitones),
            level_drift_db=_rounded(self._variation.drift_db),
            acceleration_pct=None if acceleration is None else round(100 * acceleration, 1),
            final_falls=self._endings.falls,
            final_rises=self._endings.rises,
            falling_statements_pct=_rounded(self._endings.falling_pct),
            longest_monologue_ms=self._monologue.longest_ms,
            questions=self._questions,
            talk_share_pct=None if talk is None else _rounded(talk.share_pct),
            interruptions=None if talk is None else talk.interruptions,
            hesitation_ms=None if talk is None else talk.hesitation_ms,
            patience_ms=None if talk is None else talk.patience_ms,
        )
        return Metrics(scores=scores(quantities), quantities=quantities)

    def _absent(self, start_ms: int) -> None:
        self._absent_ms += FRAME_MS
        if self._absent_ms < MIN_ABSENCE_MS:
            return
        begin_ms = self._t_ms - self._absent_ms
        if self._absences and self._absences[-1][1] == start_ms:
            begin_ms = self._absences.pop()[0]
        self._absences.append((begin_ms, self._t_ms))

    def _above_baseline(self, level_dbfs: float | None) -> float | None:
        if level_dbfs is None or self.baseline is None:
            return None
        return level_dbfs - self.baseline.speech_level_dbfs


def scores(quantities: Quantities) -> Scores:
    """The four delivery scores (see `analyzers.delivery`) of a call's quantities."""
    q = quantities
    return Scores(
        confidence=delivery.confidence(
            fillers_per_100_words=q.fillers_per_100_words,
            hedges_per_100_words=q.hedges_per_100_words,
            level_variation_db=q.level_variation_db,
            falling_statements_pct=q.falling_statements_pct,
            hesitation_ms=q.hesitation_ms,
            speech_s=q.speech_s,
            words=q.words,
        ),
        clarity=delivery.clarity(
            snr_db=q.snr_db,
            clipped_pct=q.clipped_pct,
            asr_certainty=q.asr_certainty,
            modulation_db=q.modulation_db,
            consonants_db=q.consonants_db,
            speech_s=q.speech_s,
            words=q.words,
        ),
        pace=delivery.pace(rate_wpm=q.rate_wpm, speech_s=q.speech_s, words=q.words),
        volume=delivery.volume(
            level_vs_baseline_db=q.level_vs_baseline_db,
            clipped_pct=q.clipped_pct,
            speech_s=q.speech_s,
        ),
    )


def warm() -> None:
    """Load or compile every kernel and run each once: before the node says it is ready."""
    tone = np.sin(2 * math.pi * 200 / 16_000 * np.arange(FRAME_SAMPLES))
    pcm = np.asarray(8000 * tone, np.int16)
    analyzers = TrackAnalyzers(None)
    for i in range(100):
        analyzers.push(pcm, FRAME_MS * i, measured=True, speaking=True)
    for i in range(100, 130):
        analyzers.push(pcm, FRAME_MS * i, measured=True, speaking=False)
    analyzers.features()
    analyzers.metrics()
    measure_microphone(np.tile(pcm, 100))


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def _snr(speech_dbfs: float | None, noise_dbfs: float | None) -> float | None:
    if speech_dbfs is None or noise_dbfs is None:
        return None
    return _rounded(snr_db(speech_dbfs, noise_dbfs))
