"""A track turns frames and answers into events, and journals every input it used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.asr.correction import Corrector
from engine.asr.domain import load
from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.events import (
    Feedback,
    Link,
    Meters,
    Metrics,
    SpeechEnd,
    SpeechStart,
    TranscriptFinal,
    TranscriptPartial,
    Wire,
)
from engine.features import Baseline
from engine.frames import SAMPLE_RATE, Frame, Pcm, Source
from engine.journal import Record
from engine.track import Track
from tests.analyzers.recordings import gain
from tests.engine.timeline import TRACK, Delayed, frames_of, silence

WORDS = ["it", "was", "the", "best"]


def hears(window: Window) -> Hypothesis:
    return Hypothesis(window, [SpokenWord(w, n * 200, n * 200 + 200) for n, w in enumerate(WORDS)])


class Tape:
    """A track and all that it said."""

    def __init__(
        self,
        recognizer: Delayed | None = None,
        baseline: Baseline | None = None,
        *,
        volume_feedback: bool = True,
        language: str = "en",
        corrector: Corrector | None = None,
    ) -> None:
        self.recognizer = recognizer or Delayed(hears)
        self.events: list[Wire] = []
        self.meters: list[tuple[int, Meters]] = []
        self.records: list[Record] = []
        self.track = Track(
            "s",
            TRACK,
            baseline,
            volume_feedback,
            self.recognizer,
            1,
            language=language,
            corrector=corrector,
            emit=self.events.append,
            meters=lambda t_ms, data: self.meters.append((t_ms, data)),
            record=self._record,
        )

    def play(self, frames: Iterator[Frame]) -> None:
        for frame in frames:
            self.track.push(frame)
            self.recognizer.advance(frame.end_ms)

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record["k"] == kind]

    def told(self, model: type[Wire]) -> list[Any]:
        return [event for event in self.events if isinstance(event, model)]

    def _record(self, kind: str, /, **fields: Any) -> None:
        self.records.append({"k": kind, **fields})


@pytest.fixture
def phrase(reading: Pcm) -> Pcm:
    """5 s with speech in it, and 1 s of silence."""
    return np.concatenate([reading[: 5 * SAMPLE_RATE], silence(1.0)])


def test_gauges_and_features_come_ten_times_a_second(phrase: Pcm) -> None:
    tape = Tape()
    tape.play(frames_of(phrase))
    assert [t_ms for t_ms, _ in tape.meters] == list(range(100, 6_001, 100))
    assert [record["f"]["t_ms"] for record in tape.of("features")] == list(range(100, 6_001, 100))


def test_scores_come_every_two_seconds(phrase: Pcm) -> None:
    tape = Tape()
    tape.play(frames_of(phrase))
    assert len(tape.told(Metrics)) == 3


def test_nothing_is_measured_while_the_call_is_paused(phrase: Pcm) -> None:
    tape = Tape()
    tape.play(frames_of(phrase))
    before = len(tape.meters), len(tape.events)
    tape.play(frames_of(silence(30.0), len(phrase), Source.PAUSED))
    assert (len(tape.meters), len(tape.events)) == before
    assert tape.track.end_ms == 36_000


def test_each_change_of_source_is_journalled_once_with_its_sample(phrase: Pcm) -> None:
    tape = Tape()
    second = SAMPLE_RATE
    tape.play(frames_of(phrase[:second]))
    tape.play(frames_of(silence(0.5), second, Source.ABSENT))
    tape.play(frames_of(phrase[:second], second * 3 // 2))
    assert [(record["at"], record["source"]) for record in tape.of("play")] == [
        (0, "received"),
        (second, "absent"),
        (second * 3 // 2, "received"),
    ]


def test_an_answer_is_journalled_with_the_sample_at_which_it_was_applied(phrase: Pcm) -> None:
    tape = Tape(Delayed(hears, delay_ms=320))
    tape.play(frames_of(phrase))
    answers = tape.of("hypothesis")
    assert len(answers) >= 4
    assert {answer["kind"] for answer in answers} >= {"first", "refresh", "speculative"}
    for answer in answers:
        assert answer["at"] >= answer["end"] + 300 * SAMPLE_RATE // 1000
        assert [word[0] for word in answer["words"]] == WORDS
    assert all(b["at"] > a["at"] for a, b in pairwise(answers))


def test_domain_words_are_put_right_before_anything_is_made_of_them(phrase: Pcm) -> None:
    heard = [
        SpokenWord(text, n * 300, n * 300 + 300, 0.9)
        for n, text in enumerate(["the", "Teljuride", "and", "a", "dock", "fee"])
    ]
    tape = Tape(Delayed(lambda window: Hypothesis(window, heard)), corrector=Corrector(load()))
    tape.play(frames_of(phrase))
    wanted = "the Telluride and a doc fee"
    assert {" ".join(w[0] for w in answer["words"]) for answer in tape.of("hypothesis")} == {wanted}
    (final, *_) = tape.told(TranscriptFinal)
    assert " ".join(word[0] for word in final.words) == wanted
    shown = [f"{partial.committed} {partial.tentative}" for partial in tape.told(TranscriptPartial)]
    assert shown
    assert all(text.strip() == wanted for text in shown)


def test_a_jump_in_time_ends_what_was_being_said(phrase: Pcm) -> None:
    """The utterance stayed open over the jump, and asked for audio that the ring never held."""
    tape = Tape()
    tape.play(frames_of(phrase[: 3 * SAMPLE_RATE]))
    assert len(tape.told(SpeechStart)) == 1
    jump = 60 * SAMPLE_RATE
    tape.track.skip(jump)
    tape.play(frames_of(phrase, jump))
    starts, ends = tape.told(SpeechStart), tape.told(SpeechEnd)
    assert [start.utterance for start in starts] == [1, 2]
    assert ends[0].end_ms <= 3_000
    assert starts[1].start_ms >= 60_000
    assert [final.utterance for final in tape.told(TranscriptFinal)] == [1, 2]
    assert all(len(window.pcm) < 10 * SAMPLE_RATE for window in tape.recognizer.asked)


def test_final_words_reach_the_scores(phrase: Pcm) -> None:
    tape = Tape()
    tape.play(frames_of(phrase))
    finals = tape.told(TranscriptFinal)
    tape.track.summarise()
    assert tape.told(Metrics)[-1].quantities.words == sum(len(final.words) for final in finals)
    assert finals


def test_the_link_is_shown_and_judged(phrase: Pcm) -> None:
    tape = Tape()
    tape.track.link = Link(
        lost_pct=20.0,
        recovered_pct=10.0,
        concealed_pct=10.0,
        jitter_ms=30.0,
        lag_ms=80.0,
        bitrate_kbps=32.0,
        weak=True,
    )
    tape.play(frames_of(phrase))
    assert {meters.link for _, meters in tape.meters} == {tape.track.link}
    assert tape.of("features")[-1]["link"]["lost_pct"] == 20.0
    assert [cue.code for cue in tape.told(Feedback)] == ["link_trouble"]


@pytest.mark.parametrize(
    ("baseline", "volume_feedback", "codes"),
    [
        (Baseline(-22.0, -60.0), True, ["too_quiet"]),
        (Baseline(-22.0, -60.0), False, []),
        (None, True, []),
    ],
    ids=["checked", "switched-off", "no-check"],
)
def test_quiet_speech_is_told_only_against_the_persons_own_level(
    reading: Pcm, baseline: Baseline | None, volume_feedback: bool, codes: list[str]
) -> None:
    tape = Tape(baseline=baseline, volume_feedback=volume_feedback)
    tape.play(frames_of(gain(reading[: 12 * SAMPLE_RATE], -20.0)))
    assert [cue.code for cue in tape.told(Feedback) if cue.code == "too_quiet"] == codes


def test_the_same_frames_and_answers_give_the_same_events(phrase: Pcm) -> None:
    one, other = Tape(), Tape()
    for tape in (one, other):
        tape.play(frames_of(phrase))
    assert one.events == other.events
    assert one.records == other.records
    assert len(one.events) > 5
