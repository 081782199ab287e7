"""A filler that was heard and written counts once; one that only was heard counts as well."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.disfluencies import HEARD, Disfluencies, merge
from analyzers.filled_pauses import FilledPause
from analyzers.fillers import lexicon


def merged(words, *sounds):
    """(kind, text) of `words` (text, start_ms, end_ms) and of sounds (start_ms, end_ms)."""
    timed = [(*word, 0.9) for word in words]
    pauses = [FilledPause(*sound) for sound in sounds]
    return [(one.kind, one.text) for one in merge(pauses, lexicon().find(timed), timed)]


def test_a_sound_that_nobody_wrote_is_a_filler_between_the_words():
    words = [("so", 0, 300), ("it", 900, 1000), ("is", 1000, 1200)]
    assert merged(words, (350, 800)) == [("filler", HEARD)]


def test_a_sound_at_a_written_um_counts_once():
    words = [("so", 0, 300), ("um,", 350, 800), ("it", 900, 1000)]
    assert merged(words, (380, 700)) == [("filler", "um")]


@pytest.mark.parametrize("spelling", ["Um", "uh,", "Uhm.", "er", "erm", "Hmm"])
def test_however_it_is_spelled(spelling):
    assert len(merged([(spelling, 350, 800)], (380, 700))) == 1


def test_a_written_um_may_be_a_little_off_but_stands_for_one_sound_then():
    words = [("um", 350, 500)]
    assert merged(words, (600, 900)) == [("filler", "um")]
    assert merged(words, (700, 900)) == [("filler", "um"), ("filler", HEARD)]
    assert merged(words, (380, 500), (600, 900)) == [("filler", "um"), ("filler", HEARD)]


def test_two_halves_of_one_written_um_are_one():
    assert merged([("um", 300, 1200)], (320, 600), (800, 1150)) == [("filler", "um")]


def test_the_lengthened_vowel_of_a_word_is_no_filler():
    assert merged([("we're", 1000, 1480), ("just", 1500, 1700)], (1020, 1460)) == []
    assert merged([("further", 1000, 1480)], (1100, 1400)) == []


def test_a_word_that_a_recognizer_stretched_over_a_sound_leaves_it_a_filler():
    """Whisper tiny.en, cold_corpus.wav: "than [uh] the uh acoustic"."""
    assert merged([("the", 6930, 7890), ("acoustic", 7890, 8370)], (7320, 7860)) == [
        ("filler", HEARD)
    ]


def test_a_sound_beside_a_phrase_counts_as_well_as_the_phrase():
    words = [("It's,", 0, 300), ("you", 350, 1000), ("know,", 1000, 1200), ("quick", 1300, 1500)]
    assert merged(words, (400, 800)) == [("filler", "you know"), ("filler", HEARD)]


def test_hedges_stay_and_all_is_in_order_of_time():
    words = [("maybe", 1000, 1300), ("so", 1300, 1500), ("um", 3000, 3300)]
    found = merged(words, (2000, 2400), (400, 800))
    assert found == [("filler", HEARD), ("hedge", "maybe"), ("filler", HEARD), ("filler", "um")]


@given(
    st.lists(st.tuples(st.sampled_from(["um", "so", "uh", "the", "maybe"]), st.integers(1, 900))),
    st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 900))),
)
def test_what_was_written_stays_and_no_sound_counts_twice(parts, sounds):
    words, at_ms = [], 0
    for text, length_ms in parts:
        words.append((text, at_ms, at_ms + length_ms, 0.9))
        at_ms += length_ms
    pauses = [FilledPause(start_ms, start_ms + length_ms) for start_ms, length_ms in sounds]
    written = lexicon().find(words)
    found = merge(pauses, written, words)
    assert [one for one in found if one.text != HEARD] == written
    added = [one for one in found if one.text == HEARD]
    assert len(added) <= len(pauses)
    hums = [one for one in written if one.text in ("um", "uh")]
    assert not any(a.start_ms < h.end_ms and h.start_ms < a.end_ms for a in added for h in hums)
    assert all(a.start_ms <= b.start_ms for a, b in pairwise(found))


def test_a_sound_waits_for_the_transcript_of_its_time():
    disfluencies = Disfluencies()
    disfluencies.hear(FilledPause(380, 700))
    disfluencies.hear(FilledPause(4_000, 4_500))
    assert disfluencies.waiting == 2
    words = [("so", 0, 300, 0.9), ("um", 350, 800, 0.9), ("no", 900, 1_000, 0.9)]
    assert [one.text for one in disfluencies.read(words, lexicon().find(words))] == ["um"]
    assert disfluencies.waiting == 1
    assert disfluencies.read([], []) == []
    assert disfluencies.settle(4_000) == []
    (alone,) = disfluencies.settle(20_000)
    assert (alone.kind, alone.text, alone.start_ms) == ("filler", HEARD, 4_000)
    assert disfluencies.waiting == 0
    assert disfluencies.settle(40_000) == []


def test_no_more_wait_than_fit():
    disfluencies = Disfluencies()
    for i in range(1_000):
        disfluencies.hear(FilledPause(1_000 * i, 1_000 * i + 300))
    assert disfluencies.waiting == Disfluencies.AT_MOST
    assert len(disfluencies.settle(10_000_000)) == Disfluencies.AT_MOST
