"""Sounds that hold no word: what a microphone hears where nobody speaks, made by formulas.

Each maker takes a length in samples and a generator and returns float64 at 16 kHz, of any scale;
`at_level` brings it to int16. Everything is determined by the seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm

Samples = NDArray[np.float64]
Maker = Callable[[int, np.random.Generator], Samples]

LOUD_DB = 20.0
"""Frames within this of the loudest count for the level: silence between two clicks does not."""
SEMITONE = 2 ** (1 / 12)
DTMF_HZ = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))
"""ITU-T Q.23: low and high group."""
RING_HZ, RING_ON_S, RING_CYCLE_S = (440, 480), 2.0, 6.0
"""Audible ringing of North America (ITU-T E.180 supplement 2)."""


def at_level(samples: Samples, level_dbfs: float) -> Pcm:
    """`samples` as int16 whose loud 20 ms frames have the RMS level `level_dbfs` (0 dBFS: the RMS
    of a full-scale square wave). Peaks beyond full scale are clipped; silence stays silence."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = np.mean(frames**2, axis=1)
    peak = power.max(initial=0.0)
    if peak == 0.0:
        return np.zeros(len(samples), np.int16)
    loud = power[power >= peak * 10 ** (-LOUD_DB / 10)]
    gain = 32768 * 10 ** (level_dbfs / 20) / np.sqrt(loud.mean())
    return np.clip(np.round(samples * gain), -32768, 32767).astype(np.int16)


def white(size: int, rng: np.random.Generator) -> Samples:
    return rng.standard_normal(size)


def pink(size: int, rng: np.random.Generator) -> Samples:
    """Power falls by 3 dB an octave."""
    return _coloured(size, rng, 0.5)


def brown(size: int, rng: np.random.Generator) -> Samples:
    """Power falls by 6 dB an octave."""
    return _coloured(size, rng, 1.0)


def hum_50(size: int, rng: np.random.Generator) -> Samples:
    return _hum(size, rng, 50.0)


def hum_60(size: int, rng: np.random.Generator) -> Samples:
    return _hum(size, rng, 60.0)


def car(size: int, rng: np.random.Generator) -> Samples:
    """Tyres and wind, and an engine whose speed drifts between 1,500 and 3,000 a minute."""
    turns_hz = 25.0 + 25.0 * _wander(size, rng, 0.1)
    phase = 2 * np.pi * np.cumsum(turns_hz) / SAMPLE_RATE
    engine = sum(np.sin(order * phase) / order for order in (1, 2, 3, 4, 6))
    road = _unit(_coloured(size, rng, 1.0, from_hz=30.0))
    return 0.6 * _unit(engine) + road + 0.1 * rng.standard_normal(size)


def keyboard(size: int, rng: np.random.Generator) -> Samples:
    """Keys pressed and let go, in runs with breaks: clicks of a few ms, each with its own sound."""
    return _struck(size, rng, every_s=(0.07, 0.3), bands_hz=(1_000, 7_000), fade_s=(0.002, 0.012))


def clatter(size: int, rng: np.random.Generator) -> Samples:
    """Cups, cutlery and chairs over a hall's murmur: a café."""
    struck = _struck(size, rng, every_s=(0.2, 1.6), bands_hz=(700, 6_000), fade_s=(0.02, 0.15))
    return _unit(struck) + 0.35 * _unit(babble(size, rng))


def babble(size: int, rng: np.random.Generator) -> Samples:
    """Many voices at once, none of them real: noise with the spectrum of speech, loud and soft in
    each of four bands at the pace of syllables (3 to 7 a second)."""
    total = np.zeros(size)
    for low_hz, high_hz in ((150, 500), (500, 1_200), (1_200, 2_400), (2_400, 4_500)):
        for _ in range(3):
            band = _band(rng.standard_normal(size), low_hz, high_hz)
            pace_hz = rng.uniform(3.0, 7.0)
            total += _unit(band) * _wander(size, rng, pace_hz) ** 2 * (400.0 / low_hz)
    return total


