"""Whether a microphone hears what is played to its person: the echo of a loudspeaker.

What is played reaches the microphone later, coloured by a room, and mixed with the person's own
voice. While something is played, every half second of session time the two are correlated over the
last `WINDOW_S` with the phase transform (Knapp & Carter, "The generalized correlation method for
estimation of time delay", IEEE Transactions on Acoustics, Speech, and Signal Processing 24(4),
1976): each frequency counts alike, so that the person's own voice, which is none of what was
played, adds no peak however loud it is. The correlations are added up with a memory of some 10 s.
An echo is a peak that stands `PEAK` standard deviations out of the rest, at the same lag in two of
three looks.

Measured over Opus, with a room of 0.35 s: echoes 20 dB below a voice that talks over them all the
time are found within 15 s, at -10 dB within 3 s, alone within 2 s, and 30 dB below not; two people
at once or in turns, noise, hum and the same speaker's other words stay below 6 in 95 % of looks,
and below `PEAK` in all (`tests/analyzers/test_echo.py`).
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from analyzers.frame import Pcm

WINDOW_S: Final = 2.5
LEAST_LAG_S: Final = 0.03
"""A packet, a jitter buffer and two sound cards take longer; below, voices are alike by pitch."""
MOST_LAG_S: Final = 0.8
"""From a node to a loudspeaker and back by way of the microphone."""
LOOK_EVERY_S: Final = 0.5
LOW_HZ: Final = 200.0
HIGH_HZ: Final = 3_600.0
"""Below lies hum, which both may have from the mains."""
AUDIBLE_RMS: Final = 60.0
"""Of int16 (-55 dBFS): less is nothing that could be heard in a room."""
PLAYED_S: Final = 0.6
"""So much of what was played lately must have been audible for a look."""
SILENT_RMS: Final = 8.0
"""Of int16 (-72 dBFS): a microphone below it hears nothing."""
MEMORY: Final = 0.95
"""What a look leaves of the ones before."""
PEAK: Final = 7.0
SAME_LAG_S: Final = 0.003
GONE_AFTER_S: Final = 5.0
"""Of looks without an echo."""

_INPUT_RATE = 16_000
_RATE = 8_000
_FRAME_S = 0.02
_WINDOW = round(WINDOW_S * _RATE)
_LEAST = round(LEAST_LAG_S * _RATE)
_MOST = round(MOST_LAG_S * _RATE)
_SIZE = fft.next_fast_len(_WINDOW + 2 * _MOST, real=True)
_KEPT = _WINDOW + _MOST + _RATE
"""A second more: one of the two may be that much ahead."""

Samples = NDArray[np.float32]


class _Line:
    """The newest `_KEPT` samples of a sound at 8 kHz, by their number in session time."""

    def __init__(self) -> None:
        self.end = 0
        self._ring = np.zeros(_KEPT, np.float32)

    def add(self, start: int, samples: Samples) -> None:
        """Put `samples` on top of what is there; what is older than the line is left out."""
        end = start + samples.size
        if start < self.end - _KEPT:
            return
        if end > self.end:
            self._clear(end)
        at = start % _KEPT
        head = min(samples.size, _KEPT - at)
        self._ring[at : at + head] += samples[:head]
        self._ring[: samples.size - head] += samples[head:]

    def last(self, end: int, count: int) -> Samples:
        """The `count` samples before `end`; silence where there are none."""
        self._clear(end)
        return np.take(self._ring, np.arange(end - count, end), mode="wrap")

    def _clear(self, end: int) -> None:
        """Silence from where the line ends up to `end`."""
        count = end - self.end
        if count <= 0:
            return
        if count >= _KEPT:
            self._ring[:] = 0.0
        else:
            at = self.end % _KEPT
            head = min(count, _KEPT - at)
            self._ring[at : at + head] = 0.0
            self._ring[: count - head] = 0.0
        self.end = end


class Echo:
    """One microphone's. Both sounds come in frames of int16 (320,) at 16 kHz, each in its own
    order, by their first sample on session time; where several people are played at once, their
    frames add up. A frame takes some 15 us, a look (two a second while something is played) 2 ms.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.lag_ms: float | None = None
        """From what is played to the microphone, when the echo was last found."""
        self._played = _Line()
        self._heard = _Line()
        self._audible: deque[int] = deque(maxlen=round((WINDOW_S + MOST_LAG_S) / _FRAME_S) * 4)
        self._next = 0
        self._sum = np.zeros(_MOST - _LEAST, np.float32)
        self._lags: deque[int | None] = deque([None] * 3, maxlen=3)
        self._without_s = 0.0
        hz = fft.rfftfreq(_SIZE, 1 / _RATE)
        self._band = ((hz >= LOW_HZ) & (hz <= HIGH_HZ)).astype(np.float32)
        self._window = np.hanning(_WINDOW).astype(np.float32)

    def play(self, start_sample: int, pcm: Pcm) -> None:
        """A frame of what is played to the person."""
        start, samples = start_sample // 2, _halved(pcm)
        if np.dot(samples, samples) > AUDIBLE_RMS**2 * samples.size:
            self._audible.append(start)
        self._played.add(start, samples)

    def hear(self, start_sample: int, pcm: Pcm) -> bool | None:
        """A frame of the microphone: whether there is an echo, where that changes; else None."""
        self._heard.add(start_sample // 2, _halved(pcm))
        end = self._heard.end
        if end < self._next:
            return None
        self._next = end + round(LOOK_EVERY_S * _RATE)
        since = end - _WINDOW - _MOST
        while self._audible and self._audible[0] < since:
            self._audible.popleft()
        if len(self._audible) * _FRAME_S < PLAYED_S:
            return None
        return self._judge(self._look(end))

    def _look(self, end: int) -> int | None:
        """The lag of a peak in 8 kHz samples, None where there is none."""
        heard = self._heard.last(end, _WINDOW)
        if np.dot(heard, heard) < SILENT_RMS**2 * _WINDOW:
            return None
        played = fft.rfft(self._played.last(end, _WINDOW + _MOST), _SIZE)
        cross = fft.rfft(heard * self._window, _SIZE) * np.conj(played)
        cross *= self._band / (np.abs(cross) + np.float32(1e-9))
        # What was played begins _MOST earlier: a lag of _MOST lies at 0, shorter ones wrap around.
        self._sum *= MEMORY
        self._sum += fft.irfft(cross, _SIZE)[_LEAST - _MOST :]
        at = int(np.argmax(self._sum))
        return at + _LEAST if self._sum[at] >= PEAK * float(np.std(self._sum)) else None

    def _judge(self, lag: int | None) -> bool | None:
        same = lag is not None and any(
            before is not None and abs(before - lag) <= SAME_LAG_S * _RATE
            for before in list(self._lags)[1:]
        )
        self._lags.append(lag)
        if lag is not None and same:
            self._without_s = 0.0
            self.lag_ms = 1000 * lag / _RATE
            changed, self.is_on = not self.is_on, True
            return True if changed else None
        self._without_s += LOOK_EVERY_S
        if self.is_on and self._without_s >= GONE_AFTER_S:
            self.is_on = False
            return False
        return None


def _halved(pcm: Pcm) -> Samples:
    """At 8 kHz: the mean of each two samples, which is filter enough for `HIGH_HZ`."""
    halved: Samples = pcm.reshape(-1, 2).sum(axis=1, dtype=np.int32).astype(np.float32)
    halved *= np.float32(0.5)
    return halved
