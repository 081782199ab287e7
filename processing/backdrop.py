"""What is put behind a vehicle that was cut out: a colour, a gradient, a picture, a studio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageFilter, ImageOps

from processing.pictures import MAX_PIXELS

Kind = Literal["transparent", "colour", "gradient", "image", "studio"]
Aspect = Literal["original", "4:3", "3:2", "16:9", "1:1"]
Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right"]
Box = tuple[int, int, int, int]

VISIBLE: Final = 32
"""Alpha from which a pixel counts as the vehicle's."""
SHADOWED_AT: Final = 1024
"""Longer side, in pixels, of the copy that a shadow is drawn on."""
CONTACT: Final = (0.03, 0.008, 0.75)
AMBIENT: Final = (0.06, 0.03, 0.35)
"""A shadow's reach below the vehicle, its blur (shares of the vehicle's width), its darkness."""
HORIZON: Final = 0.45
"""Of the vehicle's height, above its lowest point: where a studio's floor meets its wall."""
STUDIO: Final = ((0.0, 236), (0.55, 250), (0.68, 214), (0.8, 222), (1.0, 200))
"""Grey levels down a studio whose floor begins at 0.6 of its height."""
LOGO_WIDTH: Final = 0.16
LOGO_GAP: Final = 0.025
"""Shares of the picture's width."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """`colour` (#rrggbb) is the upper one of a gradient; `picture` that of kind ``image``."""

    kind: Kind = "transparent"
    colour: str = "#ffffff"
    colour_to: str = "#d0d4da"
    picture: Image.Image | None = None
    shadow: bool = False


def visible(cut: Image.Image) -> Box:
    """The box around what can be seen of an RGBA picture; all of it where nothing can."""
    seen = cut.getchannel("A").point([0] * VISIBLE + [255] * (256 - VISIBLE))
    return seen.getbbox() or (0, 0, *cut.size)


def framed(cut: Image.Image, margin: float | None, aspect: Aspect) -> Image.Image:
    """The vehicle in the middle, `margin` (a share of its longer side) around it, as wide to as
    high as `aspect`. None leaves the picture's own frame."""
    left, top, right, bottom = (0, 0, *cut.size) if margin is None else visible(cut)
    gap = round((margin or 0.0) * max(right - left, bottom - top))
    width, height = right - left + 2 * gap, bottom - top + 2 * gap
    if aspect != "original":
        across, down = map(int, aspect.split(":"))
        width, height = (
            max(width, -(-height * across // down)),
            max(height, -(-width * down // across)),
        )
    x, y = (left + right - width) // 2, (top + bottom - height) // 2
    if width * height > MAX_PIXELS:
        scale = (MAX_PIXELS / (width * height)) ** 0.5
        size = (int(width * scale), int(height * scale))
        box = (x, y, x + width, y + height)
        return cut.transform(size, Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    return cut.crop((x, y, x + width, y + height))


def backed(cut: Image.Image, backdrop: Backdrop) -> Image.Image:
    """RGBA of an RGBA picture, with `backdrop` and the vehicle's shadow behind it."""
    behind = _behind(cut, backdrop)
    if backdrop.shadow and cut.getchannel("A").getbbox() is not None:
        dark = Image.new("RGBA", cut.size)
        dark.putalpha(shadow(cut))
        behind.alpha_composite(dark)
    behind.alpha_composite(cut)
    return behind


def _behind(cut: Image.Image, backdrop: Backdrop) -> Image.Image:
    if backdrop.kind == "transparent":
        return Image.new("RGBA", cut.size)
    if backdrop.kind == "image" and backdrop.picture is not None:
        return ImageOps.fit(backdrop.picture.convert("RGBA"), cut.size, Image.Resampling.LANCZOS)
    if backdrop.kind == "studio":
        _, top, _, bottom = visible(cut)
        horizon = min(max(bottom - HORIZON * (bottom - top), 1.0), cut.height - 1.0)
        rows = np.arange(cut.height, dtype=np.float64)
        at = np.interp(rows, [0.0, horizon, cut.height], [0.0, 0.6, 1.0])
        grey = np.interp(at, *np.array(STUDIO).T)
        return _striped(np.repeat(grey[:, None], 3, axis=1), cut.width)
    ends = [backdrop.colour, backdrop.colour_to if backdrop.kind == "gradient" else backdrop.colour]
    first, last = (np.array(ImageColor.getrgb(each)[:3], np.float64) for each in ends)
    share = np.linspace(0.0, 1.0, cut.height)[:, None]
    return _striped(first + share * (last - first), cut.width)


def _striped(rows: NDArray[np.float64], width: int) -> Image.Image:
    """RGBA, `width` wide, of a colour (0-255) a row; dithered, so that it shows no steps."""
    noise = np.random.default_rng(0).random((len(rows), width, 1), np.float32)
    pixels = np.clip(rows[:, None].astype(np.float32) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGBA")


def shadow(cut: Image.Image) -> Image.Image:
    """Darkness (L) on the ground: between a vehicle and the line that its wheels stand on, which
    is the lower convex hull of its outline."""
    small = cut.getchannel("A")
    small.thumbnail((SHADOWED_AT, SHADOWED_AT), Image.Resampling.BOX)
    seen = np.asarray(small) >= VISIBLE
    columns = np.flatnonzero(seen.any(axis=0))
    dark = np.zeros(seen.shape, np.float32)
    if len(columns):
        lowest = seen.shape[0] - 1 - np.argmax(seen[::-1, columns], axis=0)
        ground = np.interp(columns, *_lower_hull(columns, lowest))
        width = len(columns)
        rows = np.arange(seen.shape[0])[:, None]
        for reach, blur, darkness in (CONTACT, AMBIENT):
            is_under = (rows > lowest - reach * width) & (rows < ground + reach * width / 2)
            layer = np.zeros(seen.shape, np.uint8)
            layer[:, columns] = np.where(is_under, 255, 0)
            soft = Image.fromarray(layer).filter(ImageFilter.GaussianBlur(blur * width))
            dark = np.maximum(dark, darkness * np.asarray(soft, np.float32))
    drawn = Image.fromarray(np.rint(dark).astype(np.uint8))
    return drawn.resize(cut.size, Image.Resampling.BICUBIC)


def _lower_hull(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Corners of the convex hull on the side of large `y`: Andrew's monotone chain (1979)."""
    hull: list[tuple[int, int]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax) < 0:
                break
            hull.pop()
        hull.append(point)
    return [each[0] for each in hull], [each[1] for each in hull]


def stamped(image: Image.Image, logo: Image.Image, corner: Corner) -> Image.Image:
    """A picture with a logo in one of its corners."""
    width = max(1, round(LOGO_WIDTH * image.width))
    small = ImageOps.contain(logo.convert("RGBA"), (width, max(1, image.height // 6)))
    gap = round(LOGO_GAP * image.width)
    x = gap if corner.endswith("left") else image.width - small.width - gap
    y = gap if corner.startswith("top") else image.height - small.height - gap
    over = Image.new("RGBA", image.size)
    over.paste(small, (x, y))
    whole = Image.alpha_composite(image.convert("RGBA"), over)
    return whole if image.mode == "RGBA" else whole.convert(image.mode)
