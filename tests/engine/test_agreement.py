"""A word that stays for long enough is committed; nothing takes it back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.agreement import (
    EDGE_MS,
    STABLE_MS,
    SURE,
    SURE_BEHIND,
    Agreement,
    normalised,
    prefix_length,
)
from engine.asr.window import SpokenWord

SAID = st.sampled_from(["the", "car", "has", "a", "warranty", "price"])
WORDS = st.lists(SAID, max_size=12)
WRITTEN = st.lists(st.sampled_from(["the", "The", "car,", "a", "—", "price."]), max_size=12)
"""Words as they may be written; one of them is none."""
HYPOTHESES = st.lists(
    st.lists(st.builds(SpokenWord, SAID, probability=st.sampled_from([0.5, 1.0])), max_size=12),
    max_size=8,
)


def keys(words: list[str]) -> list[str]:
    return [normalised(word) for word in words]


def texts(words: list[SpokenWord]) -> list[str]:
    return [word.text for word in words]


def edit_distance(a: list[str], b: list[str]) -> int:
    """The textbook recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        edit_distance(a[1:], b[1:]) + (a[0] != b[0]),
        edit_distance(a[1:], b) + 1,
        edit_distance(a, b[1:]) + 1,
    )


def spoken(words: list[str], probability: float = 0.5) -> list[SpokenWord]:
    """Words in a row, 300 ms each."""
    return [SpokenWord(w, 300 * n, 300 * (n + 1), probability) for n, w in enumerate(words)]


def heard(
    *hypotheses: list[str], every_ms: int = EDGE_MS, committed: Sequence[str] = ()
) -> Agreement:
    """What has been agreed on when `hypotheses` came one after another."""
    agreement = Agreement(committed)
    for number, words in enumerate(hypotheses, 1):
        agreement.push(spoken(words), number * every_ms)
    return agreement


@given(HYPOTHESES, st.integers(0, 1_000))
def test_committed_words_never_shrink_or_change(
    hypotheses: list[list[SpokenWord]], every_ms: int
) -> None:
    agreement = Agreement()
    before: list[str] = []
    for number, words in enumerate(hypotheses):
        agreement.push(words, number * every_ms)
        assert agreement.committed[: len(before)] == before
        before = list(agreement.committed)


@given(HYPOTHESES, st.integers(0, 1_000), st.booleans())
def test_tentative_words_are_the_end_of_the_newest_hypothesis(
    hypotheses: list[list[SpokenWord]], every_ms: int, is_whole: bool
) -> None:
    agreement = Agreement()
    for number, words in enumerate(hypotheses):
        agreement.push(words, number * every_ms, is_whole=is_whole)
        assert texts(words)[agreement.settled :] == agreement.tentative
        assert agreement.settled <= len(words)


@given(WORDS, st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(0, 1_000))
def test_hypotheses_that_agree_are_shown_whole(
    words: list[str], lengths: list[int], every_ms: int
) -> None:
    """As long as each hypothesis tells the same story, however far, nothing is lost or doubled."""
    agreement = Agreement()
    for number, length in enumerate(sorted(lengths)):
        agreement.push(spoken(words[:length]), number * every_ms)
        assert agreement.committed + agreement.tentative == words[:length]


def test_words_that_have_stood_long_enough_are_committed_and_the_last_one_later() -> None:
    """The last word of a hypothesis may be half said."""
    words = ["the", "car", "has"]
    assert heard(words, words, every_ms=STABLE_MS - 1).committed == []
    assert heard(words, words, every_ms=STABLE_MS).committed == words[:2]
    assert heard(words, words, every_ms=EDGE_MS - 1).committed == words[:2]
    assert heard(words, words, every_ms=EDGE_MS).committed == words


