"""Other thresholds for the rule book: a TOML file with a table for each rule that is to change.

    [too_fast]
    enter = 5.6         # speaks beyond this
    leave = 5.0         # the dead band ends here
    hold_ms = 1500      # beyond `enter` for so long
    cooldown_ms = 30000 # and then not again before
    severity = "high"   # low, medium, high

    [monologue]
    off = true

What a table leaves out stays as `engine.feedback.RULES` has it.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.events import Severity
from engine.feedback import RULES, Rule

MAX_BYTES = 65_536

Threshold = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class RulesError(ValueError):
    """The file cannot be used; the message names file, line and key, and says what is expected."""


class Override(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    enter: Threshold | None = None
    leave: Threshold | None = None
    hold_ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    cooldown_ms: Annotated[int, Field(ge=0, le=3_600_000)] | None = None
    severity: Severity | None = None
    off: bool = False


def load(path: Path, rules: tuple[Rule, ...] = RULES) -> tuple[Rule, ...]:
    """`rules` with what the file says laid over them. Raises `RulesError`."""
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: this is not TOML: {error}.") from error
    known = {rule.code: rule for rule in rules}
    for code, table in tables.items():
        where = f"{path}{_at(text, code)}"
        if code not in known:
            raise RulesError(f"{where}: there is no rule {code!r}{_meant(code, known)}.")
        if not isinstance(table, dict):
            raise RulesError(
                f"{where}: {code} is a rule, so its settings belong under the heading [{code}]."
            )
        override = _override(path, text, code, table)
        if override.off:
            del known[code]
        else:
            known[code] = _changed(path, text, known[code], override)
    return tuple(known.values())


def version(rules: Iterable[Rule] = RULES) -> str:
    """12 hex digits that differ for rules that differ in anything but the code of a measure."""
    rows = [
        [(field.name, _plain(getattr(rule, field.name))) for field in fields(rule)]
        for rule in rules
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:12]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise RulesError(f"{path}: a rules file has at most {MAX_BYTES // 1024} KiB.")
        return data.decode()
    except OSError as error:
        raise RulesError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: byte {error.start} is not UTF-8 text.") from error


def _override(path: Path, text: str, code: str, table: dict[str, Any]) -> Override:
    try:
        return Override.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = str(first["loc"][0])
        where = f"{path}{_at(text, code, key)}: {code}.{key}"
        if first["type"] == "extra_forbidden":
            raise RulesError(
                f"{where} is not a setting of a rule{_meant(key, Override.model_fields)}."
            ) from error
        raise RulesError(f"{where}: {first['msg']}.") from error


def _changed(path: Path, text: str, rule: Rule, override: Override) -> Rule:
    given = override.model_dump(exclude_none=True, exclude={"off"})
    changed = replace(rule, **given)
    sign = 1 if changed.rises else -1
    if sign * changed.leave > sign * changed.enter:
        key = "leave" if override.leave is not None else "enter"
        side = "below" if changed.rises else "above"
        raise RulesError(
            f"{path}{_at(text, rule.code, key)}: {rule.code}.leave is {changed.leave:g} and must "
            f"not lie beyond enter, which is {changed.enter:g}: it is the value {side} enter at "
            "which the trouble is over."
        )
    return changed


def _meant(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"; did you mean {near[0]!r}" if near else f"; there are {', '.join(names)}"


def _at(text: str, code: str, key: str | None = None) -> str:
    """ ", line N" of a key of a table, or of the table; nothing where it is written otherwise."""
    found: int | None = None
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[\s*[\"']?([^\]\"'.]+?)[\"']?\s*\]", line)
        if heading:
            table = heading[1]
            if table == code and found is None:
                found = number
                if key is None:
                    break
            continue
        name = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*(?:\.\s*[\"']?([\w-]+)[\"']?)?\s*=", line)
        if name is None:
            continue
        path = (name[1], name[2]) if table == "" else (table, name[1])
        if path[0] == code and (key is None or path[1] in (key, None)):
            found = number
            break
    return "" if found is None else f", line {found}"


def _plain(value: object) -> object:
    return getattr(value, "__qualname__", value)
