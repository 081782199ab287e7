"""Whisper's log-mel spectrum, frame by frame, so that a growing window is not analysed anew.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), 2.2: 80 mel
bands of a 25 ms Hann window every 10 ms. Frame i is centred on sample 160 i.
"""

from __future__ import annotations

import numpy as np

from engine.asr.kernels import Floats
from engine.frames import SAMPLE_RATE, Pcm

HOP = 160
PER_S = 100
BANDS = 80
WINDOW = 400
_HALF = WINDOW // 2
_LINEAR_HZ, _LINEAR_MELS = 1_000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0
RANGE = 8.0
"""What lies further below the loudest band than this, in powers of ten, is lifted to there."""


class LogMel:
    """Stateless; holds the window and the bands."""

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        self._bands = _bands()

    def frames(self, pcm: Pcm, first: int, last: int) -> Floats:
        """log10 of the band powers of frames `first` to before `last`: (frames, 80).

        `pcm` is int16 at 16 kHz, the window from its start; behind its end lies silence.
        """
        begin, end = first * HOP - _HALF, (last - 1) * HOP + _HALF
        samples = np.zeros(end - begin, np.float32)
        held = pcm[max(begin, 0) : end]
        samples[max(-begin, 0) : max(-begin, 0) + len(held)] = held
        samples /= 32768.0
        if begin < 0:
            # Whisper was trained on spectra whose edges mirror the audio.
            mirrored = samples[-begin + 1 : -2 * begin + 1][::-1]
            samples[-begin - len(mirrored) : -begin] = mirrored
        framed = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
        spectrum = np.fft.rfft(framed * self._window, axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        logs: Floats = np.log10(np.maximum(power.astype(np.float32) @ self._bands, 1e-10))
        return logs


def _bands() -> Floats:
    """Weights (201 bins, 80 bands): triangles of equal area, evenly spaced in Slaney's mel, which
    is linear below 1 kHz and logarithmic above (Auditory Toolbox, 1998)."""
    bins_hz = np.arange(_HALF + 1) * SAMPLE_RATE / WINDOW
    top = _LINEAR_MELS + np.log(SAMPLE_RATE / 2 / _LINEAR_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, BANDS + 2)
    edges_hz = np.where(
        mels < _LINEAR_MELS,
        mels * _LINEAR_HZ / _LINEAR_MELS,
        _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MELS)),
    )
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz[:, None] - low) / (middle - low)
    falling = (high - bins_hz[:, None]) / (high - middle)
    triangles = np.maximum(np.minimum(rising, falling), 0.0) * 2.0 / (high - low)
    return np.ascontiguousarray(triangles, np.float32)


def scaled(logs: Floats) -> Floats:
    """What the encoder takes: the logs of a whole window within `RANGE` of its loudest band."""
    top = logs.max()
    lifted: Floats = np.maximum(logs, top - RANGE)
    lifted += 4.0
    lifted /= 4.0
    return lifted
