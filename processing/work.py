"""A step of work as the worker calls it, and how it refuses what cannot be worked on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

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


class Work(Protocol):
    """Makes files in the folder `outputs`, which is empty at first, and returns them in order.

    It may be ended at any time and called again with another folder. Raises `Refused`; whatever
    else it raises is taken for a fault of the moment.
    """

    def __call__(
        self, inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
    ) -> list[Path]: ...
