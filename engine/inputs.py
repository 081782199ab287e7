"""What a journal says a call was made of, ready to be played again: one `Part` for each node."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.asr.window import Pressure
from engine.events import Link, Metrics, Quantities
from engine.features import Features
from engine.frames import Source, ms_of
from engine.journal import Record
from engine.playbook import Playbook
from engine.session import SessionConfig

EventDict = dict[str, Any]
"""An event's envelope as the journal has it."""

_CONFIG = TypeAdapter(SessionConfig)


class ReplayError(ValueError):
    """Nothing can be made of this journal; the message says why, in a sentence."""


@dataclass(slots=True)
class TrackInputs:
    """What one track's records say, by session sample, or by session time where `_ms` is said."""

    plays: list[tuple[int, Source]] = field(default_factory=list)
    voice: dict[int, Record] = field(default_factory=dict)
    asks: set[int] = field(default_factory=set)
    features_ms: dict[int, Features] = field(default_factory=dict)
    links_ms: dict[int, Link | None] = field(default_factory=dict)
    pressures_ms: dict[int, Pressure] = field(default_factory=dict)
    quantities_ms: dict[int, deque[Quantities]] = field(default_factory=dict)
    """Mostly one; a call may end when its metrics were just told."""
    cuts: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By utterance: how many words it kept, and the sample of the cut."""

    def source(self, start_sample: int) -> Source:
        """Where the frame at `start_sample` came from."""
        run = bisect_right(self.plays, start_sample, key=lambda play: play[0]) - 1
        return self.plays[run][1] if run >= 0 else Source.ABSENT

    def add(self, record: Record) -> None:
        kind = record["k"]
        if kind == "play":
            self.plays.append((record["at"], Source(record["source"])))
        elif kind == "voice":
            self.voice[record["at"]] = record
        elif kind == "ask":
            self.asks.add(record["at"])
        elif kind == "features":
            features = _features(record["f"])
            self.features_ms[features.t_ms] = features
            link = record["link"]
            self.links_ms[features.t_ms] = None if link is None else Link.model_validate(link)
            self.pressures_ms[features.t_ms] = Pressure(record.get("pressure", Pressure.NONE))
        elif kind == "cut":
            self.cuts[record["utterance"]] = record["kept"], record["sample"]
        elif kind == "event":
            event = record["e"]
            end_ms = ms_of(record["ends"][event["track"]]) if "ends" in record else event["t"]
            quantities = Metrics.model_validate(event["data"]).quantities
            self.quantities_ms.setdefault(end_ms, deque()).append(quantities)


@dataclass(slots=True)
class Part:
    """What one node wrote of a call: all of it, unless a node crashed or was stopped."""

    setup: Record
    config: SessionConfig
    playbook: Playbook | None = None
    records: list[Record] = field(default_factory=list)
    inputs: dict[str, TrackInputs] = field(default_factory=dict)

    def of(self, track: str) -> TrackInputs:
        return self.inputs.setdefault(track, TrackInputs())

    @property
    def events(self) -> list[EventDict]:
        return [record["e"] for record in self.records if record["k"] == "event"]

    @property
    def is_closed(self) -> bool:
        """Whether its last event is the one that ends a part, so that none is missing behind it."""
        events = self.events
        last = events[-1] if events else None
        if last is None or last["type"] != "session.state":
            return False
        closes = any(record["k"] == "close" for record in self.records)
        return last["data"]["state"] == "completed" or closes


def parts_of(records: Iterable[Record]) -> list[Part]:
    """A call's parts, oldest first. Raises `ReplayError`."""
    parts: list[Part] = []
    try:
        for record in records:
            kind = record["k"]
            if kind == "setup":
                config = _CONFIG.validate_python(record["config"])
                parts.append(Part(record, config, _playbook(record)))
            elif parts:
                _sort(parts[-1], record)
            elif kind in ("event", "features"):
                raise ReplayError(
                    "The journal does not say how the call was set up: it was written by a "
                    "version before replays, or its beginning is damaged."
                )
    except (LookupError, TypeError, ValidationError) as error:
        raise ReplayError(
            f"A record of the journal is not as this version writes it ({type(error).__name__}: "
            f"{error})."
        ) from error
    if not parts:
        raise ReplayError("The journal holds no call: nobody ever spoke in it.")
    return parts


def _sort(part: Part, record: Record) -> None:
    part.records.append(record)
    kind = record["k"]
    if kind == "event":
        if record["e"]["type"] == "metrics" and record["e"]["track"] is not None:
            part.of(record["e"]["track"]).add(record)
    elif "track" in record:
        part.of(record["track"]).add(record)


def _playbook(setup: Record) -> Playbook | None:
    """As the call had it: calls of before playbooks had none."""
    content = setup.get("playbook")
    return None if content is None else Playbook.model_validate(content)


def _features(values: Mapping[str, Any]) -> Features:
    known = {field.name for field in fields(Features)}
    needed = {field.name for field in fields(Features) if field.default is MISSING}
    if not needed <= values.keys() <= known:
        odd = ", ".join(sorted((values.keys() - known) | (needed - values.keys())))
        raise ReplayError(
            f"The journal was written by a version that measured something else ({odd}), so the "
            "rules of this one cannot judge it."
        )
    return Features(**values)
