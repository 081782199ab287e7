"""Whisper's log-mel spectrum, frame by frame, so that a growing window is not analysed anew.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), 2.2: 80 mel
bands of a 25 ms Hann window every 10 ms. Frame i is centred on sample 160 i.
"""

from __future__ import annotations

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from engine.asr.kernels import Floats
from engine.frames import Pcm

HOP = 160
PER_S = 100
BANDS = 80
WINDOW = 400
_HALF = WINDOW // 2
RANGE = 8.0
"""What lies further below the loudest band than this, in powers of ten, is lifted to there."""


class LogMel:
    """Stateless; holds the window and the bands."""

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        bands = np.asarray(FeatureExtractor(feature_size=BANDS).mel_filters, np.float32)
        self._bands = np.ascontiguousarray(bands.T)

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


def scaled(logs: Floats) -> Floats:
    """What the encoder takes: the logs of a whole window within `RANGE` of its loudest band."""
    top = logs.max()
    lifted: Floats = np.maximum(logs, top - RANGE)
    lifted += 4.0
    lifted /= 4.0
    return lifted
