"""Jobs on vehicle photos, as the worker calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from PIL import Image
from pydantic import Field, ValidationError, model_validator

from engine.events import Wire
from processing import backdrop, cutout, pictures
from processing.backdrop import Backdrop
from processing.enhance import Steps, enhanced
from processing.work import Made, Note, Refused, Tell

MAX_PHOTOS: Final = 100
"""Of one job."""
WHOLE: Final[Mapping[cutout.Shot, str]] = {
    "interior": "interior_shot",
    "detail": "detail_shot",
    "none": "no_vehicle",
}
"""Codes of notes on photos that were left whole."""
QUALITIES: Final = {"low": 70, "medium": 85, "high": 95}
"""Of JPEG and WebP."""


Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
S = TypeVar("S", bound=Wire)
UploadId = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]


class Branding(Wire):
    """What any photo may get: a logo in a corner, and a limit of its longer side, in pixels."""

    max_side: int | None = Field(None, ge=64, le=8192)
    logo: UploadId | None = None
    logo_corner: backdrop.Corner = "bottom_right"

    def further(self) -> list[str]:
        """Ids of uploads that the work needs beside the photos, in its order."""
        return [] if self.logo is None else [self.logo]


class Options(Branding):
    """Steps of an `image_enhancement`."""

    white_balance: bool = True
    exposure: bool = True
    contrast: bool = True
    denoise: bool = False
    sharpen: bool = True


class Enhancement(Wire):
    """Settings of an `image_enhancement`."""

    quality: cutout.Quality = "medium"
    format: pictures.Format = "jpeg"
    options: Options = Options()

    def steps(self) -> Steps:
        return Steps(**self.options.model_dump(exclude=set(Branding.model_fields) - {"max_side"}))


class RemovalOptions(Branding):
    """What becomes of a vehicle that is cut out. `margin` is a share of its longer side, None
    leaves the photo's own frame; `colour_to` is a gradient's lower colour."""

    background: backdrop.Kind = "transparent"
    colour: Colour = "#ffffff"
    colour_to: Colour = "#d0d4da"
    background_image: UploadId | None = None
    shadow: bool = False
    margin: float | None = Field(None, ge=0, le=0.4)
    aspect: backdrop.Aspect = "original"
    shot: Literal["auto", "exterior", "interior", "detail"] = "auto"

    def further(self) -> list[str]:
        picture = [] if self.background_image is None else [self.background_image]
        return picture + super().further()


class Removal(Wire):
    """Settings of a `background_removal`."""

    quality: cutout.Quality = "medium"
    format: pictures.Format = "png"
    options: RemovalOptions = RemovalOptions()

    @model_validator(mode="after")
    def _can_be_made(self) -> Removal:
        if self.format == "jpeg" and self.options.background == "transparent":
            raise ValueError("a JPEG cannot be transparent: choose PNG, WebP or a background")
        if self.options.background == "image" and self.options.background_image is None:
            raise ValueError("the background `image` needs a `backgroundImage`")
        return self


SETTINGS: Final[Mapping[str, type[Enhancement] | type[Removal]]] = {
    "background_removal": Removal,
    "image_enhancement": Enhancement,
}
"""By job type."""


def work_enhancement(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """A better picture of each of `inputs`, in their order; what `Branding.further` names comes
    after them. Raises `Refused`."""
    chosen = _chosen(Enhancement, settings)

    def made(image: Image.Image, tell: Tell) -> tuple[Image.Image, str | None]:
        tell("enhancing", 30)
        return enhanced(image, chosen.steps()), None

    return _each(inputs, outputs, chosen, made, tell)


def work_removal(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Each of `inputs` with another background; what is, or seems to be, an interior, a detail or a
    photo without a vehicle stays whole, and a note says what it was taken for. Inputs are as
    `work_enhancement`'s. Raises `Refused`, `models.ModelError`."""
    chosen = _chosen(Removal, settings)
    options = chosen.options
    picture = None
    if options.background_image is not None and len(inputs) > len(options.further()):
        picture = pictures.read(inputs[-len(options.further())])
    behind = Backdrop(
        options.background, options.colour, options.colour_to, picture, options.shadow
    )

    def made(image: Image.Image, tell: Tell) -> tuple[Image.Image, str | None]:
        if options.max_side is not None:
            image.thumbnail((options.max_side, options.max_side), Image.Resampling.LANCZOS)
        if options.shot in ("interior", "detail"):
            return image, None
        tell("masking", 20)
        opaque = pictures.flattened(image)
        raw = cutout.raw_mask(opaque, cutout.MODELS[chosen.quality])
        if options.shot == "auto" and (seen := cutout.shot(raw)) != "exterior":
            return image, WHOLE[seen]
        tell("compositing", 60)
        opaque.putalpha(Image.fromarray(cutout.refined(opaque, raw, chosen.quality)))
        cut = backdrop.framed(opaque, options.margin, options.aspect)
        if options.max_side is not None:
            cut.thumbnail((options.max_side, options.max_side), Image.Resampling.LANCZOS)
        return backdrop.backed(cut, behind), None

    return _each(inputs, outputs, chosen, made, tell)


def _chosen(kind: type[S], settings: Mapping[str, Any]) -> S:
    """Raises `Refused`."""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
        raise Refused("bad_settings", f"These settings are not valid: {fields}.") from error


def _each(
    inputs: Sequence[Path],
    outputs: Path,
    chosen: Enhancement | Removal,
    made: Callable[[Image.Image, Tell], tuple[Image.Image, str | None]],
    tell: Tell,
) -> Made:
    """Read, make, stamp and write each photo; `made` gives a note's code, too, or None. Raises
    `Refused`."""
    options = chosen.options
    count = len(inputs) - len(options.further())
    if not 1 <= count <= MAX_PHOTOS:
        raise Refused("photo_count", f"A job takes 1 to {MAX_PHOTOS} photos.")
    logo = None if options.logo is None else pictures.read(inputs[-1])
    files: list[Path] = []
    notes: list[Note] = []
    for number, path in enumerate(inputs[:count]):

        def tell_of_it(stage: str, percent: int, number: int = number) -> None:
            tell(stage, (100 * number + percent) // count)

        tell_of_it("decoding", 0)
        image, note = made(pictures.read(path), tell_of_it)
        if note is not None:
            notes.append(Note(number, note))
        if logo is not None:
            image = backdrop.stamped(image, logo, options.logo_corner)
        tell_of_it("writing", 80)
        files.append(outputs / f"{number:03d}.{chosen.format}")
        pictures.write(image, files[-1], chosen.format, QUALITIES[chosen.quality])
    tell("writing", 100)
    return Made(files, notes)