@given(WORDS, st.integers(1, 8))
def test_it_is_the_time_that_counts_not_how_often_it_was_heard(
    words: list[str], looks: int
) -> None:
    """Two looks that are 0.3 s apart make the same mistakes."""
    quick = heard(*[words] * (looks + 1), every_ms=(STABLE_MS - 1) // looks)
    assert quick.committed == []
    assert quick.tentative == words


def test_before_a_silence_no_word_is_half_said() -> None:
    words = ["the", "car"]
    agreement = Agreement()
    agreement.push(spoken(words), 1_000)
    agreement.push(spoken(words), 1_000 + STABLE_MS, is_whole=True)
    assert agreement.committed == words


def test_a_probable_word_with_enough_behind_it_is_committed_at_once() -> None:
    words = ["the", "car", "has", "a", "warranty"]
    agreement = Agreement()
    agreement.push(spoken(words, SURE), 1_000)
    assert agreement.committed == words[:-SURE_BEHIND]


def test_no_word_is_committed_ahead_of_an_improbable_one_before_it() -> None:
    words = spoken(["the", "car", "has", "a", "warranty"], SURE)
    words[1] = SpokenWord("car", 300, 600, SURE - 0.01)
    agreement = Agreement()
    agreement.push(words, 1_000)
    assert agreement.committed == ["the"]


def test_a_word_that_was_another_for_a_moment_begins_anew() -> None:
    agreement = heard(["the", "car"], ["the", "card"], ["the", "car"], every_ms=STABLE_MS)
    assert agreement.committed == ["the"]
    assert agreement.tentative == ["car"]


@given(WORDS, WORDS)
def test_only_what_both_hypotheses_begin_with_is_committed(
    one: list[str], other: list[str]
) -> None:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    assert heard(one, other).committed == other[:common]


@given(HYPOTHESES, st.integers(0, 1_000))
def test_change_is_told_exactly_when_something_changed(
    hypotheses: list[list[SpokenWord]], every_ms: int
) -> None:
    agreement = Agreement()
    for number, words in enumerate(hypotheses):
        before = list(agreement.committed), list(agreement.tentative)
        told = agreement.push(words, number * every_ms)
        assert told == ((agreement.committed, agreement.tentative) != before)


@given(WORDS, WORDS)
def test_committed_words_line_up_with_the_nearest_prefix(
    committed: list[str], hypothesis: list[str]
) -> None:
    committed, hypothesis = committed[:5], hypothesis[:6]
    length = prefix_length(committed, hypothesis)
    best = min(edit_distance(committed, hypothesis[:n]) for n in range(len(hypothesis) + 1))
    assert edit_distance(committed, hypothesis[:length]) == best


def test_case_and_punctuation_are_no_disagreement() -> None:
    agreement = heard(["The", "warranty", "is"], ["the", "warranty,", "isn't"])
    assert agreement.committed == ["the", "warranty,"]
    assert agreement.tentative == ["isn't"]


@pytest.mark.parametrize(
    ("newest", "tentative"),
    [
        (["we", "have", "three", "of", "them"], ["of", "them"]),
        (["have", "three", "of", "them"], ["of", "them"]),
        (["we", "do", "have", "three", "of", "them"], ["of", "them"]),
        (["we", "halve", "three", "of", "them"], ["of", "them"]),
    ],
    ids=["same", "drops-a-word", "adds-a-word", "changes-a-word"],
)
def test_a_hypothesis_that_revises_committed_words_still_lines_up(
    newest: list[str], tentative: list[str]
) -> None:
    agreement = heard(["we", "have", "three"], ["we", "have", "three"], newest)
    assert agreement.committed == ["we", "have", "three"]
    assert agreement.tentative == tentative
    assert agreement.settled == len(newest) - 2


def test_words_are_compared_without_case_punctuation_or_quotes() -> None:
    assert keys(["Times,", "don't", "'tis", "24/7!", "Café"]) == [
        "times",
        "don't",
        "tis",
        "247",
        "café",
    ]


# the end of an utterance, and a cut through it


@given(WRITTEN, WRITTEN)
def test_the_sealed_text_begins_with_the_committed_words(
    committed: list[str], last: list[str]
) -> None:
    sealed = texts(Agreement(committed).sealed(spoken(last)))
    assert keys(sealed)[: len(committed)] == keys(committed)


@given(WRITTEN, WRITTEN)
def test_nothing_behind_the_committed_words_is_lost_or_changed(
    committed: list[str], last: list[str]
) -> None:
    agreement, words = Agreement(committed), spoken(last)
    behind = words[prefix_length(keys(committed), keys(last)) :]
    assert agreement.sealed(words)[len(committed) :] == behind


@given(WORDS, WORDS)
def test_last_words_that_begin_with_the_committed_ones_stay_as_they_are(
    committed: list[str], more: list[str]
) -> None:
    words = spoken([word.upper() for word in committed] + more, 0.9)
    assert Agreement(committed).sealed(words) == words


@given(WRITTEN, WRITTEN)
def test_sealed_words_have_times_that_do_not_go_back(committed: list[str], last: list[str]) -> None:
    sealed = Agreement(committed).sealed(spoken(last))
    times = [time for word in sealed for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert all(0 <= time <= 300 * len(last) for time in times)


def test_a_committed_word_that_was_heard_otherwise_at_last_takes_its_place_and_time() -> None:
    last = spoken(["we", "halve", "three", "of", "them"])
    sealed = Agreement(["we", "have", "three"]).sealed(last)
    assert texts(sealed) == ["we", "have", "three", "of", "them"]
    assert [(word.start_ms, word.end_ms) for word in sealed] == [
        (word.start_ms, word.end_ms) for word in last
    ]


@given(WRITTEN, WRITTEN)
def test_a_cut_parts_the_committed_words_and_loses_none(
    committed: list[str], kept: list[str]
) -> None:
    mine, behind = Agreement(committed).parted(spoken(kept))
    assert mine.committed + behind.committed == committed


@given(WORDS, st.integers(0, 12))
def test_a_cut_behind_words_that_were_committed_parts_them_there(
    committed: list[str], size: int
) -> None:
    mine, behind = Agreement(committed).parted(spoken(committed[:size]))
    assert (mine.committed, behind.committed) == (committed[:size], committed[size:])


@given(WORDS, WORDS)
def test_what_was_committed_behind_a_cut_stays_committed(
    behind: list[str], newest: list[str]
) -> None:
    agreement = heard(newest, newest, committed=behind)
    assert agreement.committed[: len(behind)] == behind


def test_a_committed_word_is_found_behind_one_that_was_missed() -> None:
    """With the nearest length alone "the" stood for "in", and was said twice."""
    agreement = Agreement(["the"])
    last = [SpokenWord(text) for text in ("In", "the", "beginning", "was")]
    assert [word.text for word in agreement.sealed(last)] == ["the", "beginning", "was"]
