"""Connections on this machine only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from signaling import stack


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)
