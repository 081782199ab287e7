from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processing.sniffing import HEAD_BYTES, media_type

UPLOADS = Path(os.environ.get("FORECOURT_TEST_DATA", "")) / "odd_uploads"
needs_data = pytest.mark.skipif(not UPLOADS.is_dir(), reason="needs FORECOURT_TEST_DATA")


def picture(codec: str) -> bytes:
    """One picture as FFmpeg writes it: a grey square."""
    context = av.CodecContext.create(codec, "w")
    context.width = context.height = 32
    assert isinstance(context, av.VideoCodecContext)
    context.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "rgb24")
    context.time_base = 1  # type: ignore[assignment]
    grey = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")
    frame = grey.reformat(format=context.pix_fmt)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def sound(container: str, codec: str) -> bytes:
    """Half a second of silence."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=48_000)
        silence = np.zeros((1, 24_000), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate = 48_000
        out.mux([*stream.encode(frame), *stream.encode(None)])  # type: ignore[attr-defined]
    return file.getvalue()


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("png", "image/png"), ("mjpeg", "image/jpeg"), ("tiff", "image/tiff")],
)
def test_pictures_are_told_by_their_first_bytes(codec: str, expected: str) -> None:
    assert media_type(picture(codec)[:HEAD_BYTES]) == expected


@pytest.mark.parametrize(
    ("container", "codec", "expected"),
    [
        ("wav", "pcm_s16le", "audio/wav"),
        ("mp3", "libmp3lame", "audio/mpeg"),
        ("ipod", "aac", "audio/mp4"),
        ("mp4", "aac", "audio/mp4"),
        ("ogg", "libopus", "audio/ogg"),
    ],
)
def test_recordings_are_told_by_their_first_bytes(
    container: str, codec: str, expected: str
) -> None:
    assert media_type(sound(container, codec)[:HEAD_BYTES]) == expected


def test_an_mp3_without_tags_is_told_by_its_first_frame() -> None:
    whole = sound("mp3", "libmp3lame")
    assert whole.startswith(b"ID3")
    # The tag's length: 28 bits in four bytes of seven (ID3v2, 3.1).
    length = sum(byte << shift for byte, shift in zip(whole[6:10], (21, 14, 7, 0), strict=True))
    assert media_type(whole[10 + length :][:HEAD_BYTES]) == "audio/mpeg"


@needs_data
@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".jpg", "image/jpeg"),
        (".png", "image/png"),
        (".webp", "image/webp"),
        (".gif", "image/gif"),
        (".heic", "image/heic"),
    ],
)
def test_odd_pictures_are_what_their_makers_meant(suffix: str, expected: str) -> None:
    found = {
        path.name: media_type(path.read_bytes()[:HEAD_BYTES])
        for path in sorted(UPLOADS.glob(f"*/*{suffix}"))
    }
    assert found
    assert set(found.values()) <= {expected, None}
    whole = [name for name in found if "fuzz" not in name and "invalid" not in name]
    assert {found[name] for name in whole} == {expected}


@needs_data
@pytest.mark.parametrize("suffix", [".bmp", ".eps", ".fli", ".ico", ".pgm", ".psd", ".tga"])
def test_formats_that_no_camera_writes_are_nothing(suffix: str) -> None:
    for path in UPLOADS.glob(f"*/*{suffix}"):
        assert media_type(path.read_bytes()[:HEAD_BYTES]) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"\xff\xfb",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF85a",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"MZ\x90\0",
        b"\x7fELF",
        b"RIFF\0\0\0\0AVI LIST",
        b"\0\0\0\x18ftypqt  \0\0\0\0qt  ",
        b"\0\0\0\x08ftyp",
        b"\xff\xff\xff\xffftypheic",
        b"  \x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_neither_picture_nor_recording_is_nothing(text: bytes) -> None:
    assert media_type(text) is None


def test_a_page_with_a_picture_behind_it_is_no_picture() -> None:
    assert media_type(b"<script>alert(1)</script>" + picture("png")) is None
    assert media_type(picture("png") + b"<script>alert(1)</script>") == "image/png"


@given(st.binary(max_size=HEAD_BYTES))
@example(b"\0\0\x02\0ftyp")
@example(b"RIFF")
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert media_type(head) in {None, *PICTURES, "audio/wav", "audio/mpeg", "audio/mp4"}


PICTURES = {f"image/{name}" for name in ("jpeg", "png", "webp", "gif", "tiff", "heic", "avif")} | {
    "audio/ogg"
}
