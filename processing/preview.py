"""A small picture of an upload, for a page to show: pixels that were decoded and written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image

from processing import pictures
from processing.work import Tell

MAX_SIDE: Final = 960
"""Pixels: enough to compare a photo with what was made of it on a screen."""
QUALITY: Final = 80


def work_preview(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """A WebP of each of `inputs`, at most `MAX_SIDE` wide and high. Raises `Refused`."""
    made = []
    for number, path in enumerate(inputs):
        tell("decoding", 100 * number // len(inputs))
        image = pictures.read(path)
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
        made.append(outputs / f"{number:03d}.webp")
        pictures.write(image, made[-1], "webp", QUALITY)
    return made
