"""A model file is read to the letter, or refused with a sentence."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.asr import checkpoint
from engine.asr.checkpoint import BINARY_VERSION, MAX_VARIABLES, SPECIFICATION, BadCheckpoint
from engine.asr.encoder import Tensors

SMALL_BYTES = 2_048


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def head(version: int = BINARY_VERSION, name: str = SPECIFICATION, variables: int = 0) -> bytes:
    return struct.pack("<I", version) + text(name) + struct.pack("<II", 3, variables)


def variables(path: Path) -> Iterator[bytes]:
    """Each variable of a model file as it stands there; this is the format read another way."""
    data = path.read_bytes()
    at = 4 + 2 + struct.unpack_from("<H", data, 4)[0] + 4
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    for _ in range(count):
        begin = at
        at += 2 + struct.unpack_from("<H", data, at)[0]
        at += 1 + 4 * data[at] + 1
        at += 4 + struct.unpack_from("<I", data, at)[0]
        yield data[begin:at]


@pytest.fixture(scope="module")
def small(default_model: Path) -> bytes:
    """A model file of the smallest variables of the real one: its norms, biases and settings."""
    chosen = [each for each in variables(default_model / "model.bin") if len(each) <= SMALL_BYTES]
    return head(variables=len(chosen)) + b"".join(chosen)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "model.bin"


def test_the_real_model_is_read_whole(tensors: Tensors, default_model: Path) -> None:
    assert len(tensors) == len(list(variables(default_model / "model.bin")))
    assert tensors["encoder/conv1/weight"].shape == (384, 80, 3)
    assert tensors["decoder/embeddings/weight"].shape == (51_864, 384)
    assert int(tensors["encoder/num_heads"]) == 6
    positions = tensors["encoder/position_encodings/encodings"].astype(np.float32)
    # Sinusoids of 1,500 positions, as Whisper's encoder has them.
    assert np.abs(positions[0] - np.repeat([0.0, 1.0], 192)).max() < 1e-3
    assert np.abs(positions[:, 0] - np.sin(np.arange(1_500))).max() < 1e-3
    assert all(np.isfinite(each.astype(np.float32)).all() for each in tensors.values())


def test_a_part_of_the_real_model_has_the_same_values(
    small: bytes, scratch: Path, tensors: Tensors
) -> None:
    scratch.write_bytes(small)
    part = checkpoint.read(scratch)
    assert len(part) > 50
    for name, values in part.items():
        assert values.dtype == tensors[name].dtype
        assert np.array_equal(values, tensors[name])


@settings(max_examples=200)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.0)
def test_a_file_that_was_cut_short_anywhere_is_refused(
    small: bytes, scratch: Path, share: float
) -> None:
    scratch.write_bytes(small[: int(share * len(small))])
    with pytest.raises(BadCheckpoint, match="cut short"):
        checkpoint.read(scratch)


@settings(max_examples=200)
@given(content=st.binary(max_size=400), keeps_head=st.booleans())
def test_garbage_is_refused(scratch: Path, content: bytes, keeps_head: bool) -> None:
    scratch.write_bytes((head(variables=3) if keeps_head else b"") + content)
    with pytest.raises(BadCheckpoint, match=r"model\.bin"):
        checkpoint.read(scratch)


@settings(max_examples=300)
@given(at=st.integers(0, 3_000), value=st.integers(0, 255))
def test_a_byte_that_was_changed_gives_another_model_or_none_but_no_other_error(
    small: bytes, scratch: Path, at: int, value: int
) -> None:
    content = bytearray(small)
    content[at] = value
    scratch.write_bytes(content)
    told = ""
    try:
        read = checkpoint.read(scratch)
    except BadCheckpoint as error:
        read, told = {}, str(error)
    assert bool(read) is not bool("model.bin" in told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (head(version=5), "binary version 5"),
        (head(version=7), "binary version 7"),
        (head(name="TransformerSpec"), "'TransformerSpec'"),
        (head(variables=MAX_VARIABLES + 1), "variables"),
    ],
)
def test_a_file_of_another_version_or_model_is_refused_by_name(
    scratch: Path, content: bytes, told: str
) -> None:
    scratch.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=told):
        checkpoint.read(scratch)


def test_a_file_that_is_not_there_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checkpoint.read(tmp_path / "model.bin")
