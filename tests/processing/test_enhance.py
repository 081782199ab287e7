from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from processing.enhance import Steps, enhanced

NOTHING = Steps(white_balance=False, exposure=False, contrast=False, sharpen=False)


def photo(low: int = 40, high: int = 110) -> Image.Image:
    """Dark and flat: noise between two levels."""
    rng = np.random.default_rng(8)
    return Image.fromarray(rng.integers(low, high, (90, 120, 3), np.uint8))


def test_a_dark_flat_photo_becomes_brighter_and_has_more_contrast() -> None:
    before, after = np.asarray(photo()), np.asarray(enhanced(photo(), Steps(sharpen=False)))
    assert after.mean() > before.mean() + 15
    assert after.std() > 1.2 * before.std()


def test_a_cast_is_lessened() -> None:
    cast = Image.fromarray((np.asarray(photo(60, 200)) * [1.0, 0.95, 0.8]).astype(np.uint8))
    only = Steps(exposure=False, contrast=False, sharpen=False)
    means = np.asarray(enhanced(cast, only)).mean(axis=(0, 1))
    assert np.ptp(means) < 0.3 * np.ptp(np.asarray(cast).mean(axis=(0, 1)))


def test_nothing_asked_for_changes_nothing() -> None:
    assert np.array_equal(np.asarray(enhanced(photo(), NOTHING)), np.asarray(photo()))


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_of_one_level_stays_sound(level: int) -> None:
    plain = Image.new("RGB", (16, 16), (level, level, level))
    assert np.ptp(np.asarray(enhanced(plain, Steps()))) == 0


def test_what_is_transparent_stays_so() -> None:
    image = photo().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    after = enhanced(image, Steps(max_side=64))
    assert after.size == (64, 48)
    assert after.getchannel("A").getextrema() == (0, 0)
