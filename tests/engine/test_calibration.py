"""What a machine is good at is tried once and kept; a file that is no good costs only time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from engine.asr import calibration, weights
from engine.asr.calibration import BATCHES, COMPUTE_TYPES, Calibration, calibrated
from engine.asr.whisper import ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm

pytestmark = pytest.mark.slow

OPTIONS = weights.options("whisper-tiny.en") | {"language": "en"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture(scope="module")
def found(default_model: Path, folder: Path) -> tuple[dict[str, Any], Calibration]:
    """The file that is kept where there was garbage, and what was found."""
    file = folder / "below" / "calibration.json"
    file.parent.mkdir()
    file.write_bytes(b"\x00garbage\xff")
    _, best = calibrated(default_model, OPTIONS, file)
    return json.loads(file.read_text()), best


def is_plausible(best: Calibration) -> bool:
    return (
        best.compute_type in COMPUTE_TYPES
        and best.batch in BATCHES
        and 0 < best.look_s < best.final_s < 60
    )


def works(model: ShortContextWhisper, reading: Pcm) -> bool:
    pcm = reading[int(0.6 * SAMPLE_RATE) : int(3.0 * SAMPLE_RATE)]
    (decoded,) = model.decode([pcm], [True])
    return [word.text.lower() for word in decoded.words[:4]] == ["it", "was", "the", "best"]


def test_a_file_that_cannot_be_read_is_found_out_again_and_written_over(
    found: tuple[dict[str, Any], Calibration],
) -> None:
    kept, best = found
    assert is_plausible(best)
    (entry,) = kept.values()
    assert Calibration(**entry) == best
    assert (best.cost.look_s, best.cost.final_s) == (best.look_s, best.final_s)


def test_what_was_kept_is_used_and_not_found_out_again(
    default_model: Path,
    folder: Path,
    found: tuple[dict[str, Any], Calibration],
    reading: Pcm,
) -> None:
    told = {"compute_type": "float32", "batch": 7, "look_s": 1.25, "final_s": 2.5}
    (key,) = found[0]
    file = folder / "told.json"
    file.write_text(json.dumps({key: told}))
    model, best = calibrated(default_model, OPTIONS, file)
    assert best == Calibration(**told)
    assert json.loads(file.read_text()) == {key: told}
    assert works(model, reading)


@pytest.mark.parametrize(
    "nonsense",
    [{"batch": 0}, {"compute_type": "int3"}, {"look_s": "NaN"}],
    ids=["no batch", "no such arithmetic", "no number"],
)
def test_what_no_machine_can_have_been_found_to_be_is_not_used(
    tmp_path: Path, found: tuple[dict[str, Any], Calibration], nonsense: dict[str, Any]
) -> None:
    """A batch of none ended the node's words, unknown arithmetic the worker's life."""
    ((key, entry),) = found[0].items()
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({key: entry}))
    assert calibration._known(file) == {key: found[1]}
    file.write_text(json.dumps({key: entry | nonsense}))
    with structlog.testing.capture_logs() as logs:
        assert calibration._known(file) == {}
    assert [log["event"] for log in logs] == ["asr_calibration_unreadable"]


@pytest.mark.slow
def test_a_file_that_cannot_be_written_costs_time_only(
    default_model: Path, tmp_path: Path, reading: Pcm
) -> None:
    """Here a folder stands in its place."""
    file = tmp_path / "calibration.json"
    (file / "inside").mkdir(parents=True)
    with structlog.testing.capture_logs() as logs:
        model, best = calibrated(default_model, OPTIONS, file)
    assert is_plausible(best)
    assert works(model, reading)
    assert [log["event"] for log in logs] == [
        "asr_calibration_unreadable",
        "asr_calibrated",
        "asr_calibration_not_kept",
    ]
    assert file.is_dir()


@pytest.mark.slow
def test_another_model_or_another_way_to_decode_is_kept_beside_it(
    default_model: Path, folder: Path, found: tuple[dict[str, Any], Calibration], tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(found[0]))
    calibrated(default_model, OPTIONS | {"whole_tail": True}, file)
    kept = json.loads(file.read_text())
    assert len(kept) == 2
    assert kept | found[0] == kept
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
