"""Pictures as a platform wants them: cut to its shape, and no larger than it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps

from processing import pictures
from processing.work import Tell

QUALITY: Final = 88


def work_fit(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """A JPEG of each of `inputs`, of `width` to `height` and at most so many pixels: one that is
    smaller is cut and not enlarged. Raises `Refused`."""
    width, height = int(settings["width"]), int(settings["height"])
    made = []
    for number, path in enumerate(inputs):
        tell("decoding", 100 * number // len(inputs))
        image = pictures.read(path)
        scale = min(1.0, image.width / width, image.height / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        fitted = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        made.append(outputs / f"{number:03d}.jpg")
        pictures.write(fitted, made[-1], "jpeg", QUALITY)
    return made
