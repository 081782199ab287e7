"""The libopus binding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import opus
from signaling.recorder import FILL_PACKET
from tests.signaling.packets import encode, voice

SPEECH = encode(voice(2))


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
def test_a_packet_tells_how_long_it_lasts(frame_ms: int) -> None:
    packets = encode(voice(1), frame_ms=frame_ms)
    assert {opus.duration_rtp(packet) for packet in packets} == {48 * frame_ms}
    assert len(opus.Decoder().decode(packets[0])) == 16 * frame_ms


def test_decoding_gives_the_voice_back_at_16_khz() -> None:
    decoder = opus.Decoder()
    pcm = np.concatenate([decoder.decode(packet) for packet in SPEECH])
    assert pcm.dtype == np.int16
    spectrum = np.abs(np.fft.rfft(pcm[16_000:]))
    strongest_hz = np.argmax(spectrum) * 16_000 / len(pcm[16_000:])
    assert 90 < strongest_hz < 320  # the buzz of `voice` and its second harmonic


def test_packets_made_for_loss_hold_a_copy_of_the_one_before() -> None:
    assert sum(opus.holds_fec(packet) for packet in SPEECH) > len(SPEECH) // 2
    assert not any(opus.holds_fec(packet) for packet in encode(voice(2), fec=False))


def test_the_filling_packet_lasts_20_ms_and_is_silent() -> None:
    assert opus.duration_rtp(FILL_PACKET) == 960
    pcm = opus.Decoder().decode(FILL_PACKET)
    assert len(pcm) == 320
    assert not pcm.any()


def test_concealment_goes_on_with_the_voice_and_no_louder() -> None:
    decoder = opus.Decoder()
    heard = np.concatenate([decoder.decode(packet) for packet in SPEECH[:50]])[-1_600:]
    concealed = decoder.conceal(1_600)
    assert len(concealed) == 1_600
    level = [np.sqrt(np.mean(np.square(pcm.astype(float)))) for pcm in (heard, concealed)]
    assert 0.05 * level[0] < level[1] < 1.2 * level[0]


@given(st.binary(min_size=1, max_size=200))
def test_a_malformed_packet_is_an_opus_error_and_nothing_else(payload: bytes) -> None:
    decoder = opus.Decoder()
    try:
        duration = opus.duration_rtp(payload)
        pcm = decoder.decode(payload)
    except opus.OpusError:
        return
    assert len(pcm) * 3 == duration <= opus.MAX_PACKET_RTP
