"""Weights that are not what the catalogue says: refused at the start, and a worker says why."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from engine import models
from tests.node import ROOT

MODEL = models.DEFAULT
FLIPPED_AT = 40_000_000


def serve(folder: Path, **environment: str) -> str:
    """The message of a node that does not start."""
    options = ["serve", "--port", "0", "--data", str(folder)]
    result = CliRunner(env=environment).invoke(main, options)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    return result.stderr


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flip(path: Path) -> None:
    """Change one bit in the middle; the size stays."""
    with path.open("r+b") as file:
        file.seek(FLIPPED_AT)
        (byte,) = file.read(1)
        file.seek(FLIPPED_AT)
        file.write(bytes([byte ^ 0x40]))


@pytest.fixture
def copied(default_model: Path, tmp_path: Path) -> Path:
    """The model's folder, without the record that it was verified."""
    folder = tmp_path / default_model.name
    shutil.copytree(default_model, folder, ignore=shutil.ignore_patterns(models.STAMP))
    return folder


def expected(default_model: Path) -> str:
    return sha256(default_model / "model.bin")


def test_a_node_refuses_a_given_model_of_the_right_size_naming_both_checksums(
    copied: Path, default_model: Path, tmp_path: Path
) -> None:
    flip(copied / "model.bin")
    assert (copied / "model.bin").stat().st_size == (default_model / "model.bin").stat().st_size
    message = serve(tmp_path / "node", FORECOURT_MODEL_PATH=str(copied))
    assert expected(default_model) in message
    assert sha256(copied / "model.bin") in message
    assert str(copied / "model.bin") in message


def test_a_node_refuses_a_damaged_cache_naming_both_checksums_and_what_mends_it(
    copied: Path, default_model: Path, tmp_path: Path
) -> None:
    """With the record of an earlier verification beside it: the file was written to since."""
    cached = tmp_path / "cache" / "models" / default_model.name
    cached.parent.mkdir(parents=True)
    copied.rename(cached)
    catalogue = models.Catalogue.load(
        Path(models.__file__).with_name("models.toml"), root=tmp_path / "cache"
    )
    assert catalogue.verify(MODEL) == cached
    assert catalogue.state(MODEL) == "ready"
    time.sleep(0.01)
    flip(cached / "model.bin")
    message = serve(tmp_path / "node", FORECOURT_CACHE=str(tmp_path / "cache"))
    assert expected(default_model) in message
    assert sha256(cached / "model.bin") in message
    assert f"forecourt models fetch {MODEL}" in message


def test_a_node_refuses_a_model_that_was_cut_short_or_has_lost_a_file(
    copied: Path, default_model: Path, tmp_path: Path
) -> None:
    os.truncate(copied / "model.bin", FLIPPED_AT)
    message = serve(tmp_path / "node", FORECOURT_MODEL_PATH=str(copied))
    assert expected(default_model) in message
    assert sha256(copied / "model.bin") in message
    (copied / "model.bin").unlink()
    message = serve(tmp_path / "node", FORECOURT_MODEL_PATH=str(copied))
    assert "is missing" in message
    assert expected(default_model) in message


STARTING = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from engine.asr.scheduler import Model, Scheduler, WorkerLost

    async def main():
        scheduler = Scheduler({sys.argv[2]: Model(Path(sys.argv[1]))})
        try:
            await scheduler.start()
        except WorkerLost as error:
            print(error)
        else:
            await scheduler.stop()
            print("it started")

    asyncio.run(main())
    """
)


def started(folder: Path, language: str = "en") -> tuple[str, str]:
    """(what a scheduler says that is started on `folder`, what its worker writes beside it).

    Nothing is verified before: what a worker meets whose files are changed while the node runs.
    """
    done = subprocess.run(
        [sys.executable, "-c", STARTING, str(folder), language],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1], done.stderr


@pytest.fixture(scope="module")
def calibrated(default_model: Path) -> None:
    """The machine knows the model: a worker reads nothing but the model's own files."""
    assert started(default_model)[0] == "it started"


def cut(model: Path) -> None:
    os.truncate(model, FLIPPED_AT)


def emptied(model: Path) -> None:
    os.truncate(model, 0)


def zeroed(model: Path) -> None:
    size = model.stat().st_size
    emptied(model)
    os.truncate(model, size)


def nonsense(model: Path) -> None:
    model.write_bytes(os.urandom(1 << 20))


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, nonsense, Path.unlink])
def test_a_worker_that_cannot_load_its_model_names_the_file_and_what_is_wrong(
    damage: Callable[[Path], None], copied: Path, calibrated: None
) -> None:
    damage(copied / "model.bin")
    said, beside = started(copied)
    assert "the speech recognizer did not start; see its output above" in said
    last = beside.strip().splitlines()[-1]
    assert str(copied / "model.bin") in last, last


def test_a_worker_that_does_not_know_its_language_says_so(default_model: Path) -> None:
    said, beside = started(default_model, "es")
    assert "did not start" in said
    assert "this model knows English only, not 'es'" in beside
