"""Every word said becomes final exactly once, however slowly or badly the recognizer answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from engine.asr.window import Hypothesis, Kind, SpokenWord, Window
from engine.events import Degraded, SpeechEnd, SpeechStart, TranscriptFinal
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, ms_of
from engine.utterance import CUT_AT, FIRST_STEP, LONGEST, SPECULATE
from tests.engine.script import FIRST_S, WORD_S, call, hears, run, said, texts
from tests.engine.timeline import TRACK, Delayed


def failing(answer: Callable[[Window], Hypothesis], kinds: set[Kind]) -> Callable:
    def fail(window: Window) -> Hypothesis:
        if window.kind in kinds:
            return Hypothesis(window, failed="the worker died")
        return answer(window)

    return fail


def test_the_speculative_decode_becomes_the_final_when_silence_lasts() -> None:
    script = said(2.4)
    line = call(script)
    run(line, 6.0)
    (final,) = line.finals
    assert line.text == texts(script)
    assert Kind.FINAL not in line.recognizer.kinds()
    assert line.recognizer.kinds().count(Kind.SPECULATIVE) == 1
    ended_ms = next(t_ms for t_ms, data in line.events if isinstance(data, SpeechEnd))
    final_ms = next(t_ms for t_ms, data in line.events if data is final)
    assert final_ms == ended_ms
    assert line.utterances.finals_due == 0


def test_the_speculative_decode_is_asked_for_early_in_silence() -> None:
    line = call(said(3.2))
    run(line, 6.0)
    (asked,) = (each for each in line.recognizer.asked if each.kind is Kind.SPECULATIVE)
    assert asked.end_sample - asked.voiced_end_sample <= SPECULATE + FRAME_SAMPLES


def test_a_speculative_decode_is_thrown_away_when_speech_goes_on() -> None:
    script = [*said(2.0), ("later", 3.4, 3.8), ("on", 3.8, 4.2)]
    line = call(script)
    run(line, 7.0)
    assert len(line.finals) == 1
    assert line.text == texts(script)
    assert line.recognizer.kinds().count(Kind.SPECULATIVE) == 2


def test_a_final_is_asked_for_when_the_speculative_decode_is_late() -> None:
    script = said(2.0)
    line = call(script, Delayed(hears(script), delay_ms=900))
    run(line, 6.0)
    assert line.recognizer.kinds()[-1] is Kind.FINAL
    assert line.text == texts(script)
    assert len(line.finals) == 1
    assert line.utterances.finals_due == 0


@pytest.mark.parametrize("step_s", [0.3, 0.5, 1.5])
def test_partial_words_are_asked_for_whenever_a_step_more_was_said_however_long_the_utterance(
    step_s: float,
) -> None:
    line = call(said(12.0), Delayed(hears(said(12.0)), step_s=step_s))
    run(line, 15.0)
    looks = [each for each in line.recognizer.asked if not each.wants_times]
    assert looks[0].kind is Kind.FIRST
    assert looks[0].voiced_end_sample - SAMPLE_RATE * FIRST_S < FIRST_STEP + FRAME_SAMPLES
    assert all(each.kind is Kind.REFRESH for each in looks[1:])
    due = int(SAMPLE_RATE * step_s)
    for before, after in pairwise(looks):
        assert due <= after.voiced_end_sample - before.voiced_end_sample < due + 2 * FRAME_SAMPLES
    assert len(looks) >= 11.5 / (step_s + 2 * FRAME_SAMPLES / SAMPLE_RATE)


def test_a_step_that_changes_holds_from_the_next_look_on() -> None:
    line = call(said(9.0))
    for until_s, step_s in ((4.0, 0.3), (9.0, 1.2)):
        line.recognizer.step_s = step_s
        run(line, until_s)
    asked = [each.voiced_end_sample for each in line.recognizer.asked if not each.wants_times]
    steps = [b - a for a, b in pairwise(asked) if a > 4 * SAMPLE_RATE]
    assert len(steps) >= 3
    assert all(step >= 1.2 * SAMPLE_RATE for step in steps)


def test_without_looks_the_last_words_are_asked_for_once_and_none_is_lost() -> None:
    """No step: a recognizer that has too much to do decodes neither partial words nor guesses."""
    script = said(2.4) + said(20.0, first_s=5.0)
    line = call(script, Delayed(hears(script), step_s=math.inf))
    run(line, 28.0)
    line.recognizer.finish()
    assert set(line.recognizer.kinds()) == {Kind.FINAL}
    assert line.text == texts(script)
    assert line.utterances.finals_due == 0


def test_committed_words_never_change_and_end_as_the_final() -> None:
    script = said(6.0)
    line = call(script)
    run(line, 9.0)
    committed = [partial.committed for partial in line.partials]
    assert len(committed) > 5
    assert all(b.startswith(a) for a, b in pairwise(committed))
    assert line.text.startswith(committed[-1])


def test_nothing_is_asked_for_while_nothing_new_is_voiced() -> None:
    line = call(said(2.0))
    run(line, 3.3)
    asked = len(line.recognizer.asked)
    run(line, 30.0)
    assert len(line.recognizer.asked) == asked


@pytest.mark.parametrize("delay_ms", [100, 700, 3_000, 12_000])
def test_a_minute_of_unbroken_speech_is_cut_with_no_word_lost_or_doubled(delay_ms: int) -> None:
    """Also by a recognizer so slow that no two hypotheses agree before the cut, or that the cut is
    not answered before it is overdue."""
    script = said(60.0)
    line = call(script, Delayed(hears(script), delay_ms))
    run(line, 64.0)
    line.recognizer.finish()
    assert line.text == texts(script)
    assert len(line.finals) >= 4
    for final in line.finals:
        assert final.end_ms - final.start_ms <= 15_000
    assert line.utterances.finals_due == 0
    assert max(len(window.pcm) for window in line.recognizer.asked) <= LONGEST


def test_each_utterance_starts_ends_and_is_final_once_in_that_order() -> None:
    script = said(40.0)
    line = call(script)
    run(line, 44.0)
    story: dict[int, list[type]] = {}
    for _, data in line.events:
        if isinstance(data, SpeechStart | SpeechEnd | TranscriptFinal):
            story.setdefault(data.utterance, []).append(type(data))
    assert list(story) == list(range(1, len(story) + 1))
    assert set(map(tuple, story.values())) == {(SpeechStart, SpeechEnd, TranscriptFinal)}


def test_word_times_grow_across_cuts() -> None:
    script = said(40.0)
    line = call(script)
    run(line, 44.0)
    words = [word for final in line.finals for word in final.words]
    for (_, begin_ms, end_ms, _), (_, true_begin_s, _) in zip(words, script, strict=True):
        assert begin_ms == pytest.approx(true_begin_s * 1000, abs=WORD_S * 1000 / 2)
        assert end_ms > begin_ms
    assert all(b[1] >= a[1] for a, b in pairwise(words))


def test_a_recognizer_that_never_answers_keeps_windows_and_audio_bounded() -> None:
    """The cut of an utterance was waited for without end, until the ring no longer held its
    audio and the frames of the call raised an error."""
    script = said(300.0)
    line = call(script, Delayed(hears(script), delay_ms=10**9))
    run(line, 304.0)
    assert line.finals == []
    assert max(len(window.pcm) for window in line.recognizer.asked) <= LONGEST
    finals = [window for window in line.recognizer.asked if window.kind is Kind.FINAL]
    assert all(b.start_sample <= a.start_sample + CUT_AT for a, b in pairwise(finals)), (
        "some speech is in no window"
    )
    assert line.utterances.finals_due == len(finals)


def test_speech_that_ends_while_its_cut_is_awaited_loses_nothing() -> None:
    script = said(14.4)
    line = call(script, Delayed(hears(script), delay_ms=2_500))
    run(line, 19.0)
    line.recognizer.finish()
    assert line.text == texts(script)
    assert line.utterances.finals_due == 0


def test_an_answer_that_comes_after_the_ring_has_moved_on_still_gives_every_word() -> None:
    script = said(16.0)
    line = call(script, Delayed(hears(script), delay_ms=45_000))
    run(line, 120.0)
    line.recognizer.finish()
    assert line.text == texts(script)
    assert line.utterances.finals_due == 0


def test_the_next_utterance_does_not_wait_for_the_words_of_the_last() -> None:
    script = said(14.4) + said(3.0, first_s=17.0)
    line = call(script, Delayed(hears(script), delay_ms=4_000))
    run(line, 30.0)
    line.recognizer.finish()
    spoken = sorted((word[1], word[0]) for final in line.finals for word in final.words)
    assert [text for _, text in spoken] == [word for word, _, _ in script]
    assert line.utterances.finals_due == 0


@pytest.mark.parametrize(
    ("seconds", "gap_s", "utterances"),
    [(2.4, 0.40, 1), (6.0, 0.26, 1), (6.0, 0.40, 2), (8.8, 0.26, 2)],
    ids=["young", "old-short-gap", "old-long-gap", "oldest"],
)
def test_the_longer_an_utterance_the_shorter_a_silence_ends_it(
    seconds: float, gap_s: float, utterances: int
) -> None:
    head = said(seconds)
    script = head + said(2.0, first_s=head[-1][2] + gap_s)
    line = call(script)
    run(line, seconds + 7.0)
    assert len(line.finals) == utterances
    assert line.text == texts(script)


def test_a_pause_of_the_call_ends_the_utterance_with_its_words() -> None:
    script = said(4.0)
    line = call(script)
    run(line, 3.0)
    assert line.utterances.finals_due == 0
    line.utterances.flush(line.voice)
    assert line.utterances.finals_due == 1
    assert line.recognizer.kinds()[-1] is Kind.FINAL
    line.recognizer.finish()
    assert line.text == texts(script[:5])
    assert line.utterances.finals_due == 0


def test_a_flush_while_a_cut_is_awaited_reads_no_audio_that_never_came() -> None:
    """The rest's window reached 0.2 s beyond the end of the call's audio, and its words were lost
    with the error."""
    script = said(30.0)
    line = call(script, Delayed(hears(script), delay_ms=1_000))
    run(line, 14.5)
    line.utterances.flush(line.voice)
    line.recognizer.finish()
    assert line.text == texts([word for word in script if (word[1] + word[2]) / 2 < 14.5])
    assert line.utterances.finals_due == 0


def test_a_flush_without_speech_asks_nothing() -> None:
    line = call(said(2.0))
    run(line, 5.0)
    asked, events = len(line.recognizer.asked), len(line.events)
    line.utterances.flush(line.voice)
    assert (len(line.recognizer.asked), len(line.events)) == (asked, events)


def test_a_failed_final_still_gives_the_committed_words() -> None:
    script = said(4.0)
    answer = failing(hears(script), {Kind.SPECULATIVE, Kind.FINAL})
    line = call(script, Delayed(answer))
    run(line, 8.0)
    (final,) = line.finals
    committed = [word[0] for word in final.words]
    assert len(committed) >= 7
    assert committed == [word for word, _, _ in script][: len(committed)]
    assert " ".join(committed) == line.partials[-1].committed
    assert all(final.start_ms <= word[1] <= word[2] <= final.end_ms for word in final.words)
    assert line.utterances.finals_due == 0


def test_a_failed_speculative_decode_is_asked_again_as_final() -> None:
    script = said(4.0)
    line = call(script, Delayed(failing(hears(script), {Kind.SPECULATIVE})))
    run(line, 8.0)
    assert line.recognizer.kinds()[-1] is Kind.FINAL
    assert line.text == texts(script)


def test_a_failed_cut_gives_the_committed_words_and_speech_goes_on() -> None:
    script = said(20.0)
    failed: list[Window] = []

    def answer(window: Window) -> Hypothesis:
        if window.kind is Kind.FINAL and not failed:
            failed.append(window)
            return Hypothesis(window, failed="the worker died")
        return hears(script)(window)

    line = call(script, Delayed(answer))
    run(line, 25.0)
    line.recognizer.finish()
    words = [word for final in line.finals for word in final.words]
    missing = {word for word, _, _ in script} - {word[0] for word in words}
    assert len(line.finals) == 2
    assert len({word[0] for word in words}) == len(words)
    # A word is committed two looks after it was said.
    assert len(missing) <= 2 * line.recognizer.step_s / WORD_S + 1
    assert line.utterances.finals_due == 0


def test_a_failure_is_told_as_a_degradation() -> None:
    script = said(4.0)
    line = call(script, Delayed(failing(hears(script), {Kind.FINAL, Kind.SPECULATIVE})))
    run(line, 8.0)
    told = [data for _, data in line.events if isinstance(data, Degraded)]
    assert [(data.what, data.why) for data in told] == [("transcript", "the worker died")] * 2


def test_an_answer_older_than_one_taken_changes_nothing() -> None:
    script = said(4.0)
    line = call(script, Delayed(lambda window: None))
    run(line, 5.0)
    looks = [each for each in line.recognizer.asked if not each.wants_times]
    for window in (looks[4], looks[2]):
        line.utterances.apply(hears(script)(window))
    assert len(line.partials) == 1
    assert line.partials[0].tentative == texts(script[: len(line.partials[0].tentative.split())])


def test_an_answer_to_a_final_utterance_changes_nothing() -> None:
    script = said(3.0)
    line = call(script)
    run(line, 6.0)
    events = list(line.events)
    for window in line.recognizer.asked:
        line.utterances.apply(hears(script)(window))
    assert line.events == events


def test_no_word_reaches_into_a_pause_or_beyond_the_end() -> None:
    """Cross-attention lets a word run into the silence behind it."""
    script = [("one", 1.0, 1.4), ("two", 1.7, 2.1)]

    def stretched(window: Window) -> Hypothesis:
        origin = ms_of(window.start_sample)
        times = [(1_000, 1_700), (1_450, 3_000)]
        words = [
            SpokenWord(text, max(0, begin - origin), end - origin, 0.9)
            for (text, _, _), (begin, end) in zip(script, times, strict=True)
        ]
        return Hypothesis(window, words)

    line = call(script, Delayed(stretched))
    run(line, 4.0)
    (final,) = line.finals
    assert [word[1:3] for word in final.words] == [(1_000, 1_400), (1_700, 2_100)]


def test_utterances_are_numbered_on_from_where_a_crash_left_them() -> None:
    script = said(2.0)
    line = call(script)
    line.utterances = type(line.utterances)(
        "s", TRACK, line.ring.read, line._ask, line._emit, lambda: 0.5, first_number=7
    )
    run(line, 5.0)
    assert [final.utterance for final in line.finals] == [7]