def breath(size: int, rng: np.random.Generator) -> Samples:
    """In and out every 2 to 5 s, close to the microphone."""
    samples = np.zeros(size)
    at = int(rng.uniform(0.2, 1.0) * SAMPLE_RATE)
    while at < size:
        length = int(rng.uniform(0.5, 1.4) * SAMPLE_RATE)
        low_hz = rng.uniform(300, 700)
        puff = _band(rng.standard_normal(length), low_hz, rng.uniform(2_000, 4_500))
        shape = np.sin(np.pi * np.linspace(0, 1, length) ** rng.uniform(0.6, 1.4)) ** 2
        _add(samples, at, puff * shape * rng.uniform(0.5, 1.0))
        at += length + int(rng.uniform(0.8, 3.0) * SAMPLE_RATE)
    return samples


def chords(size: int, rng: np.random.Generator) -> Samples:
    """An organ that changes its chord every 0.6 to 2 s."""
    samples = np.zeros(size)
    at = 0
    while at < size:
        length = int(rng.uniform(0.6, 2.0) * SAMPLE_RATE)
        root_hz = 110.0 * SEMITONE ** rng.integers(0, 13)
        third = rng.choice([3, 4])
        for step in (0, third, 7, 12):
            _add(samples, at, _note(length, root_hz * SEMITONE**step, harmonics=6, fall=1.0))
        at += length
    return samples


def melody(size: int, rng: np.random.Generator) -> Samples:
    """A plucked pentatonic tune with a bass and a drum: music on hold."""
    samples = np.zeros(size)
    beat = int(rng.uniform(0.22, 0.4) * SAMPLE_RATE)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    for number, at in enumerate(range(0, size, beat)):
        if rng.random() < 0.8:
            pitch_hz = 261.6 * SEMITONE ** rng.choice(scale)
            _add(samples, at, _note(2 * beat, pitch_hz, harmonics=8, fall=6.0))
        if number % 4 == 0:
            pitch_hz = 65.4 * SEMITONE ** rng.choice([0, 5, 7])
            _add(samples, at, 1.5 * _note(3 * beat, pitch_hz, harmonics=4, fall=3.0))
        if number % 2:
            _add(samples, at, 0.5 * rng.standard_normal(beat // 3) * _fall(beat // 3, 30.0))
    return samples


def dialling(size: int, rng: np.random.Generator) -> Samples:
    """Keys of a telephone: two tones for 80 to 200 ms each."""
    samples = np.zeros(size)
    at = 0
    while at < size:
        length = int(rng.uniform(0.08, 0.2) * SAMPLE_RATE)
        for group in DTMF_HZ:
            _add(samples, at, _tone(length, float(rng.choice(group))))
        at += length + int(rng.choice([0.08, 0.15, 0.3, 1.5]) * SAMPLE_RATE)
    return samples


def ringing(size: int, rng: np.random.Generator) -> Samples:
    """The other end rings: two tones for 2 s, 4 s nothing."""
    begin = int(rng.uniform(0.0, RING_CYCLE_S) * SAMPLE_RATE)
    time_s = (np.arange(size) + begin) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in RING_HZ)
    return np.asarray(tones) * (time_s % RING_CYCLE_S < RING_ON_S)


def silence(size: int, rng: np.random.Generator) -> Samples:
    """Digital: a microphone that is switched off."""
    return np.zeros(size)


def desk(size: int, rng: np.random.Generator) -> Samples:
    """Somebody types beside a fan under mains hum."""
    fan = _unit(_coloured(size, rng, 0.5)) + 0.5 * _unit(hum_50(size, rng))
    return fan + rng.uniform(0.5, 3.0) * _unit(keyboard(size, rng))


def street(size: int, rng: np.random.Generator) -> Samples:
    """A car on its way with the radio on."""
    return _unit(car(size, rng)) + rng.uniform(0.2, 1.0) * _unit(melody(size, rng))


MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        white, pink, brown, hum_50, hum_60, car, keyboard, clatter, babble, breath,
        chords, melody, dialling, ringing, desk, street, silence,
    )
}  # fmt: skip


