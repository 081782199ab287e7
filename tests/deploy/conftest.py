"""An installation as deploy/prepare.sh makes it, and docker-compose.yml as a compose program reads
it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOST = "coach.example.com"
ADDRESS = "203.0.113.7"


def tool(name: str) -> str:
    """A program that a package of the extra `test` put beside Python."""
    return str(Path(sys.executable).with_name(name))


@dataclass(frozen=True, slots=True)
class Prepared:
    """`secrets` and `environment` (.env) as the script wrote them."""

    secrets: Path
    environment: Path


def prepare(
    folder: Path, host: str = HOST, address: str = ADDRESS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "deploy/prepare.sh", host, address, folder / "secrets"],
        env=os.environ | {"ENV_FILE": str(folder / ".env")},
        capture_output=True,
        text=True,
        check=False,
    )


def compose(environment: Path) -> subprocess.CompletedProcess[str]:
    """What podman-compose makes of docker-compose.yml; `--dry-run` needs no Podman."""
    return subprocess.run(
        [
            tool("podman-compose"),
            "--dry-run",
            *("--env-file", environment),
            *("--file", ROOT / "docker-compose.yml"),
            "config",
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("installation")
    made = prepare(folder)
    assert made.returncode == 0, made.stderr
    return Prepared(folder / "secrets", folder / ".env")


@pytest.fixture(scope="session")
def configuration(prepared: Prepared) -> dict[str, Any]:
    """docker-compose.yml, parsed, its variables filled in."""
    parsed = compose(prepared.environment)
    assert parsed.returncode == 0, parsed.stderr
    document: dict[str, Any] = yaml.safe_load(parsed.stdout)
    return document


@pytest.fixture(scope="session")
def services(configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = configuration["services"]
    return found
