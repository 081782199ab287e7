"""The schema's history: forward only, the same steps for both databases and for old exports.

A step takes one collection's documents, as JSON objects, from one schema to the next. New
collections, fields to ask by and indexes need none: `migrate` makes them from their declarations;
what changes the shape of stored documents does. Schema 1 is the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from api.store.base import NewerSchema, OlderSchema

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """`change` takes documents of the collection `kind` to schema `schema`."""

    schema: int
    kind: str
    change: Callable[[Json], Json]


def _counted(session: Json) -> Json:
    """A call tells how many cues it gave; before, only how many of each code."""
    return {**session, "feedbackCount": sum(session.get("feedbackCounts", {}).values())}


SCHEMA = 5
"""The present schema; one more whenever a model, a field to ask by or an index changes."""
STEPS: tuple[Step, ...] = (Step(2, "training_sessions", _counted),)


@dataclass(frozen=True, slots=True)
class History:
    """The present schema and the steps that led to it."""

    schema: int = SCHEMA
    steps: Sequence[Step] = STEPS

    def refuse_newer(self, found: int) -> None:
        """Raises `NewerSchema`."""
        if found > self.schema:
            raise NewerSchema(found, self.schema)

    def refuse_other(self, found: int) -> None:
        """Raises `NewerSchema` or `OlderSchema`."""
        self.refuse_newer(found)
        if found < self.schema:
            raise OlderSchema(found, self.schema)

    def upgrade(self, kind: str, document: Json, found: int) -> Json:
        """`document`, written under the schema `found`, as the present one has it."""
        for step in sorted(self.steps, key=lambda step: step.schema):
            if step.kind == kind and step.schema > found:
                document = step.change(dict(document))
        return document
