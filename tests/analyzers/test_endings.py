"""Statements are told from questions and from what goes on by the words at their end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.endings import Endings
from analyzers.intonation import Contour
from analyzers.questions import interrogatives

FALL, RISE, LEVEL = (Contour(direction, 0.0, 0.0, 300) for direction in ("fall", "rise", "level"))


def final(text, start_ms=0):
    """The words of a final, 300 ms each."""
    return [
        (word, start_ms + 300 * i, start_ms + 300 * (i + 1), 0.9)
        for i, word in enumerate(text.split())
    ]


def told(*said):
    """Endings of (text, contour): speech, then its final transcript, 10 s apart."""
    endings = Endings()
    for i, (text, contour) in enumerate(said):
        words = final(text, 10_000 * i)
        if contour is not None:
            endings.hear(contour, words[-1][2])
        endings.read(words, interrogatives().find(words))
    return endings


def test_falls_and_rises_are_counted_as_they_are_heard():
    endings = Endings()
    for contour in (FALL, FALL, RISE, LEVEL):
        endings.hear(contour, 0)
    assert (endings.falls, endings.rises, endings.statements) == (2, 1, 0)


def test_the_share_of_statements_that_fall_needs_five():
    four = [("It is a good car.", FALL)] * 3 + [("It is red.", RISE)]
    assert told(*four).falling_pct is None
    assert told(*four, ("It has four doors.", LEVEL)).falling_pct == 60.0


def test_questions_may_rise():
    endings = told(("What do you drive now?", RISE), ("It is a good car.", FALL))
    assert (endings.statements, endings.falling_statements, endings.rises) == (1, 1, 1)


def test_a_question_before_the_last_sentence_makes_no_question_of_it():
    endings = told(("Is it red? It is blue.", FALL))
    assert (endings.statements, endings.falling_statements) == (1, 1)


@pytest.mark.parametrize(
    "text", ["It is a good car,", "There are two:", "It is ...", "It is—", "it is a good"]
)
def test_what_goes_on_is_no_statement(text):
    assert told((text, LEVEL)).statements == 0


@pytest.mark.parametrize("text", ["It is red.", "It is red!", "He said “it is red.”"])
def test_a_sentence_that_the_transcript_ends_is_a_statement(text):
    assert told((text, FALL)).statements == 1


def test_an_ending_without_words_is_no_statement():
    endings = Endings()
    endings.hear(FALL, 1_000)
    endings.hear(FALL, 9_450)
    words = final("It is a good car.", 8_000)
    endings.read(words, [])
    assert (endings.statements, endings.falls) == (1, 2)


def test_an_ending_waits_for_words_that_come_later():
    endings = Endings()
    endings.hear(FALL, 9_450)
    endings.read(final("It is red.", 1_000), [])
    assert endings.statements == 0
    endings.read([], [])
    endings.read(final("It is a good car.", 8_000), [])
    assert endings.statements == 1


def test_words_may_come_before_their_ending_is_heard():
    endings = Endings()
    endings.read(final("It is red.", 1_000), [])
    endings.hear(FALL, 1_950)
    assert (endings.statements, endings.falling_statements) == (1, 1)


def test_the_words_of_before_are_not_those_of_an_ending():
    endings = Endings()
    endings.read(final("It is red.", 1_000), [])
    endings.hear(FALL, 1_900)
    endings.hear(RISE, 2_400)
    assert (endings.statements, endings.falling_statements) == (1, 1)
    endings.read(final("Yes.", 2_100), [])
    assert (endings.statements, endings.falling_statements) == (2, 1)


def test_two_endings_in_one_final_are_two_statements():
    endings = Endings()
    words = [*final("It is red.", 0), *final("It is fast.", 1_500)]
    endings.hear(FALL, 950)
    endings.hear(RISE, 2_350)
    endings.read(words, [])
    assert (endings.statements, endings.falling_statements) == (2, 1)


def test_it_forgets_on_reset():
    endings = told(*[("It is red.", FALL)] * 6)
    endings.hear(FALL, 100_000)
    endings.reset()
    endings.read(final("It is red.", 99_500), [])
    assert (endings.falls, endings.rises, endings.statements) == (0, 0, 0)
    assert endings.falling_pct is None


spans = st.tuples(st.integers(0, 100_000), st.integers(0, 100_000))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FALL, RISE, LEVEL]),
            st.integers(0, 100_000),
            st.lists(st.tuples(st.sampled_from(["so.", "is it?", "and,", ""]), spans), max_size=4),
        ),
        max_size=90,
    )
)
def test_whatever_comes_an_ending_counts_once_at_most_and_what_waits_is_bounded(said):
    endings = Endings()
    for contour, end_ms, texts in said:
        endings.hear(contour, end_ms)
        words = [(text, start_ms, end_ms, 0.5) for text, (start_ms, end_ms) in texts]
        endings.read(words, interrogatives().find(words))
    assert endings.falling_statements <= endings.statements <= len(said)
    assert endings.falls + endings.rises <= len(said)
    assert max(len(endings._waiting), len(endings._words)) <= Endings.AT_MOST
    assert endings.falling_pct is None or 0 <= endings.falling_pct <= 100
