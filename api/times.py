"""Times in requests: RFC 3339 with a zone, and nothing else that a parser may take for one."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, TypeAdapter

_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def _is_written_out(value: object) -> object:
    if isinstance(value, str) and _SHAPE.match(value) is None:
        raise ValueError("give a time like 2026-11-23T09:30:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_is_written_out)]


def _is_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("give a time as text, like 2026-11-23T09:30:00Z")
    return _AWARE.validate_python(_is_written_out(value))


_AWARE = TypeAdapter(AwareDatetime)
JsonTime = Annotated[AwareDatetime, BeforeValidator(_is_text)]
"""In bodies: they are read strictly, which leaves no text to be a time."""
