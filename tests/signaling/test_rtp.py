"""The receive path, on virtual time with real Opus packets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Source
from signaling import opus
from signaling.rtp import HOLD_LIMIT_S, MAX_STEP, SKIP_SAMPLES
from tests.signaling.packets import (
    RATE,
    Rtp,
    corrupted,
    encode,
    kept,
    loss_pattern,
    stream,
    voice,
)
from tests.signaling.receiving import Line, assert_contiguous, decoded

WITH_FEC = encode(voice(4))
WITHOUT_FEC = encode(voice(4), fec=False)


def similarity(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    return float(np.corrcoef(a.astype(float), b.astype(float))[0, 1])


def test_loss_pattern_repeats() -> None:
    assert list(loss_pattern("..x", 5)) == [False, False, True, False, False]
    assert [packet.seq for packet in kept(stream(WITH_FEC[:4]), ".x")] == [1000, 1002]


def test_a_packet_in_order_is_played_the_moment_it_comes() -> None:
    line = Line()
    line.send_all(stream(WITH_FEC))
    assert line.heard.at_s == [pytest.approx(i * 0.02) for i in range(len(WITH_FEC))]
    assert set(line.sources) == {Source.RECEIVED}
    assert_contiguous(line.heard.got)
    assert np.array_equal(line.pcm, decoded(WITH_FEC))


def test_packets_reach_the_recording_untouched_at_their_session_time() -> None:
    line = Line()
    line.send_all(stream(WITH_FEC[:20]))
    assert line.heard.packets == [(i * 960, payload) for i, payload in enumerate(WITH_FEC[:20])]


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 2, 3, 1], [0, 3, 2, 1]])
def test_reordered_packets_are_played_in_order_and_none_is_lost(order: list[int]) -> None:
    packets = stream(WITH_FEC)
    shuffled = [packets[0]]
    for at in range(1, len(packets) - 4, 4):
        shuffled += [packets[at + offset] for offset in order]
    line = Line()
    line.send_all(shuffled, step_s=0.01)
    assert line.receiver.counts.lost == line.receiver.counts.late == 0
    assert set(line.sources) == {Source.RECEIVED}
    assert np.array_equal(line.pcm, decoded(WITH_FEC[: len(shuffled)]))


def test_a_lost_packet_is_recovered_from_the_copy_in_the_next() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_numbered(kept(packets, "....x"), packets[0])
    lost = range(4, len(packets) - 1, 5)
    recovered = [index for index in lost if opus.holds_fec(WITH_FEC[index + 1])]
    assert_contiguous(line.heard.got)
    assert [i for i, source in enumerate(line.sources) if source is Source.FEC] == recovered
    assert line.receiver.counts.fec_ms == 20 * len(recovered) > 500
    assert line.receiver.counts.plc_ms == 20 * (len(lost) - len(recovered))
    clean = decoded(WITH_FEC).reshape(-1, FRAME_SAMPLES)[recovered].ravel()
    heard = line.pcm.reshape(-1, FRAME_SAMPLES)[recovered].ravel()
    assert similarity(heard, clean) > 0.9


def test_a_lost_packet_without_a_copy_is_concealed() -> None:
    packets = stream(WITHOUT_FEC)
    line = Line()
    line.send_numbered(kept(packets, "....x"), packets[0])
    assert_contiguous(line.heard.got)
    assert Counter(line.sources) == {Source.RECEIVED: 160, Source.PLC: 39}
    assert line.receiver.counts.plc_ms == 39 * 20
    assert line.receiver.counts.lost == 39


def test_a_burst_is_concealed_for_100_ms_then_absent_and_its_last_packet_recovered() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_numbered(packets[:50] + packets[62:], packets[0])
    assert_contiguous(line.heard.got)
    assert len(line.heard.got) == len(packets)
    hole = line.sources[50:62]
    assert hole == [Source.PLC] * 5 + [Source.ABSENT] * 6 + [Source.FEC]
    assert line.receiver.counts.lost == 12


def test_behind_a_hole_packets_wait_no_longer_than_the_hold() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_numbered(packets[:10] + packets[11:], packets[0])
    held = line.heard.at_s[11] - 11 * 0.02
    assert held == pytest.approx(HOLD_LIMIT_S)
    assert max(at - i * 0.02 for i, at in enumerate(line.heard.at_s)) <= HOLD_LIMIT_S + 0.02 + 1e-9
    assert line.heard.at_s[20] == pytest.approx(20 * 0.02)


def test_a_duplicate_changes_nothing() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_all([packet for packet in packets for _ in range(2)], step_s=0.01)
    assert np.array_equal(line.pcm, decoded(WITH_FEC))
    assert len(line.heard.packets) == len(packets)
    assert line.receiver.counts.received == len(packets)


def test_a_duplicate_of_a_held_packet_is_counted() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    for packet in (packets[0], packets[2], packets[2], packets[1]):
        line.send(packet)
    assert line.receiver.counts.duplicate == 1
    assert np.array_equal(line.pcm, decoded(WITH_FEC[:3]))


def test_a_packet_that_comes_after_its_hole_was_filled_is_dropped() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_numbered(packets[:10] + packets[11:40], packets[0])
    end_sample = line.receiver.end_sample
    line.send(packets[10])
    assert line.receiver.counts.late == 1
    assert line.receiver.end_sample == end_sample
    assert_contiguous(line.heard.got)


def test_sequence_and_time_wrap_without_a_seam() -> None:
    packets = stream(WITH_FEC, first_seq=0xFFFF - 40, first_timestamp=0xFFFFFFFF - 80 * 960)
    line = Line()
    line.send_all(packets)
    assert len(line.heard.anchors) == 1
    assert set(line.sources) == {Source.RECEIVED}
    assert np.array_equal(line.pcm, decoded(WITH_FEC))


def test_a_hole_across_the_wrap_is_recovered() -> None:
    packets = stream(WITH_FEC, first_seq=0xFFFF - 40, first_timestamp=0xFFFFFFFF - 40 * 960)
    line = Line()
    line.send_numbered(packets[:41] + packets[42:], packets[0])
    assert line.sources[41] is Source.FEC
    assert line.sources.count(Source.RECEIVED) == len(packets) - 1
    assert_contiguous(line.heard.got)


def test_a_new_ssrc_lays_an_anchor_at_now_and_time_goes_on() -> None:
    line = Line()
    line.send_all(stream(WITH_FEC[:50]))
    later = stream(WITH_FEC[50:100], ssrc=7, first_seq=9, first_timestamp=1 << 31)
    line.send_all(later, first_s=3.0)
    assert [anchor.reason for anchor in line.heard.anchors] == ["first", "ssrc"]
    assert line.heard.anchors[1].sample == 3 * SAMPLE_RATE
    assert_contiguous(line.heard.got)
    assert line.sources == [Source.RECEIVED] * 50 + [Source.ABSENT] * 100 + [Source.RECEIVED] * 50
    assert line.receiver.counts.lost == 0


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("pattern", [".", "...x", "..xx", ".....xxxx"])
def test_time_is_kept_exactly_whatever_the_packets_last(frame_ms: int, pattern: str) -> None:
    packets = stream(encode(voice(3), frame_ms=frame_ms), frame_ms=frame_ms)
    through = kept(packets[:-5], pattern) + packets[-5:]
    line = Line()
    line.send_numbered(through, packets[0], step_s=frame_ms / 1000)
    assert_contiguous(line.heard.got)
    assert line.receiver.end_sample == len(packets) * frame_ms * SAMPLE_RATE // 1000


def test_all_media_time_is_kept_at_ten_percent_loss_and_50_ms_jitter() -> None:
    packets = stream(encode(voice(20)))
    random = np.random.default_rng(4)
    through = [
        (index * 0.02 + random.uniform(0, 0.05), packet)
        for index, packet in enumerate(packets)
        if index in (0, len(packets) - 1) or random.random() > 0.1
    ]
    line = Line()
    for at_s, packet in sorted(through, key=lambda item: item[0]):
        line.send(packet, at_s)
    line.wait_until(line.now_s + 1)
    assert_contiguous(line.heard.got)
    # The first packet's own delay moves the whole time line by at most the jitter.
    assert line.receiver.end_sample - line.heard.anchors[0].sample == len(packets) * FRAME_SAMPLES
    sources = Counter(line.sources)
    assert sources[Source.ABSENT] <= 3
    assert sources[Source.RECEIVED] >= 0.85 * len(packets)
    assert sources[Source.FEC] > sources[Source.PLC]


def test_a_corrupt_packet_is_counted_concealed_and_not_recorded() -> None:
    packets = stream(WITH_FEC)
    packets[30] = corrupted(packets[30])
    line = Line()
    line.send_all(packets)
    assert line.receiver.counts.malformed == 1
    assert_contiguous(line.heard.got)
    assert line.sources[30] is Source.PLC
    assert line.receiver.end_sample == len(packets) * FRAME_SAMPLES
    assert len(line.heard.packets) == len(packets) - 1


@pytest.mark.parametrize("payload", [b"\xff", b"\x03", b"\x4b\x00", b"\x4b\xff\xff"])
def test_what_is_no_opus_packet_does_not_stop_the_stream(payload: bytes) -> None:
    packets = stream(WITH_FEC)
    packets[30] = Rtp(packets[30].ssrc, packets[30].seq, packets[30].timestamp, payload)
    line = Line()
    line.send_all(packets)
    assert_contiguous(line.heard.got)
    assert line.receiver.end_sample == len(packets) * FRAME_SAMPLES


@settings(max_examples=150)
@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=20))
def test_no_bytes_make_the_receive_path_raise(payloads: list[bytes]) -> None:
    line = Line()
    line.send_all(stream([*WITH_FEC[:3], *payloads, *WITH_FEC[3:6]]))
    assert_contiguous(line.heard.got)


def test_session_time_runs_on_during_a_pause_and_nothing_counts_as_lost() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_all(packets[:50])
    line.receiver.pause()
    for packet in packets[50:150]:
        line.send(packet, line.now_s + 0.02)
        line.receiver.advance()
    resumed_s = line.now_s
    line.receiver.resume()
    for packet in packets[150:]:
        line.send(packet, line.now_s + 0.02)
    assert_contiguous(line.heard.got)
    assert line.sources[60:100] == [Source.PAUSED] * 40
    assert line.heard.anchors[-1].reason == "resume"
    assert line.heard.anchors[-1].sample >= int(resumed_s * SAMPLE_RATE)
    assert line.receiver.counts.lost == 0
    assert line.receiver.counts.ignored == 100
    assert line.heard.at_s[-1] == pytest.approx(line.now_s)  # not held behind a hole


def test_time_runs_on_while_a_client_sends_no_audio() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    line.send_all(packets[:50])
    for tick in range(40):
        line.wait_until(4.0 + tick * 0.1)
        line.receiver.advance()
    line.send_all(packets[50:], first_s=8.0)
    assert_contiguous(line.heard.got)
    absent = line.sources.count(Source.ABSENT)
    assert absent == (8.0 - 1.0) * 50
    assert line.sources[-150:] == [Source.RECEIVED] * 150
    assert line.heard.anchors[-1].sample == 8 * SAMPLE_RATE


def test_no_advance_takes_long() -> None:
    line = Line()
    line.send_all(stream(WITH_FEC[:50]))
    line.wait_until(3_600.0)
    before = len(line.heard.got)
    line.receiver.advance()
    assert len(line.heard.got) - before <= 25


def test_a_gap_of_minutes_is_skipped_on_the_frame_grid() -> None:
    packets = stream(WITH_FEC)
    late = stream(WITH_FEC[50:], first_seq=1_050, first_timestamp=50_000 + 300 * RATE + 333)
    line = Line()
    line.send_all(packets[:50])
    line.send_all(late, first_s=300.0)
    assert len(line.heard.skips) == 1
    assert line.heard.skips[0] % FRAME_SAMPLES == 0
    assert line.heard.skips[0] == 300 * SAMPLE_RATE
    assert_contiguous(line.heard.got[:50])
    assert_contiguous(line.heard.got[50:], 300 * SAMPLE_RATE)
    assert len(line.heard.got) < 50 + 151 + SKIP_SAMPLES // FRAME_SAMPLES


@pytest.mark.parametrize("jump", [1 << 30, (1 << 31) - 1, 1 << 31, 3 << 30])
def test_a_wild_timestamp_neither_floods_nor_ends_the_call(jump: int) -> None:
    packets = stream(WITH_FEC)
    wild = stream(WITH_FEC[50:], first_seq=1_050, first_timestamp=(50_000 + jump) & 0xFFFFFFFF)
    line = Line()
    line.send_all(packets[:50])
    line.send_all(wild, first_s=1.0)
    assert len(line.heard.got) < 400
    assert line.receiver.end_sample < 10 * SAMPLE_RATE
    assert line.sources[-1] is Source.RECEIVED


def test_a_leap_in_sequence_is_a_new_stream_and_no_loss() -> None:
    packets = stream(WITH_FEC[:50])
    leapt = stream(
        WITH_FEC[50:100], first_seq=1_050 + MAX_STEP + 1, first_timestamp=50_000 + 50 * 960
    )
    line = Line()
    line.send_all(packets)
    line.send_all(leapt, first_s=1.0)
    assert line.receiver.counts.lost == 0
    assert line.sources == [Source.RECEIVED] * 100


def test_speech_held_up_by_the_network_keeps_its_place() -> None:
    packets = stream(WITH_FEC)
    line = Line()
    for index, packet in enumerate(packets):
        held_up = 50 <= index < 125
        line.send(packet, 2.5 if held_up else max(index * 0.02, line.now_s))
    assert_contiguous(line.heard.got)
    assert np.array_equal(line.pcm, decoded(WITH_FEC))
    assert len(line.heard.anchors) == 1


def test_a_stream_that_lags_for_two_seconds_is_anchored_anew() -> None:
    packets = stream(encode(voice(8)))
    line = Line()
    line.send_all(packets[:100])
    line.send_all(packets[100:], first_s=5.0)  # its RTP time stood still for 3 s
    assert [anchor.reason for anchor in line.heard.anchors] == ["first", "lag"]
    assert line.receiver.end_sample == pytest.approx((5.0 + 6.0) * SAMPLE_RATE, abs=FRAME_SAMPLES)


def test_jitter_and_lag_are_measured_from_arrivals() -> None:
    clean, jittery = Line(), Line()
    packets = stream(WITH_FEC)
    clean.send_all(packets)
    random = np.random.default_rng(2)
    for index, packet in enumerate(packets):
        jittery.send(packet, index * 0.02 + random.uniform(0, 0.018))
    assert clean.receiver.jitter_s == pytest.approx(0, abs=1e-6)
    assert 0.003 < jittery.receiver.jitter_s < 0.012
    assert 0 <= jittery.receiver.lag_s < 0.02


fates = st.lists(
    st.tuples(
        st.sampled_from(["keep", "keep", "keep", "lose", "twice", "corrupt", "garbage"]),
        st.floats(0, 0.4),
    ),
    min_size=1,
    max_size=120,
)


@settings(max_examples=120)
@given(fates, st.sampled_from([10, 20, 60]), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_frames_are_contiguous_and_time_never_shrinks_whatever_happens(
    packet_fates: list[tuple[str, float]], frame_ms: int, first_seq: int, first_timestamp: int
) -> None:
    payloads = PAYLOADS[frame_ms][: len(packet_fates)]
    packets = stream(
        payloads, frame_ms=frame_ms, first_seq=first_seq, first_timestamp=first_timestamp
    )
    arrivals: list[tuple[float, Rtp]] = []
    for index, (packet, (fate, delay_s)) in enumerate(zip(packets, packet_fates, strict=False)):
        at_s = index * frame_ms / 1000 + delay_s
        if fate == "lose":
            continue
        if fate == "corrupt":
            packet = corrupted(packet)
        elif fate == "garbage":
            packet = Rtp(packet.ssrc, packet.seq, packet.timestamp, b"\xff")
        arrivals += [(at_s, packet)] * (2 if fate == "twice" else 1)
    line = Line()
    ends = [0]
    for at_s, packet in sorted(arrivals, key=lambda item: item[0]):
        line.send(packet, at_s)
        ends.append(line.receiver.end_sample)
    line.wait_until(line.now_s + 1)
    line.receiver.close()
    assert ends == sorted(ends)
    assert_contiguous(line.heard.got, _first_start(line.heard.got))
    counts = line.receiver.counts
    assert counts.received + counts.late + counts.duplicate <= len(arrivals)
    assert len(line.heard.packets) <= counts.received


def _first_start(frames: list[Frame]) -> int:
    return frames[0].start_sample if frames else 0


PAYLOADS = {ms: encode(voice(0.12 * ms), frame_ms=ms) for ms in (10, 20, 60)}
