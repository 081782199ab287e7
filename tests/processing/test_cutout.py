"""Masks on made and on real pictures; those with the model run it as the worker does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from processing.cutout import Mask, guided, largest_object, raw_mask, refined, shot

DATA = os.environ.get("FORECOURT_TEST_DATA", "")
PHOTOS = sorted(Path(DATA, "vehicles").rglob("*truck.jpg")) if DATA else []


def mask_of(*boxes: tuple[int, int, int, int]) -> Mask:
    image = Image.new("L", (400, 300))
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, fill=255)
    return np.array(image)


def test_somebody_who_walks_by_is_dropped() -> None:
    both = mask_of((50, 100, 250, 200), (320, 120, 345, 200))
    assert np.array_equal(largest_object(both), mask_of((50, 100, 250, 200)))


@pytest.mark.parametrize("left", [201, 215])
def test_two_cars_are_kept_whether_they_touch_or_not(left: int) -> None:
    both = mask_of((20, 100, 200, 200), (left, 110, left + 150, 200))
    assert np.array_equal(largest_object(both), both)


def test_an_edge_is_moved_onto_the_pictures_own() -> None:
    truth = mask_of((100, 80, 300, 220))
    photo = Image.fromarray(np.where(truth > 0, 40, 220).astype(np.uint8)).convert("RGB")
    blurred = Image.fromarray(truth).filter(ImageFilter.GaussianBlur(2))
    before, after = np.array(blurred), guided(photo, np.array(blurred))
    wrong = [np.abs(each.astype(int) - truth).mean() for each in (before, after)]
    assert wrong[1] < 0.9 * wrong[0]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (((50, 100, 300, 250),), "exterior"),
        (((0, 100, 399, 250),), "exterior"),
        (((0, 50, 399, 299),), "detail"),
        (((0, 0, 399, 299),), "interior"),
        ((), "none"),
    ],
)
def test_what_is_shown_is_guessed_by_the_sides_it_runs_out_of(
    boxes: tuple[tuple[int, int, int, int], ...], expected: str
) -> None:
    assert shot(mask_of(*boxes)) == expected


def scene() -> tuple[Image.Image, Mask]:
    """A dark van before a plain wall, and where it is."""
    image = Image.new("RGB", (400, 300), (205, 210, 215))
    draw = ImageDraw.Draw(image)
    draw.rectangle((90, 110, 310, 210), fill=(150, 25, 25))
    draw.rectangle((110, 125, 180, 160), fill=(30, 40, 50))
    return image, mask_of((90, 110, 310, 210))


@pytest.mark.slow
def test_rembgs_model_finds_what_stands_out() -> None:
    image, truth = scene()
    found = refined(image, raw_mask(image, "u2netp"), "low") > 127
    assert (found & (truth > 0)).sum() / (found | (truth > 0)).sum() > 0.85


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.name)
def test_the_low_mask_of_a_real_photo_is_as_large_as_it_and_certain(path: Path) -> None:
    image = Image.open(path).convert("RGB")
    mask = raw_mask(image, "u2netp")
    assert mask.shape == image.size[::-1]
    assert 0.05 < (mask > 127).mean() < 0.9
