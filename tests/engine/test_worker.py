"""The real worker process survives what a node survives, and ends with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from engine.asr import calibration, weights
from engine.asr.process import WORKER, WorkerProcess
from engine.asr.scheduler import Model, Scheduler
from engine.asr.window import Hypothesis, Kind, Window
from engine.asr.worker import finished
from engine.frames import SAMPLE_RATE, Pcm
from tests.engine.desk import alive, until


async def test_the_real_worker_survives_ctrl_c_and_its_own_death(
    default_model: Path, reading: Pcm
) -> None:
    """Two sessions on real speech: SIGINT (Ctrl-C reaches the whole group) changes nothing, SIGKILL
    while both decode costs no window."""
    normal = EnglishTextNormalizer()
    reference = normal("It was the best of times, it was the worst of times")
    speech = reading[int(0.6 * SAMPLE_RATE) : int(5.0 * SAMPLE_RATE)]
    scheduler = Scheduler({"en": Model(default_model, weights.options("whisper-tiny.en"))})
    await scheduler.start()
    answers: list[Hypothesis] = []

    def ask(utterance: int) -> None:
        for session in ("a", "b"):
            end = len(speech)
            each = Window(session, "trainee", utterance, Kind.FINAL, 0, end, end, speech)
            scheduler.submit(each, answers.append)

    try:
        (first,) = scheduler.pids
        os.kill(first, signal.SIGINT)
        ask(1)
        await until(lambda: len(answers) == 2)
        assert scheduler.pids == [first]
        ask(2)
        await asyncio.sleep(0.05)
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(answers) == 4)
        await until(lambda: scheduler.ready and scheduler.pids != [first])
        (second,) = scheduler.pids
        assert scheduler.statistics().restarts == 1
    finally:
        await scheduler.stop()
    assert sorted((a.window.session, a.window.utterance) for a in answers) == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]
    for answer in answers:
        text = normal(" ".join(word.text for word in answer.words))
        assert jiwer.wer(reference, text) <= 0.1
        assert answer.words[-1].end_ms > answer.words[0].start_ms
    assert not alive(first)
    assert not alive(second)


async def test_the_worker_says_what_a_window_costs_and_remembers_an_utterance_by_its_name(
    default_model: Path, reading: Pcm
) -> None:
    """Of an utterance it has heard before it goes on from there, so a beginning that is silenced
    afterwards is still heard; of another it knows nothing."""
    options = weights.options("whisper-tiny.en") | {"language": "en"}
    process = WorkerProcess([*WORKER, str(default_model), json.dumps(options)])
    greeting = await process.start(asyncio.Event())

    async def look(utterance: int, pcm: Pcm) -> str:
        end = len(pcm)
        window = Window("a", "trainee", utterance, Kind.REFRESH, 0, end, end, pcm)
        (answer,) = await process.decode([window])
        assert (answer.failed, answer.ran_away, answer.full_context) == (None, False, False)
        assert all(word.end_ms == 0 for word in answer.words)
        return " ".join(word.text.lower().strip(",.") for word in answer.words)

    try:
        assert greeting["batch"] in calibration.BATCHES
        assert greeting["look_s"] > 0
        assert greeting["final_s"] > 0
        spoken = reading[int(0.6 * SAMPLE_RATE) : int(5.2 * SAMPLE_RATE)]
        silenced = spoken.copy()
        silenced[: int(1.8 * SAMPLE_RATE)] = 0
        beginning = "it was the best of"
        assert (await look(1, spoken)).startswith(beginning)
        assert (await look(1, silenced)).startswith(beginning)
        assert not (await look(2, silenced)).startswith(beginning)
    finally:
        await process.end()


NODE = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from engine.asr import weights
    from engine.asr.scheduler import Model, Scheduler

    async def main():
        options = weights.options("whisper-tiny.en")
        scheduler = Scheduler({"en": Model(Path(sys.argv[1]), options)})
        await scheduler.start()
        print(*scheduler.pids, flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
    """
)


def test_the_real_worker_ends_with_its_node(default_model: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NODE, str(default_model)],
        stdout=subprocess.PIPE,
        text=True,
    ) as node:
        assert node.stdout is not None
        worker = int(next(line for line in node.stdout if line.strip().isdigit()))
        assert alive(worker)
        node.send_signal(signal.SIGKILL)
    while alive(worker) and not _is_zombie(worker):
        time.sleep(0.01)


def _is_zombie(pid: int) -> bool:
    """Whether it ended and only waits for an init process that collects nothing."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_utterances_are_forgotten_when_a_later_one_begins_or_their_session_is_over() -> None:
    kept = [("a", "trainee", 1), ("a", "customer", 1), ("b", "trainee", 7), ("c", "trainee", 2)]
    asked = [("a", "trainee", 2), ("b", "trainee", 7)]
    assert list(finished(kept, asked, ["c"])) == [("a", "trainee", 1), ("c", "trainee", 2)]
