"""Jobs on vehicle photos, as the worker calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from engine.events import Wire
from processing import pictures
from processing.enhance import Steps, enhanced
from processing.work import Refused, Tell

MAX_PHOTOS: Final = 100
"""Of one job."""
QUALITIES: Final = {"low": 70, "medium": 85, "high": 95}
"""Of JPEG and WebP."""


class Options(Wire):
    """Steps of an `image_enhancement`; `max_side` is in pixels."""

    white_balance: bool = True
    exposure: bool = True
    contrast: bool = True
    denoise: bool = False
    sharpen: bool = True
    max_side: int | None = Field(None, ge=64, le=8192)


class Enhancement(Wire):
    """Settings of an `image_enhancement`."""

    quality: Literal["low", "medium", "high"] = "medium"
    format: pictures.Format = "jpeg"
    options: Options = Options()

    def steps(self) -> Steps:
        return Steps(**self.options.model_dump())


def work_enhancement(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """A better picture of each of `inputs`, in their order. Raises `Refused`."""
    try:
        chosen = Enhancement.model_validate(settings)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
        raise Refused("bad_settings", f"These settings are not valid: {fields}.") from error
    if not 1 <= len(inputs) <= MAX_PHOTOS:
        raise Refused("photo_count", f"A job takes 1 to {MAX_PHOTOS} photos.")
    made = []
    for number, path in enumerate(inputs):
        tell("decoding", 100 * number // len(inputs))
        image = pictures.read(path)
        tell("enhancing", (100 * number + 30) // len(inputs))
        image = enhanced(image, chosen.steps())
        tell("writing", (100 * number + 80) // len(inputs))
        made.append(outputs / f"{number:03d}.{chosen.format}")
        pictures.write(image, made[-1], chosen.format, QUALITIES[chosen.quality])
    tell("writing", 100)
    return made
