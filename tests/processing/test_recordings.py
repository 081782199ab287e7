"""An uploaded recording leaves what a live call leaves: a journal that plays again, and tracks."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.wer import word_error_rate
from engine.frames import SAMPLE_RATE, Pcm
from engine.journal import Record
from engine.replay import load, replay
from processing import diarization
from processing.recordings import work_analysis
from processing.work import Refused
from tests.analyzers.recordings import read
from tests.engine.timeline import TWO_CITIES
from tests.processing.sounds import by_turns, write

pytestmark = pytest.mark.slow
needs_diarization = pytest.mark.skipif(
    find_spec("pyannote") is None, reason="needs the extra diarization"
)
TURN_S = 6.0

Told = tuple[str, int]


@pytest.fixture(scope="module")
def readers(two_cities: Path, librivox: list[tuple[Path, Path]]) -> tuple[Pcm, Pcm]:
    return read(two_cities), np.concatenate([read(wav) for wav, _ in librivox])


def analysed(
    path: Path, outputs: Path, **settings: Any
) -> tuple[list[Path], list[tuple[str, int]]]:
    told: list[tuple[str, int]] = []
    outputs.mkdir()
    files = work_analysis([path], outputs, settings, lambda *now: told.append(now))
    return files, told


def events(records: list[Record], kind: str, track: str | None = None) -> list[dict[str, Any]]:
    found = [record["e"] for record in records if record["k"] == "event"]
    return [one for one in found if one["type"] == kind and track in (None, one["track"])]


def text(records: list[Record], track: str) -> str:
    finals = events(records, "transcript.final", track)
    return " ".join(word[0] for final in finals for word in final["data"]["words"])


def refusal(path: Path, outputs: Path, **settings: Any) -> Refused:
    with pytest.raises(Refused) as found:
        analysed(path, outputs, **settings)
    assert path.name not in found.value.sentence
    return found.value


FIRST = {"id": "0123456789abcdef01234567", "owner": {"userId": "somebody"}}


@pytest.fixture(scope="module")
def stereo(
    readers: tuple[Pcm, Pcm], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], list[Told]]:
    """What is made of two people on a channel each, and what was told meanwhile."""
    folder = tmp_path_factory.mktemp("stereo")
    path = write(folder / "call.m4a", by_turns(*readers, TURN_S, 3), SAMPLE_RATE, "m4a")
    return analysed(path, folder / "out", session=FIRST)


def test_a_person_on_each_channel_is_a_track_each(stereo: tuple[list[Path], list[Told]]) -> None:
    files, told = stereo
    assert [file.name for file in files] == ["journal", "trainee.ogg", "partner.ogg"]
    records, damaged = load(files[0])
    assert damaged == 0
    assert records[0] == {"k": "session", **FIRST}
    assert "best of times" in text(records, "trainee").lower()
    assert "best of times" not in text(records, "partner").lower()
    assert len(text(records, "partner").split()) > 10
    states = [event["data"]["state"] for event in events(records, "session.state")]
    assert states == ["active", "completed"]
    assert len(events(records, "summary", "trainee")) == 1
    shares = [
        events(records, "metrics", track)[-1]["data"]["quantities"]["talkSharePct"]
        for track in ("trainee", "partner")
    ]
    assert sum(shares) == pytest.approx(100.0, abs=0.2)
    assert events(records, "degraded") == []
    percents = [percent for _, percent in told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["decoding", "transcribing", "writing"]


def test_its_journal_plays_again_byte_for_byte(stereo: tuple[list[Path], list[Told]]) -> None:
    assert replay(load(stereo[0][0])[0]).is_identical


def test_recordings_are_as_long_as_the_call(stereo: tuple[list[Path], list[Told]]) -> None:
    for file in stereo[0][1:]:
        with av.open(str(file)) as container:
            (stream,) = container.streams.audio
            assert stream.codec_context.name in ("opus", "libopus")
            samples = sum(frame.samples for frame in container.decode(audio=0))
        assert samples / 48_000 == pytest.approx(3 * TURN_S, abs=0.1)


def test_one_person_alone_is_the_trainee(two_cities: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", read(two_cities)[None, : 14 * SAMPLE_RATE])
    files, _ = analysed(path, tmp_path / "out", people=1)
    assert [file.name for file in files] == ["journal", "trainee.ogg"]
    records, _ = load(files[0])
    opening = TWO_CITIES[: TWO_CITIES.index(", it was the season of Light")]
    rate, _ = word_error_rate(opening, text(records, "trainee"))
    assert rate < 0.15


def test_a_silent_recording_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", np.zeros((2, 5 * SAMPLE_RATE), np.int16))
    assert refusal(path, tmp_path / "out").code == "silent"


def test_a_recording_in_which_nobody_speaks_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 200, (1, 8 * SAMPLE_RATE)).astype(np.int16)
    path = write(tmp_path / "call.wav", noise)
    assert refusal(path, tmp_path / "out", people=1).code == "no_speech"


def test_one_that_is_cut_off_says_so_in_its_journal(two_cities: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "call.wav", read(two_cities)[None, : 8 * SAMPLE_RATE])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    files, _ = analysed(path, tmp_path / "out", people=1)
    records, _ = load(files[0])
    assert [event["data"]["what"] for event in events(records, "degraded")] == ["recording"]
    assert "best of times" in text(records, "trainee").lower()
    assert replay(records).is_identical


@pytest.mark.parametrize("settings", [{"people": 3}, {"language": "../x"}, {"surprise": 1}])
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, Any], two_cities: Path, tmp_path: Path
) -> None:
    refused = refusal(two_cities, tmp_path / "out", **settings)
    assert refused.code == "settings"
    assert next(iter(settings)) in refused.sentence


def test_without_the_extra_a_single_channel_is_refused(
    two_cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.audio", None)
    monkeypatch.setattr(diarization, "_pipeline", diarization._pipeline.__wrapped__)
    refused = refusal(two_cities, tmp_path / "out")
    assert refused.code == "no_diarization"
    assert "a channel for each person" in refused.sentence


@needs_diarization
def test_two_people_on_one_signal_are_told_apart(readers: tuple[Pcm, Pcm], tmp_path: Path) -> None:
    """The same on two channels is one signal. Here the second to speak is who is coached."""
    both = by_turns(*readers, TURN_S, 3)
    pcm = np.repeat(both[:1] + both[1:], 2, axis=0)
    path = write(tmp_path / "call.mp3", pcm, SAMPLE_RATE, "mp3")
    files, told = analysed(path, tmp_path / "out", trainee=2)
    records, _ = load(files[0])
    assert "diarizing" in {stage for stage, _ in told}
    assert "best of times" in text(records, "partner").lower()
    assert "best of times" not in text(records, "trainee").lower()
    assert len(text(records, "trainee").split()) > 5
    assert replay(records).is_identical
    made = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert made == ["journal", "partner.ogg", "trainee.ogg"]
