"""The receive path on networks and senders of many kinds: virtual time, real Opus packets."""

from __future__ import annotations

import ctypes
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Source
from signaling import opus
from signaling.jitter import HOLD_MIN_S
from signaling.rtp import HOLD_LIMIT_S, MEDIA_BURST_S, MEDIA_RATE, SWITCH_EVERY_S
from tests.signaling.packets import Rtp, encode, kept, stream, voice
from tests.signaling.receiving import Line, assert_contiguous, decoded

SPEECH = encode(voice(20))


def rms(pcm: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(pcm.astype(float)))))


def jittered(packets: list[Rtp], most_s: float, seed: int = 3) -> list[tuple[float, Rtp]]:
    random = np.random.default_rng(seed)
    sent = [(i * 0.02 + random.uniform(0, most_s), packet) for i, packet in enumerate(packets)]
    return sorted(sent, key=lambda item: item[0])


def deliver(line: Line, arrivals: list[tuple[float, Rtp]]) -> None:
    for at_s, packet in arrivals:
        line.send(packet, at_s)
    line.wait_until(line.now_s + 1)


def test_on_a_calm_network_a_lost_packet_costs_the_least_wait_once_that_is_known() -> None:
    packets = stream(SPEECH[:200])
    line = Line()
    line.send_numbered(packets[:100] + packets[101:], packets[0])
    assert line.heard.at_s[101] == pytest.approx(101 * 0.02 + HOLD_MIN_S)
    assert line.heard.at_s[100] == line.heard.at_s[101]


def test_jitter_alone_loses_nothing_and_nothing_waits_longer_than_the_jitter() -> None:
    line = Line()
    deliver(line, jittered(stream(SPEECH), 0.05))
    assert line.receiver.counts.late == line.receiver.counts.lost == 0
    delays = [
        at_s - frame.start_sample / SAMPLE_RATE
        for frame, at_s in zip(line.heard.got, line.heard.at_s, strict=True)
        if frame.source is Source.RECEIVED
    ]
    assert len(delays) == len(SPEECH)
    assert max(delays) <= 0.05 + 1e-6


def test_jitter_beyond_the_limit_costs_late_packets_but_no_time() -> None:
    line = Line()
    deliver(line, jittered(stream(SPEECH), 0.3))
    assert line.receiver.counts.late > 0
    assert_contiguous(line.heard.got, line.heard.got[0].start_sample)
    held = line.receiver.hold_s
    assert held == HOLD_LIMIT_S


def test_concealment_that_ends_in_nothing_fades_out() -> None:
    packets = stream(SPEECH)
    line = Line()
    line.send_numbered(packets[:50] + packets[80:], packets[0])
    concealed = [i for i, source in enumerate(line.sources) if source is Source.PLC]
    assert concealed == list(range(50, 55))
    last = line.pcm[54 * FRAME_SAMPLES : 55 * FRAME_SAMPLES]
    assert abs(int(last[-1])) <= 1
    assert rms(last) < rms(line.pcm[50 * FRAME_SAMPLES : 51 * FRAME_SAMPLES])
    assert line.receiver.counts.absent_ms == (30 - 5 - 1) * 20


def test_time_that_the_sender_left_out_is_absent_and_not_concealed() -> None:
    """Chromium's `encodings.active = false`: sequence goes on by 1, RTP time by seconds."""
    packets = stream(SPEECH[:50])
    later = stream(SPEECH[50:100], first_seq=1_050, first_timestamp=50_000 + 100 * 960)
    line = Line()
    line.send_all(packets)
    line.send_all(later, first_s=2.0)
    assert Counter(line.sources) == {Source.RECEIVED: 100, Source.ABSENT: 50}
    assert line.receiver.counts.lost == line.receiver.counts.plc_ms == 0


# discontinuous transmission (RFC 6716, 2.1.9; RFC 7587, 3.1.3)

PAUSE_S = 2.0
_OPUS_SET_DTX = 4016


def with_pause() -> list[bytes | None]:
    """1 s of voice, a pause with a quiet room in it, voice again; None for what is not sent.

    Of a run of packets that hold no audio a browser sends the first alone.
    """
    voiced, room = voice(1), np.random.default_rng(1).normal(0, 5, int(PAUSE_S * 48_000))
    pcm = np.concatenate([voiced, room.astype(np.int16), voiced])
    encoder = opus.Encoder(48_000)
    opus._lib.opus_encoder_ctl(encoder._state, _OPUS_SET_DTX, ctypes.c_int(1))
    sent: list[bytes | None] = []
    silent = False
    for at in range(0, len(pcm), 960):
        payload = encoder.encode(pcm[at : at + 960])
        empty = len(payload) <= 2
        sent.append(None if empty and silent else payload)
        silent = empty
    return sent


PAUSING = with_pause()


def pausing() -> list[tuple[float, Rtp]]:
    """`PAUSING` on its way: numbered without holes, at the times it was spoken."""
    arrivals = []
    for index, payload in enumerate(PAUSING):
        if payload is not None:
            packet = Rtp(5, 1_000 + len(arrivals), 50_000 + index * 960, payload)
            arrivals.append((index * 0.02, packet))
    return arrivals


