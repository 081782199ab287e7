from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from processing import pictures
from processing.work import Refused

UPLOADS = Path(os.environ.get("FORECOURT_TEST_DATA", "")) / "odd_uploads"
needs_data = pytest.mark.skipif(not UPLOADS.is_dir(), reason="needs FORECOURT_TEST_DATA")


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red on top, blue below, a white corner at the top left."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 255
    pixels[height // 2 :, :, 2] = 255
    pixels[: height // 4, : width // 4] = 255
    return Image.fromarray(pixels)


def file_of(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large and holds a few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        pictures.decoded(data)
    return caught.value.code


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_a_picture_is_decoded_by_its_content(form: str) -> None:
    image = pictures.decoded(file_of(scene(), form))
    assert (image.mode, image.size) == ("RGB", (64, 48))
    assert np.abs(np.asarray(image).astype(int) - np.asarray(scene())).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int) -> None:
    undone = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = scene()
    if undone in pictures._UPRIGHT:
        stored = stored.transpose(pictures._UPRIGHT[undone])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = pictures.decoded(file_of(stored, "PNG", exif=exif))
    assert np.array_equal(np.asarray(image), np.asarray(scene()))


def test_no_metadata_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a private remark"
    data = file_of(scene(), "JPEG", exif=exif, comment=b"a private remark")
    image = pictures.decoded(data)
    assert image.info == {}
    for form in ("png", "webp", "jpeg"):
        pictures.write(image, tmp_path / form, form, 90)
        written = (tmp_path / form).read_bytes()
        assert b"private" not in written
        with Image.open(io.BytesIO(written)) as again:
            assert not again.getexif()


def test_cmyk_comes_out_in_the_right_colours() -> None:
    image = pictures.decoded(file_of(scene().convert("CMYK"), "JPEG", quality=95))
    red, blue = image.getpixel((60, 4)), image.getpixel((60, 44))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]


def test_sixteen_bits_of_grey_keep_their_scale() -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = pictures.decoded(file_of(Image.fromarray(levels), "PNG"))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image)[..., 0].ravel(), np.arange(256))


def test_a_palette_with_a_transparent_colour_keeps_it() -> None:
    image = scene().quantize(4)
    index = image.getpixel((0, 0))
    read = pictures.decoded(file_of(image, "PNG", transparency=index))
    assert read.mode == "RGBA"
    assert np.asarray(read)[0, 0, 3] == 0
    assert np.asarray(read)[-1, -1, 3] == 255


def test_alpha_that_hides_nothing_is_dropped() -> None:
    assert pictures.decoded(file_of(scene().convert("RGBA"), "PNG")).mode == "RGB"


def test_a_colour_profile_is_brought_to_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # With the primaries of red and blue exchanged, red is what sRGB calls blue.
    exchanged = (
        srgb.replace(b"rXYZ", b"?", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"?", b"bXYZ", 1)
    )
    image = pictures.decoded(file_of(scene(), "PNG", icc_profile=exchanged))
    difference = np.asarray(image)[..., ::-1].astype(int) - np.asarray(scene())
    assert np.abs(difference).max() <= 3


def test_a_damaged_profile_is_as_none() -> None:
    image = pictures.decoded(file_of(scene(), "PNG", icc_profile=b"no profile at all"))
    assert np.array_equal(np.asarray(image), np.asarray(scene()))


def test_of_an_animation_the_first_picture_counts() -> None:
    frames = [Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pictures.decoded(data).getpixel((4, 4)) == (255, 0, 0)


def test_jpeg_has_white_where_it_was_transparent(tmp_path: Path) -> None:
    pictures.write(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "x", "jpeg", 95)
    assert pictures.read(tmp_path / "x").getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "no_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "no_picture"),
        (b"%PDF-1.7\n" + file_of(scene(), "PNG"), "no_picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (png_header(10_000, 10_000), "too_many_pixels"),
        (png_header(60_000, 60_000), "too_many_pixels"),
        (png_header(20_000, 1), "too_many_pixels"),
        (png_header(2_000, 2_000), "damaged_picture"),
        (file_of(scene(), "JPEG")[:-200], "damaged_picture"),
        (file_of(Image.new("F", (8, 8)), "TIFF"), "bit_depth"),
        (bytes(pictures.MAX_BYTES + 1), "too_many_bytes"),
    ],
    ids=[
        "empty", "svg", "polyglot", "heic", "100 megapixels", "bomb", "long", "hollow", "truncated",
        "float", "bytes",
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(["PNG", "WEBP", "TIFF", "JPEG", "GIF"]),
    at=st.integers(8, 4000),
    junk=st.binary(min_size=1, max_size=8),
)
def test_a_damaged_file_is_read_or_refused(form: str, at: int, junk: bytes) -> None:
    data = bytearray(file_of(scene(), form))
    at %= len(data)
    data[at : at + len(junk)] = junk
    try:
        image = pictures.decoded(bytes(data))
    except Refused:
        return
    assert image.mode in ("RGB", "RGBA")


@needs_data
def test_every_odd_upload_is_read_or_refused() -> None:
    codes = {}
    for path in sorted(path for path in UPLOADS.rglob("*") if path.is_file()):
        try:
            image = pictures.read(path)
        except Refused as refused:
            codes[path.name] = refused.code
        else:
            assert image.mode in ("RGB", "RGBA"), path.name
            assert image.info == {}
    assert codes["example.heic"] == "heic"
    assert codes["decompression_bomb.ico"] == "no_picture"
    assert codes["truncated_image.png"] == "damaged_picture"
    for name in (
        "hopper.webp",
        "pil_sample_cmyk.jpg",
        "hopper_gray.jpg",
        "rgb.jpg",
        "transparent.png",
    ):
        assert name not in codes


@needs_data
def test_the_eight_orientations_of_one_photo_look_alike() -> None:
    first, *others = [
        np.asarray(pictures.read(path).resize((60, 40))).astype(int)
        for path in sorted((UPLOADS / "exif").glob("Landscape_*.jpg"))
    ]
    for other in others:
        assert np.abs(first - other).mean() < 6
