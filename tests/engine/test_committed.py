"""A committed word stays: whatever is heard later, it is never taken back."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asr.agreement import SURE, SURE_BEHIND, normalised
from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.events import TranscriptFinal, TranscriptPartial
from engine.frames import SAMPLE_RATE
from tests.engine.script import WORD_S, Script, call, hears, run, said, texts
from tests.engine.timeline import Delayed, Line


def keys(text: str) -> list[str]:
    return [normalised(word) for word in text.split()]


def words_of(final: TranscriptFinal) -> str:
    return " ".join(word[0] for word in final.words)


def with_last_words(
    script: Script, last: Callable[[list[SpokenWord]], list[SpokenWord]]
) -> Callable[[Window], Hypothesis]:
    """As `hears`, but last words go through `last`."""
    answer = hears(script)

    def change(window: Window) -> Hypothesis:
        words = answer(window).words
        return Hypothesis(window, last(words) if window.wants_times else words)

    return change


def mishears(script: Script, random: Random, wrong: float) -> Callable[[Window], Hypothesis]:
    """Each time anew: of a hundred words `wrong` are dropped, written otherwise or doubled."""
    answer = hears(script)

    def mishear(window: Window) -> Hypothesis:
        words: list[SpokenWord] = []
        for word in answer(window).words:
            what = random.choice(["drop", "change", "double"]) if random.random() < wrong else ""
            other = SpokenWord(f"x{word.text}", word.start_ms, word.end_ms, word.probability)
            words += {"": [word], "drop": [], "change": [other], "double": [other, word]}[what]
        return Hypothesis(window, words)

    return mishear


@pytest.mark.parametrize(
    "last",
    [
        lambda words: words,
        lambda words: [SpokenWord(w.text.upper() + ",", w.start_ms, w.end_ms, 0.5) for w in words],
        lambda words: [SpokenWord("no", w.start_ms, w.end_ms, 0.5) for w in words],
        lambda words: words[2:],
        lambda words: words[:2],
        lambda words: [words[0], *words],
        lambda words: [],
    ],
    ids=["same", "respelled", "others", "begins later", "ends early", "doubled", "nothing"],
)
def test_the_final_text_begins_with_the_committed_words_whatever_the_last_decode_says(
    last: Callable[[list[SpokenWord]], list[SpokenWord]],
) -> None:
    script = said(4.0)
    line = call(script, Delayed(with_last_words(script, last)))
    run(line, 8.0)
    (final,) = line.finals
    committed = keys(max((partial.committed for partial in line.partials), key=len))
    assert len(committed) >= 6
    assert keys(words_of(final))[: len(committed)] == committed
    times = [time for word in final.words for time in word[1:3]]
    assert times == sorted(times)
    assert all(final.start_ms <= time <= final.end_ms for time in times)


def test_the_last_decode_brings_spelling_and_times_of_words_that_are_the_same() -> None:
    script = said(4.0)

    def respelled(words: list[SpokenWord]) -> list[SpokenWord]:
        return [SpokenWord(f"{w.text.upper()}.", w.start_ms, w.end_ms, 0.7) for w in words]

    line = call(script, Delayed(with_last_words(script, respelled)))
    run(line, 8.0)
    (final,) = line.finals
    assert words_of(final) == " ".join(f"{word.upper()}." for word, _, _ in script)
    for (_, begin_ms, end_ms, probability), (_, begin_s, _) in zip(
        final.words, script, strict=True
    ):
        assert begin_ms == pytest.approx(begin_s * 1000, abs=WORD_S * 500)
        assert end_ms > begin_ms
        assert probability == 0.7


def test_probable_words_with_others_behind_them_are_committed_at_first_sight() -> None:
    script = said(4.0)
    line = call(script, Delayed(hears(script, SURE)))
    run(line, 3.0)
    first = line.partials[0]
    shown = [word for word, _, _ in script][: len(f"{first.committed} {first.tentative}".split())]
    assert first.committed == " ".join(shown[:-SURE_BEHIND])
    assert first.tentative == " ".join(shown[-SURE_BEHIND:])


def test_less_probable_words_wait_until_speech_has_gone_on_and_they_are_still_there() -> None:
    script = said(4.0)
    line = call(script, Delayed(hears(script, SURE - 0.01), step_s=0.5))
    run(line, 3.0)
    first, second = line.partials[:2]
    assert first.committed == ""
    assert second.committed == first.tentative


def test_a_decode_that_ran_away_is_not_shown_and_its_last_words_are_asked_for() -> None:
    script = said(4.0)
    answer = hears(script)

    def run_away(window: Window) -> Hypothesis:
        hypothesis = answer(window)
        if window.wants_times:
            return hypothesis
        return Hypothesis(window, hypothesis.words * 4, ran_away=True)

    line = call(script, Delayed(run_away))
    run(line, 8.0)
    assert sum(not window.wants_times for window in line.recognizer.asked) >= 5
    shown = {f"{partial.committed} {partial.tentative}".strip() for partial in line.partials}
    assert shown <= {texts(script)}
    assert line.text == texts(script)


@settings(max_examples=50)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.sampled_from([100, 700]),
    st.sampled_from([0.3, 0.8]),
)
def test_what_was_shown_as_committed_is_how_the_text_begins_for_ever_even_across_cuts(
    seed: int, wrong: float, delay_ms: int, step_s: float
) -> None:
    script = said(5.0) + said(30.0, first_s=7.0)
    line = call(script, Delayed(mishears(script, Random(seed), wrong), delay_ms, step_s))
    run(line, 40.0)
    line.recognizer.finish()
    check_nothing_is_taken_back(line)
    assert line.utterances.finals_due == 0


def check_nothing_is_taken_back(line: Line) -> None:
    final: list[str] = []
    shown: list[str] = []
    for _, data in line.events:
        if isinstance(data, TranscriptFinal):
            final += keys(words_of(data))
        elif isinstance(data, TranscriptPartial):
            committed = final + keys(data.committed)
            assert committed[: len(shown)] == shown
            shown = committed
    assert final[: len(shown)] == shown


def test_words_committed_behind_a_cut_begin_the_next_utterance() -> None:
    """The cut is made where it is quietest, which may be words ahead of the last committed one."""
    script = said(20.0)
    line = call(script)
    run(line, 24.0)
    line.recognizer.finish()
    first, second = line.finals
    before_cut = [p.committed for p in line.partials if p.utterance == first.utterance][-1]
    behind = keys(before_cut)[len(first.words) :]
    assert behind, "this cut leaves nothing behind it, so it shows nothing"
    assert keys(words_of(second))[: len(behind)] == behind
    shown = next(p for p in line.partials if p.utterance == second.utterance)
    assert keys(shown.committed)[: len(behind)] == behind
    assert line.text == texts(script)


# how old is what nobody has been told of


def test_speech_grows_old_while_no_answer_tells_of_it_and_is_new_with_one() -> None:
    script = said(10.0)
    answer = hears(script)
    silent = call(script, Delayed(lambda window: None))
    run(silent, 6.0)
    old = silent.utterances.age_samples(silent.voice)
    assert old == pytest.approx(5.0 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    newest = silent.recognizer.asked[-1]
    silent.utterances.apply(answer(newest))
    age = silent.utterances.age_samples(silent.voice)
    assert age == silent.voice.voiced_end_sample - newest.voiced_end_sample
    assert age < SAMPLE_RATE


def test_last_words_that_do_not_come_grow_old_until_they_are_there() -> None:
    script = said(2.0)
    line = call(script, Delayed(hears(script), delay_ms=10**9))
    run(line, 8.0)
    assert line.utterances.age_samples(line.voice) == pytest.approx(
        5.0 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE
    )
    line.recognizer.finish()
    assert line.text == texts(script)
    assert line.utterances.age_samples(line.voice) == 0


def test_windows_say_which_language_is_spoken() -> None:
    script = said(2.0)
    line = call(script)
    line.utterances = type(line.utterances)(
        "s", "trainee", line.ring.read, line._ask, line._emit, lambda: 0.5, language="es"
    )
    run(line, 5.0)
    assert {window.language for window in line.recognizer.asked} == {"es"}
    assert all(window.pcm.dtype == np.int16 for window in line.recognizer.asked)
