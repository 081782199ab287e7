"""One person's audio in a call: ring, voice activity, analyzers, utterances and feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from analyzers.echo import Echo
from analyzers.talk import Talk
from engine.asr.correction import Corrector
from engine.asr.cut import cut_point
from engine.asr.window import Hypothesis, Kind, Recognizer, SpokenWord, Window
from engine.catalogue import catalogue
from engine.events import Degraded, Feedback, Link, Meters, Metrics, TranscriptFinal, Wire
from engine.features import HANGOVER_MS, Baseline, Features, TrackAnalyzers
from engine.feedback import Coach, Now
from engine.frames import FRAME_MS, SAMPLE_RATE, Frame, Ring, Source, ms_of
from engine.guide import Guide, Lesson
from engine.lateness import Lateness
from engine.matching import NeverSayHeard
from engine.objections import Scores
from engine.summary import Stretches, summary
from engine.trace import VoiceTrace
from engine.utterance import Cut, Utterances
from engine.vad import VoiceActivity

RING_S = 30.0
FEATURES_EVERY_MS = 100
METRICS_EVERY_MS = 2_000
VOICED_WITHIN = SAMPLE_RATE * HANGOVER_MS // 1000
"""Silence up to this long still counts as speaking: stop consonants, not pauses."""

FEATURES = tuple(field.name for field in fields(Features))

Record = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a track listens, measures and judges with. A replay brings its own."""

    voice: Callable[[], VoiceActivity] = VoiceActivity
    analyzers: Callable[..., TrackAnalyzers] = TrackAnalyzers
    coach: Callable[..., Coach] = Coach
    cut: Cut = cut_point


LIVE = Parts()


