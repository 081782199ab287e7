"""Packets of any length become whole frames on one grid; the ring gives back what was pushed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.frames import (
    FRAME_SAMPLES,
    Frame,
    Framer,
    Pcm,
    Ring,
    Source,
    ms_of,
    sample_of,
)

ORDER = [Source.RECEIVED, Source.FEC, Source.PLC, Source.ABSENT, Source.PAUSED]
RUNS = st.lists(
    st.tuples(
        st.integers(-700, 1_500),
        st.integers(0, 2_000),
        st.sampled_from([Source.RECEIVED, Source.FEC, Source.PLC]),
    ),
    max_size=12,
)
"""(samples between the end of the last run and the start of this one, length, source)."""


def ramp(start: int, length: int) -> Pcm:
    """Samples that tell their own position."""
    return (np.arange(start, start + length) % 30_000 + 1).astype(np.int16)


def push_all(framer: Framer, runs: list[tuple[int, int, Source]]) -> list[Frame]:
    frames: list[Frame] = []
    for gap, length, source in runs:
        start = max(0, framer.end_sample + gap)
        frames += framer.push(start, ramp(start, length), source)
    return frames


@given(RUNS)
def test_frames_are_contiguous_on_the_grid_whatever_the_packets(
    runs: list[tuple[int, int, Source]],
) -> None:
    frames = push_all(Framer("a"), runs)
    assert [frame.start_sample for frame in frames] == [
        FRAME_SAMPLES * index for index in range(len(frames))
    ]
    assert all(frame.pcm.shape == (FRAME_SAMPLES,) for frame in frames)
    assert all(frame.pcm.dtype == np.int16 for frame in frames)


@given(RUNS)
def test_every_sample_stands_where_its_packet_was_placed_or_is_zero(
    runs: list[tuple[int, int, Source]],
) -> None:
    for frame in push_all(Framer("a"), runs):
        at = ramp(frame.start_sample, FRAME_SAMPLES)
        assert np.all((frame.pcm == at) | (frame.pcm == 0))


@given(RUNS)
def test_a_frame_says_its_least_trustworthy_source(runs: list[tuple[int, int, Source]]) -> None:
    framer = Framer("a")
    sources: dict[int, Source] = {}
    frames: list[Frame] = []
    for gap, length, source in runs:
        before = framer.end_sample
        start = max(0, before + gap)
        frames += framer.push(start, ramp(start, length), source)
        sources.update(dict.fromkeys(range(before, start), Source.ABSENT))
        sources.update(dict.fromkeys(range(max(before, start), start + length), source))
    for frame in frames:
        inside = {sources[at] for at in range(frame.start_sample, frame.end_sample)}
        assert frame.source is max(inside, key=ORDER.index)


def test_a_hole_between_packets_is_zeros_marked_absent() -> None:
    framer = Framer("a")
    framer.push(0, ramp(0, 320), Source.RECEIVED)
    frames = framer.push(960, ramp(960, 320), Source.RECEIVED)
    assert [frame.source for frame in frames] == [Source.ABSENT, Source.ABSENT, Source.RECEIVED]
    assert not frames[0].pcm.any()
    assert np.array_equal(frames[2].pcm, ramp(960, 320))


def test_a_packet_that_overlaps_adds_only_what_is_new() -> None:
    framer = Framer("a")
    framer.push(0, ramp(0, 480), Source.RECEIVED)
    frames = framer.push(320, np.full(320, -7, np.int16), Source.PLC)
    assert len(frames) == 1
    assert np.array_equal(frames[0].pcm[:160], ramp(320, 160))
    assert np.all(frames[0].pcm[160:] == -7)
    assert frames[0].source is Source.PLC


def test_a_packet_from_the_past_adds_nothing() -> None:
    framer = Framer("a")
    framer.push(0, ramp(0, 500), Source.RECEIVED)
    assert framer.push(100, ramp(100, 300), Source.RECEIVED) == []
    assert framer.end_sample == 500


def test_frames_do_not_share_memory_with_later_ones() -> None:
    framer = Framer("a")
    first = framer.push(0, ramp(0, 320), Source.RECEIVED)[0]
    framer.push(320, ramp(320, 320), Source.RECEIVED)
    assert np.array_equal(first.pcm, ramp(0, 320))


def test_a_pause_is_filled_with_paused_frames_up_to_now() -> None:
    framer = Framer("a")
    framer.push(0, ramp(0, 100), Source.RECEIVED)
    frames = framer.fill(1_000, Source.PAUSED)
    assert [frame.source for frame in frames] == [Source.PAUSED] * 3
    assert framer.end_sample == 1_000
    assert framer.fill(900, Source.PAUSED) == []


def test_a_skip_goes_on_without_frames_for_what_lies_between() -> None:
    framer = Framer("a")
    framer.push(0, ramp(0, 100), Source.RECEIVED)
    framer.skip(32_000)
    frames = framer.push(32_000, ramp(32_000, 320), Source.RECEIVED)
    assert [(frame.start_sample, frame.source) for frame in frames] == [(32_000, Source.RECEIVED)]
    with pytest.raises(ValueError, match="frame grid"):
        framer.skip(32_100)


def test_only_received_and_recovered_samples_are_measured() -> None:
    assert [source for source in Source if source.measured] == [Source.RECEIVED, Source.FEC]


def test_milliseconds_and_samples_agree() -> None:
    assert ms_of(sample_of(12_345)) == 12_345
    assert ms_of(15) == 0
    assert Frame("a", 320, ramp(320, 320), Source.RECEIVED).end_ms == 40


@given(st.integers(1, 80), st.data())
def test_the_ring_gives_back_what_was_pushed(count: int, data: st.DataObject) -> None:
    ring = Ring(0.51)
    for index in range(count):
        start = index * FRAME_SAMPLES
        ring.push(Frame("a", start, ramp(start, FRAME_SAMPLES), Source.RECEIVED))
    start = data.draw(st.integers(ring.start_sample, ring.end_sample))
    end = data.draw(st.integers(start, ring.end_sample))
    assert np.array_equal(ring.read(start, end), ramp(start, end - start))


def test_the_ring_refuses_what_it_does_not_hold() -> None:
    ring = Ring(0.1)
    for index in range(20):
        ring.push(Frame("a", index * 320, ramp(index * 320, 320), Source.RECEIVED))
    assert (ring.start_sample, ring.end_sample) == (4_800, 6_400)
    with pytest.raises(ValueError, match=r"\[4799, 5000\) is not held"):
        ring.read(4_799, 5_000)
    with pytest.raises(ValueError, match="not held"):
        ring.read(5_000, 6_401)


def test_what_was_read_from_the_ring_stays_as_it_was() -> None:
    ring = Ring(0.02)
    ring.push(Frame("a", 0, ramp(0, 320), Source.RECEIVED))
    read = ring.read(0, 320)
    ring.push(Frame("a", 320, ramp(320, 320), Source.RECEIVED))
    assert np.array_equal(read, ramp(0, 320))


def test_the_ring_goes_on_behind_a_jump() -> None:
    ring = Ring(1.0)
    ring.push(Frame("a", 0, ramp(0, 320), Source.RECEIVED))
    ring.skip(64_000)
    ring.push(Frame("a", 64_000, ramp(64_000, 320), Source.RECEIVED))
    assert np.array_equal(ring.read(64_000, 64_320), ramp(64_000, 320))
