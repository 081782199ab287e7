"""Real speech, the outside test data, and the profile of property tests.

`FORECOURT_TEST_DATA` may name a folder of recordings (with a `manifest.tsv`). A test marked
`@pytest.mark.test_data("noise/**/*.wav")` that takes `data_file` runs once for each file found
there; without the variable, or without such files, it is deselected.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import hypothesis
import pytest

from engine import models

# As a worker has it: threads of linear algebra spin while they wait, which on two busy cores made
# tests of the recognizer ten times as slow. It holds if nothing above has loaded numpy.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

hypothesis.settings.register_profile("forecourt", deadline=None, print_blob=True)
hypothesis.settings.load_profile("forecourt")

SPEECH = Path(__file__).parents[1] / "benchmarks" / "speech.toml"


def test_data(pattern: str) -> list[Path]:
    """Files below `FORECOURT_TEST_DATA` that match the glob pattern, sorted; none without it."""
    root = os.environ.get("FORECOURT_TEST_DATA")
    return sorted(path for path in Path(root).glob(pattern) if path.is_file()) if root else []


test_data.__test__ = False


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "test_data(pattern): run for each `data_file` in FORECOURT_TEST_DATA that matches",
    )
    config.addinivalue_line(
        "markers", "slow: whole calls in real time; `make test-slow` and .ci/run run these too"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("test_data")
    if marker is not None:
        files = [path for pattern in marker.args for path in test_data(pattern)]
        root = Path(os.environ.get("FORECOURT_TEST_DATA", ""))
        names = [path.relative_to(root).as_posix() for path in files]
        metafunc.parametrize("data_file", files or [None], ids=names or ["none"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def lacks_data(item: pytest.Item) -> bool:
        call = getattr(item, "callspec", None)
        return call is not None and call.params.get("data_file", item) is None

    without = [item for item in items if lacks_data(item)]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if not lacks_data(item)]


@pytest.fixture(scope="session")
def two_cities() -> Path:
    """44 s of one reader, 48 kHz mono PCM16: the opening of A Tale of Two Cities."""
    return models.Catalogue.load(SPEECH).ensure("two-cities", repair=True) / "two_cities.wav"


@pytest.fixture(scope="session")
def librivox() -> list[tuple[Path, Path]]:
    """Five clips of one reader, 16 kHz mono PCM16: (wav, text); word times in .json beside."""
    folder = models.Catalogue.load(SPEECH).ensure("librivox", repair=True)
    return [(wav, wav.with_suffix(".txt")) for wav in sorted(folder.glob("*.wav"))]


@pytest.fixture(scope="session")
def default_model() -> Path:
    """Folder of the default recogniser's weights."""
    return models.ensure()


@pytest.fixture(scope="session")
def data_manifest() -> dict[str, dict[str, str]]:
    """Rows of the test data's manifest by `path`; empty without FORECOURT_TEST_DATA."""
    rows: dict[str, dict[str, str]] = {}
    for path in test_data("manifest.tsv"):
        with path.open(encoding="utf-8", newline="") as table:
            for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
                rows[row["path"]] = row
    return rows
