"""The process's own load."""

from __future__ import annotations

import time

from signaling.load import EVERY_S, Load


def test_a_process_that_computes_all_the_time_is_busy_and_one_that_sleeps_is_not() -> None:
    load = Load()
    until_s = time.monotonic() + EVERY_S + 0.1
    while time.monotonic() < until_s:
        sum(range(1_000))
    assert load.is_high == (load.share > 0.6)
    busy = load.share
    time.sleep(EVERY_S + 0.1)
    assert not load.is_high
    assert load.share < busy / 2
