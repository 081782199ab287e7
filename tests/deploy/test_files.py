"""The Dockerfile, scripts and settings, each by a program that knows its language."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from api.settings import Settings
from tests.deploy.conftest import ROOT, tool

SCRIPTS = sorted((ROOT / "deploy").rglob("*.sh"))
NAMES = re.compile(r"\bFORECOURT_([A-Z0-9_]+)")
OUTSIDE_SETTINGS = {"cache"}
"""What engine/models.py reads itself."""


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = subprocess.run(
        [tool("hadolint"), "--no-color", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_hadolint_does_find_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python:latest\nRUN cd /tmp && sudo ls\n")
    found = subprocess.run(
        [tool("hadolint"), "--no-color", wrong], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert {"DL3007", "DL3004"} <= set(re.findall(r"DL\d+", found.stdout))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_shellcheck_finds_nothing_in_a_script_and_it_may_be_run(script: Path) -> None:
    found = subprocess.run(
        [tool("shellcheck"), "--color=never", script], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize(
    "name",
    ["Dockerfile", "docker-compose.yml", ".env.example", "deploy/prepare.sh", "deploy/README.md"],
)
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    named = {found.lower() for found in NAMES.findall((ROOT / name).read_text())}
    assert named
    assert named <= set(Settings.model_fields) | OUTSIDE_SETTINGS


def test_all_that_the_dockerfile_copies_exists_and_is_let_through() -> None:
    stage = (ROOT / "Dockerfile").read_text()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", stage, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    passed = (ROOT / ".dockerignore").read_text().split("\n")
    assert set(copied) >= {"pyproject.toml", "constraints.txt", "api", "engine", "signaling"}
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in passed
    assert "*" in passed


def test_the_last_stage_runs_as_nobody_in_particular_and_installs_nothing() -> None:
    last = (ROOT / "Dockerfile").read_text().rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["10001"]
    assert "STOPSIGNAL SIGTERM" in last
    assert "/healthz" in last
    assert not re.search(r"\b(pip|apt-get|apk) ", last)