def test_the_sender_of_these_tests_leaves_most_of_its_pause_out() -> None:
    assert 40 < PAUSING.count(None) < PAUSE_S * 50
    assert max(index for index, payload in enumerate(PAUSING) if payload is None) < 155


@pytest.mark.parametrize("ticking", [False, True])
def test_silence_that_the_sender_announced_is_heard_as_silence(ticking: bool) -> None:
    line = Line()
    ticks = [tick * 0.1 for tick in range(1, 40)]
    for at_s, packet in pausing():
        while ticking and ticks and ticks[0] < at_s:
            line.wait_until(ticks.pop(0))
            line.receiver.idle()
        line.send(packet, at_s)
    assert_contiguous(line.heard.got)
    assert Counter(line.sources) == {Source.RECEIVED: len(PAUSING)}
    assert line.receiver.counts.lost == 0
    loud = rms(line.pcm[: 50 * FRAME_SAMPLES])
    assert rms(line.pcm[70 * FRAME_SAMPLES : 145 * FRAME_SAMPLES]) < 0.05 * loud
    assert rms(line.pcm[155 * FRAME_SAMPLES :]) == pytest.approx(loud, rel=0.2)


def test_while_the_sender_is_silent_time_goes_on_without_waiting_for_its_next_packet() -> None:
    line = Line()
    behind_s = []
    arrivals = pausing()
    for tick in range(1, 28):
        while arrivals[0][0] <= tick * 0.1:
            at_s, packet = arrivals.pop(0)
            line.send(packet, at_s)
        line.wait_until(tick * 0.1)
        line.receiver.idle()
        behind_s.append(line.now_s - line.receiver.end_sample / SAMPLE_RATE)
    assert max(behind_s) <= 0.1


def test_silence_that_is_not_refreshed_is_a_lost_client_not_a_pause() -> None:
    line = Line()
    silent_from = PAUSING.index(None)
    for at_s, packet in pausing()[:silent_from]:
        line.send(packet, at_s)
    for tick in range(1, 60):
        line.wait_until(silent_from * 0.02 + tick * 0.1)
        line.receiver.idle()
    assert line.receiver.end_sample < (silent_from * 0.02 + 1.1) * SAMPLE_RATE


def test_a_tick_adds_nothing_while_the_sender_speaks() -> None:
    line = Line()
    for index, packet in enumerate(stream(SPEECH[:50])):
        line.send(packet, index * 0.02)
        line.receiver.idle()
    line.wait_until(line.now_s + 0.3)
    line.receiver.idle()
    assert len(line.heard.got) == 50


# senders that err, and senders that mean harm


def test_late_packets_of_a_replaced_stream_do_not_bring_it_back() -> None:
    old = stream(SPEECH[:52])
    new = stream(SPEECH[52:100], ssrc=7, first_seq=9, first_timestamp=77)
    line = Line()
    line.send_all(old[:50])
    at_s = line.now_s
    for index, packet in enumerate([new[0], old[50], new[1], old[51], *new[2:]]):
        line.send(packet, at_s + index * 0.02)
    assert [anchor.reason for anchor in line.heard.anchors] == ["first", "ssrc"]
    assert line.receiver.counts.ignored == 2


def test_two_streams_at_once_change_hands_no_more_than_twice_a_second() -> None:
    one, two = stream(SPEECH), stream(SPEECH, ssrc=7)
    line = Line()
    for index in range(500):
        line.send(one[index], index * 0.02)
        line.send(two[index], index * 0.02)
    assert len(line.heard.anchors) <= 10 / SWITCH_EVERY_S + 1


def test_audio_faster_than_time_is_cut_off_and_counted() -> None:
    packets = stream(encode(voice(30)))
    line = Line()
    for packet in packets:
        line.send(packet, line.now_s + 0.0001)
    counts = line.receiver.counts
    assert counts.excess > 0
    assert counts.played_ms <= 1_000 * (MEDIA_BURST_S + MEDIA_RATE * line.now_s) + 20


def test_what_a_stalled_network_held_back_is_not_excess() -> None:
    packets = stream(SPEECH[:500])
    line = Line()
    for index, packet in enumerate(packets):
        line.send(packet, 9.0 if 40 <= index < 450 else max(index * 0.02, line.now_s))
    assert line.receiver.counts.excess == 0
    assert np.array_equal(line.pcm, decoded(SPEECH[:500]))


@pytest.mark.parametrize("frame_ms", [2.5, 5, 120])
def test_the_shortest_and_the_longest_packets_keep_time(frame_ms: float) -> None:
    voiced = voice(6)
    payloads = encode(voiced, frame_ms=frame_ms, fec=False)
    packets = stream(payloads, frame_ms=frame_ms)
    line = Line()
    through = kept(packets[:-3], ".......x") + packets[-3:]
    line.send_numbered(through, packets[0], step_s=frame_ms / 1000)
    assert_contiguous(line.heard.got)
    # A frame that begins with the last packet's end is not whole yet.
    samples = int(len(packets) * frame_ms * SAMPLE_RATE / 1000)
    assert line.receiver.end_sample == pytest.approx(samples, abs=40)
    assert line.receiver.counts.lost == len(packets) - len(through)
