"""`benchmarks images`: pictures are shared out and counted, and the report says what was found."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import images, vitals
from benchmarks.images import Found, Rates, per_minute, report, solid
from benchmarks.outlines import Photo

PHOTOS = [
    Photo(name, Path(picture), (0, 0, 9, 9), ((0, 0), (9, 0), (9, 9)))
    for name, picture in (("front", "a"), ("rear", "a"), ("side", "b"))
]


async def test_each_picture_is_cut_out_once_by_whoever_is_free():
    paths = [Path(str(number)) for number in range(20)]
    done: dict[str, list[Path]] = {"slow": [], "quick": []}

    async def slow(path: Path) -> None:
        await asyncio.sleep(0.05)
        done["slow"].append(path)

    async def quick(path: Path) -> None:
        await asyncio.sleep(0.01)
        done["quick"].append(path)

    rate = await per_minute([slow, quick], paths)
    assert sorted(done["slow"] + done["quick"]) == sorted(paths)
    assert len(done["quick"]) > len(done["slow"]) > 0
    assert 0 < rate <= 60 * 20 / 0.05


async def test_what_fails_is_no_rate():
    async def cut(path: Path) -> None:
        raise ConnectionError(path.name)

    with pytest.raises(ExceptionGroup):
        await per_minute([cut], [Path("car.jpg")])


def test_a_mask_is_vehicle_from_half_on():
    mask = np.array([[0, 127, 128, 255]], np.uint8)
    assert solid(mask).tolist() == [[False, False, True, True]]


def test_the_most_that_was_held_does_not_fall():
    before_mb = vitals.peak_mb(os.getpid())
    block = bytearray(os.urandom(1 << 20) * 64)
    most_mb = vitals.peak_mb(os.getpid())
    del block
    assert vitals.peak_mb(os.getpid()) >= most_mb >= before_mb
    assert most_mb >= vitals.of(os.getpid()).rss_mb - 1


@pytest.fixture
def found() -> Found:
    return Found(
        Rates(low=[100.0, 140.0, 120.0], high=[9.0, 11.0, 10.0], server_low=[80.0, 60.0, 70.0]),
        rss_mb=[400.0, 410.0, 405.0],
        peak_mb=812.4,
        server_peak_mb=1600.6,
        agreements=[0.9991, 0.9982],
        overlaps={"low": [0.9, 0.7, 0.8]},
    )


def test_the_report_has_the_median_of_the_rounds_and_the_worst_agreement(found: Found):
    figures = report(found, PHOTOS, 0.1).figures
    assert figures["images_per_min_low"] == 120.0
    assert figures["images_per_min_high"] == 10.0
    assert figures["rembg_server_images_per_min"] == 70.0
    assert figures["peak_rss_mb"] == 812
    assert figures["mask_iou_min"] == 0.9982
    assert (figures["rss_mb_first"], figures["rss_mb_last"]) == (400, 405)
    assert "rembg_server_images_per_min_high" not in figures


def test_quality_by_hand_made_masks_is_reported_apart(found: Found):
    figures = report(found, PHOTOS, 0.1).figures
    assert figures["quality_iou_median_low"] == 0.8
    assert figures["quality_iou_min_low"] == 0.7
    assert (figures["outlined_photos"], figures["outlined_pictures"]) == (3, 2)


def test_high_stands_beside_rembg_in_the_full_run(found: Found):
    found.rates.server_high = [20.0, 22.0, 21.0]
    assert report(found, PHOTOS, 0.1).figures["rembg_server_images_per_min_high"] == 21.0
    assert images.FULL.rounds * images.FULL.low == 200
