"""What is wrong with a text: which rule, where, why, and what to do about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from engine.events import Wire

Severity = Literal["blocking", "warning"]


class Finding(Wire):
    """`passage` is the place of a passage in its text, `start` and `end` characters of it; all
    None where it is about the whole. `id` is of the rule and of what it found: it stays as long as
    neither changes."""

    id: str
    rule: str
    severity: Severity
    message: str
    source: str
    """Where the rule is written: a section of a law, a platform's page."""
    passage: int | None = None
    start: int | None = None
    end: int | None = None
    quote: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)


def finding(
    rule: str,
    severity: Severity,
    message: str,
    source: str,
    *,
    passage: int | None = None,
    text: str = "",
    span: tuple[int, int] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Finding:
    """`text` is the passage's; `span` is what in it is meant."""
    start, end = span or (None, None)
    parameters = dict(parameters or {})
    found = json.dumps([rule, text, start, end, sorted(parameters.items())])
    return Finding(
        id=hashlib.sha256(found.encode()).hexdigest()[:32],
        rule=rule,
        severity=severity,
        message=message,
        source=source,
        passage=passage,
        start=start,
        end=end,
        quote=text[start:end] if span else "",
        parameters=parameters,
    )
