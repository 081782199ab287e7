"""Word latencies of made-up event streams whose right answer can be worked out by hand.

Every word lasts 400 ms from 500 ms on the half second, and audio is sent as it is spoken: the
packet with the last millisecond of the word that ends at 900 ms leaves at 0.88 s.
"""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.latency import Alignment, Observation, compared, percentile, score
from benchmarks.reading import ReferenceWord


def spoken(text: str, begin_ms: int = 0) -> list[ReferenceWord]:
    return [
        ReferenceWord(word, begin_ms + 500 * at + 500, begin_ms + 500 * at + 900)
        for at, word in enumerate(text.split())
    ]


def sent_at(audio_ms: int) -> float:
    return audio_ms // 20 * 20 / 1000


def partial(at_s: float, committed: str, tentative: str = "", utterance: int = 1) -> Observation:
    return Observation(at_s, utterance, committed, tentative)


def final(at_s: float, text: str, utterance: int = 1) -> Observation:
    return Observation(at_s, utterance, text, is_final=True)


def test_latency_counts_from_the_packet_with_the_words_last_sound():
    result = score(spoken("hello"), sent_at, [partial(1.0, "", "hello"), final(1.4, "Hello.")])
    assert result.first_ms == [pytest.approx(120)]
    assert result.commit_ms == [pytest.approx(520)]
    assert result.final_ms == [pytest.approx(520)]


def test_committed_text_of_a_partial_commits_a_word_before_the_final_does():
    stream = [partial(1.0, "", "red green"), partial(1.6, "red", "green"), final(2.5, "red green")]
    result = score(spoken("red green"), sent_at, stream)
    assert result.commit_ms == [pytest.approx(720), pytest.approx(1120)]


def test_a_word_that_vanishes_and_comes_back_was_seen_the_first_time():
    stream = [
        partial(1.0, "", "hello"),
        partial(1.2, "", "yellow"),
        partial(1.5, "", "hello"),
        final(2.0, "hello"),
    ]
    assert score(spoken("hello"), sent_at, stream).first_ms == [pytest.approx(120)]


def test_a_word_shown_right_once_was_seen_even_if_the_final_is_wrong():
    stream = [partial(1.0, "", "hello"), final(2.0, "yellow")]
    result = score(spoken("hello"), sent_at, stream)
    assert result.first_ms == [pytest.approx(120)]
    assert result.commit_ms == [math.inf]


def test_a_word_committed_wrongly_is_committed_when_the_final_puts_it_right():
    stream = [partial(1.0, "yellow"), final(2.0, "hello")]
    result = score(spoken("hello"), sent_at, stream)
    assert result.first_ms == result.commit_ms == [pytest.approx(1120)]


def test_a_word_never_matched_is_infinite():
    result = score(spoken("red green blue"), sent_at, [final(2.5, "red blue")])
    assert result.first_ms[1] == result.commit_ms[1] == math.inf
    assert all(math.isfinite(result.first_ms[at]) for at in (0, 2))


def test_a_word_guessed_before_it_was_begun_is_not_seen_until_a_later_event():
    stream = [partial(0.95, "", "of times"), partial(1.5, "", "of times"), final(2.0, "of times")]
    result = score(spoken("of times"), sent_at, stream)
    assert result.first_ms == [pytest.approx(70), pytest.approx(120)]


def test_a_word_recognised_while_it_is_being_said_has_a_negative_latency():
    result = score(spoken("hello"), sent_at, [partial(0.7, "", "hello"), final(2.0, "hello")])
    assert result.first_ms == [pytest.approx(-180)]


