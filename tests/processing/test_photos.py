"""Photo jobs, as the worker calls them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from processing import pictures
from processing.photos import MAX_PHOTOS, work_enhancement, work_removal
from processing.work import Note, Refused


def photo(low: int = 40, high: int = 110) -> Image.Image:
    """Dark and flat: noise between two levels."""
    rng = np.random.default_rng(8)
    return Image.fromarray(rng.integers(low, high, (90, 120, 3), np.uint8))


def quiet(stage: str, percent: int) -> None:
    assert 0 <= percent <= 100


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_a_job_writes_each_photo_in_order(tmp_path: Path, form: str) -> None:
    told: list[tuple[str, int]] = []
    inputs = [tmp_path / "a", tmp_path / "b"]
    for path, side in zip(inputs, (100, 200), strict=True):
        photo().resize((side, side)).save(path, "PNG")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    settings = {"format": form, "options": {"maxSide": 150}}
    made = work_enhancement(inputs, outputs, settings, lambda *said: told.append(said))
    assert [pictures.read(path).size for path in made] == [(100, 100), (150, 150)]
    assert [percent for _, percent in told] == sorted(percent for _, percent in told)
    assert told[-1] == ("writing", 100)


@pytest.mark.parametrize(
    ("settings", "count", "code"),
    [
        ({"quality": 90}, 1, "bad_settings"),
        ({"options": {"maxSide": 100_000}}, 1, "bad_settings"),
        ({"options": {"unknown": 1}}, 1, "bad_settings"),
        ({}, 0, "photo_count"),
        ({}, MAX_PHOTOS + 1, "photo_count"),
        ({}, 1, "no_picture"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tmp_path: Path, settings: dict[str, Any], count: int, code: str
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("not a picture")
    with pytest.raises(Refused) as caught:
        work_enhancement([path] * count, tmp_path, settings, quiet)
    assert caught.value.code == code
    assert "note.txt" not in caught.value.sentence


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "jpeg"},
        {"options": {"background": "image"}},
        {"options": {"colour": "red"}},
        {"options": {"margin": 0.5}},
    ],
)
def test_a_removal_that_cannot_be_made_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        work_removal([tmp_path / "photo"], tmp_path, settings, quiet)
    assert caught.value.code == "bad_settings"


@pytest.mark.parametrize("shot", ["interior", "detail"])
def test_a_photo_marked_as_no_exterior_is_never_cut_out(tmp_path: Path, shot: str) -> None:
    path, outputs = tmp_path / "photo", tmp_path / "outputs"
    outputs.mkdir()
    photo().save(path, "PNG")
    (made,) = work_removal([path], outputs, {"options": {"shot": shot}}, quiet)
    assert pictures.read(made).tobytes() == photo().tobytes()


def test_a_photo_without_a_vehicle_stays_whole_and_says_so(tmp_path: Path) -> None:
    path, outputs = tmp_path / "photo", tmp_path / "outputs"
    outputs.mkdir()
    Image.new("RGB", (320, 240), "#808890").save(path, "PNG")
    look = {"quality": "low", "format": "png"}
    made = work_removal([path, path], outputs, look, quiet)
    assert made.notes == (Note(0, "no_vehicle"), Note(1, "no_vehicle"))
    assert pictures.read(made[0]).getcolors() == [(320 * 240, (0x80, 0x88, 0x90))]
    told = work_removal([path], outputs, look | {"options": {"shot": "exterior"}}, quiet)
    assert told.notes == ()
