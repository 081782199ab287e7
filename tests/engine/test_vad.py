"""Speech is noticed at its onset and ends after half a second; noise and losses are not speech."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Source
from engine.vad import ENDPOINT, Edge, VoiceActivity
from tests.analyzers.recordings import gain, noise, read, sine
from tests.engine.timeline import frames_of, silence

PAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """Session seconds; `end_s` is None for one that has not ended."""

    onset_s: float
    voiced_end_s: float | None = None
    ended_s: float | None = None


def utterances(frames: Iterable[Frame], voice: VoiceActivity | None = None) -> list[Utterance]:
    voice = voice or VoiceActivity()
    found: list[Utterance] = []
    for frame in frames:
        edge = voice.push(frame)
        if edge is Edge.START:
            found.append(Utterance(voice.onset_sample / SAMPLE_RATE))
        elif edge is Edge.END:
            end_s = voice.voiced_end_sample / SAMPLE_RATE
            found[-1] = Utterance(found[-1].onset_s, end_s, frame.end_sample / SAMPLE_RATE)
    return found


def mixed(signal: Pcm, other: Pcm) -> Pcm:
    total = signal.astype(np.int32) + np.resize(other, len(signal))
    return np.clip(total, -32768, 32767).astype(np.int16)


def with_sources(pcm: Pcm, lost: Iterable[int]) -> list[Frame]:
    """Frames of `pcm`; those numbered in `lost` never came."""
    gone = set(lost)
    zeros = np.zeros(FRAME_SAMPLES, np.int16)
    return [
        Frame(frame.track, frame.start_sample, zeros, Source.ABSENT) if index in gone else frame
        for index, frame in enumerate(frames_of(pcm))
    ]


@pytest.fixture(scope="module")
def clips(librivox: list[tuple[Path, Path]]) -> list[tuple[Pcm, float, float]]:
    """(a clip behind 1 s of silence and before 1 s, onset s, end s by forced alignment)."""
    found = []
    for wav, _ in librivox:
        aligned = json.loads(wav.with_suffix(".json").read_text())["w"]
        words = [word for word in aligned if not word["t"].startswith("<")]
        pcm = np.concatenate([silence(PAD_S), read(wav), silence(1.0)])
        found.append((pcm, PAD_S + words[0]["b"], PAD_S + words[-1]["b"] + words[-1]["d"]))
    return found


@pytest.fixture(scope="module")
def opening(reading: Pcm) -> Pcm:
    """The first 12 s."""
    return reading[: 12 * SAMPLE_RATE]


@pytest.mark.parametrize("noise_db", [None, -25.0, -15.0], ids=["clean", "25-dB", "15-dB"])
def test_speech_starts_within_200_ms_of_the_reference_onset(
    clips: list[tuple[Pcm, float, float]], noise_db: float | None
) -> None:
    for pcm, onset_s, _ in clips:
        if noise_db is not None:
            speech_dbfs = 10 * np.log10(np.mean((pcm / 32768.0) ** 2))
            pcm = mixed(pcm, noise(speech_dbfs + noise_db, len(pcm) / SAMPLE_RATE))
        found = utterances(frames_of(pcm))
        assert len(found) == 1
        assert abs(found[0].onset_s - onset_s) <= 0.2


def test_speech_ends_half_a_second_after_the_last_word(
    clips: list[tuple[Pcm, float, float]],
) -> None:
    for pcm, _, end_s in clips:
        (found,) = utterances(frames_of(pcm))
        assert found.voiced_end_s == pytest.approx(end_s, abs=0.3)
        assert found.ended_s == pytest.approx(found.voiced_end_s + 0.5, abs=0.04)


def test_quiet_speech_is_speech(clips: list[tuple[Pcm, float, float]]) -> None:
    for pcm, onset_s, _ in clips:
        found = utterances(frames_of(gain(pcm, -24.0)))
        assert [abs(each.onset_s - onset_s) <= 0.2 for each in found] == [True]


@pytest.mark.parametrize("level_dbfs", [-70.0, -55.0, -40.0, -25.0, -12.0])
def test_white_noise_is_not_speech(level_dbfs: float) -> None:
    assert utterances(frames_of(noise(level_dbfs, 10.0))) == []


@pytest.mark.parametrize("hz", [50.0, 120.0, 440.0])
def test_a_steady_hum_is_not_speech(hz: float) -> None:
    hum = mixed(sine(hz, -30.0, 10.0), sine(3 * hz, -40.0, 10.0))
    swelling = np.minimum(np.arange(len(hum)) / SAMPLE_RATE, 1.0)
    assert utterances(frames_of((hum * swelling).astype(np.int16))) == []


def test_clicks_are_not_speech() -> None:
    pcm = silence(10.0)
    pcm[::4_000] = 20_000
    assert utterances(frames_of(pcm)) == []


@pytest.mark.test_data("noise/desk/*", "noise/office/*")
def test_sounds_of_a_room_without_speech_are_not_speech(data_file: Path) -> None:
    assert utterances(frames_of(read(data_file))) == []


def test_silence_is_not_speech_and_counts() -> None:
    voice = VoiceActivity()
    assert utterances(frames_of(silence(3.0)), voice) == []
    assert voice.silence_samples == 3 * SAMPLE_RATE


@pytest.mark.parametrize("silent_s", [0.0, 0.1, 0.2, 0.3])
def test_a_network_gap_inside_speech_does_not_end_it_before_a_second(
    opening: Pcm, silent_s: float
) -> None:
    """A gap that began while the speaker drew breath was taken for their silence, and the
    utterance ended after half a second of both."""
    voice = VoiceActivity()
    frames = list(frames_of(opening))
    begin = 0
    while not voice.speaking or voice.silence_samples < silent_s * SAMPLE_RATE:
        assert voice.push(frames[begin]) is not Edge.END
        begin += 1
    gap = with_sources(opening, range(begin, begin + 50))[begin : begin + 50]
    assert [voice.push(frame) for frame in gap] == [None] * 50
    assert voice.speaking


def test_a_long_gap_ends_the_utterance_where_speech_was_last_heard(opening: Pcm) -> None:
    begin = 100
    (found,) = utterances(with_sources(opening[: 6 * SAMPLE_RATE], range(begin, 300)))
    assert found.voiced_end_s is not None
    assert found.ended_s is not None
    assert found.voiced_end_s <= begin / 50
    assert found.ended_s > begin / 50 + 1.0


def test_a_gap_is_not_a_pause_of_the_speaker(opening: Pcm) -> None:
    begin = 150
    whole, holed = VoiceActivity(), VoiceActivity()
    utterances(frames_of(opening[: 5 * SAMPLE_RATE]), whole)
    utterances(with_sources(opening[: 5 * SAMPLE_RATE], range(begin, begin + 20)), holed)
    gap = range(begin * FRAME_SAMPLES, (begin + 20) * FRAME_SAMPLES)
    assert not [pause for pause in holed.pauses if pause not in whole.pauses and pause[0] in gap]


def test_scattered_losses_split_no_utterance(opening: Pcm) -> None:
    lost = np.flatnonzero(np.random.default_rng(7).random(len(opening) // FRAME_SAMPLES) < 0.1)
    whole = utterances(frames_of(opening))
    holed = utterances(with_sources(opening, lost.tolist()))
    assert len(holed) <= len(whole)
    for other in holed:
        assert any(other.onset_s == pytest.approx(one.onset_s, abs=0.1) for one in whole)


def test_losses_alone_are_not_speech(opening: Pcm) -> None:
    frames = [
        Frame(frame.track, frame.start_sample, frame.pcm, Source.PLC)
        for frame in frames_of(opening)
    ]
    assert utterances(frames) == []


def test_recovered_packets_are_heard(opening: Pcm) -> None:
    received = utterances(frames_of(opening))
    assert utterances(frames_of(opening, source=Source.FEC)) == received


def test_a_pause_of_a_third_of_a_second_is_noted_where_it_is(
    clips: list[tuple[Pcm, float, float]],
) -> None:
    one, _, end_s = clips[1]
    two, onset_s, _ = clips[4]
    head, tail = one[: int(end_s * SAMPLE_RATE)], two[int((onset_s - 0.3) * SAMPLE_RATE) :]
    voice = VoiceActivity()
    found = utterances(frames_of(np.concatenate([head, tail])), voice)
    assert len(found) == 1
    middle = int((end_s + 0.15) * SAMPLE_RATE)
    assert [start < middle < end for start, end in voice.pauses].count(True) == 1


def test_paused_frames_are_silence(clips: list[tuple[Pcm, float, float]]) -> None:
    pcm, onset_s, _ = clips[0]
    cut = int((onset_s + 1.0) * SAMPLE_RATE) // FRAME_SAMPLES * FRAME_SAMPLES
    voice = VoiceActivity()
    utterances(frames_of(pcm[:cut]), voice)
    assert voice.speaking
    paused = frames_of(silence(2.0), cut, Source.PAUSED)
    ends = [frame.end_sample for frame in paused if voice.push(frame) is Edge.END]
    assert len(ends) == 1
    assert ends[0] - cut == pytest.approx(ENDPOINT, abs=2 * FRAME_SAMPLES)


def test_no_utterance_reaches_back_over_a_jump(clips: list[tuple[Pcm, float, float]]) -> None:
    pcm, onset_s, _ = clips[0]
    begun = int((onset_s + 0.1) * SAMPLE_RATE) // FRAME_SAMPLES * FRAME_SAMPLES
    voice = VoiceActivity()
    utterances(frames_of(pcm[:begun]), voice)
    to_sample = 100 * SAMPLE_RATE
    voice.skip(to_sample)
    assert not voice.speaking
    (found,) = utterances(frames_of(pcm[begun:], to_sample), voice)
    assert voice.start_sample >= to_sample
    assert found.onset_s < 100.2


def test_a_stopped_utterance_can_be_followed_at_once_by_another(
    clips: list[tuple[Pcm, float, float]],
) -> None:
    pcm, onset_s, _ = clips[0]
    cut = int((onset_s + 2.0) * SAMPLE_RATE) // FRAME_SAMPLES * FRAME_SAMPLES
    voice = VoiceActivity()
    utterances(frames_of(pcm[:cut]), voice)
    voiced_end = voice.voiced_end_sample
    assert voice.stop() is Edge.END
    (found,) = utterances(frames_of(pcm[cut:], cut), voice)
    assert voice.start_sample >= min(cut, voiced_end)
    assert found.onset_s < cut / SAMPLE_RATE + 0.2


def test_the_same_frames_give_the_same_edges(opening: Pcm) -> None:
    assert utterances(frames_of(opening)) == utterances(frames_of(opening))
