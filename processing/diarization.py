"""Who speaks when in a recording of everybody on one channel: pyannote.audio, on the CPU.

Its pipeline with weights that packages carry: `pyannote/segmentation` says where up to three voices
are within 5 s, a speaker encoder (`processing.dvector`) how they sound, and clustering puts them
together to as many people as were asked for. What voices sound like is biometric: the vectors live
for as long as `diarized` runs and are neither returned nor written.

It needs the extra ``diarization``. Telemetry, which pyannote.audio sends unless it is told not to,
is off. It looks at no audio file: decoding is `processing.sound`'s.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine import models
from engine.frames import SAMPLE_RATE
from processing.sound import Block
from processing.survey import FULL_SCALE, Survey, mixed
from processing.voices import Turn
from processing.work import Refused

SEGMENTATION: Final = "pyannote-segmentation"
ENCODER: Final = "speaker-encoder"
ONSET: Final = 0.45
"""Probability from which a voice is there."""
STEP: Final = 0.1
"""Of the 5 s that are looked at at once."""
CLUSTERING: Final = "KMeansClustering"
"""The number of people is known; its time grows with the recording's length, where that of the
agglomerative one grows with the square."""
BATCH: Final = 24
_HEARD: Final = 0.25
"""Share of the time that finding voices takes; telling them apart takes the rest."""


def diarized(
    blocks: Iterable[Block],
    found: Survey,
    people: int,
    tell: Callable[[float], None] = lambda share: None,
    *,
    folder: Path | None = None,
) -> list[Turn]:
    """Turns in order of time; persons are numbered in the order of their first words.

    The recording is read once, and kept in a file without a name in `folder` (by default the
    system's for such files, which may be memory) while this runs. Raises `Refused` where this node
    cannot tell voices apart.
    """
    pipeline = _pipeline()
    with tempfile.TemporaryFile(dir=folder) as file:
        waveform = _waveform(blocks, found, file)
        return _turns(pipeline, waveform, people, tell)


def _waveform(blocks: Iterable[Block], found: Survey, file: Any) -> NDArray[np.float32]:
    """The recording as one channel, float32 (samples,), in `file`: four hours are 0.9 GB, which the
    system may take from memory whenever it wants to."""
    file.truncate(found.samples * np.dtype(np.float32).itemsize)
    waveform: NDArray[np.float32] = np.memmap(file, np.float32, "r+", shape=(found.samples,))
    for block in blocks:
        pcm = mixed(block.pcm, found.audible)
        waveform[block.start : block.start + len(pcm)] = pcm / np.float32(FULL_SCALE)
    return waveform


def _turns(
    pipeline: Any, waveform: NDArray[np.float32], people: int, tell: Callable[[float], None]
) -> list[Turn]:
    import torch

    def hook(
        step: str,
        artefact: object,
        file: object = None,
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        if total and completed is not None:
            # It may look at one more than it says: the end of the recording.
            share = min(completed / total, 1.0)
            tell(_HEARD * share if step == "segmentation" else _HEARD + (1.0 - _HEARD) * share)

    sound = {"waveform": torch.from_numpy(waveform)[None], "sample_rate": SAMPLE_RATE, "uri": ""}
    with warnings.catch_warnings():
        # Where fewer voices are found than were asked for, that is what there are.
        warnings.simplefilter("ignore")
        output = pipeline(sound, num_speakers=people, hook=hook)
    found = [
        (segment.start, segment.end, label)
        for segment, _, label in output.speaker_diarization.itertracks(yield_label=True)
    ]
    numbers: dict[str, int] = {}
    turns = []
    for start_s, end_s, label in sorted(found):
        person = numbers.setdefault(label, len(numbers))
        turns.append(Turn(max(round(1000 * start_s), 0), round(1000 * end_s), person))
    return turns


@cache
def _pipeline() -> Any:
    """pyannote.audio's pipeline, ready. Raises `Refused`, and `ModelError` for weights that cannot
    be had."""
    try:
        _import()
    except ImportError as error:
        raise Refused(
            "no_diarization",
            "This server cannot tell people apart on one channel (its operator has not installed "
            "the extra `diarization`): upload the recording with a channel for each person.",
        ) from error
    segmentation = models.ensure(SEGMENTATION, progress=False) / "pytorch_model.bin"
    encoder = models.ensure(ENCODER, progress=False) / "pretrained.pt"
    return _assembled(segmentation, encoder)


def _import() -> None:
    """Import pyannote.audio as this machine can."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    if "torchaudio" not in sys.modules:
        # Its native part is built for CUDA, fails to load beside PyTorch for the CPU, and holds
        # nothing that is used here.
        extension = ModuleType("torchaudio._extension")
        vars(extension).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda at: at)
        sys.modules.setdefault("torchaudio._extension", extension)
    with warnings.catch_warnings():
        # That torchcodec cannot decode files here: none are given to it.
        warnings.simplefilter("ignore")
        import_module("pyannote.audio")
    # It tells of every start that a file of weights is of an older version.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def _assembled(segmentation: Path, encoder: Path) -> Any:
    import torch
    from pyannote.audio import Model
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import SpeakerDiarization

    from processing.dvector import SpeakerEncoder

    # The other cores are live calls'.
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        # That the file is of an older version, which it may be.
        warnings.simplefilter("ignore")
        # The catalogue's checksum vouches for what is unpickled here.
        voices = Model.from_pretrained(segmentation, strict=False)
    pipeline = SpeakerDiarization(
        segmentation=voices,
        segmentation_step=STEP,
        embedding=SpeakerEncoder(encoder),
        # Wanted whatever the clustering, and used by another one only.
        plda=PLDA.__new__(PLDA),
        clustering=CLUSTERING,
        segmentation_batch_size=BATCH,
        embedding_batch_size=BATCH,
    )
    pipeline.instantiate({"segmentation": {"threshold": ONSET, "min_duration_off": 0.0}})
    return pipeline
