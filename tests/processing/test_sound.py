"""Whatever is uploaded is decoded, or refused with a sentence; nothing of it is believed."""

from __future__ import annotations

import struct
import tempfile
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.frames import SAMPLE_RATE, Pcm
from processing.sound import MAX_BYTES, Block, Losses, blocks
from processing.work import Refused
from tests.analyzers.recordings import read
from tests.processing.sounds import ENDINGS, write


@pytest.fixture(scope="module")
def speech(two_cities: Path) -> Pcm:
    return read(two_cities)[: 4 * SAMPLE_RATE]


def joined(path: Path, losses: Losses | None = None) -> np.ndarray:
    """All blocks, holes as silence."""
    found = list(blocks(path, losses=losses))
    end = found[-1].start + found[-1].pcm.shape[1]
    whole = np.zeros((len(found[0].pcm), end), np.int16)
    for block in found:
        whole[:, block.start : block.start + block.pcm.shape[1]] = block.pcm
    return whole


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as found:
        list(blocks(path))
    assert str(path.name) not in found.value.sentence
    assert found.value.sentence.endswith(".")
    return found.value


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_channel_comes_out_as_it_was(ending: str, speech: Pcm, tmp_path: Path) -> None:
    pcm = np.stack([speech, speech[::-1]])
    rate = 48_000 if "ogg" in ending else SAMPLE_RATE
    loud = pcm if rate == SAMPLE_RATE else np.repeat(pcm, 3, axis=1)
    path = write(tmp_path / f"call.{ending}", loud, rate, ending)
    heard = joined(path)
    assert len(heard) == 2
    assert abs(heard.shape[1] - pcm.shape[1]) < SAMPLE_RATE // 10
    for channel, other in ((0, 1), (1, 0)):
        # A codec may shift by some samples what a container does not tell of.
        alike = max(likeness(pcm[channel], heard[channel], shift) for shift in range(-40, 1200, 4))
        assert alike > 0.9
        assert likeness(pcm[other], heard[channel], 0) < 0.3


def likeness(one: Pcm, two: Pcm, shift: int) -> float:
    size = min(len(one), len(two)) - 2_000
    a = one[1_000 : 1_000 + size].astype(float)
    b = two[1_000 + shift : 1_000 + shift + size].astype(float)
    size = min(len(a), len(b))
    return float(np.corrcoef(a[:size], b[:size])[0, 1])


def test_a_file_that_is_cut_off_gives_what_there_is_of_it(speech: Pcm, tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", speech[None])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    losses = Losses()
    heard = joined(path, losses)
    assert abs(heard.shape[1] - len(speech) // 2) < 4_096
    assert losses.any


def test_a_whole_file_has_lost_nothing(speech: Pcm, tmp_path: Path) -> None:
    for ending in ENDINGS:
        losses = Losses()
        joined(write(tmp_path / f"call.{ending}", speech[None], 48_000, ending), losses)
        assert not losses.any, ending


def test_a_hole_in_the_time_stamps_is_kept(speech: Pcm, tmp_path: Path) -> None:
    path = tmp_path / "hole.m4a"
    with av.open(str(path), "w", format="ipod") as out:
        stream = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number in range(60):
            piece = speech[None, number * 1024 : (number + 1) * 1024].astype(np.float32) / 32_768
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = number * 1024 + (5 * SAMPLE_RATE if number >= 30 else 0)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    found = list(blocks(path))
    gaps = [after.start - before.start - before.pcm.shape[1] for before, after in pairwise(found)]
    assert max(gaps) == pytest.approx(5 * SAMPLE_RATE, abs=1_100)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(5_000),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    assert refusal(path).code == "not_a_recording"


def test_a_picture_with_the_head_of_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "call.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    assert refusal(path).code in ("no_sound", "not_a_recording")


def test_limits_are_told_before_anything_is_decoded(speech: Pcm, tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", np.tile(speech, (6, 1)))
    assert refusal(path).code == "channels"
    for rate in (1, 400_000):
        with wave.open(str(path), "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(rate)
            writer.writeframes(speech.tobytes())
        assert refusal(path).code == "sample_rate"
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    assert refusal(path).code == "too_large"
    write(path, speech[None, : SAMPLE_RATE // 2])
    assert refusal(path).code == "too_short"


@pytest.mark.slow
def test_a_recording_of_more_than_four_hours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    size = 8_000 * 4 * 3_600 + 16_000
    form = struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 1, 8)
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form
    path.write_bytes(head + b"data" + struct.pack("<I", size))
    with path.open("r+b") as file:
        file.truncate(44 + size)
    assert refusal(path).code == "too_long"


@pytest.mark.test_data("odd_audio/*.wav")
def test_odd_files_are_refused(data_file: Path) -> None:
    assert refusal(data_file).code in ("unreadable", "too_short")


@pytest.fixture(scope="module")
def whole(speech: Pcm, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("whole")
    return [
        write(folder / f"call.{ending}", speech[None, :40_000], 48_000, ending)
        for ending in ENDINGS
    ]


@settings(max_examples=60)
@given(
    ending=st.integers(0, len(ENDINGS) - 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(0, 255)), max_size=20),
    kept=st.floats(0, 1) | st.just(1.0),
)
def test_a_damaged_file_is_decoded_or_refused(
    ending: int, changes: list[tuple[float, bool, int]], kept: float, whole: list[Path]
) -> None:
    content = bytearray(whole[ending].read_bytes())
    for at, is_in_head, value in changes:
        content[int(at * (200 if is_in_head else len(content) - 1))] = value
    with tempfile.NamedTemporaryFile() as file:
        file.write(content[: int(kept * len(content))])
        file.flush()
        end = 0
        try:
            for block in blocks(Path(file.name)):
                assert isinstance(block, Block)
                assert block.start >= end
                assert block.pcm.dtype == np.int16
                end = block.start + block.pcm.shape[1]
        except Refused:
            pass
