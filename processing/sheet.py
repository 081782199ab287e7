"""A page to print: a flyer or a window sheet as PDF, from text and pictures, with nothing fetched.

US letter. What is set shrinks until it fits on the page. The same input makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from PIL import Image as Pictures
from reportlab.lib import colors
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, Paragraph, Spacer, Table

from processing.work import Refused, Tell

MARGIN: Final = 48.0
"""Points: two thirds of an inch."""
PICTURE_HEIGHT: Final = 230.0
SCALES: Final = (1.0, 0.92, 0.85, 0.78, 0.7, 0.62, 0.55)
REGULAR, BOLD = "SourceSansPro", "SourceSansPro-Bold"
_INK: Final = colors.HexColor("#1a2230")
_FAINT: Final = colors.HexColor("#4a5568")
_SIZES: Final = {
    "flyer": {"headline": 26.0, "body": 12.0, "features": 11.0, "call": 14.0, "disclosure": 8.0},
    "window": {"headline": 34.0, "body": 16.0, "features": 16.0, "call": 18.0, "disclosure": 9.0},
}


def work_sheet(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """One page of the pictures `inputs` and `settings`: `kind` flyer or window, `language`,
    `title`, `author`, `text` (role and text of each passage). Raises `Refused` for what cannot be
    printed or does not fit."""
    texts: list[tuple[str, str]] = [(role, text) for role, text in settings["text"]]
    _require_glyphs("".join(text for _, text in texts))
    tell("writing", 50)
    made = outputs / "sheet.pdf"
    canvas = Canvas(
        str(made), pagesize=LETTER, invariant=1, pageCompression=1, lang=settings["language"]
    )
    canvas.setTitle(settings["title"])
    canvas.setAuthor(settings["author"])
    canvas.setCreator("Forecourt")
    _draw(canvas, settings["kind"], texts, inputs)
    canvas.showPage()
    canvas.save()
    return [made]


def unprintable(text: str) -> str:
    """The characters of `text` that the font has no shape for, or that must be joined or turned,
    each once."""
    shapes = _face().charToGlyph
    return "".join(
        dict.fromkeys(
            c for c in text if not c.isspace() and (ord(c) not in shapes or _is_turned(c))
        )
    )


def _is_turned(character: str) -> bool:
    """Of a script that is written from the right (Unicode blocks from Hebrew to Arabic)."""
    return 0x0590 <= ord(character) <= 0x08FF or 0xFB1D <= ord(character) <= 0xFEFF


def _require_glyphs(text: str) -> None:
    if missing := unprintable(text):
        raise Refused(
            "no_glyphs",
            f"These characters cannot be printed: {' '.join(missing[:20])} Write them otherwise, "
            "or leave them out.",
        )


@cache
def _face() -> Any:
    folder = files("font_source_sans_pro") / "files"
    for name, file in ((REGULAR, "SourceSansPro-Regular.ttf"), (BOLD, "SourceSansPro-Bold.ttf")):
        with as_file(folder / file) as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))
    return pdfmetrics.getFont(REGULAR).face


def _draw(
    canvas: Canvas, kind: str, texts: Sequence[tuple[str, str]], pictures: Sequence[Path]
) -> None:
    """At the largest scale that fits. Raises `Refused` where none does."""
    width, height = LETTER[0] - 2 * MARGIN, LETTER[1] - 2 * MARGIN
    for scale in SCALES:
        parts = [*_pictures(pictures, width, scale), *_texts(kind, texts, width, scale)]
        heights = [part.wrap(width, height)[1] for part in parts]
        if sum(heights) <= height:
            top = LETTER[1] - MARGIN
            for part, taken in zip(parts, heights, strict=True):
                top -= taken
                part.drawOn(canvas, MARGIN, top)
            return
    raise Refused("too_long", "This is too much for one page: shorten the text or the features.")


def _pictures(paths: Sequence[Path], width: float, scale: float) -> list[Flowable]:
    if not paths:
        return []
    most = PICTURE_HEIGHT * scale
    cell = width / len(paths)
    made = []
    for path in paths:
        with Pictures.open(path) as picture:
            wide, high = picture.size
        shrink = min((cell - 6) / wide, most / high)
        made.append(Image(str(path), width=wide * shrink, height=high * shrink))
    return [Table([made], colWidths=[cell] * len(made)), Spacer(1, 10 * scale)]


def _texts(
    kind: str, texts: Sequence[tuple[str, str]], width: float, scale: float
) -> list[Flowable]:
    made: list[Flowable] = []
    for role, text in texts:
        if not text:
            continue
        style = _style(kind, role, scale)
        if role == "features":
            made.append(_columns(text.splitlines(), style, width))
        else:
            # Escaped: markup in a text would be drawn, and could name files to load.
            lines = "<br/>".join(escape(line) for line in text.splitlines())
            made.append(Paragraph(lines, style))
        made.append(Spacer(1, style.fontSize * 0.6))
    return made


def _columns(lines: Sequence[str], style: ParagraphStyle, width: float) -> Flowable:
    half = (len(lines) + 1) // 2
    cells = [Paragraph(f"•\u00a0{escape(line)}", style) for line in lines]
    cells += [Paragraph("", style)] * (2 * half - len(cells))
    rows = [[cells[at], cells[half + at]] for at in range(half)]
    return Table(rows, colWidths=[width / 2] * 2, style=[("VALIGN", (0, 0), (-1, -1), "TOP")])


def _style(kind: str, role: str, scale: float) -> ParagraphStyle:
    _face()
    size = _SIZES[kind].get(role, _SIZES[kind]["body"]) * scale
    return ParagraphStyle(
        role,
        fontName=BOLD if role in ("headline", "call") else REGULAR,
        fontSize=size,
        leading=size * 1.25,
        textColor=_FAINT if role == "disclosure" else _INK,
        splitLongWords=True,
    )
