"""Two people on one channel are told apart, on speech that packages carry."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks import diarize
from benchmarks.transcribed import shipped
from engine.frames import SAMPLE_RATE, Pcm, sample_of
from processing import diarization
from processing.sound import Block, Losses, blocks
from processing.survey import survey
from processing.voices import Turn

pytestmark = pytest.mark.slow
if find_spec("pyannote") is None:
    pytest.skip("needs the extra diarization", allow_module_level=True)


@pytest.fixture(scope="module")
def sample() -> Path:
    """30 s of a telephone call of two people, inside pyannote.audio's package."""
    return diarize.sample_folder() / "sample.wav"


def in_blocks(pcm: Pcm) -> Iterator[Block]:
    for at in range(0, len(pcm), SAMPLE_RATE):
        yield Block(at, pcm[None, at : at + SAMPLE_RATE])


def of(pcm: Pcm) -> list[Turn]:
    return diarization.diarized(in_blocks(pcm), survey(in_blocks(pcm), Losses()), 2)


def test_the_error_rate_on_a_call_of_two_is_within_the_target(sample: Path) -> None:
    found = survey(blocks(sample), Losses())
    shares: list[float] = []
    turns = diarization.diarized(blocks(sample), found, 2, shares.append)
    assert diarize.error_rate(diarize.reference(sample.with_suffix(".rttm")), turns) <= 0.07
    assert [turn.start_ms for turn in turns] == sorted(turn.start_ms for turn in turns)
    assert turns[0].person == 0
    assert {turn.person for turn in turns} == {0, 1}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_same_recording_gives_the_same_turns(sample: Path) -> None:
    pcm = np.concatenate([block.pcm[0] for block in blocks(sample)])[6 * SAMPLE_RATE :]
    part = pcm[: 10 * SAMPLE_RATE]
    assert of(part) == of(part)


def test_two_readers_are_told_apart_also_where_one_is_quieter() -> None:
    pcm, truth = diarize.readers(shipped())
    heard = pcm.astype(np.float64)
    for turn in truth:
        if turn.person == 1:
            heard[sample_of(turn.start_ms) : sample_of(turn.end_ms)] *= 0.25
    assert diarize.error_rate(truth, of(heard.astype(np.int16))) < 0.2


def test_nobody_talks_in_noise() -> None:
    noise = np.random.default_rng(5).normal(0, 300, 12 * SAMPLE_RATE).astype(np.int16)
    assert of(noise) == []


def test_a_recording_shorter_than_what_is_looked_at_at_once_has_its_turns(sample: Path) -> None:
    pcm = np.concatenate([block.pcm[0] for block in blocks(sample)])
    turns = of(pcm[round(7.5 * SAMPLE_RATE) : 10 * SAMPLE_RATE])
    assert sum(turn.end_ms - turn.start_ms for turn in turns) > 1_500
    assert max(turn.end_ms for turn in turns) <= 2_700


def test_telemetry_is_off(sample: Path) -> None:
    pcm = np.concatenate([block.pcm[0] for block in blocks(sample)])
    of(pcm[7 * SAMPLE_RATE : 9 * SAMPLE_RATE])
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert not is_metrics_enabled()
