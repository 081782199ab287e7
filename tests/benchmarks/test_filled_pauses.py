"""What counts as found, and what the material is."""

from __future__ import annotations

from benchmarks.filled_pauses import Count, annotated, count, spliced
from benchmarks.reading import clips, load


def test_a_filler_is_found_by_one_find_and_a_find_finds_one_filler() -> None:
    assert count([(0, 400)], [(100, 300)]) == Count(1, 1, 1)
    assert count([(0, 400)], [(0, 180), (200, 400)]) == Count(1, 2, 1)
    assert count([(0, 400), (450, 800)], [(0, 800)]) == Count(2, 1, 1)
    assert count([(0, 400)], [(360, 900)]) == Count(1, 1, 0)
    assert count([(500, 510)], [(400, 700)]) == Count(1, 1, 1)
    assert count([(500, 900)], [(920, 1000)], off_ms=150) == Count(1, 1, 1)
    assert count([], [(0, 1)]) == Count(0, 1, 0)


def test_the_clips_have_fourteen_fillers() -> None:
    assert sum(len(clip.fillers) for clip in annotated()) == 14


def test_a_filler_put_into_a_clause_is_where_it_is_said_to_be_between_silences() -> None:
    readings = {name: load(name, path) for name, path in clips().items()}
    for clip in spliced(readings, (1, 1)):
        ((begin_ms, end_ms),) = clip.fillers
        assert 200 <= end_ms - begin_ms <= 700
        assert not clip.pcm[16 * (begin_ms - 40) : 16 * (begin_ms - 5)].any()
        assert not clip.pcm[16 * (end_ms + 5) : 16 * (end_ms + 40)].any()
        assert clip.pcm[16 * begin_ms : 16 * end_ms].any()


def test_a_shorter_tract_makes_fillers_shorter() -> None:
    readings = {name: load(name, path) for name, path in clips().items()}
    plain, higher = spliced(readings, (1, 1)), spliced(readings, (100, 118))
    for one, other in zip(plain, higher, strict=True):
        ((begin_ms, end_ms),) = one.fillers
        ((other_begin_ms, other_end_ms),) = other.fillers
        assert begin_ms == other_begin_ms
        assert abs((end_ms - begin_ms) / 1.18 - (other_end_ms - other_begin_ms)) <= 2
