"""A monologue is speech without a silence of two seconds; a conversation is two tracks' speech."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from analyzers.talk import Conversation, Monologue
from tests.analyzers.recordings import speaking


def after(*runs):
    """Runs of (speaking, seconds)."""
    monologue = Monologue()
    for speaking_, seconds in runs:
        for _ in range(round(seconds * 50)):
            monologue.push(speaking_)
    return monologue


def test_short_pauses_neither_end_a_monologue_nor_lengthen_it():
    assert after((True, 10), (False, 1.98), (True, 5)).speech_ms == 15_000


def test_two_seconds_of_silence_end_it():
    assert after((True, 10), (False, 2.0)).speech_ms == 0
    assert after((True, 10), (False, 2.0), (True, 3)).speech_ms == 3_000


def test_the_longest_monologue_is_kept():
    assert after((True, 10), (False, 2.0), (True, 3)).longest_ms == 10_000


def test_it_forgets_on_reset():
    monologue = after((True, 10))
    monologue.reset()
    assert (monologue.speech_ms, monologue.longest_ms) == (0, 0)


STATES = {"#": True, ".": False, "?": None}


def held(*lines, shift_ms=0):
    """A conversation: a line per track, `#` speaks, `.` is silent, `?` not measured; 100 ms each.

    The tracks are pushed in turns, as frames arrive.
    """
    talk = Conversation(len(lines))
    for i in range(5 * max(map(len, lines))):
        for track, line in enumerate(lines):
            if i // 5 < len(line):
                talk.push(track, shift_ms + 20 * i, STATES[line[i // 5]])
    talk.flush()
    return talk


def both(*lines):
    talk = held(*lines)
    return [talk.of(track) for track in range(len(lines))]


def test_talk_share_is_the_share_of_speech():
    seller, buyer = both("#" * 90 + "." * 60, "." * 90 + "#" * 30 + "." * 30)
    assert (seller.speech_ms, buyer.speech_ms) == (9_000, 3_000)
    assert (seller.share_pct, buyer.share_pct) == (75.0, 25.0)


def test_talk_share_waits_for_ten_seconds_of_speech():
    seller, _ = both("#" * 99 + ".", "." * 100)
    assert seller.share_pct is None


def test_the_gap_before_an_answer_is_its_hesitation():
    seller, buyer = both("#" * 20 + "." * 40, "." * 27 + "#" * 20 + "." * 13)
    assert (buyer.answers, buyer.last_gap_ms, buyer.longest_gap_ms) == (1, 700, 700)
    assert (seller.answers, seller.last_gap_ms, seller.longest_gap_ms) == (0, None, None)


def test_patience_is_the_median_gap():
    buyer = "#" * 20 + "." * 30
    gaps = [3, 12, 5]
    seller = "".join("." * (20 + gap) + "#" * 12 + "." * (18 - gap) for gap in gaps)
    talk = held(buyer * 3, seller)
    assert talk.of(1).patience_ms == 500
    assert talk.of(1).longest_gap_ms == 1200
    assert talk.of(0).patience_ms is None  # it answered twice


def test_hesitation_is_the_mean_gap_before_three_answers_or_more():
    buyer = "#" * 20 + "." * 30
    gaps = [3, 12, 6]
    seller = "".join("." * (20 + gap) + "#" * 12 + "." * (18 - gap) for gap in gaps)
    talk = held(buyer * 3, seller)
    assert talk.of(1).hesitation_ms == 700
    assert talk.of(0).hesitation_ms is None


def test_going_on_after_ones_own_pause_is_no_answer():
    seller, buyer = both("#" * 20 + "." * 10 + "#" * 20, "." * 50)
    assert (seller.answers, buyer.answers) == (0, 0)


def test_a_click_of_the_voice_is_no_answer_and_a_start_after_ten_seconds_neither():
    _, buyer = both("#" * 20 + "." * 30, "." * 25 + "##" + "." * 23)
    assert buyer.answers == 0
    _, late = both("#" * 20 + "." * 140, "." * 125 + "#" * 20 + "." * 15)
    assert late.answers == 0


def test_talking_over_a_turn_for_half_a_second_is_an_interruption():
    seller, buyer = both("#" * 20 + "#" * 6 + "." * 24, "." * 20 + "#" * 15 + "." * 15)
    assert (seller.interruptions, buyer.interruptions) == (0, 1)
    assert buyer.answers == 0


@pytest.mark.parametrize(
    "lines",
    [
        ("#" * 24 + "." * 26, "." * 20 + "#" * 15 + "." * 15),
        ("#" * 50, "." * 20 + "#" * 8 + "." * 22),
        ("." * 15 + "#" * 35, "." * 20 + "#" * 15 + "." * 15),
        ("#" * 50, "." * 20 + "##.......##.......##.......##."),
    ],
    ids=["early start", "mhm", "both begin", "feedback"],
)
def test_no_interruption(lines):
    assert [side.interruptions for side in both(*lines)] == [0, 0]


def test_an_interruption_leaves_a_gap_of_nothing_in_patience():
    line = "#" * 40 + "." * 30
    cut = "." * 20 + "#" * 40 + "." * 10
    talk = held(line * 3, cut * 3)
    assert talk.of(1).interruptions == 3
    assert talk.of(1).patience_ms == 0
    assert talk.of(1).hesitation_ms is None


def test_an_interruption_does_not_make_answers_prompt():
    answered = held(("#" * 20 + "." * 30) * 3, ("." * 26 + "#" * 12 + "." * 12) * 3)
    cut = held(
        ("#" * 20 + "." * 30) * 3 + "#" * 40 + "." * 30,
        ("." * 26 + "#" * 12 + "." * 12) * 3 + "." * 20 + "#" * 40 + "." * 10,
    )
    assert cut.of(1).interruptions == 1
    assert cut.of(1).hesitation_ms == answered.of(1).hesitation_ms == 600


def test_a_monologue_ends_when_the_other_has_the_floor():
    seller, _ = both("#" * 60 + "." * 15 + "#" * 20, "." * 62 + "#" * 12 + "." * 21)
    assert (seller.longest_monologue_ms, seller.monologue_ms) == (6_000, 2_000)


def test_a_mhm_of_the_other_ends_no_monologue():
    seller, _ = both("#" * 60 + "." * 8 + "#" * 20, "." * 62 + "#" * 5 + "." * 21)
    assert seller.longest_monologue_ms == 8_000


def test_frames_that_were_not_measured_enter_no_statistic():
    seller, buyer = both("#" * 60 + "?" * 30 + "#" * 60, "." * 60 + "#" * 30 + "." * 60)
    assert (seller.speech_ms, buyer.speech_ms) == (12_000, 0)
    assert seller.share_pct == 100.0


def test_a_hole_makes_the_gap_around_it_unknown_and_a_lost_packet_does_not():
    _, buyer = both("#" * 20 + "..???......." + "." * 20, "." * 30 + "#" * 22)
    assert buyer.answers == 0
    talk = Conversation()
    for i in range(150):
        talk.push(0, 20 * i, None if i % 20 == 7 else i < 50)
        talk.push(1, 20 * i, i >= 80)
    # Of the 30 frames between, those lost are not counted.
    assert talk.of(1).last_gap_ms == 580


def test_a_packet_lost_while_the_other_talks_is_no_end_of_his_turn():
    talk = Conversation()
    for i in range(150):
        talk.push(0, 20 * i, None if i == 80 else i < 100)
        talk.push(1, 20 * i, i >= 80)
    assert (talk.of(1).answers, talk.of(1).interruptions) == (0, 0)


def test_the_order_in_which_tracks_arrive_changes_nothing():
    lines = ("#" * 40 + "." * 20 + "#" * 40, "." * 45 + "#" * 30 + "." * 25)
    apart = Conversation()
    for i in range(500):
        apart.push(0, 20 * i, STATES[lines[0][i // 5]])
        if i >= 90:
            apart.push(1, 20 * (i - 90), STATES[lines[1][(i - 90) // 5]])
    for i in range(410, 500):
        apart.push(1, 20 * i, STATES[lines[1][i // 5]])
    assert [apart.of(k) for k in (0, 1)] == both(*lines)


def test_a_track_that_stays_away_is_not_waited_for():
    talk = Conversation()
    for i in range(1000):
        talk.push(0, 20 * i, True)
    assert talk.of(0).monologue_ms >= 17_900
    assert talk.of(0).share_pct is None
    # It comes late, and what it says then counts.
    for i in range(1000, 1600):
        talk.push(0, 20 * i, False)
        talk.push(1, 20 * i, i >= 1050)
    assert talk.of(1).speech_ms == 550 * 20


def test_a_jump_in_time_relates_nothing_across_it():
    talk = held("#" * 40, "." * 40)
    for i in range(50):
        talk.push(0, 3_600_000 + 20 * i, False)
        talk.push(1, 3_600_000 + 20 * i, True)
    assert talk.of(1).answers == 0
    talk.push(0, 1_000, True)
    assert talk.of(0).speech_ms == 4_000


def test_three_tracks_share_a_conversation():
    first, second, third = both(
        "#" * 60 + "." * 60, "." * 65 + "#" * 30 + "." * 25, "." * 98 + "#" * 10 + "." * 12
    )
    assert [first.share_pct, second.share_pct, third.share_pct] == [60.0, 30.0, 10.0]
    assert (second.last_gap_ms, third.last_gap_ms) == (500, 300)


def test_a_conversation_with_oneself_is_refused():
    with pytest.raises(ValueError, match="two tracks"):
        Conversation(1)


def test_a_conversation_forgets_on_reset():
    talk = held("#" * 120, "." * 120)
    talk.reset()
    assert talk.of(0) == Conversation().of(0)


@given(st.text("#.?", max_size=120), st.text("#.?", max_size=120))
def test_any_conversation_adds_up(one, other):
    sides = both(one, other)
    length = min(len(one), len(other))
    expected = [
        100 * sum(a == "#" and b != "?" for a, b in zip(x[:length], y[:length], strict=True))
        for x, y in ((one, other), (other, one))
    ]
    assert [side.speech_ms for side in sides] == expected
    for side, line in zip(sides, (one, other), strict=True):
        assert side.longest_monologue_ms <= 100 * line.count("#")
        assert side.monologue_ms <= side.longest_monologue_ms
        assert side.last_gap_ms is None or side.last_gap_ms <= side.longest_gap_ms <= 10_000


@pytest.mark.test_data("diarization/stereo/stereo_diarization.flac")
def test_two_real_voices_have_their_shares_of_speech(data_file):
    signal, rate = soundfile.read(data_file, dtype="int16")
    assert rate == 16_000
    left, right = (speaking(np.ascontiguousarray(signal[:, k])) for k in (0, 1))
    talk = Conversation()
    for i, (one, other) in enumerate(zip(left, right, strict=True)):
        talk.push(0, 20 * i, bool(one))
        talk.push(1, 20 * i, bool(other))
    assert talk.of(0).speech_ms == 20 * np.count_nonzero(left)
    assert talk.of(1).speech_ms == 20 * np.count_nonzero(right)
