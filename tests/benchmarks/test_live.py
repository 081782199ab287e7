from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import live
from benchmarks.conversation import conversation, recordings
from benchmarks.live import Places, steps_ms
from benchmarks.talkers import Outcome, load_packets, save_packets


def answered(kind: str, end_ms: int, utterance: int = 1) -> dict[str, object]:
    return {
        "k": "hypothesis",
        "track": "trainee",
        "utterance": utterance,
        "kind": kind,
        "end": end_ms * 16,
    }


def test_steps_lie_between_the_windows_of_one_utterance_and_not_before_its_final_one():
    journal = [
        {"k": "play", "track": "trainee", "at": 0},
        answered("first", 400),
        answered("refresh", 900),
        answered("first", 5_000, utterance=2),
        answered("refresh", 1_600),
        answered("final", 2_000),
        answered("speculative", 5_700, utterance=2),
    ]
    assert list(steps_ms(journal)) == [500.0, 700.0, 700.0]


def test_an_answer_that_comes_late_is_no_step_back():
    journal = [answered("first", 400), answered("refresh", 1_400), answered("refresh", 900)]
    assert list(steps_ms(journal)) == [1_000.0]


@pytest.mark.parametrize(
    ("allowed", "places", "told"),
    [
        ([5], Places(5, 5, (5,)), "all on core 5"),
        ([0, 1], Places(0, 0, (0, 1)), "node and clients on core 0, recognizer on 0, 1"),
        (
            [0, 1, 2, 3],
            Places(0, 3, (0, 1, 2)),
            "node on core 0, clients on core 3, recognizer on 0, 1, 2",
        ),
    ],
)
def test_the_clients_have_a_core_of_their_own_where_there_are_enough(allowed, places, told):
    assert Places.of(allowed) == places
    assert str(places) == told


def test_packets_and_what_was_heard_survive_the_file(tmp_path: Path):
    payloads = [b"one", b"", b"three"]
    save_packets(tmp_path / "0.npz", payloads)
    assert load_packets(tmp_path / "0.npz") == payloads
    heard = Outcome("abc", [1.0, 1.02], [(1.5, "degraded", {"what": "transcript"})])
    heard.save(tmp_path / "0.json")
    again = Outcome.load(tmp_path / "0.json")
    assert (again.session, again.sent_s) == (heard.session, heard.sent_s)
    assert [tuple(event) for event in again.events] == heard.events


@pytest.mark.slow
async def test_calls_of_several_trainees_are_heard_and_judged():
    material = recordings()
    said = [conversation(material, 8.0, seed) for seed in (3, 4)]
    (run,) = await live._runs([said], Places.of(sorted(os.sched_getaffinity(0))), step="fixed")
    assert run.refused == 0
    assert len(run.latencies) == 2
    assert sum(words for _, words in run.errors) == sum(len(one.reading.words) for one in said)
    assert sum(wrong for wrong, _ in run.errors) < 0.5 * sum(words for _, words in run.errors)
    assert run.speech_s == pytest.approx(sum(one.reading.speech_s for one in said))
    assert len(run.late_ms) == sum(-(-len(one.reading.audio) // 960) for one in said)
    assert run.asr_cpu_s > 0
    assert run.steps_ms
