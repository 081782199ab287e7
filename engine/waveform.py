"""What a recording looks like from afar: its largest sample in each twentieth of a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

PEAKS_PER_S = 20
MAX_S = 12 * 3600
"""Longer than any call: what lies behind it is left out."""


class Waveform:
    """Takes a recording piece by piece, at `rate` samples per second, a multiple of 20.

    Holds one byte for each peak, whatever the length of what is pushed.
    """

    def __init__(self, rate: int) -> None:
        """Raises `ValueError` for a rate of which a peak is no whole number of samples."""
        if rate <= 0 or rate % PEAKS_PER_S:
            raise ValueError(f"{rate} samples per second make no {PEAKS_PER_S} whole peaks")
        self._per_peak = rate // PEAKS_PER_S
        self._peaks = np.zeros(0, np.uint8)
        self._end = 0
        self._length = 0

    def push(self, pcm: npt.NDArray[Any], start: int | None = None) -> None:
        """`pcm`: int16[n], or float32[n] of full scale 1.0, from sample `start` on, or right behind
        what came last. What never comes is silent; what comes twice counts as its louder part.

        Raises `ValueError` for another shape or type.
        """
        if pcm.ndim != 1 or pcm.dtype not in (np.int16, np.float32):
            raise ValueError(f"a waveform is made of int16[n] or float32[n], not {pcm.dtype}")
        at = self._end if start is None else max(start, 0)
        room = MAX_S * PEAKS_PER_S * self._per_peak - at
        if room <= 0 or not len(pcm):
            return
        pcm = pcm[:room]
        self._end = at + len(pcm)
        self._length = max(self._length, self._end)
        full = 32768.0 if pcm.dtype == np.int16 else 1.0
        loud = np.abs(pcm.astype(np.float32)) * np.float32(255.0 / full)
        # Peaks begin at whole multiples of their length: the first piece may be a shorter one.
        first, offset = divmod(at, self._per_peak)
        cuts = np.arange(self._per_peak - offset, len(loud), self._per_peak)
        found = np.maximum.reduceat(loud, np.concatenate(([0], cuts)))
        found = np.minimum(np.rint(np.nan_to_num(found)), 255).astype(np.uint8)
        self._reach(first + len(found))
        part = self._peaks[first : first + len(found)]
        np.maximum(part, found, out=part)

    @property
    def peaks(self) -> Bytes:
        """uint8[20 a second]: ``max |sample| / full scale * 255`` of each, rounded."""
        return self._peaks[: -(-self._length // self._per_peak)].copy()

    def _reach(self, length: int) -> None:
        if length > len(self._peaks):
            grown = np.zeros(max(length, 2 * len(self._peaks), 1024), np.uint8)
            grown[: len(self._peaks)] = self._peaks
            self._peaks = grown
