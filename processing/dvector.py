"""Voices as vectors: the GE2E speaker encoder with Resemblyzer's weights, on what pyannote masks.

Wan, Wang, Papir, Moreno, "Generalized End-to-End Loss for Speaker Verification" (2018): three
layers of LSTM over 1.6 s of a 40-band mel spectrum, the last state projected onto 256 numbers of
length one. A voice's vector is the mean of those of its stretches of 1.6 s, half of each shared
with the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from torchaudio.functional import melscale_fbanks

from engine.frames import SAMPLE_RATE

WINDOW: Final = 400
HOP: Final = 160
BANDS: Final = 40
WIDTH: Final = 256
LAYERS: Final = 3
STRETCH: Final = 160
"""Frames (1.6 s) that the network was trained on."""
STEP: Final = 80
LEVEL_DB: Final = -30.0
"""Quieter voices are made this loud: the spectrum is not logarithmic."""


class SpeakerEncoder(Model):  # type: ignore[misc]
    """A model as pyannote.audio's pipelines take them for speaker embeddings."""

    dimension = WIDTH

    def __init__(self, weights: Path) -> None:
        super().__init__(sample_rate=SAMPLE_RATE)
        self.specifications = Specifications(
            Problem.REPRESENTATION, Resolution.CHUNK, duration=STRETCH * HOP / SAMPLE_RATE
        )
        self.lstm = torch.nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = torch.nn.Linear(WIDTH, WIDTH)
        state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        own = {name: value for name, value in state.items() if name.startswith(("lstm", "linear"))}
        self.load_state_dict(own)
        # Here, so that they are not looked for among the weights.
        bands = melscale_fbanks(
            WINDOW // 2 + 1, 0.0, SAMPLE_RATE / 2, BANDS, SAMPLE_RATE, "slaney", "slaney"
        )
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, waveforms: Any, weights: Any) -> Any:
        """float32 (batch, 256) of `waveforms`, float32 (batch, 1, samples), where their `weights`,
        (batch, frames) of 0 and 1, are 1. NaN where they never are."""
        owners: list[int] = []
        stretches: list[Any] = []
        for owner, (waveform, mask) in enumerate(zip(waveforms[:, 0], weights, strict=True)):
            for stretch in self._stretches(waveform, mask):
                owners.append(owner)
                stretches.append(stretch)
        vectors = torch.full((len(waveforms), WIDTH), torch.nan)
        if not stretches:
            return vectors
        _, (state, _) = self.lstm(torch.stack(stretches))
        found = torch.nn.functional.normalize(torch.relu(self.linear(state[-1])), dim=1)
        owned = torch.tensor(owners)
        for owner in dict.fromkeys(owners):
            mean = found[owned == owner].mean(dim=0)
            vectors[owner] = mean / mean.norm()
        return vectors

    def _stretches(self, waveform: Any, mask: Any) -> Iterator[Any]:
        """Mel spectra of `STRETCH` frames of what is said in `waveform` where `mask` is 1."""
        if not mask.any():
            return
        spectrum = torch.stft(
            waveform, WINDOW, HOP, window=self.window, pad_mode="constant", return_complex=True
        )
        mel = (spectrum.abs() ** 2).T @ self.bands
        at = torch.arange(len(mel)) * len(mask) // len(mel)
        spoken = mask[at] > 0.5
        mel = mel[spoken]
        samples = spoken[: len(waveform) // HOP].repeat_interleave(HOP)
        power = float((waveform[: len(samples)][samples] ** 2).mean())
        mel = mel * max(1.0, 10.0 ** (LEVEL_DB / 10.0) / max(power, 1e-12))
        if len(mel) < STRETCH:
            yield torch.nn.functional.pad(mel, (0, 0, 0, STRETCH - len(mel)))
            return
        for first in range(0, len(mel) - STRETCH + 1, STEP):
            yield mel[first : first + STRETCH]