def test_a_repeated_phrase_is_matched_where_it_is_said_and_not_ahead():
    words = spoken("it was the best of times it was the worst of times")
    stream = [
        partial(2.0, "", "it was the"),
        partial(3.5, "it was the", "best of times"),
        partial(5.0, "it was the best of times", "it was the"),
        partial(6.6, "it was the best of times it was the", "worst of times"),
        final(7.0, "It was the best of times, it was the worst of times."),
    ]
    result = score(words, sent_at, stream)
    ends_s = [(word.end_ms - 20) / 1000 for word in words]
    seen_s = [2.0] * 3 + [3.5] * 3 + [5.0] * 3 + [6.6] * 3
    expected = [(seen - end) * 1000 for seen, end in zip(seen_s, ends_s, strict=True)]
    assert result.first_ms == pytest.approx(expected)
    committed_s = [3.5] * 3 + [5.0] * 3 + [6.6] * 3 + [7.0] * 3
    expected = [(seen - end) * 1000 for seen, end in zip(committed_s, ends_s, strict=True)]
    assert result.commit_ms == pytest.approx(expected)


def test_a_phrase_left_out_is_missed_although_its_words_come_again():
    words = spoken("it was the age of wisdom it was the age of foolishness it was the epoch")
    heard = "it was the age of wisdom it was the epoch"
    early = score(words, sent_at, [partial(8.5, heard)])
    assert math.isinf(early.first_ms[15])
    late = score(words, sent_at, [partial(8.5, heard), final(20.0, heard)])
    assert [at for at, ms in enumerate(late.first_ms) if math.isinf(ms)] == [9, 10, 11, 12, 13, 14]
    assert late.first_ms[15] == pytest.approx((20.0 - 8.38) * 1000)


def test_a_stutter_of_the_recogniser_credits_the_committed_word():
    stream = [partial(1.5, "red", "red green"), final(3.0, "red green")]
    result = score(spoken("red green"), sent_at, stream)
    assert result.commit_ms[0] == pytest.approx((1.5 - 0.88) * 1000)


def test_a_new_utterance_keeps_what_the_last_one_said():
    words = spoken("hello there", 0) + spoken("good day", 2000)
    stream = [
        final(1.8, "Hello there.", 1),
        partial(3.0, "", "good", 2),
        partial(3.5, "good", "day", 2),
        final(4.0, "Good day.", 2),
    ]
    result = score(words, sent_at, stream)
    assert result.first_ms == [pytest.approx(ms) for ms in (920, 420, 120, 120)]
    assert result.final_ms == [pytest.approx(420), pytest.approx(620)]


def test_a_late_partial_does_not_undo_its_final():
    stream = [final(1.5, "hello"), partial(1.6, "", "yellow"), partial(1.7, "other", "")]
    result = score(spoken("hello"), sent_at, stream)
    assert result.commit_ms == [pytest.approx(620)]
    assert result.final_ms == [pytest.approx(620)]


def test_events_are_taken_in_the_order_they_were_received():
    stream = [final(2.0, "hello"), partial(1.0, "", "hello")]
    assert score(spoken("hello"), sent_at, stream).first_ms == [pytest.approx(120)]


def test_a_final_counts_from_its_last_word_even_if_that_is_wrong():
    result = score(spoken("red green blue"), sent_at, [final(2.5, "red green blew")])
    assert result.final_ms == [pytest.approx((2.5 - 1.88) * 1000)]


def test_the_wrong_last_word_of_one_utterance_is_not_taken_from_the_next():
    words = spoken("red green", 0) + spoken("blue black", 2000)
    stream = [final(1.9, "red grain", 1), final(4.0, "blue black", 2)]
    result = score(words, sent_at, stream)
    assert result.final_ms == [pytest.approx((1.9 - 1.38) * 1000), pytest.approx(620)]


def test_an_utterance_without_a_final_is_infinitely_late():
    words = spoken("red green", 0) + spoken("blue", 2000)
    stream = [final(1.9, "red green", 1), partial(3.0, "blue", "", 2)]
    result = score(words, sent_at, stream)
    assert result.final_ms == [pytest.approx(520), math.inf]


def test_a_final_made_up_of_noise_has_no_latency_but_is_counted():
    stream = [final(1.5, "hello", 1), final(9.0, "Thank you.", 2)]
    result = score(spoken("hello"), sent_at, stream)
    assert result.final_ms == [pytest.approx(620)]
    assert result.unaligned_finals == 1


