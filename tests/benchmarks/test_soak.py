"""The churn is seeded, and what is compared is alike."""

from __future__ import annotations

import mmap
import os
import threading
from collections import Counter
from itertools import islice

import pytest

from benchmarks import soak, vitals
from benchmarks.soak import Sample, Window, plans, windows
from benchmarks.vitals import Vitals


def sample(at_s: float, rss_mb: float = 300.0, tasks: int = 100) -> Sample:
    return Sample(at_s, Vitals(rss_mb, 10, 60), Vitals(180.0, 3, 9), tasks, 20)


def test_equal_seeds_make_equal_calls() -> None:
    first, again, other = (list(islice(plans(seed, soak.FULL), 50)) for seed in (1, 1, 2))
    assert first == again != other


def test_calls_end_in_every_way_as_often_as_asked() -> None:
    calls = list(islice(plans(3, soak.FULL), 5_000))
    ways = Counter(call.way for call in calls)
    for way, share in soak.ENDS.items():
        assert ways[way] / len(calls) == pytest.approx(share, abs=0.03)
    assert sum(call.speaks for call in calls) / len(calls) == pytest.approx(0.1, abs=0.02)
    assert min(call.lives_s for call in calls) >= soak.FULL.shortest_s
    assert max(call.lives_s for call in calls) <= soak.FULL.longest_s


def test_callers_and_what_killed_ones_leave_behind_fit_a_node() -> None:
    """A killed call is kept for 60 s; a node takes 40."""
    mean_s = (soak.FULL.shortest_s + soak.FULL.longest_s) / 2
    kept = soak.FULL.callers * soak.ENDS["killed"] * 60 / mean_s
    assert soak.FULL.callers + 2 * kept <= 40


def test_a_full_run_compares_minute_four_to_five_with_the_last() -> None:
    samples = [sample(at, 300 + at / 10) for at in range(5, 605, 5)]
    first, last = windows(samples, 600.0)
    assert first.node_rss_mb == pytest.approx(300 + 26.75)
    assert last.node_rss_mb == pytest.approx(300 + 57.0)
    assert last.rss_mb - last.node_rss_mb == pytest.approx(180.0)


def test_a_short_run_compares_its_last_thirds() -> None:
    samples = [sample(float(at), tasks=at) for at in range(1, 19)]
    first, last = windows(samples, 18.0)
    assert (first.tasks, last.tasks) == (8.5, 15.0)


def test_a_window_without_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no sample"):
        Window.of([sample(10.0)], 240.0, 300.0)


def test_vitals_see_memory_threads_and_descriptors_of_a_process() -> None:
    before = vitals.of(os.getpid())
    # Pages of its own: the allocator might hand out some that are resident already.
    held = mmap.mmap(-1, 64 << 20)
    held.write(b"\1" * (64 << 20))
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    reading, writing = os.pipe()
    after = vitals.of(os.getpid())
    done.set()
    thread.join()
    os.close(reading)
    os.close(writing)
    held.close()
    assert after.rss_mb - before.rss_mb == pytest.approx(67.1, abs=10)
    assert after.threads == before.threads + 1
    assert after.descriptors == before.descriptors + 2


def test_a_process_that_is_gone_has_no_vitals() -> None:
    with pytest.raises(FileNotFoundError):
        vitals.of(2**22 + 1)
