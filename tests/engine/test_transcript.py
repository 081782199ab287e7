"""Real speech becomes words through the whole of a track's pipeline, the model included."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jiwer
import numpy as np
import webrtcvad
from whisper_normalizer.english import EnglishTextNormalizer

from engine.asr.whisper import ShortContextWhisper
from engine.asr.window import Hypothesis, Window
from engine.events import TranscriptFinal, TranscriptPartial
from engine.frames import SAMPLE_RATE, Pcm, Source
from engine.utterance import CUT_AT
from tests.engine.timeline import (
    TWO_CITIES,
    Delayed,
    Line,
    frames_of,
    silence,
    whisper_answers,
)

normal = EnglishTextNormalizer()


def heard(line: Line) -> jiwer.WordOutput:
    return jiwer.process_words(normal(TWO_CITIES), normal(line.text))


def only(answer: Callable[[Window], Hypothesis], wanted: Callable[[Window], bool]) -> Callable:
    """Leave the other windows unanswered, as a loaded recognizer does: they cost time."""
    return lambda window: answer(window) if wanted(window) else None


def test_real_speech_becomes_final_words(whisper: ShortContextWhisper, reading: Pcm) -> None:
    line = Line(Delayed(only(whisper_answers(whisper), lambda window: window.wants_times)))
    line.push(frames_of(np.concatenate([reading, silence(1.0)])))
    line.recognizer.finish()
    assert heard(line).wer <= 0.04
    assert line.utterances.finals_due == 0
    words = [word for final in line.finals for word in final.words]
    assert all(a[1] <= b[1] for a, b in pairwise(words))


def test_real_speech_without_pauses_is_cut_between_words(
    whisper: ShortContextWhisper, reading: Pcm
) -> None:
    """Cut where cross-attention put the end of a word, most cuts lost the next word's beginning
    and with it the word."""
    gate, quiet, dense = webrtcvad.Vad(3), 0, [silence(0.5)]
    for frame in frames_of(reading):
        quiet = 0 if gate.is_speech(frame.pcm.tobytes(), SAMPLE_RATE) else quiet + 1
        if quiet <= 4:
            dense.append(frame.pcm)
    dense.append(silence(1.0))
    near_cut = CUT_AT - 3 * SAMPLE_RATE // 2
    answer = only(
        whisper_answers(whisper),
        lambda window: window.wants_times or len(window.pcm) >= near_cut,
    )
    line = Line(Delayed(answer))
    line.push(frames_of(np.concatenate(dense)))
    line.recognizer.finish()
    cuts = [final for final in line.finals[:-1] if final.end_ms - final.start_ms > 8_000]
    assert len(cuts) >= 2
    assert all(final.end_ms - final.start_ms <= 15_000 for final in line.finals)
    output = heard(line)
    assert output.wer <= 0.06
    boundaries = set(np.cumsum([len(normal(_text(final)).split()) for final in line.finals[:-1]]))
    for chunk in output.alignments[0]:
        if chunk.type in ("delete", "insert"):
            touched = set(range(chunk.hyp_start_idx, chunk.hyp_end_idx + 1))
            assert not touched & boundaries, "a word was lost or doubled at a cut"


def test_real_partial_words_come_while_speech_goes_on(
    whisper: ShortContextWhisper, reading: Pcm
) -> None:
    line = Line(Delayed(whisper_answers(whisper)))
    line.push(frames_of(reading[: 6 * SAMPLE_RATE]))
    partials = [data for _, data in line.events if isinstance(data, TranscriptPartial)]
    assert len(partials) >= 4
    assert all(
        after.utterance != before.utterance or after.committed.startswith(before.committed)
        for before, after in pairwise(partials)
    )
    first = [data.committed for data in partials if data.utterance == partials[0].utterance]
    assert normal(first[-1]).startswith("it was the best of times it was the worst")


def _text(final: TranscriptFinal) -> str:
    return " ".join(word[0] for word in final.words)


def test_a_hole_in_the_network_asks_for_nothing(reading: Pcm) -> None:
    line = Line(Delayed(lambda window: None))
    begin = 2 * SAMPLE_RATE
    line.push(frames_of(reading[:begin]))
    asked = len(line.recognizer.asked)
    line.push(frames_of(silence(0.9), begin, Source.ABSENT))
    assert len(line.recognizer.asked) == asked
