"""`/microphone-checks`: a read sentence in, a level and a verdict out."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from signaling.publisher import RATE, load_audio
from tests.api.conftest import Refused

WAV = {"Content-Type": "audio/wav"}
Pcm = NDArray[np.int16]


def wav(pcm: Pcm, *, rate: int = RATE, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(pcm.tobytes())
    return file.getvalue()


def check(http: httpx.Client, body: bytes) -> dict[str, Any]:
    answer = http.post("/microphone-checks", content=body, headers=WAV)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def in_a_room(pcm: Pcm, gain_db: float = 0.0) -> Pcm:
    """Read in a quiet room: a faint noise lies under the speech."""
    noise = np.random.default_rng(1).normal(0, 4, len(pcm))
    return np.asarray(np.clip((pcm + noise) * 10 ** (gain_db / 20), -32768, 32767), np.int16)


@pytest.fixture(scope="module")
def sentence(two_cities: Path) -> Pcm:
    return in_a_room(load_audio(two_cities)[: 8 * RATE])


def test_a_read_sentence_gives_a_baseline(http: httpx.Client, sentence: Pcm) -> None:
    result = check(http, wav(sentence))
    assert result["verdict"] == "ok"
    assert -45 < result["speechLevelDbfs"] < -15
    assert result["noiseFloorDbfs"] < result["speechLevelDbfs"] - 15
    assert result["snrDb"] > 15
    assert 4_000 < result["speechMs"] < 8_000
    assert result["clippedPct"] == 0
    assert result["advice"].endswith(".")


def test_the_baseline_follows_the_level(http: httpx.Client, sentence: Pcm) -> None:
    here = check(http, wav(sentence))["speechLevelDbfs"]
    lower = check(http, wav((sentence / 2).astype(np.int16)))["speechLevelDbfs"]
    assert here - lower == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_two_channels_measure_the_same(
    http: httpx.Client, sentence: Pcm, rate: int, channels: int
) -> None:
    at = np.arange(int(len(sentence) * rate / RATE)) * RATE / rate
    pcm = np.interp(at, np.arange(len(sentence)), sentence).astype(np.int16)
    body = wav(pcm.repeat(channels), rate=rate, channels=channels)
    expected = check(http, wav(sentence))["speechLevelDbfs"]
    assert check(http, body)["speechLevelDbfs"] == pytest.approx(expected, abs=1.5)


def test_silence_is_no_speech(http: httpx.Client) -> None:
    result = check(http, wav(np.zeros(4 * RATE, np.int16)))
    assert result["verdict"] == "no_speech"
    assert result["speechMs"] == 0


def test_noise_is_no_speech(http: httpx.Client) -> None:
    noise = np.random.default_rng(3).normal(0, 900, 4 * RATE).astype(np.int16)
    assert check(http, wav(noise))["verdict"] == "no_speech"


def test_a_whisper_far_away_is_too_quiet(http: httpx.Client, sentence: Pcm) -> None:
    faint = (sentence / 10 ** (26 / 20)).astype(np.int16)
    assert check(http, wav(faint))["verdict"] in ("too_quiet", "no_speech")


def test_a_clipped_sentence_is_too_loud(http: httpx.Client, two_cities: Path) -> None:
    result = check(http, wav(in_a_room(load_audio(two_cities)[: 8 * RATE], gain_db=30)))
    assert result["verdict"] == "too_loud"
    assert result["clippedPct"] > 0.1


PCM = np.zeros(RATE, np.int16)
BAD = {
    "no WAV": b"hello",
    "empty": b"",
    "only the header's start": wav(PCM)[:20],
    "only the header": wav(PCM)[:44],
    "cut off": wav(PCM)[:60_000],
    "8 bits": wav(np.zeros(RATE, np.uint8), width=1),
    "24 bits": wav(np.zeros(RATE * 3, np.uint8), width=3),
    "three channels": wav(np.zeros(RATE * 3, np.int16), channels=3),
    "4 kHz": wav(np.zeros(8_000, np.int16), rate=4_000),
    "a megahertz": wav(np.zeros(1_000_000, np.int16), rate=1_000_000),
    "too short": wav(np.zeros(RATE // 4, np.int16)),
    "too long": wav(np.zeros(16_000 * 21, np.int16), rate=16_000),
    "not PCM": wav(PCM)[:20] + b"\x03\x00" + wav(PCM)[22:],
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_measured_is_refused(
    http: httpx.Client, refused: Refused, body: bytes
) -> None:
    refused(http.post("/microphone-checks", content=body, headers=WAV), 422)


def test_twenty_seconds_are_taken(http: httpx.Client) -> None:
    assert check(http, wav(np.zeros(16_000 * 20, np.int16), rate=16_000))["speechMs"] == 0


def test_another_media_type_and_a_large_body_are_refused(
    http: httpx.Client, refused: Refused
) -> None:
    headers = {"Content-Type": "audio/ogg"}
    refused(http.post("/microphone-checks", content=wav(PCM), headers=headers), 415)
    refused(http.post("/microphone-checks", content=b"x" * (4 << 20) + b"x", headers=WAV), 413)


def test_nothing_of_a_check_is_kept(http: httpx.Client, sentence: Pcm, node: Any) -> None:
    before = set(node.data.rglob("*"))
    check(http, wav(sentence))
    assert set(node.data.rglob("*")) == before
