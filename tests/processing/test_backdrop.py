from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from processing.backdrop import Aspect, Backdrop, Corner, Kind, backed, framed, shadow, stamped


def car() -> Image.Image:
    """A red box on two wheels, 120 x 60 pixels of a transparent 300 x 200."""
    image = Image.new("RGBA", (300, 200))
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 60, 159, 105), fill=(200, 20, 20, 255))
    for x in (60, 120):
        draw.ellipse((x, 90, x + 29, 119), fill=(10, 10, 10, 255))
    return image


@pytest.mark.parametrize("kind", ["colour", "gradient", "image", "studio"])
def test_the_vehicle_is_unchanged_before_an_opaque_background(kind: Kind) -> None:
    picture = Image.new("RGB", (64, 64), (0, 90, 0)) if kind == "image" else None
    made = backed(car(), Backdrop(kind, "#0000ff", "#00ff00", picture, shadow=True))
    assert made.size == (300, 200)
    assert made.getchannel("A").getextrema() == (255, 255)
    assert made.getpixel((100, 80)) == (200, 20, 20, 255)


def test_a_gradient_goes_from_one_colour_to_the_other() -> None:
    made = np.asarray(backed(car(), Backdrop("gradient", "#0000ff", "#00ff00")))[:, -1, :3]
    assert np.abs(made[0].astype(int) - (0, 0, 255)).max() <= 1
    assert np.abs(made[-1].astype(int) - (0, 255, 0)).max() <= 1


def test_the_shadow_lies_on_the_ground_between_the_wheels() -> None:
    dark = np.asarray(shadow(car()))
    assert dark[112, 105] > 120
    assert dark[:80].max() < 5
    assert dark[112, 280] == 0


def test_nothing_that_can_be_seen_throws_no_shadow() -> None:
    nothing = Image.new("RGBA", (40, 30))
    assert shadow(nothing).getextrema() == (0, 0)
    made = backed(nothing, Backdrop("transparent", shadow=True))
    assert made.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize(
    ("aspect", "size"), [("original", (144, 84)), ("1:1", (144, 144)), ("16:9", (150, 84))]
)
def test_the_vehicle_stands_in_the_middle_with_its_margin(
    aspect: Aspect, size: tuple[int, int]
) -> None:
    made = framed(car(), 0.1, aspect)
    assert made.size == size
    left, top, right, bottom = made.getchannel("A").getbbox() or (0, 0, 0, 0)
    assert abs(left - (made.width - right)) <= 1
    assert abs(top - (made.height - bottom)) <= 1
    assert min(left, top) >= 12


def test_without_a_margin_the_frame_is_the_photos_own() -> None:
    assert framed(car(), None, "original").tobytes() == car().tobytes()


@pytest.mark.parametrize("corner", ["top_left", "top_right", "bottom_left", "bottom_right"])
def test_a_logo_lies_in_its_corner_and_nowhere_else(corner: Corner) -> None:
    made = np.asarray(
        stamped(Image.new("RGB", (400, 300)), Image.new("RGB", (20, 10), "red"), corner)
    )
    rows, columns = np.nonzero(made[..., 0])
    assert len(rows) == 64 * 32
    assert (rows.max() < 150) == corner.startswith("top")
    assert (columns.max() < 200) == corner.endswith("left")
