"""What does it cost to write a text, and to check one?

    python -m pytest benchmarks/test_content_kernels.py

A vehicle with all that copy can tell of, its offer included.
"""

from __future__ import annotations

from datetime import date

import pytest

from api.content.writer import write
from api.store.content import Brief, Platform
from benchmarks.content import DEALER, PLATFORMS, checked, facts

TODAY = date.today()  # noqa: DTZ011


@pytest.mark.parametrize("platform", PLATFORMS)
def test_writing(benchmark, platform: Platform):
    brief = Brief(platform=platform)
    written = benchmark(write, facts(0), brief, DEALER, TODAY)
    assert written.text


@pytest.mark.parametrize("platform", PLATFORMS)
def test_checking(benchmark, platform: Platform):
    brief = Brief(platform=platform)
    written = write(facts(0), brief, DEALER, TODAY)
    benchmark(checked, facts(0), brief, written, TODAY)
