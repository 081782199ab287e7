"""A vehicle's photo made better: white balance, exposure, contrast, noise, sharpness, size.

Colours and levels are changed by one curve a channel, found on a small copy, so that a large
picture costs no more memory than itself. What is transparent is neither looked at nor changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

LOOKED_AT: Final = 256
"""Longer side, in pixels, of the copy that curves are found on."""
NORM: Final = 6.0
"""Minkowski norm of Finlayson and Trezzi, "Shades of Gray and Colour Constancy" (2004)."""
MAX_CAST: Final = 1.25
"""Gain of a channel; a red car that fills the picture is no cast of its light."""
MIDDLE: Final = 0.45
"""Luma (0-1) that the median is brought towards."""
MAX_GAMMA: Final = 1.6
ENDS: Final = (0.5, 99.5)
"""Percentiles of luma that contrast makes black and white."""
MAX_STRETCH: Final = 1.5
LUMA: Final = np.array([0.2126, 0.7152, 0.0722])
"""ITU-R BT.709, 3.2."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done; `max_side` is pixels, and None leaves the size as it is."""

    white_balance: bool = True
    exposure: bool = True
    contrast: bool = True
    denoise: bool = False
    sharpen: bool = True
    max_side: int | None = None


def enhanced(image: Image.Image, steps: Steps) -> Image.Image:
    """A new RGB or RGBA picture of one that is."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB")
    curve = _curves(_seen(image), steps)
    colours = colours.point(curve.ravel().tolist())
    if steps.denoise:
        colours = colours.filter(ImageFilter.MedianFilter(3))
    if steps.max_side and max(colours.size) > steps.max_side:
        colours.thumbnail((steps.max_side, steps.max_side), Image.Resampling.LANCZOS)
    if steps.sharpen:
        colours = colours.filter(ImageFilter.UnsharpMask(radius=1.5, percent=60, threshold=3))
    if alpha is not None:
        colours.putalpha(alpha.resize(colours.size, Image.Resampling.LANCZOS))
    return colours


def _seen(image: Image.Image) -> NDArray[np.float64]:
    """Colours (pixels, 3), 0-1, of what can be seen of a small copy."""
    small = image.copy()
    small.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.BOX)
    pixels = np.asarray(small).reshape(-1, len(small.getbands())) / 255.0
    if pixels.shape[1] == 4:
        pixels = pixels[pixels[:, 3] > 0.5]
    return pixels[:, :3]


def _curves(pixels: NDArray[np.float64], steps: Steps) -> NDArray[np.uint8]:
    """uint8 (3, 256): what becomes of each level of each channel."""
    curve = np.repeat(np.arange(256)[None] / 255.0, 3, axis=0)
    if len(pixels):
        if steps.white_balance:
            gains = _gains(pixels)
            curve, pixels = curve * gains[:, None], np.minimum(pixels * gains, 1.0)
        if steps.contrast:
            black, scale = _stretch(pixels @ LUMA)
            curve = np.clip((curve - black) * scale, 0.0, 1.0)
            pixels = np.clip((pixels - black) * scale, 0.0, 1.0)
        if steps.exposure:
            curve = np.clip(curve, 0.0, 1.0) ** _gamma(pixels @ LUMA)
    return np.rint(np.clip(curve, 0.0, 1.0) * 255.0).astype(np.uint8)


def _gains(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,), with green as it is."""
    light = np.maximum(np.mean(pixels**NORM, axis=0) ** (1.0 / NORM), 1e-3)
    gains: NDArray[np.float64] = np.clip(light[1] / light, 1.0 / MAX_CAST, MAX_CAST)
    return gains


def _stretch(luma: NDArray[np.float64]) -> tuple[float, float]:
    """The level that becomes black, and the gain above it. Spread evenly where it is limited."""
    low, high = np.percentile(luma, ENDS)
    scale = min(1.0 / max(high - low, 1e-3), MAX_STRETCH)
    middle = (low + high) / 2.0
    black = float(low) if scale < MAX_STRETCH else float(middle * (1.0 - 1.0 / scale))
    return black, float(scale)


def _gamma(luma: NDArray[np.float64]) -> float:
    median = float(np.clip(np.median(luma), 0.02, 0.98))
    wanted = np.log(MIDDLE) / np.log(median)
    return float(np.clip(wanted, 1.0 / MAX_GAMMA, MAX_GAMMA))
