from __future__ import annotations

from pathlib import Path

import pytest

from tests.analyzers.recordings import Pcm, read


@pytest.fixture(scope="session")
def reading(two_cities: Path) -> Pcm:
    """44 s of one reader, 16 kHz int16."""
    return read(two_cities)
