"""Weights are fetched from the first source that works, verified, and never half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from api.commands.models import models as command
from engine import models
from engine.models import Catalogue, DamagedError, ModelError, UnknownModelError
from engine.sources import Entry, Report, SourceError
from tests.engine.toys import (
    CONFIG,
    TWO_WHEELS,
    WEIGHTS,
    Registry,
    assert_whole,
    leftovers,
    load,
    serve_two_wheels,
    serving,
    sha256,
)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    with serving(monkeypatch, tmp_path) as registry:
        yield registry


class Given:
    """A source that hands out what the test gives it."""

    def __init__(self, weights: bytes = WEIGHTS) -> None:
        self.weights, self.fetched = weights, 0

    def label(self, entry: Entry) -> str:
        return "the given source"

    def total(self, entry: Entry) -> int:
        return entry.size

    def by_hand(self, entry: Entry, folder: Path) -> list[str]:
        return [f"$ give {entry.name} {folder}"]

    def fetch(self, entry: Entry, files: Path, scratch: Path, report: Report) -> None:
        self.fetched += 1
        if not self.weights:
            raise SourceError("nothing to give")
        (files / "voices").mkdir()
        (files / "model.bin").write_bytes(self.weights)
        (files / "voices/config.json").write_bytes(CONFIG)
        report(len(self.weights))


def test_the_next_source_is_tried_when_one_gives_wrong_content(tmp_path):
    wrong, right = Given(WEIGHTS[:-1]), Given()
    entries = load(tmp_path, TWO_WHEELS, sources=(wrong, right))
    assert_whole(entries.ensure("toy", progress=False))
    assert (wrong.fetched, right.fetched) == (1, 1)


def test_a_good_cache_asks_no_source(tmp_path):
    source = Given()
    entries = load(tmp_path, TWO_WHEELS, sources=[source])
    folder = entries.ensure("toy", progress=False)
    assert entries.ensure("toy", progress=False) == folder
    assert source.fetched == 1


def test_files_put_into_the_cache_by_hand_are_verified_and_used(tmp_path):
    source = Given(b"")
    entries = load(tmp_path, TWO_WHEELS, sources=[source])
    folder = entries.folder("toy")
    (folder / "voices").mkdir(parents=True)
    (folder / "model.bin").write_bytes(WEIGHTS)
    (folder / "voices/config.json").write_bytes(CONFIG)
    assert entries.state("toy") == "unverified"
    assert entries.ensure("toy", progress=False) == folder
    assert entries.state("toy") == "ready"
    assert source.fetched == 0


def corrupt(path: Path) -> str:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    return sha256(bytes(content))


def test_a_corrupt_cache_is_refused_naming_both_checksums_until_repaired(tmp_path):
    source = Given()
    entries = load(tmp_path, TWO_WHEELS, sources=[source])
    folder = entries.ensure("toy", progress=False)
    actual = corrupt(folder / "model.bin")
    with pytest.raises(DamagedError) as failure:
        entries.ensure("toy", progress=False)
    assert (failure.value.expected, failure.value.actual) == (sha256(WEIGHTS), actual)
    assert sha256(WEIGHTS) in str(failure.value)
    assert actual in str(failure.value)
    assert "forecourt models fetch toy" in str(failure.value)
    assert_whole(entries.ensure("toy", progress=False, repair=True))
    assert leftovers(entries) == []


def test_a_truncated_or_missing_file_in_the_cache_is_refused(tmp_path):
    entries = load(tmp_path, TWO_WHEELS, sources=[Given()])
    folder = entries.ensure("toy", progress=False)
    os.truncate(folder / "model.bin", 1000)
    assert entries.state("toy") == "damaged"
    with pytest.raises(DamagedError, match=sha256(WEIGHTS[:1000])):
        entries.ensure("toy", progress=False)
    (folder / "model.bin").unlink()
    with pytest.raises(DamagedError, match="is missing") as failure:
        entries.ensure("toy", progress=False)
    assert failure.value.actual is None


def test_verify_hashes_even_when_size_and_time_are_unchanged(tmp_path):
    entries = load(tmp_path, TWO_WHEELS, sources=[Given()])
    file = entries.ensure("toy", progress=False) / "model.bin"
    status = file.stat()
    corrupt(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert entries.state("toy") == "ready"
    with pytest.raises(DamagedError):
        entries.verify("toy")


def test_an_explicit_path_is_verified_and_left_as_it_is(tmp_path):
    source = Given()
    entries = load(tmp_path, TWO_WHEELS, sources=[source])
    mine = tmp_path / "mine"
    shutil.copytree(entries.ensure("toy", progress=False), mine)
    (mine / models.STAMP).unlink()
    assert entries.ensure("toy", path=mine) == mine
    assert {path.name for path in mine.iterdir()} == {"model.bin", "voices"}
    actual = corrupt(mine / "model.bin")
    with pytest.raises(DamagedError, match=actual):
        entries.ensure("toy", path=mine)
    with pytest.raises(DamagedError, match="is missing"):
        entries.ensure("toy", path=tmp_path / "nowhere")
    assert source.fetched == 1


ENSURE = """
import sys
from pathlib import Path
from engine.models import Catalogue
entries = Catalogue.load(Path(sys.argv[1]), root=Path(sys.argv[2]))
print(entries.ensure("toy", progress=False, repair=True))
"""


def start_ensure(tmp_path: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(tmp_path / "toys.toml"), str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


@pytest.mark.parametrize("start", ["absent", "damaged"])
def test_processes_that_race_all_get_the_whole_model(registry, tmp_path, start):
    serve_two_wheels(registry)
    entries = load(tmp_path, TWO_WHEELS)
    if start == "damaged":
        corrupt(entries.ensure("toy", progress=False) / "model.bin")
    processes = [start_ensure(tmp_path) for _ in range(2)]
    answers = [(*process.communicate(), process.returncode) for process in processes]
    assert [(out.strip(), code) for out, _, code in answers] == [
        (str(entries.folder("toy")), 0)
    ] * 2, answers
    assert_whole(entries.verify("toy"))
    assert leftovers(entries) == []


def test_a_fetch_that_is_killed_leaves_no_half_model(registry, tmp_path):
    serve_two_wheels(registry)
    entries = load(tmp_path, TWO_WHEELS)
    process = start_ensure(tmp_path)
    while process.poll() is None and not leftovers(entries):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert entries.state("toy") == "absent"
    assert_whole(entries.ensure("toy", progress=False))


def test_who_comes_second_leaves_the_first_ones_folder_in_place(tmp_path):
    first = load(tmp_path, TWO_WHEELS, sources=[Given()])
    inodes = []

    class Slow(Given):
        def fetch(self, entry: Entry, files: Path, scratch: Path, report: Report) -> None:
            super().fetch(entry, files, scratch, report)
            inodes.append(first.ensure("toy", progress=False).stat().st_ino)

    second = load(tmp_path, TWO_WHEELS, sources=[Slow()])
    assert [second.ensure("toy", progress=False).stat().st_ino] == inodes
    assert leftovers(second) == []


def test_scratch_of_killed_processes_is_swept_after_a_day(tmp_path):
    entries = load(tmp_path, TWO_WHEELS, sources=[Given()])
    old, new = entries.root / f"{models.SCRATCH}old", entries.root / f"{models.SCRATCH}new"
    for scratch in (old, new):
        scratch.mkdir(parents=True)
        (scratch / "half.whl").write_bytes(b"half")
    yesterday = time.time() - models.ABANDONED_AFTER_S - 60
    os.utime(old, (yesterday, yesterday))
    entries.ensure("toy", progress=False)
    assert leftovers(entries) == [new.name]


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    entries = load(tmp_path, TWO_WHEELS, sources=[Given()])
    entries.root.parent.write_text("a file where the cache should be")
    with pytest.raises(ModelError, match="FORECOURT_CACHE"):
        entries.ensure("toy", progress=False)


def test_progress_shows_the_licence_and_the_source(tmp_path, capsys):
    load(tmp_path, TWO_WHEELS, sources=[Given()]).ensure("toy")
    shown = capsys.readouterr().err
    assert "licence: MIT" in shown
    assert "from: the given source" in shown
    assert "1.0/1.0 MB" in shown


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FORECOURT_CACHE", raising=False)
    assert models.cache_root() == tmp_path / "xdg" / "forecourt"
    monkeypatch.setenv("FORECOURT_CACHE", str(tmp_path / "own"))
    assert models.cache_root() == tmp_path / "own"
    assert models.catalogue().root == tmp_path / "own" / "models"


def test_other_content_gets_another_folder(tmp_path):
    before = load(tmp_path, TWO_WHEELS).folder("toy")
    assert load(tmp_path, TWO_WHEELS.replace(sha256(CONFIG), "0" * 64)).folder("toy") != before


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownModelError, match=r"no model called 'tiny'.*whisper-tiny\.en"):
        models.ensure("tiny")


@pytest.mark.parametrize("path", ["../model.bin", "/etc/model.bin", "a/../b", ".hidden", ""])
def test_a_catalogue_cannot_name_files_outside_its_folder(tmp_path, path):
    with pytest.raises(ValidationError, match="path"):
        load(tmp_path, TWO_WHEELS.replace('"model.bin"', json.dumps(path)))


@pytest.mark.parametrize(
    "file", ["engine/models.toml", "benchmarks/speech.toml", "benchmarks/pictures.toml"]
)
def test_every_part_of_the_catalogues_comes_from_a_declared_package(file):
    entries = Catalogue.load(Path(__file__).parents[2] / file).entries.values()
    assert entries
    for entry in entries:
        used = {part.split(":", 1)[0] for file in entry.files for part in file.parts}
        assert used == set(entry.packages)
        assert len({file.path for file in entry.files}) == len(entry.files)


def test_the_default_model_in_the_cache_is_what_the_catalogue_says(default_model):
    assert models.verify() == default_model
    assert (default_model / "model.bin").stat().st_size == 75_537_502


def test_the_bundled_speech_is_what_its_fixtures_say(two_cities, librivox):
    assert two_cities.stat().st_size == 4_260_326
    assert len(librivox) == 5
    assert all(text.read_text().split() for _, text in librivox)


def test_the_command_lists_fetches_and_verifies(registry, tmp_path, monkeypatch):
    serve_two_wheels(registry)
    monkeypatch.setenv("FORECOURT_CACHE", str(tmp_path / "cache"))
    entries = load(tmp_path, TWO_WHEELS)

    def run(*arguments: str) -> tuple[int, str]:
        path = str(tmp_path / "toys.toml")
        result = CliRunner().invoke(command, ["--catalogue", path, *arguments])
        return result.exit_code, result.output

    assert "not fetched" in run("list")[1]
    code, shown = run("verify", "toy")
    assert code == 1
    assert "not in the cache" in shown
    assert run("fetch", "toy")[0] == 0
    assert "ready" in run("list")[1]
    assert run("verify")[0] == 0
    actual = corrupt(entries.folder("toy") / "model.bin")
    code, shown = run("verify")
    assert code == 1
    assert actual in shown
    assert run("fetch", "--all")[0] == 0
    assert run("verify", "toy")[0] == 0
    code, shown = run("fetch", "nonsense")
    assert code == 1
    assert "no model called 'nonsense'" in shown
