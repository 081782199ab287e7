"""Pictures that people upload, decoded under limits to plain sRGB, and written again.

What comes out holds pixels and nothing else: upright, 8 bits, RGB or RGBA, without metadata, so
that neither a place nor a script survives. Decoding is Pillow's, from memory, so that an error of
it is the file's and not the disk's.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageCms

from processing.sniffing import HEAD_BYTES, media_type
from processing.work import Refused

Format = Literal["png", "webp", "jpeg"]

MAX_BYTES: Final = 40 * 2**20
MAX_PIXELS: Final = 64_000_000
"""Above what cameras in telephones make of one shot (50 megapixels); 256 MB as RGBA."""
MAX_SIDE: Final = 16_383
"""Pixels: the most that WebP can hold."""
MATTE: Final = (255, 255, 255)
"""Behind what is transparent, where the format knows no transparency."""

_DECODERS: Final = {
    "image/avif": "AVIF",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
_FAULTS: Final = (
    EOFError, KeyError, IndexError, OSError, OverflowError, SyntaxError, TypeError, ValueError,
    ZeroDivisionError, struct.error, zlib.error,
)  # fmt: skip
"""That Pillow's decoders raise for files which are not what they seem."""
_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the Exif tag `Orientation` (CIPA DC-008, 4.6.5)."""
_SPACES: Final = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
"""Colour spaces of ICC profiles by Pillow's modes."""


def read(path: Path) -> Image.Image:
    """The picture in a file, as `decoded`. Raises `Refused`, and OSError for a file unread."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return decoded(data)


def decoded(data: bytes) -> Image.Image:
    """The first picture of a file: upright, 8-bit sRGB, RGB or RGBA, without metadata.

    Raises `Refused` for what is too large, is no picture, or is damaged.
    """
    if len(data) > MAX_BYTES:
        raise Refused(
            "too_many_bytes", f"The picture is over {MAX_BYTES >> 20} MB: save a smaller one."
        )
    kind = media_type(data[:HEAD_BYTES])
    if kind == "image/heic":
        raise Refused("heic", "HEIC pictures cannot be read here: export it as JPEG or PNG.")
    if kind not in _DECODERS:
        raise Refused("no_picture", "This is no JPEG, PNG, WebP, AVIF, GIF or TIFF picture.")
    try:
        with warnings.catch_warnings():
            # Of odd metadata, which is not kept, and of sizes, which have limits of their own.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=(_DECODERS[kind],)) as image:
                _check_size(image)
                image.load()
                return _plain(_coloured(_turned(image)))
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _FAULTS as error:
        raise Refused(
            "damaged_picture", "The picture is damaged or cut short: upload it again."
        ) from error


def write(image: Image.Image, path: Path, form: Format, quality: int) -> None:
    """Write an RGB or RGBA picture. `quality` (1-100) is JPEG's and WebP's; PNG loses nothing."""
    if form == "jpeg":
        flat = flattened(image)
        flat.save(path, "JPEG", quality=quality, optimize=True, progressive=True)
    elif form == "webp":
        image.save(path, "WEBP", quality=quality, method=4)
    else:
        image.save(path, "PNG")


def flattened(image: Image.Image) -> Image.Image:
    """RGB, with `MATTE` where `image` is transparent."""
    if image.mode == "RGB":
        return image
    matte = Image.new("RGBA", image.size, (*MATTE, 255))
    return Image.alpha_composite(matte, image).convert("RGB")


def _check_size(image: Image.Image) -> None:
    """Before a pixel is decoded."""
    if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise _too_large()


def _too_large() -> Refused:
    return Refused(
        "too_many_pixels",
        f"The picture has over {MAX_PIXELS // 1_000_000} megapixels or a side over {MAX_SIDE} "
        "pixels: save a smaller one.",
    )


def _turned(image: Image.Image) -> Image.Image:
    """Upright by its Exif data; as it is where these cannot be read."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _FAULTS:
        return image
    if not isinstance(orientation, int) or orientation not in _UPRIGHT:
        return image
    return image.transpose(_UPRIGHT[orientation])


def _coloured(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB, of any mode with a known white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        # 0-65535 onto 0-255, rounded.
        levels = (np.asarray(image).astype(np.uint32) + 128) // 257
        image = Image.fromarray(levels.astype(np.uint8))
    if image.mode in ("F", "I"):
        raise Refused("bit_depth", "The picture has over 16 bits a colour: save it with 8 or 16.")
    if image.mode in ("LA", "La", "PA", "RGBa") or image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in _SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        colours = _in_srgb(image.convert("RGB"), profile)
        if alpha.getextrema() != (255, 255):
            colours.putalpha(alpha)
        return colours
    return _in_srgb(image, profile)


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """RGB of RGB, L or CMYK. A profile that is damaged or another colour space's is as none."""
    if isinstance(profile, bytes) and profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if own.profile.xcolor_space == _SPACES[image.mode]:
                srgb = ImageCms.createProfile("sRGB")
                changed = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
                if changed is not None:
                    return changed
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def _plain(image: Image.Image) -> Image.Image:
    """Its pixels alone."""
    plain = Image.new(image.mode, image.size)
    plain.paste(image)
    return plain
