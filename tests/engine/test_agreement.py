"""Two hypotheses in a row commit a word; nothing takes it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.agreement import Agreement, normalised, prefix_length

WORDS = st.lists(st.sampled_from(["the", "car", "has", "a", "warranty", "price"]), max_size=12)


def keys(words: list[str]) -> list[str]:
    return [normalised(word) for word in words]


def edit_distance(a: list[str], b: list[str]) -> int:
    """The textbook recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        edit_distance(a[1:], b[1:]) + (a[0] != b[0]),
        edit_distance(a[1:], b) + 1,
        edit_distance(a, b[1:]) + 1,
    )


@given(st.lists(WORDS, max_size=8))
def test_committed_words_never_shrink_or_change(hypotheses: list[list[str]]) -> None:
    agreement = Agreement()
    before: list[str] = []
    for hypothesis in hypotheses:
        agreement.push(hypothesis)
        assert agreement.committed[: len(before)] == before
        before = list(agreement.committed)


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_tentative_words_are_the_end_of_the_newest_hypothesis(hypotheses: list[list[str]]) -> None:
    agreement = Agreement()
    for hypothesis in hypotheses:
        agreement.push(hypothesis)
        assert hypothesis[agreement.settled :] == agreement.tentative
        assert agreement.settled <= len(hypothesis)


@given(WORDS, st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_hypotheses_that_agree_are_shown_whole(words: list[str], lengths: list[int]) -> None:
    """As long as each hypothesis tells the same story, however far, nothing is lost or doubled."""
    agreement = Agreement()
    for length in sorted(lengths):
        agreement.push(words[:length])
        assert agreement.committed + agreement.tentative == words[:length]


@given(WORDS)
def test_the_second_of_two_equal_hypotheses_commits_it(words: list[str]) -> None:
    agreement = Agreement()
    agreement.push(words)
    assert agreement.committed == []
    agreement.push(words)
    assert agreement.committed == words
    assert agreement.settled == len(words)


@given(WORDS, WORDS)
def test_only_what_both_hypotheses_begin_with_is_committed(
    one: list[str], other: list[str]
) -> None:
    agreement = Agreement()
    agreement.push(one)
    agreement.push(other)
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    assert agreement.committed == other[:common]


@given(st.lists(WORDS, max_size=6))
def test_change_is_told_exactly_when_something_changed(hypotheses: list[list[str]]) -> None:
    agreement = Agreement()
    for hypothesis in hypotheses:
        before = list(agreement.committed), list(agreement.tentative)
        told = agreement.push(hypothesis)
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
    agreement = Agreement()
    agreement.push(["The", "warranty", "is"])
    agreement.push(["the", "warranty,", "isn't"])
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
    agreement = Agreement()
    agreement.push(["we", "have", "three"])
    agreement.push(["we", "have", "three"])
    agreement.push(newest)
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
