"""The libopus binding."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

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


def by_ffmpeg(packets: list[bytes]) -> NDArray[np.float64]:
    """What FFmpeg's own Opus decoder makes of `packets`: 48 kHz, first channel."""
    decoder = av.CodecContext.create("opus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    decoder.extradata = b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00"
    return np.concatenate(
        [frame.to_ndarray()[0] for packet in packets for frame in decoder.decode(av.Packet(packet))]
    )


def alike(said: NDArray[np.float64], heard: NDArray[np.float64], lag: int) -> float:
    """Correlation of `heard`, `lag` samples late, with `said`."""
    count = min(len(said), len(heard) - lag)
    return float(np.corrcoef(said[:count], heard[lag : lag + count])[0, 1])


@pytest.mark.parametrize("rate", [48_000, 16_000])
def test_encoded_speech_is_the_same_speech_to_another_decoder(two_cities: Path, rate: int) -> None:
    pcm, _ = soundfile.read(two_cities, dtype="int16", frames=48_000 * 20)
    spectrum = np.fft.rfft(pcm.astype(float))
    spectrum[np.fft.rfftfreq(len(pcm), 1 / 48_000) > 7_000] = 0
    said = np.fft.irfft(spectrum)
    sent = said[:: 48_000 // rate].astype(np.int16)
    encoder = opus.Encoder(rate)
    size = encoder.frame_samples
    packets = [encoder.encode(sent[at : at + size]) for at in range(0, len(sent), size)]
    assert {opus.duration_rtp(packet) for packet in packets} == {960}
    heard = by_ffmpeg(packets)
    assert len(heard) == len(said)
    late_by = {lag: alike(said, heard, lag) for lag in range(260, 360, 4)}
    # Not 1: libopus takes out what is below a voice, which turns the phase of what is left.
    usual = alike(said, by_ffmpeg(encode(said.astype(np.int16), fec=False)), 312)
    assert max(late_by.values()) > max(0.88, usual - 0.02)
    assert max(late_by, key=late_by.__getitem__) == pytest.approx(312, abs=8)  # its look-ahead
    level = np.sqrt(np.mean(heard**2)) * 32_768 / np.sqrt(np.mean(said**2))
    assert 20 * abs(np.log10(level)) < 1
    kbps = sum(map(len, packets)) * 8 / 20_000
    assert 24 < kbps < 40


def test_what_is_encoded_is_checked_first() -> None:
    encoder = opus.Encoder(16_000)
    for wrong in (np.zeros(319, np.int16), np.zeros(320, np.float32), np.zeros((1, 320), np.int16)):
        with pytest.raises(ValueError, match="int16 of"):
            encoder.encode(wrong)
    with pytest.raises(opus.OpusError):
        opus.Encoder(44_100)


def test_samples_that_are_not_contiguous_are_encoded_as_they_are() -> None:
    pcm = voice(1)
    every_third = opus.Encoder(16_000).encode(pcm[: 960 * 3 : 3][:320])
    assert every_third == opus.Encoder(16_000).encode(pcm[: 960 * 3 : 3][:320].copy())
