"""Every moment of a recording is heard by somebody, and a person is heard while they talk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Source
from processing.sound import Block, Losses
from processing.survey import survey
from processing.voices import Turn, apart, hearing, together

TRACKS = ("trainee", "partner")
FRAMES = 500
times_ms = st.integers(0, FRAMES * FRAME_MS)


def tone(seconds: float, level: float, hz: float = 200.0) -> np.ndarray:
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * 32_767 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def hiss(samples: int, level: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level * 32_767, samples).astype(np.int16)


def in_blocks(pcm: np.ndarray, size: int = 1_000) -> list[Block]:
    return [Block(at, pcm[:, at : at + size]) for at in range(0, pcm.shape[1], size)]


@given(st.lists(st.tuples(times_ms, times_ms, st.integers(0, 1)), max_size=12))
def test_every_moment_is_heard_and_turns_by_their_person(
    drawn: list[tuple[int, int, int]],
) -> None:
    turns = [Turn(min(one, two), max(one, two), person) for one, two, person in drawn]
    heard = hearing(turns, 2, FRAMES)
    assert heard.any(axis=0).all()
    for turn in turns:
        assert heard[turn.person, turn.start_ms // FRAME_MS : turn.end_ms // FRAME_MS].all()


def test_what_lies_between_two_turns_is_shared_at_its_middle() -> None:
    turns = [Turn(1_000, 2_000, 0), Turn(4_000, 5_000, 1)]
    heard = hearing(turns, 2, FRAMES)
    assert heard[0].nonzero()[0].tolist() == list(range(150))
    assert heard[1].nonzero()[0].tolist() == list(range(150, FRAMES))


def test_who_is_talked_over_is_heard_on_both_sides_of_it() -> None:
    turns = [Turn(0, 6_000, 0), Turn(2_000, 3_000, 1)]
    heard = hearing(turns, 2, FRAMES)
    assert heard[0].all()
    assert heard[1].nonzero()[0].tolist() == list(range(100, 150))


def test_the_other_ones_track_has_the_room_s_noise_meanwhile() -> None:
    room = hiss(10 * SAMPLE_RATE, 0.001)
    room[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] += tone(2.0, 0.2)
    room[6 * SAMPLE_RATE : 8 * SAMPLE_RATE] += tone(2.0, 0.2)
    pcm = room[None]
    turns = [Turn(2_000, 4_000, 0), Turn(6_000, 8_000, 1)]
    found = survey(in_blocks(pcm), Losses())
    rows = list(together(in_blocks(pcm), TRACKS, found, turns))
    assert [frame.track for frame in rows[0]] == list(TRACKS)
    sides = [np.concatenate([row[n].pcm for row in rows]) for n in range(2)]
    for side, (own_s, other_s) in zip(sides, ((2, 6), (6, 2)), strict=True):
        own = side[own_s * SAMPLE_RATE : (own_s + 2) * SAMPLE_RATE]
        other = side[other_s * SAMPLE_RATE : (other_s + 2) * SAMPLE_RATE].astype(float)
        assert np.array_equal(own, room[own_s * SAMPLE_RATE : (own_s + 2) * SAMPLE_RATE])
        assert np.sqrt(np.mean(other**2)) == pytest.approx(0.001 * 32_767, rel=0.2)


def test_two_channels_are_two_tracks_as_they_are() -> None:
    pcm = np.stack([tone(1.01, 0.1, 200.0), tone(1.01, 0.1, 300.0)])
    rows = list(apart(in_blocks(pcm, 333), TRACKS, (1, 0)))
    assert len(rows) == 51
    sides = [np.concatenate([row[n].pcm for row in rows]) for n in range(2)]
    assert np.array_equal(sides[0][: pcm.shape[1]], pcm[1])
    assert np.array_equal(sides[1][: pcm.shape[1]], pcm[0])
    assert all(frame.source is Source.RECEIVED for row in rows for frame in row)


def test_a_hole_is_absent_on_both_tracks() -> None:
    pcm = np.stack([tone(1.0, 0.1), tone(1.0, 0.1)])
    blocks = [Block(0, pcm), Block(2 * SAMPLE_RATE, pcm)]
    for rows in (
        list(apart(blocks, TRACKS, (0, 1))),
        list(together(blocks, TRACKS, survey(blocks, Losses()), [Turn(0, 3_000, 0)])),
    ):
        absent = [row for row in rows if row[0].source is Source.ABSENT]
        assert len(absent) == SAMPLE_RATE // FRAME_SAMPLES
        assert all(frame.source is Source.ABSENT for row in absent for frame in row)


def test_channels_that_hold_the_same_are_no_two_people() -> None:
    one, other = tone(3.0, 0.1, 200.0), tone(3.0, 0.1, 310.0)
    noise = [hiss(len(one), 0.0005, seed) for seed in (1, 2)]

    def surveyed(left: np.ndarray, right: np.ndarray) -> bool:
        return survey(in_blocks(np.stack([left, right])), Losses()).is_apart

    assert surveyed(one + noise[0], other + noise[1])
    assert surveyed(one + other // 10, other + one // 10)
    assert not surveyed(one, one)
    assert not surveyed(one, -one)
    assert not surveyed(one + other, one // 2 + other // 2)
    assert not surveyed(one, noise[1])


def test_a_channel_with_nobody_on_it_is_not_mixed_in() -> None:
    pcm = np.stack([np.zeros(3 * SAMPLE_RATE, np.int16), tone(3.0, 0.1)])
    found = survey(in_blocks(pcm), Losses())
    assert found.audible == [1]
    rows = list(together(in_blocks(pcm), TRACKS[:1], found, []))
    assert np.array_equal(np.concatenate([row[0].pcm for row in rows]), pcm[1])
