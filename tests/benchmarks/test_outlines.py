"""Hand-made masks: what a file of outlines means, and that each fits the picture it names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import outlines
from benchmarks.outlines import Photo, overlap

FILES = sorted(outlines.MASKS.glob("*.toml"))
SQUARE = ((1.0, 1.0), (5.0, 1.0), (5.0, 4.0), (1.0, 4.0))


def area(corners: list[list[float]]) -> float:
    """Of a polygon, in pixels: the shoelace formula."""
    x, y = np.asarray(corners).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def length(corners: list[list[float]]) -> float:
    """Of a polygon's sides together, in pixels."""
    steps = np.asarray(corners) - np.roll(corners, 1, axis=0)
    return float(np.hypot(*steps.T).sum())


def test_a_mask_holds_the_pixels_inside_its_outline():
    mask = Photo("square", Path(), (0, 0, 8, 6), SQUARE).mask()
    assert mask.shape == (6, 8)
    assert mask.sum() == 12
    assert mask[1:4, 1:5].all()


def test_a_mask_is_of_the_photo_and_not_of_the_whole_picture():
    mask = Photo("square", Path(), (2, 2, 8, 6), SQUARE).mask()
    assert mask.shape == (4, 6)
    assert mask.sum() == 6
    assert mask[:2, :3].all()


@pytest.mark.parametrize(("right", "pixels"), [(5.25, 12), (5.75, 15)])
def test_a_pixel_counts_when_half_of_it_is_inside(right: float, pixels: int):
    outline = tuple((right if x == 5 else x, y) for x, y in SQUARE)
    assert Photo("square", Path(), (0, 0, 8, 6), outline).mask().sum() == pixels


def test_overlap_is_intersection_over_union():
    one, other = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    assert overlap(one, other) == 1.0
    one[:, :3] = True
    assert overlap(one, other) == 0.0
    other[:, 1:] = True
    assert overlap(one, other) == 0.5
    assert overlap(one, one) == 1.0


def test_there_are_at_least_twenty_photos():
    tables = [tomllib.loads(file.read_text()) for file in FILES]
    photos = [
        (table["sha256"], *box)
        for table in tables
        for vehicle in table["vehicles"]
        for box in vehicle["photos"]
    ]
    assert len(photos) == len(set(photos)) >= 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_vehicle_fills_a_fair_part_of_each_of_its_photos(file: Path):
    table = tomllib.loads(file.read_text())
    for vehicle in table["vehicles"]:
        assert len(vehicle["outline"]) >= 20
        outline = tuple((x, y) for x, y in vehicle["outline"])
        for left, top, right, bottom in vehicle["photos"]:
            mask = Photo(vehicle["name"], Path(), (left, top, right, bottom), outline).mask()
            assert 0.1 < mask.mean() < 0.8
            # An outline that crosses itself would have a smaller area by the formula.
            if all(left <= x <= right and top <= y <= bottom for x, y in outline):
                quarter = length(vehicle["outline"]) / 4
                assert mask.sum() == pytest.approx(area(vehicle["outline"]), abs=quarter)


def test_outlines_are_found_by_the_content_of_a_picture(tmp_path: Path):
    shipped = outlines.found()[:3]
    copied = tmp_path / "renamed.bin"
    copied.write_bytes(shipped[0].read_bytes())
    (photo,) = outlines.photos([copied])
    assert photo.picture == copied
    assert photo.image().size == (518, 331)
    copied.write_bytes(copied.read_bytes() + b"\0")
    assert outlines.photos([copied]) == []


def test_every_package_shipped_picture_has_outlines_within_it():
    shipped = [path for path in outlines.found() if "forecourt" in path.parts]
    photos = outlines.photos(shipped)
    assert {photo.picture for photo in photos} == set(shipped)
    for photo in photos:
        with Image.open(photo.picture) as picture:
            width, height = picture.size
        left, top, right, bottom = photo.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert photo.image().size == (right - left, bottom - top)


@pytest.mark.test_data("vehicles/**/*.jpg", "vehicles/**/*.png")
def test_every_picture_of_the_test_data_has_outlines_within_it(data_file: Path):
    photos = outlines.photos([data_file])
    with Image.open(data_file) as picture:
        width, height = picture.size
    assert photos
    assert all(photo.box[2] <= width and photo.box[3] <= height for photo in photos)
