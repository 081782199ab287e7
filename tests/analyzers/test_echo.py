"""An echo of what is played is found in a microphone; what only seems like one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

from analyzers.echo import GONE_AFTER_S, Echo
from benchmarks.generator import encoded
from benchmarks.reading import clips
from signaling import opus
from signaling.publisher import load_audio

RATE = 16_000
SECONDS = 20
SPEECH_DB = -26.0

Sound = NDArray[np.float64]


def loaded(path: Path) -> Sound:
    return resample_poly(load_audio(path).astype(np.float64) / 32_768, 1, 3)


def at_level(sound: Sound, level_db: float) -> Sound:
    """`sound` whose audible part has `level_db`."""
    audible = np.sqrt(np.mean(sound[np.abs(sound) > 0.01] ** 2))
    return sound / audible * 10 ** (level_db / 20)


@pytest.fixture(scope="module")
def near() -> Sound:
    """Whoever sits at the microphone."""
    return at_level(loaded(clips()["two_cities"])[: SECONDS * RATE], SPEECH_DB)


@pytest.fixture(scope="module")
def far() -> Sound:
    """Another speaker."""
    others = [loaded(path) for name, path in clips().items() if name != "two_cities"]
    return at_level(np.concatenate(others)[: SECONDS * RATE], SPEECH_DB)


def coded(sound: Sound) -> Sound:
    """Through Opus, as over the network."""
    wide = np.clip(resample_poly(sound, 3, 1), -1, 1)
    decoder = opus.Decoder()
    packets = encoded((wide * 32_767).astype(np.int16))
    pcm = np.concatenate([decoder.decode(packet) for packet in packets])
    return pcm.astype(np.float64) / 32_768


def echoed(sound: Sound, level_db: float, lag_ms: float) -> Sound:
    """Out of a loudspeaker, through a room with 0.35 s of reverberation, and late."""
    rng = np.random.default_rng(7)
    size = round(0.35 * RATE)
    room = 0.3 * rng.standard_normal(size) * np.exp(-6.9 * np.arange(size) / size)
    room[0] = 1.0
    room *= 10 ** (level_db / 20) / np.sqrt(np.sum(room**2))
    late = np.concatenate([np.zeros(round(lag_ms * RATE / 1000)), fftconvolve(coded(sound), room)])
    return late[: sound.size]


def told(microphone: Sound, played: Sound, echo: Echo | None = None) -> list[tuple[float, bool]]:
    """When (s) what was said."""
    echo = echo or Echo()
    heard = (np.clip(microphone, -1, 1) * 32_767).astype(np.int16)
    shown = (np.clip(played, -1, 1) * 32_767).astype(np.int16)
    found = []
    for at in range(0, min(heard.size, shown.size) - 319, 320):
        echo.play(at, shown[at : at + 320])
        changed = echo.hear(at, heard[at : at + 320])
        if changed is not None:
            found.append((at / RATE, changed))
    return found


@pytest.mark.parametrize(("level_db", "lag_ms"), [(-10, 60), (-20, 300), (-20, 600)])
def test_an_echo_under_the_own_voice_is_found_and_stays(
    near: Sound, far: Sound, level_db: float, lag_ms: float
) -> None:
    echo = Echo()
    microphone = coded(near + echoed(far, level_db, lag_ms))
    ((at_s, on),) = told(microphone, far, echo)
    assert on
    assert at_s < 16
    assert echo.lag_ms is not None
    assert 0 <= echo.lag_ms - lag_ms < 40


def test_an_echo_in_a_silent_room_is_found_at_once(far: Sound) -> None:
    noise = 1e-4 * np.random.default_rng(3).standard_normal(far.size)
    ((at_s, on),) = told(coded(echoed(far, -30, 200) + noise), far)
    assert on
    assert at_s < 4


def test_it_is_over_once_headphones_are_on(near: Sound, far: Sound) -> None:
    loud = near + echoed(far, -10, 200)
    silent = np.concatenate([near[near.size // 2 :], near[: near.size // 2]])
    found = told(
        np.concatenate([coded(loud), coded(silent), coded(near)]), np.concatenate([far] * 3)
    )
    assert [on for _, on in found] == [True, False]
    assert found[1][0] > SECONDS + GONE_AFTER_S


@pytest.mark.parametrize("what", ["both at once", "in turns", "noise", "hum", "other words"])
def test_what_only_seems_like_an_echo_is_none(near: Sound, far: Sound, what: str) -> None:
    t = np.arange(near.size) / RATE
    turn = np.clip(20 * np.sin(2 * np.pi * t / 8), 0, 1)
    noise = 0.01 * np.random.default_rng(5).standard_normal(near.size)
    hum = sum(0.02 / n * np.sin(2 * np.pi * 60 * n * t) for n in (1, 3, 5))
    sounds = {
        "both at once": (near, far),
        "in turns": (near * turn, far * (1 - turn)),
        "noise": (noise, far),
        "hum": (near + hum, far + hum),
        "other words": (np.roll(near, SECONDS * RATE // 2), near),
    }
    microphone, played = sounds[what]
    assert told(coded(microphone), played) == []


def test_nothing_played_is_no_echo_and_an_old_frame_harms_nothing(near: Sound) -> None:
    echo = Echo()
    pcm = (near[:320] * 32_767).astype(np.int16)
    echo.play(10 * RATE, pcm)
    echo.play(0, pcm)
    echo.play(10**9, pcm)
    assert all(echo.hear(at, pcm) is None for at in range(0, 5 * RATE, 320))
    assert echo.hear(10**9, pcm) is None
