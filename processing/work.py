"""A step of work as the worker calls it, and how it refuses what cannot be worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Tell = Callable[[str, int], None]
"""Says how far the work is: a stage (``decoding``, ``masking``, ``writing``) and a percentage.
Stages, and codes of refusals, are of ``[a-z0-9_.]``."""


class Refused(Exception):
    """The input cannot be used, and never will be: no attempt follows.

    `code` is for programs, `sentence` tells a person what to do about it; neither may quote what
    is in a file, or what it is called.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Note(NamedTuple):
    """Something to be said of the file of this number; codes are of ``[a-z0-9_.]``."""

    file: int
    code: str


class Made(list[Path]):
    """Files that were made, in order, with `notes` on some of them."""

    def __init__(self, files: Iterable[Path] = (), notes: Iterable[Note] = ()) -> None:
        super().__init__(files)
        self.notes = tuple(notes)


class Work(Protocol):
    """Makes files in the folder `outputs`, which is empty at first, and returns them in order; as
    `Made` where there is something to be said of them.

    It may be ended at any time and called again with another folder. Raises `Refused`; whatever
    else it raises is taken for a fault of the moment.
    """

    def __call__(
        self, inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
    ) -> list[Path]: ...
