"""How two runs of one call's events differ, told in terms of cues.

Numbers (`seq`) are left out: one cue more moves those of all that follow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from engine.inputs import EventDict

MOVED_WITHIN_MS = 15_000
"""A cue that comes so much earlier or later is the same one, moved."""


class Pair(NamedTuple):
    """An event of the journal and what it is now; None where there is none."""

    before: EventDict | None
    after: EventDict | None


@dataclass(slots=True)
class Difference:
    """`moved` cues come at another time, `changed` ones say something else at the same time;
    `others` are events that are no cues. Each in order of time."""

    appeared: list[EventDict] = field(default_factory=list)
    vanished: list[EventDict] = field(default_factory=list)
    moved: list[Pair] = field(default_factory=list)
    changed: list[Pair] = field(default_factory=list)
    others: list[Pair] = field(default_factory=list)

    def __len__(self) -> int:
        cues = len(self.appeared) + len(self.vanished) + len(self.moved) + len(self.changed)
        return cues + len(self.others)


def difference(before: Sequence[EventDict], after: Sequence[EventDict]) -> Difference:
    """What became of the events `before`."""
    found = Difference()
    _compare_cues(_cues(before), _cues(after), found)
    ones = [event for event in before if event["type"] != "feedback"]
    twos = [event for event in after if event["type"] != "feedback"]
    keys = [_key(event) for event in ones], [_key(event) for event in twos]
    for what, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        for at in range(max(b - a, d - c)):
            one = ones[a + at] if a + at < b else None
            two = twos[c + at] if c + at < d else None
            found.others.append(Pair(one, two))
    return found


def _compare_cues(
    before: dict[tuple[str, str], list[EventDict]],
    after: dict[tuple[str, str], list[EventDict]],
    found: Difference,
) -> None:
    for name in sorted({*before, *after}):
        ones, twos = before.get(name, []), after.get(name, [])
        known = [_key(event) for event in twos]
        left: list[EventDict] = []
        for one in ones:
            if _key(one) in known:
                at = known.index(_key(one))
                del known[at], twos[at]
            else:
                left.append(one)
        for one in left:
            near = min(twos, key=lambda two: abs(two["t"] - one["t"]), default=None)
            if near is None or abs(near["t"] - one["t"]) > MOVED_WITHIN_MS:
                found.vanished.append(one)
                continue
            twos.remove(near)
            (found.changed if near["t"] == one["t"] else found.moved).append(Pair(one, near))
        found.appeared += twos
    for events in (found.appeared, found.vanished):
        events.sort(key=_time)
    for pairs in (found.moved, found.changed):
        pairs.sort(key=lambda pair: _time(pair.before))


def _cues(events: Sequence[EventDict]) -> dict[tuple[str, str], list[EventDict]]:
    """By track and code."""
    cues: dict[tuple[str, str], list[EventDict]] = defaultdict(list)
    for event in events:
        if event["type"] == "feedback":
            cues[str(event["track"]), event["data"]["code"]].append(event)
    return cues


def _key(event: EventDict) -> str:
    return repr((event["t"], event["track"], event["type"], event["data"]))


def _time(event: EventDict | None) -> int:
    time: Any = 0 if event is None else event["t"]
    return int(time)
