"""Vehicles outlined by hand, and photos of them.

A file in `masks/` names a picture by its sha256 and holds its vehicles: the corners of each one's
outline in pixels of the picture, and the parts of the picture which are photos of it (left, top,
right, bottom). The corners were set by eye on enlarged parts of the picture, never from a model.
Glass is part of a vehicle; its shadow, and what stands before it, is not.

The pictures are those that packages ship (`pictures.toml`) and, where `FORECOURT_TEST_DATA` names a
folder, those in its `vehicles/`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.transcribed import root
from engine.models import Catalogue
from processing import pictures

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "pictures.toml"
MASKS = FOLDER / "masks"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FINE = 4
"""An outline is filled on a grid so many times as fine; a pixel counts when half of it is in."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of one vehicle: the `box` of a picture (left, top, right, bottom) and its outline."""

    vehicle: str
    picture: Path
    box: tuple[int, int, int, int]
    outline: tuple[tuple[float, float], ...]

    def image(self) -> Image.Image:
        return pictures.read(self.picture).crop(self.box)

    def mask(self) -> Mask:
        """The vehicle's pixels of `image`, (height, width)."""
        left, top, right, bottom = self.box
        canvas = Image.new("L", ((right - left) * FINE, (bottom - top) * FINE))
        # Pillow's corners are centres of pixels.
        corners = [((x - left) * FINE - 0.5, (y - top) * FINE - 0.5) for x, y in self.outline]
        ImageDraw.Draw(canvas).polygon(corners, fill=255)
        return np.asarray(canvas.reduce(FINE)) >= 128


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def found() -> list[Path]:
    """Pictures of vehicles on this machine, package-shipped ones first."""
    catalogue = Catalogue.load(PICTURES)
    paths = []
    for name, entry in catalogue.entries.items():
        folder = catalogue.ensure(name, repair=True)
        paths += [folder / file.path for file in entry.files]
    if (outside := root()) is not None:
        paths += sorted(path for path in outside.glob("vehicles/**/*") if path.suffix in SUFFIXES)
    return paths


def photos(paths: Sequence[Path]) -> list[Photo]:
    """Those of vehicles which are outlined, in the pictures `paths`."""
    by_content = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    made: list[Photo] = []
    for file in sorted(MASKS.glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        if (picture := by_content.get(table["sha256"])) is not None:
            made += [photo for vehicle in table["vehicles"] for photo in _of(vehicle, picture)]
    return made


def _of(vehicle: dict[str, Any], picture: Path) -> list[Photo]:
    outline = tuple((x, y) for x, y in vehicle["outline"])
    return [Photo(vehicle["name"], picture, tuple(box), outline) for box in vehicle["photos"]]
