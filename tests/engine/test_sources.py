"""Real pip, npm and hub clients, pointed at a loopback registry, deliver what a catalogue names."""

from __future__ import annotations

import json
import socket
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import models
from engine.models import UnreachableError
from tests.engine.toys import (
    CONFIG,
    REVISION,
    TWO_WHEELS,
    WEIGHTS,
    Registry,
    assert_whole,
    catalogue_text,
    leftovers,
    load,
    point_clients_at,
    serve_two_wheels,
    serving,
    sha256,
    tarball,
    wheel,
)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    with serving(monkeypatch, tmp_path) as registry:
        yield registry


def test_parts_in_wheels_are_joined_and_nothing_else_is_kept(registry, tmp_path):
    serve_two_wheels(registry)
    entries = load(tmp_path, TWO_WHEELS)
    folder = entries.ensure("toy", progress=False)
    assert_whole(folder)
    assert {path.name for path in folder.iterdir()} == {"model.bin", "voices", models.STAMP}
    assert entries.state("toy") == "ready"
    assert leftovers(entries) == []


def test_a_wheel_for_another_platform_still_gives_its_data(registry, tmp_path):
    members = {"toy/m": WEIGHTS, "toy/c": CONFIG}
    registry.files["toy-1.0-py3-none-macosx_11_0_arm64.whl"] = wheel("toy", members)
    package = '[toy.packages.toy]\nversion = "1.0"\narchive_size = 1\n'
    package += 'platform = "macosx_11_0_arm64"'
    entries = load(tmp_path, catalogue_text(package, ["toy:toy/m"], "toy:toy/c"))
    assert_whole(entries.ensure("toy", progress=False))


def test_a_source_archive_gives_its_data(registry, tmp_path):
    backend = textwrap.dedent(
        """
        import pathlib
        def prepare_metadata_for_build_wheel(folder, config_settings=None):
            info = pathlib.Path(folder) / "toy-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: toy\\nVersion: 1.0\\n")
            return info.name
        """
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    registry.files["toy-1.0.tar.gz"] = tarball(
        {
            "toy-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
            "toy-1.0/pyproject.toml": project.encode(),
            "toy-1.0/backend.py": backend.encode(),
            "toy-1.0/data/m": WEIGHTS,
            "toy-1.0/data/c": CONFIG,
        }
    )
    package = '[toy.packages.toy]\nversion = "1.0"\narchive_size = 1\nform = "sdist"'
    text = catalogue_text(package, ["toy:toy-1.0/data/m"], "toy:toy-1.0/data/c")
    assert_whole(load(tmp_path, text).ensure("toy", progress=False))


def test_an_npm_package_gives_its_data(registry, tmp_path):
    description = json.dumps({"name": "toy", "version": "1.0.0"}).encode()
    registry.files["toy-1.0.0.tgz"] = tarball(
        {"package/package.json": description, "package/m": WEIGHTS, "package/c": CONFIG}
    )
    package = '[toy.packages.toy]\nversion = "1.0.0"\narchive_size = 1\nregistry = "npm"'
    entries = load(tmp_path, catalogue_text(package, ["toy:package/m"], "toy:package/c"))
    assert_whole(entries.ensure("toy", progress=False))


def test_the_hub_at_its_pinned_revision_follows_when_no_package_is_there(registry, tmp_path):
    registry.files[f"/toys/toy/resolve/{REVISION}/model.bin"] = WEIGHTS
    registry.files[f"/toys/toy/resolve/{REVISION}/voices/config.json"] = CONFIG
    package = '[toy.packages.toy]\nversion = "1.0"\narchive_size = 1'
    text = catalogue_text(package, ["toy:toy/m"], "toy:toy/c", hub=True)
    entries = load(tmp_path, text)
    folder = entries.ensure("toy", progress=False)
    assert_whole(folder)
    assert not (folder / ".cache").exists()
    asked = [path.split("/")[1] for path in registry.requests]
    assert asked.index("simple") < asked.index("toys")


def test_wrong_content_is_refused_naming_both_checksums(registry, tmp_path):
    wrong = WEIGHTS[::-1]
    serve_two_wheels(registry, wrong)
    entries = load(tmp_path, TWO_WHEELS)
    with pytest.raises(UnreachableError) as failure:
        entries.ensure("toy", progress=False)
    assert sha256(WEIGHTS) in str(failure.value)
    assert sha256(wrong) in str(failure.value)
    assert entries.state("toy") == "absent"
    assert leftovers(entries) == []


@pytest.mark.parametrize("damage", ["cut_short", "truncated", "member_missing"])
def test_a_broken_download_leaves_nothing_behind(registry, tmp_path, damage):
    serve_two_wheels(registry)
    name = "toy_part2-1.0-py3-none-any.whl"
    if damage == "cut_short":
        registry.cut_short = True
    elif damage == "truncated":
        registry.files[name] = registry.files[name][:-40]
    else:
        registry.files[name] = wheel("toy-part2", {"toy/other": b"x"})
    entries = load(tmp_path, TWO_WHEELS)
    with pytest.raises(UnreachableError, match=r"package data toy-part1==1.0 toy-part2==1.0: \S"):
        entries.ensure("toy", progress=False)
    assert list(entries.root.iterdir()) == []


def test_without_a_network_each_source_and_its_command_is_named(monkeypatch, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        point_clients_at(url, monkeypatch, tmp_path)
        packages = """
[toy.packages.toy-weights]
version = "1.0"
archive_size = 1
"""
        text = catalogue_text(packages, ["toy-weights:m"], "toy-weights:c")
        script = '[toy.packages.toy]\nversion = "1.0.0"\narchive_size = 1\nregistry = "npm"'
        npm_text = catalogue_text(script, ["toy:package/m"], "toy:package/c")
        with pytest.raises(UnreachableError) as pip_failure:
            load(tmp_path, text).ensure("toy", progress=False)
        monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
        with pytest.raises(UnreachableError) as npm_failure:
            load(tmp_path, npm_text).ensure("toy", progress=False)
    assert "Connection refused" in str(pip_failure.value)
    by_hand = "$ python -m pip download --no-deps --only-binary :all: toy-weights==1.0"
    assert by_hand in str(pip_failure.value)
    assert "ECONNREFUSED" in str(npm_failure.value)
    assert "$ npm pack toy@1.0.0" in str(npm_failure.value)


def test_every_source_that_failed_is_named(registry, tmp_path):
    package = '[toy.packages.toy]\nversion = "1.0"\narchive_size = 1'
    text = catalogue_text(package, ["toy:toy/m"], "toy:toy/c", hub=True)
    entries = load(tmp_path, text)
    with pytest.raises(UnreachableError) as failure:
        entries.ensure("toy", progress=False)
    message = str(failure.value)
    assert "package data toy==1.0: ERROR: " in message
    assert f"hub repository toys/toy at {REVISION[:12]}: " in message
    assert f"--revision {REVISION} --local-dir {entries.folder('toy')}" in message
