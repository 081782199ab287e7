"""Vehicles cut out of their photos: rembg's models, and what we make of their masks.

A mask is uint8 (height, width), 0 for background and 255 for the vehicle. Sessions of models stay
warm in the process that uses them; `rembg` is imported there alone, as that takes seconds.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from engine import models

Mask = NDArray[np.uint8]
Model = Literal["u2netp", "isnet"]
Quality = Literal["low", "medium", "high"]
Shot = Literal["exterior", "interior", "detail", "none"]

MODELS: Final[dict[Quality, Model]] = {"low": "u2netp", "medium": "isnet", "high": "isnet"}
LOOKED_AT: Final = 512
"""Longer side, in pixels, of the copy that objects are found on."""
OBJECT_LEVEL: Final = 64
"""Mask from which a pixel of that copy belongs to an object."""
KEPT_SHARE: Final = 0.4
"""Of the largest object's area: a second car has that, somebody who walks by has not."""
EMPTY_COVERAGE: Final = 0.01
FILLED_COVERAGE: Final = 0.6
TOUCHED: Final = 0.3
"""Share of a side of the picture that the mask lies at, for that side to be touched."""
REFINED_AT: Final = 1024
"""Longer side, in pixels, of the copy that edges are refined on."""
RADIUS: Final = 6
"""Of the guided filter's window, in pixels of that copy."""
EPSILON: Final = 1e-4
"""Variance of luma (0-1) below which the guided filter sees no edge."""
BAND: Final = (0.02, 0.98)
"""Means of the mask in a window, between which an edge is near."""


@cache
def _session(model: Model) -> Any:
    """rembg's session on verified weights, on one thread. Raises `models.ModelError`.

    The small network keeps its memory from picture to picture, which takes a fifth off its time;
    the large one gives its gigabyte back. Planned ahead by the shapes of the run before
    (`enable_mem_pattern`), the small one would take 200 MB more.
    """
    import onnxruntime
    from rembg.sessions.dis_general_use import DisSession
    from rembg.sessions.u2netp import U2netpSession

    path = models.ensure(model, progress=False) / f"{model}.onnx"
    base: Any = U2netpSession if model == "u2netp" else DisSession

    class Session(base):  # type: ignore[misc]
        @classmethod
        def download_models(cls, *args: Any, **kwargs: Any) -> str:
            return str(path)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    is_small = model == "u2netp"
    options.enable_cpu_mem_arena, options.enable_mem_pattern = is_small, not is_small
    return Session(model, options, providers=["CPUExecutionProvider"])


def raw_mask(image: Image.Image, model: Model) -> Mask:
    """rembg's own mask of a picture. Raises `models.ModelError` where weights are missing."""
    (mask,) = _session(model).predict(image)
    return np.array(mask)


def refined(image: Image.Image, mask: Mask, quality: Quality) -> Mask:
    """What is made of rembg's mask: that of the vehicle, or of those that touch; its edge is moved
    onto the picture's at ``high``."""
    kept = largest_object(mask)
    return guided(image, kept) if quality == "high" else kept


def largest_object(mask: Mask) -> Mask:
    """The mask without what is far smaller than its largest object."""
    small = Image.fromarray(mask)
    small.thumbnail((LOOKED_AT, LOOKED_AT), Image.Resampling.BOX)
    labels, count = ndimage.label(np.asarray(small) >= OBJECT_LEVEL)
    if count < 2:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    is_kept = areas >= KEPT_SHARE * areas.max()
    # What is soft around an object belongs to the one that is nearest.
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    keep = is_kept[labels[tuple(nearest)]].astype(np.uint8) * 255
    size = (mask.shape[1], mask.shape[0])
    return np.where(np.asarray(Image.fromarray(keep).resize(size, 0)) > 0, mask, 0).astype(np.uint8)


def guided(image: Image.Image, mask: Mask) -> Mask:
    """The mask with its edge moved onto the picture's: He, Sun and Tang, "Guided Image Filtering"
    (2013), with coefficients found on a small copy (He and Sun, "Fast Guided Filter", 2015)."""
    scale = min(1.0, REFINED_AT / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    luma = image.convert("L")
    guide = np.asarray(luma.resize(size, Image.Resampling.BOX), np.float32) / 255
    given = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BOX), np.float32) / 255
    mean_guide, mean_mask = _box(guide), _box(given)
    variance = _box(guide * guide) - mean_guide**2
    gain = (_box(guide * given) - mean_guide * mean_mask) / (variance + EPSILON)
    offset = mean_mask - gain * mean_guide
    is_edge = (mean_mask > BAND[0]) & (mean_mask < BAND[1])
    gains, offsets, edge = (
        np.asarray(Image.fromarray(each).resize(image.size, Image.Resampling.BILINEAR))
        for each in (_box(gain), _box(offset), is_edge.astype(np.float32))
    )
    moved = np.clip(gains * np.asarray(luma, np.float32) + 255 * offsets, 0, 255)
    made: Mask = np.rint(edge * moved + (1 - edge) * mask).astype(np.uint8)
    return made


def _box(plane: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = ndimage.uniform_filter(
        plane.astype(np.float32), 2 * RADIUS + 1, mode="nearest"
    )
    return mean


def shot(mask: Mask) -> Shot:
    """What the picture seems to show. A guess by the mask alone: what fills the picture and runs
    out of all its sides is an interior, what runs out of three is a detail."""
    is_object = mask > 127
    coverage = float(is_object.mean())
    if coverage < EMPTY_COVERAGE:
        return "none"
    sides = (is_object[0], is_object[-1], is_object[:, 0], is_object[:, -1])
    touched = sum(float(side.mean()) > TOUCHED for side in sides)
    if touched == 4 and coverage > FILLED_COVERAGE:
        return "interior"
    return "detail" if touched >= 3 else "exterior"