class Track:
    """Feed frames in order with `push`. `emit` takes events, `record` journals inputs."""

    def __init__(
        self,
        session: str,
        name: str,
        baseline: Baseline | None,
        volume_feedback: bool,
        recognizer: Recognizer,
        first_utterance: int,
        *,
        language: str,
        corrector: Corrector | None = None,
        lesson: Lesson | None = None,
        coached: bool = True,
        talk: Callable[[], Talk | None] = lambda: None,
        emit: Callable[[Wire], object],
        meters: Callable[[int, Meters], None],
        record: Record,
        parts: Parts = LIVE,
    ) -> None:
        self.name = name
        self.link: Link | None = None
        self._has_baseline = baseline is not None
        self._volume_feedback = volume_feedback and self._has_baseline
        self._is_closed = False
        self._emit = emit
        self._send_meters = meters
        self._record = record
        self._ring = Ring(RING_S)
        self._vad = parts.voice()
        self._trace = VoiceTrace()
        self._analyzers = parts.analyzers(baseline, language=language)
        self._cut_point = parts.cut
        self._coach = parts.coach(language=language)
        self._is_coached = coached
        """Whether cues and a summary are made of what this person says."""
        self._catalogue = catalogue(language)
        self._stretches = Stretches()
        self._cues: list[Feedback] = []
        """At most one in 8 s."""
        self._recognizer = recognizer
        self._corrector = corrector
        self._utterances = Utterances(
            session,
            name,
            self._ring.read,
            self._ask,
            self._on_utterance,
            lambda: recognizer.step_s,
            language=language,
            first_number=first_utterance,
            cut=self._cut,
        )
        self._guide: Guide | None = None
        if lesson is not None:
            self._guide = Guide(lesson, emit=emit, never=self._heard, record=self._judged)
        self._echo: Echo | None = None
        self.hears_echo = False
        """Whether the microphone hears what is played to the person."""
        self._talk = talk
        self._lateness = Lateness()
        self._play: tuple[Source, int] | None = None

    @property
    def end_sample(self) -> int:
        return self._ring.end_sample

    @property
    def end_ms(self) -> int:
        return ms_of(self._ring.end_sample)

    @property
    def finals_due(self) -> int:
        return self._utterances.finals_due

    def push(self, frame: Frame) -> None:
        if self._is_closed:
            return
        self._ring.push(frame)
        self._note_play(frame)
        edge = self._vad.push(frame)
        voice = self._trace.push(self._vad, edge)
        if voice is not None:
            self._record("voice", track=self.name, at=frame.end_sample, **voice)
        self._analyzers.push(
            frame.pcm, ms_of(frame.start_sample), frame.source.measured, self.is_voiced
        )
        self._utterances.push(self._vad, edge)
        if frame.source is Source.PAUSED:
            return
        end_ms = frame.end_ms
        if end_ms % FEATURES_EVERY_MS < FRAME_MS:
            self._on_features(end_ms, self._analyzers.features())
        if end_ms % METRICS_EVERY_MS < FRAME_MS:
            self.summarise()
        if self._echo is not None and frame.source.measured:
            changed = self._echo.hear(frame.start_sample, frame.pcm)
            if changed is not None:
                self._record("echo", track=self.name, at=frame.end_sample, on=changed)
                self.echo(changed)

    def played(self, frame: Frame) -> None:
        """A frame of somebody else's sound that plays to this person."""
        if self._echo is None:
            self._echo = Echo()
        self._echo.play(frame.start_sample, frame.pcm)

    def echo(self, on: bool) -> None:
        """The microphone hears what is played, or does so no more: rules about level and talk wait
        meanwhile."""
        self.hears_echo = on
        why = "the microphone hears the loudspeaker" if on else "gone"
        self._emit(Degraded(what="echo", why=why, until_ms=None if on else self.end_ms))

    def skip(self, to_sample: int) -> None:
        """The time line goes on at `to_sample`; what lies between was never heard.

        An utterance ends where it was: neither its words nor its audio reach over the jump.
        """
        self.flush()
        self._ring.skip(to_sample)
        self._vad.skip(to_sample)
        self._trace.skip(to_sample)
        self._play = None

    def flush(self) -> None:
        """End the current utterance and ask for its final words."""
        self._utterances.flush(self._vad)

    def close(self, *, is_over: bool = True) -> None:
        """Make final what words there are, emit the last metrics, and where the call `is_over` what
        it comes to; take no answers any more."""
        self._utterances.settle()
        metrics = self.summarise()
        if self._guide is not None:
            self._guide.close()
        if is_over and self._is_coached:
            unsaid = self._guide.unsaid if self._guide is not None else None
            self._emit(summary(metrics, self._cues, self._stretches, self._catalogue, unsaid))
        self._is_closed = True
        self._ring.release()

    def judge_volume(self, judged: bool) -> bool:
        """Whether level rules apply from now on; returns whether that is a change."""
        judged = judged and self._has_baseline
        changed, self._volume_feedback = judged != self._volume_feedback, judged
        return changed

    def summarise(self) -> Metrics:
        """Emit the scores and quantities of the call so far, and return them."""
        metrics = self._analyzers.metrics(self._talk())
        self._emit(metrics)
        return metrics

    @property
    def is_alone(self) -> bool:
        """Whether this person plays the customer, too."""
        return self._guide is None or self._guide.is_alone

    @is_alone.setter
    def is_alone(self, alone: bool) -> None:
        if self._guide is not None:
            self._guide.is_alone = alone

    @property
    def is_voiced(self) -> bool:
        """Whether the newest frame counts as speech."""
        return self._vad.speaking and self._vad.silence_samples <= VOICED_WITHIN

    def _ask(self, window: Window) -> None:
        if window.kind is not Kind.FINAL:
            # How soon it is asked follows the recognizer's load; last words are asked for always.
            self._record("ask", track=self.name, at=window.end_sample)
        self._recognizer.submit(window, self._answered)

    def _cut(self, hypothesis: Hypothesis, settled: int) -> tuple[list[SpokenWord], int]:
        kept, sample = self._cut_point(hypothesis, settled)
        self._record(
            "cut",
            track=self.name,
            at=self._ring.end_sample,
            utterance=hypothesis.window.utterance,
            kept=len(kept),
            sample=sample,
        )
        return kept, sample

    def _answered(self, hypothesis: Hypothesis) -> None:
        if self._is_closed:
            return
        if self._corrector is not None:
            hypothesis = replace(hypothesis, words=self._corrector.correct_spoken(hypothesis.words))
        window = hypothesis.window
        self._record(
            "hypothesis",
            track=self.name,
            at=self._ring.end_sample,
            utterance=window.utterance,
            kind=window.kind.name.lower(),
            start=window.start_sample,
            end=window.end_sample,
            voiced_end=window.voiced_end_sample,
            words=[
                [word.text, word.start_ms, word.end_ms, word.probability]
                for word in hypothesis.words
            ],
            failed=hypothesis.failed,
            ran_away=hypothesis.ran_away,
        )
        self._utterances.apply(hypothesis)

    def _on_utterance(self, data: Wire) -> None:
        self._emit(data)
        if isinstance(data, TranscriptFinal):
            self._analyzers.add_words(data.words)
            if self._guide is not None:
                self._guide.push(data.utterance, data.words)

    def objection(self, scores: Scores, span_ms: tuple[int, int]) -> None:
        """Tell of a sentence that was judged before: in a replay."""
        if self._guide is not None:
            self._guide.apply(scores, span_ms)

    def _judged(self, kind: str, **found: object) -> None:
        self._record(kind, track=self.name, at=self._ring.end_sample, **found)

    def _heard(self, never: NeverSayHeard) -> None:
        self._coach.hear(never, self.end_ms)

    def _on_features(self, t_ms: int, features: Features) -> None:
        values = {name: getattr(features, name) for name in FEATURES}
        link = self.link.model_dump() if self.link else None
        pressure = self._recognizer.pressure
        more = {"pressure": pressure} if pressure else {}
        self._record("features", track=self.name, f=values, link=link, **more)
        self._send_meters(
            t_ms,
            Meters(
                level_dbfs=features.level_dbfs,
                lufs_momentary=features.lufs_momentary,
                pitch_hz=features.pitch_hz,
                syllables_per_s=features.syllables_per_s,
                speaking=features.speaking,
                snr_db=features.snr_db,
                link=self.link,
                lufs_short_term=features.lufs_short_term,
            ),
        )
        age_ms = self._utterances.age_samples(self._vad) * 1000 // SAMPLE_RATE
        degraded = self._lateness.step(t_ms, pressure, age_ms)
        if degraded is not None:
            self._emit(degraded)
        if not self._is_coached:
            return
        self._stretches.push(features)
        cue = self._coach.step(
            t_ms, Now(features, self.link, self._volume_feedback, self.hears_echo)
        )
        if cue is not None:
            self._cues.append(cue)
            self._emit(cue)

    def _note_play(self, frame: Frame) -> None:
        """Journal where each run of equally sourced frames begins."""
        if self._play is None or self._play[0] is not frame.source:
            self._play = frame.source, frame.start_sample
            self._record("play", track=self.name, at=frame.start_sample, source=frame.source.value)