def test_an_utterance_that_ends_without_words_has_no_final_latency():
    stream = [partial(1.0, "", "yes", 1), final(1.5, "", 1), final(2.0, "hello", 2)]
    result = score(spoken("hello"), sent_at, stream)
    assert len(result.final_ms) == 1
    assert result.unaligned_finals == 0


def test_nothing_received_leaves_every_word_infinite():
    result = score(spoken("red green"), sent_at, [])
    assert result.first_ms == result.commit_ms == [math.inf, math.inf]
    assert result.final_ms == []


def test_words_are_compared_as_the_word_error_rate_compares_them():
    words = spoken("mister dashwood was ill disposed and couldn't")
    result = score(words, sent_at, [final(9.0, "Mr. Dashwood was ill-disposed, and could not…")])
    assert len(result.first_ms) == 8
    assert all(math.isfinite(ms) for ms in result.first_ms)


def test_a_number_written_in_figures_is_seen_when_its_words_were():
    words = spoken("save three hundred dollars today")
    result = score(words, sent_at, [final(5.0, "Save $300 today.")])
    assert result.first_ms == [pytest.approx((5.0 - end) * 1000) for end in (0.88, 2.38, 2.88)]


def test_joined_words_share_the_time_from_the_first_start_to_the_last_end():
    words = compared(spoken("save three hundred dollars today"))
    assert [word.text for word in words] == ["save", "$300", "today"]
    assert (words[1].start_ms, words[1].end_ms) == (1000, 2400)


def test_fillers_are_not_compared():
    assert [word.text for word in compared(spoken("um hello uh there"))] == ["hello", "there"]


def test_the_committed_part_ends_where_the_tentative_text_changes_its_last_word():
    # "twenty" is committed, but what is shown is the number 21.
    words = spoken("twenty one days")
    stream = [partial(2.5, "twenty", "one days"), final(4.0, "twenty one days")]
    result = score(words, sent_at, stream)
    assert result.first_ms == [pytest.approx((2.5 - 1.38) * 1000), pytest.approx(620)]
    assert result.commit_ms[0] == pytest.approx((4.0 - 1.38) * 1000)


def test_an_alignment_built_up_step_by_step_equals_one_made_at_once():
    random.seed(5)
    reference = [random.choice("abcd") for _ in range(40)]
    growing = Alignment(reference)
    text: list[str] = []
    for _ in range(60):
        if random.random() < 0.3:
            del text[len(text) - random.randrange(1, 5) :]
        text += [random.choice("abcde") for _ in range(random.randrange(3))]
        growing.push(text)
        fresh = Alignment(reference)
        fresh.push(text)
        assert growing.pairs(10, 30) == fresh.pairs(10, 30)
        assert growing.pairs(40, 40) == fresh.pairs(40, 40)


def test_an_alignment_takes_the_least_edits_that_there_are():
    random.seed(6)
    for _ in range(50):
        reference = [random.choice("abc") for _ in range(random.randrange(1, 12))]
        hypothesis = [random.choice("abc") for _ in range(random.randrange(1, 12))]
        alignment = Alignment(reference)
        alignment.push(hypothesis)
        pairs = alignment.pairs(len(reference), len(reference))
        wrong = sum(not equal for _, _, equal in pairs)
        edits = wrong + len(reference) + len(hypothesis) - 2 * len(pairs)
        assert edits == _levenshtein(reference, hypothesis)


def _levenshtein(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(diagonal + (left != right), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def test_percentiles_are_by_nearest_rank_and_keep_infinities_in_their_place():
    values = [math.inf, 3.0, 1.0, 2.0]
    assert percentile(values, 0.5) == 2.0
    assert percentile(values, 0.75) == 3.0
    assert percentile(values, 0.95) == math.inf
    assert percentile([5.0], 0.5) == percentile([5.0], 0.95) == 5.0


def test_a_percentile_of_nothing_is_infinite():
    assert percentile([], 0.5) == math.inf
