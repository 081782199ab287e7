"""Is a sentence an objection, and which? Likeness to a playbook's exemplars, with margins.

A sentence's likeness to an objection is that of its embedding to the exemplars of it (cosine, the
mean of the nearest `NEAREST`); a phrase of the objection adds `PHRASE_BONUS`. It is suggested when
its likeness reaches `LIKE` and lies `MARGIN` above that to the nearest ordinary sentences. The card
of the best is shown only when it lies `CARD_MARGIN` above those and `LEAD` above the second.

The constants were chosen on tests/engine/objection_development.tsv, and for few false cards rather
than for many right ones; tests/engine/objection_sentences.tsv judges them and was never tuned on.

Without the model, or where a sentence was dropped, phrases alone decide.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

from engine.embedding.minilm import WIDTH, Floats
from engine.phrases import Spoken, compiled
from engine.playbook import Playbook

log = structlog.get_logger(__name__)

NEAREST = 2
LIKE = 0.35
MARGIN = 0.05
CARD_MARGIN = 0.12
LEAD = 0.03
PHRASE_BONUS = 0.1
SUGGESTED = 2
MAX_PLAYBOOKS = 32
"""Judges kept, each with up to 0.8 MB of vectors."""
LANGUAGE = "en"
"""What the sentence model understands: in other languages phrases decide."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Likeness (cosine, -1 to 1) to each objection and to ordinary sentences, and the objections
    whose phrases were heard. `likeness` is empty where only phrases were looked at."""

    likeness: dict[str, float]
    ordinary: float
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`margin`: how far it lies above the next objection, or above ordinary talk if that is
    nearer."""

    code: str
    margin: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One or two objections, the likelier first; `card` is the code of the one to show, if any."""

    suggestions: tuple[Suggestion, ...]
    card: str | None


def verdict(scores: Scores) -> Verdict | None:
    """None where it is no objection, or not clearly one."""
    if not scores.likeness:
        heard = scores.phrases[:SUGGESTED]
        margin = 1.0 if len(heard) == 1 else 0.0
        suggestions = tuple(Suggestion(code, margin) for code in heard)
        return Verdict(suggestions, heard[0] if len(heard) == 1 else None) if heard else None
    values = {
        code: like + (PHRASE_BONUS if code in scores.phrases else 0.0)
        for code, like in scores.likeness.items()
    }
    ranked = sorted(values, key=lambda code: values[code], reverse=True)
    best = values[ranked[0]]
    if best < LIKE or best - scores.ordinary < MARGIN:
        return None
    levels = [values[code] for code in ranked] + [-1.0]
    suggestions = tuple(
        Suggestion(code, round(level - max(below, scores.ordinary), 3))
        for code, level, below in zip(ranked[:SUGGESTED], levels, levels[1:], strict=False)
        if level - scores.ordinary >= MARGIN
    )
    shows = best - scores.ordinary >= CARD_MARGIN and best - levels[1] >= LEAD
    return Verdict(suggestions, ranked[0] if shows else None)


class Embedding(Protocol):
    """Makes vectors of unit length of sentences: `engine.embedding.embedder.Embedder`."""

    def submit(self, sentence: str, done: Callable[[Floats | None], None]) -> None:
        """`done` is called once, with None where there will be no vector."""

    async def embed(self, sentences: Sequence[str]) -> list[Floats | None]:
        """One for each."""
        ...


class Judge:
    """One playbook's objections, for all calls that use it. `embedder` is None without a model."""

    def __init__(self, playbook: Playbook, embedder: Embedding | None) -> None:
        self.playbook = playbook
        self._embedder = embedder
        self._phrases = {
            objection.code: compiled(objection.phrases, unless_negated=True)
            for objection in playbook.objections
        }
        self._exemplars: Exemplars | None = None

    @property
    def is_prepared(self) -> bool:
        """Whether sentences are compared with exemplars, not only searched for phrases."""
        return self._exemplars is not None

    async def prepare(self) -> None:
        """Embed the exemplars, once. Until it is done, and without a model, phrases decide."""
        if self._embedder is None or self.is_prepared:
            return
        groups = [(each.code, each.exemplars) for each in self.playbook.objections]
        groups.append(("", self.playbook.ordinary))
        vectors = await self._embedder.embed([text for _, texts in groups for text in texts])
        owners = [code for code, texts in groups for _ in texts]
        kept = [(code, row) for code, row in zip(owners, vectors, strict=True) if row is not None]
        if {code for code, _ in kept} != set(owners):
            log.error("exemplars_not_embedded", playbook=self.playbook.id, of=len(owners))
            return
        self._exemplars = Exemplars([code for code, _ in kept], np.stack([row for _, row in kept]))

    def hear(self, words: Sequence[str], done: Callable[[Scores], None]) -> None:
        """Score one sentence; `done` is called once, later or at once, on this event loop."""
        spoken = Spoken(words)
        phrases = tuple(code for code, each in self._phrases.items() if each.find(spoken))
        exemplars = self._exemplars
        if self._embedder is None or exemplars is None:
            done(Scores({}, 0.0, phrases))
            return

        def answered(vector: Floats | None) -> None:
            if vector is None:
                done(Scores({}, 0.0, phrases))
            else:
                done(exemplars.scores(vector, phrases))

        self._embedder.submit(" ".join(words), answered)


class Exemplars:
    """Vectors of unit length, [sentences, WIDTH], and the objection of each; "" is none."""

    def __init__(self, codes: Sequence[str], vectors: Floats) -> None:
        if vectors.shape != (len(codes), WIDTH):
            raise ValueError(f"{len(codes)} codes and vectors of shape {vectors.shape}")
        self._rows = {
            code: np.flatnonzero(np.array(codes) == code) for code in dict.fromkeys(codes)
        }
        self._vectors = vectors

    def scores(self, vector: Floats, phrases: tuple[str, ...] = ()) -> Scores:
        """How like the exemplars a sentence's vector of unit length is."""
        cosines = self._vectors @ vector
        likeness = {
            code: round(float(np.sort(cosines[rows])[-NEAREST:].mean()), 4)
            for code, rows in self._rows.items()
        }
        return Scores(
            likeness={code: like for code, like in likeness.items() if code},
            ordinary=likeness[""],
            phrases=phrases,
        )


class Judges:
    """The judges of the playbooks in use, by content; the least recently used is forgotten."""

    def __init__(self, embedder: Embedding | None, most: int = MAX_PLAYBOOKS) -> None:
        self._embedder = embedder
        self._most = most
        self._known: OrderedDict[str, Judge] = OrderedDict()

    def of(self, playbook: Playbook) -> Judge:
        """The playbook's judge; `Judge.prepare` it."""
        embedder = self._embedder if playbook.language == LANGUAGE else None
        judge = self._known.pop(playbook.digest, None) or Judge(playbook, embedder)
        self._known[playbook.digest] = judge
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return judge
