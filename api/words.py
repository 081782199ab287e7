"""What puts domain words right: the node's list, and with it a dealership's own words."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from api.store.teaching import DomainWord
from engine.asr.correction import Corrector
from engine.asr.domain import Term, Terms

LANGUAGE = "en"
"""What terms are in."""
MAX_CORRECTORS = 16
"""Of dealerships' own words, kept ready; the least recently used is made anew when it is asked for.
Each has a few MB."""


class Words:
    """`corrector` is the node's; None where domain words are off, also dealerships' own."""

    def __init__(self, corrector: Corrector | None) -> None:
        self._corrector = corrector
        self._made: OrderedDict[str, Corrector] = OrderedDict()
        self._making = threading.Lock()

    async def of(self, own: Sequence[Term]) -> Corrector | None:
        """As `with_own`, in a thread where it may take long."""
        return await asyncio.to_thread(self.with_own, own) if own else self._corrector

    def with_own(self, own: Sequence[Term]) -> Corrector | None:
        """The node's list and `own`, which wins where both have a term.

        Takes up to 0.2 s when it is asked for the first time.
        """
        if self._corrector is None or not own:
            return self._corrector
        version = Terms(tuple(own)).version
        with self._making:
            corrector = self._made.pop(version, None)
            if corrector is None:
                corrector = Corrector(self._corrector.terms.extended(own))
            self._made[version] = corrector
            if len(self._made) > MAX_CORRECTORS:
                self._made.popitem(last=False)
            return corrector


def terms_of(given: Iterable[DomainWord | dict[str, Any]]) -> tuple[Term, ...]:
    """Terms as they are stored, or journalled. Raises `ValueError`."""
    found: list[Term] = []
    for word in given:
        raw = word.model_dump() if isinstance(word, DomainWord) else word
        found.append(Term.model_validate(raw))
    return tuple(found)


def faults_of(words: Sequence[DomainWord]) -> list[tuple[int, str]]:
    """What is wrong, by the number of the word (from 1), in sentences."""
    faults: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    for number, word in enumerate(words, 1):
        try:
            term = Term.model_validate(word.model_dump())
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            said = first["msg"].removeprefix("Value error, ")
            faults.append((number, f"{word.term}: {said}."))
            continue
        before = seen.setdefault(term.key, number)
        if before != number:
            faults.append((number, f"{word.term}: stands as number {before} already."))
    return faults
