"""A video's shots on its time line: what is on screen, what is said, from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.store.content import Passage


@dataclass(frozen=True, slots=True)
class Shot:
    """Times in seconds from the beginning. A disclosure is shown and not spoken."""

    number: int
    start_s: float
    end_s: float
    shows: str
    text: str
    is_spoken: bool

    @property
    def start(self) -> str:
        return clock(self.start_s)

    @property
    def end(self) -> str:
        return clock(self.end_s)


def shots(text: Sequence[Passage]) -> list[Shot]:
    """One after the other; a passage without a length takes no time."""
    made: list[Shot] = []
    now_s = 0.0
    for each in text:
        end_s = now_s + (each.seconds or 0)
        spoken = each.role == "shot"
        made.append(Shot(len(made) + 1, now_s, end_s, each.shows, each.text, spoken))
        now_s = end_s
    return made


def clock(seconds: float) -> str:
    """``1:05.0``"""
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest // 10:02}.{rest % 10}"


def shot_list(text: Sequence[Passage]) -> str:
    """As plain text, a shot to a paragraph."""
    return "\n\n".join(
        "\n".join(
            filter(None, (f"{each.number}. {each.start} - {each.end}", each.shows, each.text))
        )
        for each in shots(text)
    )


def captions(text: Sequence[Passage]) -> str:
    """WebVTT (W3C, 2019) of what is said."""
    cues = [
        f"{_stamp(each.start_s)} --> {_stamp(each.end_s)}\n{_cue(each.text)}"
        for each in shots(text)
        if each.is_spoken and each.end_s > each.start_s
    ]
    return "WEBVTT\n\n" + "\n\n".join(cues) + "\n"


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{milliseconds:03}"


def _cue(text: str) -> str:
    """On lines without an arrow or markup, which would end it or style it (WebVTT, 4.2)."""
    bare = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "\n".join(line for line in bare.splitlines() if line.strip())
