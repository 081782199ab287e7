"""What this machine is good at, found by trying once and kept: arithmetic, batch, cost of a window.

Which compute type is fastest depends on the processor's instructions (int8 without VNNI is no
faster than float32), how many windows share a pass on its caches. A first start takes some seconds
longer for it; the result is kept beside the models, for each processor, model and library version.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import ctranslate2
import numpy as np
import structlog
from pydantic import Field, TypeAdapter, ValidationError

from engine.asr.full_context import FullContextWhisper
from engine.asr.load import Cost
from engine.asr.whisper import ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm
from engine.models import cache_root

log = structlog.get_logger(__name__)

COMPUTE_TYPES = ("int8", "int8_float32", "float32")
BATCHES = (1, 2, 4, 8)
WORTH = 1.05
"""A larger batch keeps its first window waiting: it must be this much cheaper."""
LOOK_S = 3.0
GROWN_S = 0.5
FINAL_S = 4.0
RUNS = 3
LIBRARIES = ("ctranslate2", "numba", "numpy")


@dataclass(frozen=True, slots=True)
class Calibration:
    """`compute_type` is for the full context; `batch` how many windows are decoded together."""

    compute_type: Annotated[str, Field(pattern=r"^(int8|int8_float32|float32)$")]
    batch: Annotated[int, Field(ge=1, le=64)]
    look_s: Annotated[float, Field(gt=0, lt=60)]
    final_s: Annotated[float, Field(gt=0, lt=60)]

    @property
    def cost(self) -> Cost:
        return Cost(self.look_s, self.final_s)


_FILE = TypeAdapter(dict[str, Calibration])


def calibrated(
    folder: Path, options: dict[str, Any], file: Path | None = None
) -> tuple[ShortContextWhisper, Calibration]:
    """The model in `folder`, loaded as suits this machine; `options` are the model's own.

    What was found is kept in `file` (by default beside the models). One that cannot be read or
    written costs the time to find it again.
    """
    file = file or cache_root() / "calibration.json"
    key = _key(folder, options)
    known = _known(file)
    if key in known:
        calibration = known[key]
        model = ShortContextWhisper(folder, **options, compute_type=calibration.compute_type)
        return model, calibration
    compute_type = _fastest_type(folder, options.get("language", "en"))
    model = ShortContextWhisper(folder, **options, compute_type=compute_type)
    look_s, final_s = _costs(model)
    calibration = Calibration(compute_type, _best_batch(model), look_s, final_s)
    log.info("asr_calibrated", **asdict(calibration))
    _keep(file, known | {key: calibration})
    return model, calibration


def _key(folder: Path, options: dict[str, Any]) -> str:
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        told = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
        processor += sha256("".join(sorted(told)).encode()).hexdigest()[:16]
    except OSError:
        log.debug("no_cpuinfo")
    libraries = [version(name) for name in LIBRARIES]
    return " ".join([processor, folder.name, json.dumps(options, sort_keys=True), *libraries])


def _known(file: Path) -> dict[str, Calibration]:
    try:
        return _FILE.validate_json(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        log.warning("asr_calibration_unreadable", file=str(file), error=str(error))
        return {}


def _keep(file: Path, known: dict[str, Calibration]) -> None:
    aside = file.with_suffix(f".{time.monotonic_ns()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(_FILE.dump_json(known, indent=1))
        aside.replace(file)
    except OSError as error:
        log.warning("asr_calibration_not_kept", file=str(file), error=str(error))


def _fastest_type(folder: Path, language: str) -> str:
    supported = ctranslate2.get_supported_compute_types("cpu")
    audio = _noise(FINAL_S)
    times = {}
    for compute_type in COMPUTE_TYPES:
        if compute_type in supported:
            model = FullContextWhisper(folder, language=language, compute_type=compute_type)
            times[compute_type] = _time(partial(model.decode, audio, False))
    return min(times, key=lambda name: times[name])


def _costs(model: ShortContextWhisper) -> tuple[float, float]:
    audio = _noise(LOOK_S)
    before = audio[: int((LOOK_S - GROWN_S) * SAMPLE_RATE)]
    looks = []
    for _ in range(RUNS):
        model.decode([before], [False], ["look"])
        begun_s = time.process_time()
        model.decode([audio], [False], ["look"])
        looks.append(time.process_time() - begun_s)
    model.forget("look")
    final = _noise(FINAL_S)
    return min(looks), _time(partial(model.decode, [final], [True]))


def _best_batch(model: ShortContextWhisper) -> int:
    audio = _noise(LOOK_S)
    each = {
        size: _time(partial(model.decode, [audio] * size, [False] * size)) / size
        for size in BATCHES
    }
    best = min(each.values())
    return next(size for size in BATCHES if each[size] <= WORTH * best)


def _time(work: Callable[[], object]) -> float:
    """Seconds of CPU, at best: others on the machine can only add."""
    work()
    seconds = []
    for _ in range(RUNS):
        begun_s = time.process_time()
        work()
        seconds.append(time.process_time() - begun_s)
    return min(seconds)


def _noise(seconds: float) -> Pcm:
    """Seeded noise with the loudness and the rhythm of syllables."""
    count = int(seconds * SAMPLE_RATE)
    beat = 1 + np.sin(2 * np.pi * 4 * np.arange(count) / SAMPLE_RATE)
    white = np.random.default_rng(1).standard_normal(count)
    return (1500 * beat * white).clip(-32768, 32767).astype(np.int16)
