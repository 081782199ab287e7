from __future__ import annotations

import pytest

from benchmarks.wer import (
    difference_interval,
    errors_by_utterance,
    interval,
    normalised,
    word_error_rate,
)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Mr. Dashwood, ill-disposed!", "mister dashwood ill disposed"),
        ("we'll", "we will"),
        ("um, I, uh, think", "i think"),
        ("three hundred dollars", "$300"),
        ("consider… kind of", "consider kind of"),
        ("wait...what", "wait what"),
        ("at 2.5 percent", "at 2.5%"),
        ("…", ""),
    ],
)
def test_texts_are_compared_without_case_punctuation_fillers_and_spelling(written, compared):
    assert normalised(written) == compared


def test_substitutions_deletions_and_insertions_all_count():
    assert word_error_rate("a quick brown fox ran home", "a slow brown fox ran back home") == (
        pytest.approx(2 / 6),
        6,
    )
    assert word_error_rate("one fox and one dog", "fox and one dog") == (pytest.approx(1 / 5), 5)


def test_a_perfect_transcript_has_no_errors():
    assert word_error_rate("It was the best of times.", "it was the best of times") == (0.0, 6)


def test_nothing_heard_is_a_rate_of_one():
    assert word_error_rate("it was the best of times", "") == (1.0, 6)


def test_made_up_words_can_push_the_rate_over_one():
    assert word_error_rate("hello", "thank you for watching")[0] > 1.0


def test_a_reference_without_words_is_refused():
    with pytest.raises(ValueError, match="no words"):
        word_error_rate("um, uh", "hello")


def test_errors_fall_to_the_utterance_of_the_reference_word():
    utterances = ["it was the best of times", "it was the worst of times", "in short"]
    heard = "it was the best of times it was the worse of times so in short"
    assert errors_by_utterance(utterances, heard) == [(0, 6), (2, 6), (0, 2)]


def test_words_before_the_first_reference_word_fall_to_the_first_utterance():
    assert errors_by_utterance(["hello there", "you"], "well hello there you") == [(1, 2), (0, 1)]


def test_utterance_errors_add_up_to_those_of_the_whole():
    utterances = ["we had everything before us", "we had nothing before us", "um"]
    heard = "we had every thing before us had nothing four us"
    rows = errors_by_utterance(utterances, heard)
    rate, words = word_error_rate(" ".join(utterances), heard)
    assert sum(errors for errors, _ in rows) == pytest.approx(rate * words)
    assert rows[2] == (0, 0)


def test_the_interval_holds_the_rate_and_narrows_with_more_utterances():
    few, many = [(0, 10), (2, 10), (1, 10), (0, 10)], [(0, 10), (2, 10), (1, 10), (0, 10)] * 25
    low, high = interval(few)
    assert low <= 0.075 <= high
    assert high > low
    narrow_low, narrow_high = interval(many)
    assert narrow_low <= 0.075 <= narrow_high
    assert narrow_high - narrow_low < (high - low) / 2


def test_the_interval_is_the_same_each_time():
    rows = [(0, 10), (2, 10), (1, 7)]
    assert interval(rows) == interval(rows)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # 200 samples of 30 utterances of 20 words, each word wrong by chance with rate 0.1.
    import numpy as np

    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        rows = [(int(errors), 20) for errors in rng.binomial(20, 0.1, size=30)]
        low, high = interval(rows)
        covered += low <= 0.1 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_of_a_single_utterance_is_a_point():
    assert interval([(1, 10)]) == (0.1, 0.1)


def test_an_interval_needs_words():
    with pytest.raises(ValueError, match="no words"):
        interval([(0, 0)])


def test_a_difference_of_two_recognizers_is_paired():
    better = [(0, 10), (1, 10), (0, 10), (2, 10)] * 5
    worse = [(errors + 1, words) for errors, words in better]
    assert difference_interval(worse, better) == pytest.approx((0.1, 0.1))
    low, high = difference_interval(better[::-1], better)
    assert low < 0.0 < high


def test_a_difference_needs_the_same_utterances():
    with pytest.raises(ValueError, match="the same utterances"):
        difference_interval([(0, 3)], [(0, 4)])
    with pytest.raises(ValueError, match="shorter"):
        difference_interval([(0, 3)], [])
