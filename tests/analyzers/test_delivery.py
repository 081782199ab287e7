"""The scores keep their written formulas, their order and their bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import delivery

number = st.floats(-1e4, 1e4)
maybe = st.none() | number
count = st.integers(0, 10_000)


def pace(rate_wpm, speech_s=60.0, words=100):
    return delivery.pace(rate_wpm=rate_wpm, speech_s=speech_s, words=words)


def volume(level_vs_baseline_db, clipped_pct=0.0, speech_s=60.0):
    return delivery.volume(
        level_vs_baseline_db=level_vs_baseline_db, clipped_pct=clipped_pct, speech_s=speech_s
    )


def clarity(
    snr_db=30.0,
    clipped_pct=0.0,
    asr_certainty=0.95,
    speech_s=60.0,
    words=100,
    modulation_db=9.0,
    consonants_db=-11.0,
):
    return delivery.clarity(
        snr_db=snr_db,
        clipped_pct=clipped_pct,
        asr_certainty=asr_certainty,
        speech_s=speech_s,
        words=words,
        modulation_db=modulation_db,
        consonants_db=consonants_db,
    )


def confidence(
    fillers=0.0,
    hedges=0.0,
    variation_db=2.0,
    falling_pct=80.0,
    hesitation_ms=300.0,
    speech_s=60.0,
    words=100,
):
    return delivery.confidence(
        fillers_per_100_words=fillers,
        hedges_per_100_words=hedges,
        level_variation_db=variation_db,
        falling_statements_pct=falling_pct,
        hesitation_ms=hesitation_ms,
        speech_s=speech_s,
        words=words,
    )


def test_comfortable_pace_is_full_and_acceptable_pace_passes():
    assert [pace(rate) for rate in (140, 150, 160)] == [100, 100, 100]
    assert [pace(rate) for rate in (110, 180)] == [60, 60]
    assert [pace(rate) for rate in (40, 70, 220, 400)] == [0, 0, 0, 0]
    assert 60 < pace(170) < 100


def test_volume_is_full_near_ones_own_level_and_falls_on_both_sides():
    assert [volume(db) for db in (-3, 0, 3)] == [100, 100, 100]
    assert volume(-7.5) == volume(7.5) == 50
    assert [volume(db) for db in (-20, 20)] == [0, 0]


def test_clipping_costs_up_to_half_the_volume():
    assert volume(0, clipped_pct=0.5) == 75
    assert volume(0, clipped_pct=50) == 50


def test_volume_without_a_microphone_check_is_unknown():
    assert volume(None) is None


def test_clarity_weighs_certainty_noise_modulation_clipping_and_muffling():
    assert clarity() == 100
    assert clarity(snr_db=0) == 85
    assert clarity(snr_db=15) == 97
    assert clarity(modulation_db=2) == 70
    assert clarity(modulation_db=5.5) == 85
    assert clarity(clipped_pct=1) == 90
    assert clarity(consonants_db=-26) == 90
    assert clarity(asr_certainty=0.5) == 65
    assert clarity(-5, 9, 0.1, modulation_db=0, consonants_db=-40) == 0


def test_clarity_before_noise_or_room_are_known_rests_on_the_rest():
    assert clarity(snr_db=None) == 100
    assert clarity(snr_db=None, clipped_pct=1) == round(100 * 0.75 / 0.85)
    assert clarity(snr_db=0, modulation_db=None, consonants_db=None) == round(100 * 0.45 / 0.6)


def test_a_caller_without_room_and_muffling_gets_a_clarity():
    assert (
        delivery.clarity(snr_db=30.0, clipped_pct=0.0, asr_certainty=0.95, speech_s=60.0, words=100)
        == 100
    )


def test_confidence_weighs_fillers_hedges_steadiness_endings_and_answers():
    assert confidence() == 100
    assert confidence(fillers=5) == 90
    assert confidence(fillers=12) == 75
    assert confidence(hedges=12) == 75
    assert confidence(variation_db=9) == 80
    assert confidence(falling_pct=0) == 85
    assert confidence(falling_pct=40) == 95
    assert confidence(hesitation_ms=2000) == 85
    assert confidence(hesitation_ms=1350) == 92
    assert confidence(40, 40, 20, 0, 5000) == 0


def test_what_confidence_does_not_know_yet_leaves_its_weight_to_the_rest():
    assert confidence(fillers=12, hesitation_ms=None) == round(100 * 0.6 / 0.85)
    assert confidence(fillers=12, falling_pct=None, hesitation_ms=None) == round(100 * 0.45 / 0.7)
    assert confidence(40, 0, None, None, None) == 50
    assert confidence(0, 0, None, None, None) == 100


def test_a_caller_without_endings_and_answers_gets_a_confidence():
    score = delivery.confidence(
        fillers_per_100_words=12.0,
        hedges_per_100_words=0.0,
        level_variation_db=None,
        speech_s=60.0,
        words=100,
    )
    assert score == 50


@pytest.mark.parametrize("missing", [{"speech_s": 4.9}, {"words": 9}])
def test_scores_from_text_wait_for_five_seconds_and_ten_words(missing):
    assert pace(150, **missing) is None
    assert clarity(**missing) is None
    assert confidence(**missing) is None


def test_volume_waits_for_five_seconds_only():
    assert volume(0, speech_s=4.9) is None
    assert volume(0, speech_s=5.0) == 100


def test_scores_without_their_quantity_are_unknown():
    assert pace(None) is None
    assert clarity(asr_certainty=None) is None
    assert confidence(fillers=None) is None
    assert confidence(hedges=None) is None


@given(maybe, number, maybe, maybe, maybe, maybe, maybe, maybe, count)
def test_scores_of_anything_are_none_or_whole_numbers_from_0_to_100(a, b, c, d, e, f, g, h, words):
    for score in (
        pace(a, words=words),
        volume(c, clipped_pct=b),
        clarity(c, b, d, words=words, modulation_db=e, consonants_db=f),
        confidence(d, e, f, g, h, words=words),
    ):
        assert score is None or (isinstance(score, int) and 0 <= score <= 100)


@given(st.floats(0, 60), st.floats(0, 60))
def test_more_fillers_never_raise_confidence(a, b):
    few, many = sorted([a, b])
    assert confidence(fillers=few) >= confidence(fillers=many)


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_falling_statements_never_lower_confidence(a, b):
    few, many = sorted([a, b])
    assert confidence(falling_pct=few) <= confidence(falling_pct=many)


@given(st.floats(0, 10_000), st.floats(0, 10_000))
def test_slower_answers_never_raise_confidence(a, b):
    prompt, slow = sorted([a, b])
    assert confidence(hesitation_ms=prompt) >= confidence(hesitation_ms=slow)


@given(st.floats(-10, 80), st.floats(-10, 80))
def test_more_noise_never_raises_clarity(a, b):
    low, high = sorted([a, b])
    assert clarity(snr_db=low) <= clarity(snr_db=high)


@given(st.floats(0, 12), st.floats(0, 12))
def test_less_modulation_never_raises_clarity(a, b):
    low, high = sorted([a, b])
    assert clarity(modulation_db=low) <= clarity(modulation_db=high)


def test_noise_and_room_lower_clarity_at_every_step_that_is_heard():
    by_noise = [clarity(snr_db=snr) for snr in (30, 20, 10, 5, 0)]
    by_room = [clarity(modulation_db=depth) for depth in (8.5, 6.5, 5.0, 3.5)]
    for scores in (by_noise, by_room):
        assert scores == sorted(set(scores), reverse=True)