def _unit(samples: Samples) -> Samples:
    """`samples` with an RMS of 1."""
    rms = float(np.sqrt(np.mean(samples**2)))
    return samples / rms if rms else samples


def _coloured(size: int, rng: np.random.Generator, slope: float, from_hz: float = 20.0) -> Samples:
    """Noise whose amplitude falls as frequency to the power of `slope`, level below `from_hz`."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), from_hz)
    return np.fft.irfft(spectrum / hz**slope, size)


def _band(samples: Samples, low_hz: float, high_hz: float) -> Samples:
    filtered: Samples = sosfilt(
        butter(2, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos"), samples
    )
    return filtered


def _wander(size: int, rng: np.random.Generator, pace_hz: float) -> Samples:
    """A curve from 0 to 1 through random points, `pace_hz` of them a second."""
    points = int(size / SAMPLE_RATE * pace_hz) + 2
    at = np.linspace(0, size, points)
    curve: Samples = np.interp(np.arange(size), at, rng.random(points))
    return curve


def _hum(size: int, rng: np.random.Generator, mains_hz: float) -> Samples:
    """Mains and its harmonics, the odd ones stronger, and a little hiss."""
    time_s = np.arange(size) / SAMPLE_RATE
    samples = 0.02 * rng.standard_normal(size)
    for number in range(1, 13):
        weight = (1.0 if number % 2 else 0.4) / number
        samples += weight * np.sin(2 * np.pi * (number * mains_hz * time_s + rng.random()))
    return samples


def _struck(
    size: int,
    rng: np.random.Generator,
    every_s: tuple[float, float],
    bands_hz: tuple[float, float],
    fade_s: tuple[float, float],
) -> Samples:
    """Blows on hard things: noise through two resonances that fades away."""
    samples = np.zeros(size)
    at = int(rng.uniform(0.0, 0.5) * SAMPLE_RATE)
    while at < size:
        fade = rng.uniform(*fade_s)
        length = int(8 * fade * SAMPLE_RATE)
        blow = np.zeros(length)
        for _ in range(2):
            hz = rng.uniform(*bands_hz)
            blow += _band(rng.standard_normal(length), 0.8 * hz, min(1.2 * hz, 7_900))
        _add(samples, at, _unit(blow) * _fall(length, 1 / fade) * rng.uniform(0.2, 1.0))
        at += int(rng.uniform(*every_s) * SAMPLE_RATE)
        if rng.random() < 0.05:
            at += int(rng.uniform(0.5, 2.5) * SAMPLE_RATE)
    return samples


def _note(length: int, pitch_hz: float, harmonics: int, fall: float) -> Samples:
    samples = sum(
        _tone(length, number * pitch_hz) / number
        for number in range(1, harmonics + 1)
        if number * pitch_hz < SAMPLE_RATE / 2
    )
    attack = np.minimum(np.arange(length) / (0.01 * SAMPLE_RATE), 1.0)
    return samples * attack * _fall(length, fall)


def _tone(length: int, hz: float) -> Samples:
    return np.asarray(np.sin(2 * np.pi * hz * np.arange(length) / SAMPLE_RATE))


def _fall(length: int, per_s: float) -> Samples:
    return np.asarray(np.exp(-per_s * np.arange(length) / SAMPLE_RATE))


def _add(samples: Samples, at: int, piece: Samples) -> None:
    """Mix `piece` in from `at` on; what lies beyond the end is cut off."""
    samples[at : at + len(piece)] += piece[: max(0, len(samples) - at)]
