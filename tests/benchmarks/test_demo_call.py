"""The bundled call is what its script says, measured on the decoded file."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest

from api.demo import bundled
from api.demo.bundled import CALL
from api.demo.render import SCRIPT, Script, compressed
from signaling.publisher import RATE, load_audio

SIDE = json.loads(CALL.with_suffix(".json").read_text())
PASSAGES = {passage["name"]: passage for passage in SIDE["passages"]}
FRAME = RATE // 50


@pytest.fixture(scope="module")
def call() -> np.ndarray:
    """The decoded call as float64 in full-scale units, 48 kHz mono."""
    return load_audio(CALL).astype(np.float64) / 32768.0


def part(call: np.ndarray, start_ms: float, end_ms: float) -> np.ndarray:
    return call[round(start_ms * RATE / 1000) : round(end_ms * RATE / 1000)]


def level_dbfs(samples: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(samples**2) + 1e-12))


def frame_levels(samples: np.ndarray) -> np.ndarray:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return 10.0 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def test_the_call_was_rendered_from_the_script_as_it_stands():
    assert SIDE["scriptSha256"] == hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
    assert SIDE["audioSha256"] == hashlib.sha256(CALL.read_bytes()).hexdigest()


def test_the_sidecar_holds_every_passage_of_the_script():
    written = [(p.name, p.text, p.feedback) for p in Script.load().passages]
    assert [(p["name"], p["text"], p["feedback"]) for p in SIDE["passages"]] == written
    assert [p.name for p in bundled.passages()] == [name for name, _, _ in written]


def test_the_call_is_short_small_and_as_long_as_the_sidecar_says(call):
    assert len(call) / RATE == pytest.approx(SIDE["durationMs"] / 1000, abs=0.02)
    assert len(call) / RATE <= 60.0
    assert CALL.stat().st_size < 400_000


def test_nothing_clips(call):
    assert np.abs(call).max() < 0.9


@pytest.mark.parametrize("name", PASSAGES)
def test_a_passage_is_as_loud_as_the_script_says(call, name):
    passage = PASSAGES[name]
    levels = frame_levels(part(call, passage["startMs"], passage["endMs"]))
    active = levels[levels > np.percentile(levels, 95) - 25.0]
    loudness = 10.0 * np.log10(np.mean(10.0 ** (active / 10.0)))
    assert loudness == pytest.approx(passage["levelDbfs"], abs=1.0)


def test_the_quiet_passage_is_at_least_twelve_db_below_the_rest_for_five_seconds():
    quiet = PASSAGES["quiet"]
    others = [p["levelDbfs"] for name, p in PASSAGES.items() if name != "quiet"]
    assert quiet["levelDbfs"] <= min(others) - 12.0
    assert quiet["endMs"] - quiet["startMs"] >= 5_000


def test_between_passages_there_is_a_quiet_room_and_no_digital_silence(call):
    gaps = [(p["endMs"], p["endMs"] + p["pauseAfterMs"]) for p in SIDE["passages"][:-1]]
    gaps += [(0, PASSAGES["opening"]["startMs"]), (PASSAGES["quiet"]["endMs"], SIDE["durationMs"])]
    for start_ms, end_ms in gaps:
        room = part(call, start_ms + 100, end_ms - 100)
        assert level_dbfs(room) == pytest.approx(-65.0, abs=2.0)
        assert frame_levels(room).min() > -72.0


def test_the_long_pause_is_one_and_no_other_silence_comes_near_it(call):
    loud = frame_levels(call) > -55.0
    edges = np.flatnonzero(np.diff(loud.astype(int)))
    silences = [(end - start) * 20 for start, end in pairwise(edges) if not loud[start + 1]]
    assert max(silences) >= 5_000
    assert sorted(silences)[-2] < 1_500


def test_the_speech_begins_after_half_a_second_and_the_room_goes_on_after_it(call):
    loud = np.flatnonzero(frame_levels(call) > -55.0)
    assert 0.48 <= loud[0] * 0.02 <= 0.60
    assert len(call) / RATE - loud[-1] * 0.02 >= 1.4


def test_only_the_rushed_passage_is_fast():
    for name, passage in PASSAGES.items():
        if name == "rushed":
            assert passage["rateWpm"] >= 230.0
            assert passage["endMs"] - passage["startMs"] >= 6_000
        else:
            assert 140.0 <= passage["rateWpm"] <= 165.0


def test_compressing_keeps_the_pitch():
    at = np.arange(RATE) / RATE
    squeezed = compressed(0.5 * np.sin(2 * np.pi * 200.0 * at), 1.6)
    assert len(squeezed) == pytest.approx(RATE / 1.6, rel=0.03)
    middle = squeezed[4_800:-4_800]
    crossings = np.count_nonzero((middle[:-1] < 0) & (middle[1:] >= 0))
    assert crossings / (len(middle) / RATE) == pytest.approx(200.0, rel=0.03)
