"""Domain words that the recognizer misheard, put right in its transcript.

A run of words becomes a term of the list when it sounds nearly like it and holds a word that is
not English ("Teljuride", "cross-track"), or when it differs from a term of several words in one of
them ("dock fee"). What is only written otherwise ("CRV", "F150X LT") is written as the list has it.
Words that are English are left alone, so "silver auto" stays what it is.

The outcome depends on the words alone: the same words are always corrected alike, as agreement
between successive hypotheses needs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.asr import ordinary, sound
from engine.asr.domain import Term, Terms
from engine.asr.window import SpokenWord

MAX_RUN = 4
"""Words of a transcript that may become one term."""
NAME_LIMIT = 0.16
"""How far a run may sound from a term that is not English, as a part of the term's own weight."""
PLAIN_LIMIT = 0.10
"""From a term of English words, or for a run that is not English only as one word."""
ANCHORED_LIMIT = 0.15
ANCHORED_WORD_LIMIT = 0.30
"""From a term of several words that shares one with the run: as a whole, and of each word."""
LEAST_WEIGHT = 3.0
"""Terms that sound shorter ("Kia") are near to too much."""
LONGEST_WORD = 40

_WORD = re.compile(r"(\W*)(.*?)((?:['’]s)?\W*)", re.DOTALL)
_PARTS = re.compile(r"[a-z']+|[0-9]+")
_LETTER = re.compile(r"\b[b-hj-z]\b")
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ly")


@dataclass(frozen=True, slots=True)
class Replacement:
    """Words `first` up to `last` (exclusive) of a transcript become `texts`."""

    first: int
    last: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A word of a transcript: what stands before, in and behind it; `parts` are lower case, letters
    apart from digits. `is_rare` where a part is not English, `is_compound` where parts that are
    make a word of their own, `is_code` where capitals or digits stand in it ("HRV", "F150")."""

    before: str
    core: str
    behind: str
    parts: tuple[str, ...]
    is_rare: bool
    is_compound: bool
    is_code: bool


@dataclass(frozen=True, slots=True)
class _Target:
    """One way of saying a term that is written as `texts`."""

    texts: tuple[str, ...]
    sound: str
    weight: float
    limit: float
    word_sounds: tuple[str, ...]
    words: tuple[str, ...]


Match = tuple[float, tuple[str, ...]]
"""How far the term is (-1: written alike), and its words."""


class Corrector:
    """Corrects transcripts towards `terms`. One serves every call of a node."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.version = terms.version
        self._written: dict[str, tuple[str, ...]] = {}
        self._near: dict[str, list[_Target]] = defaultdict(list)
        self._anchored: dict[tuple[str, int], list[_Target]] = defaultdict(list)
        # Successive hypotheses of an utterance ask for the same runs.
        self._nearest = lru_cache(maxsize=10_000)(self._by_sound)
        for term in terms.terms:
            self._written["".join(_parts(term.term))] = tuple(term.term.split())
        for term in terms.terms:
            for target in _targets(term):
                for key in _keys(sound.skeleton(target.sound)):
                    self._near[key].append(target)
                if len(target.texts) > 1:
                    for word in set(target.words):
                        self._anchored[word, len(target.texts)].append(target)

    def correct(self, words: Sequence[str]) -> list[str]:
        """The words of a hypothesis with the terms in them put right."""
        corrected: list[str] = []
        at = 0
        for replacement in self.replacements(words):
            corrected += [*words[at : replacement.first], *replacement.texts]
            at = replacement.last
        return corrected + list(words[at:])

    def correct_spoken(self, words: Sequence[SpokenWord]) -> list[SpokenWord]:
        """As `correct`, with times: a term's words share the time of the words it replaces by their
        length, and have the least of their probabilities."""
        corrected: list[SpokenWord] = []
        at = 0
        for replacement in self.replacements([word.text for word in words]):
            run = words[replacement.first : replacement.last]
            corrected += [*words[at : replacement.first], *_timed(replacement.texts, run)]
            at = replacement.last
        return corrected + list(words[at:])

    def replacements(self, words: Sequence[str]) -> list[Replacement]:
        """What `correct` replaces, in order; no two overlap."""
        heard = [_heard(word) if len(word) <= LONGEST_WORD else _UNHEARD for word in words]
        found = sorted(self._matches(heard), key=lambda one: (one[0], -one[2], one[1]))
        taken = [False] * len(words)
        chosen: list[Replacement] = []
        for _, first, size, texts in found:
            if any(taken[first : first + size]):
                continue
            taken[first : first + size] = [True] * size
            written = [*texts]
            written[0] = heard[first].before + written[0]
            written[-1] += heard[first + size - 1].behind
            if written != list(words[first : first + size]):
                chosen.append(Replacement(first, first + size, tuple(written)))
        return sorted(chosen, key=lambda one: one.first)

    def _matches(self, heard: list[_Heard]) -> Iterator[tuple[float, int, int, tuple[str, ...]]]:
        """(how far, first word, words, term) of every run that may be a term."""
        for first in range(len(heard)):
            run: list[_Heard] = []
            for word in heard[first : first + MAX_RUN]:
                # A run never reaches across punctuation.
                if not word.parts or (run and (run[-1].behind or word.before)):
                    break
                run.append(word)
                match = self._match(run)
                if match is not None:
                    yield (match[0], first, len(run), match[1])

    def _match(self, run: list[_Heard]) -> Match | None:
        parts = tuple(part for word in run for part in word.parts)
        joined = "".join(parts)
        is_rare = any(word.is_rare for word in run)
        written = self._written.get(joined)
        if written is not None:
            # What stays as it is written is taken all the same: no other term may reach into it.
            cores = tuple(word.core for word in run)
            is_misspelt = is_rare or any(word.is_code for word in run)
            # "Lt. Smith" and "Sr." are no trims.
            if len(joined) <= 3 and " ".join(cores).lower() == " ".join(written).lower():
                is_misspelt = False
            return (-1.0, written if is_misspelt else cores)
        if len(joined) > LONGEST_WORD:
            return None
        match: Match | None = None
        if is_rare:
            match = self._two_written(joined) or self._nearest(parts, True)
        elif any(word.is_compound for word in run):
            match = self._nearest(parts, False)
        elif len(run) > 1:
            match = self._by_anchor(run, parts)
        if match is None or self._is_inflected(joined):
            return None
        if match[1][0] in _ARTICLES and run[0].core[:1].isupper():
            return (match[0], (match[1][0].capitalize(), *match[1][1:]))
        return match

    def _is_inflected(self, joined: str) -> bool:
        if joined.endswith("ies") and f"{joined[:-3]}y" in self._written:
            return True
        return any(
            joined.endswith(ending) and joined[: -len(ending)] in self._written
            for ending in _ENDINGS
        )

    def _two_written(self, joined: str) -> Match | None:
        """Two terms in a row of which the first ends on a digit, cut elsewhere: "F150X LT"."""
        for cut in range(2, len(joined) - 1):
            if joined[cut - 1].isdigit() and joined[cut].isalpha():
                one, other = self._written.get(joined[:cut]), self._written.get(joined[cut:])
                if one and other:
                    return (-1.0, one + other)
        return None

    def _by_sound(self, parts: tuple[str, ...], is_rare: bool) -> Match | None:
        said = _sound_of(parts)
        best: Match | None = None
        for key in _keys(sound.skeleton(said)):
            for target in self._near.get(key, ()):
                far = sound.distance(said, target.sound) / target.weight
                limit = target.limit if is_rare else PLAIN_LIMIT
                if far <= limit and (best is None or far < best[0]):
                    best = (far, target.texts)
        return best

    def _by_anchor(self, run: list[_Heard], parts: tuple[str, ...]) -> Match | None:
        best: Match | None = None
        for part in parts:
            for target in self._anchored.get((part, len(run)), ()):
                if not _are_near_words(run, target.word_sounds):
                    continue
                far = sound.distance(_sound_of(parts), target.sound) / target.weight
                if far <= ANCHORED_LIMIT and (best is None or far < best[0]):
                    best = (far, target.texts)
        return best


_ARTICLES = {"the": "the", "a": "u"}
"""Words that run into the name behind them ("Aseranto"), and how they sound there."""


def _targets(term: Term) -> Iterator[_Target]:
    """The ways of saying a term by which a mishearing may be known; none for short ones, nor for
    those said by letters: one letter is all that tells XLT from XLE."""
    texts, words = tuple(term.term.split()), _parts(term.term)
    is_plain = all(map(ordinary.is_common, words))
    word_sounds = tuple(_sound_of(_parts(text)) for text in texts)
    for said in term.said:
        whole = sound.of(said)
        weight = sound.weight(whole)
        if weight < LEAST_WEIGHT or _LETTER.search(said):
            continue
        limit = PLAIN_LIMIT if is_plain else NAME_LIMIT
        yield _Target(texts, whole, weight, limit, word_sounds, words)
        if not is_plain:
            for article, before in _ARTICLES.items():
                yield _Target((article, *texts), before + whole, weight, limit, (), ())


def _timed(texts: tuple[str, ...], run: Sequence[SpokenWord]) -> Iterator[SpokenWord]:
    start_ms, end_ms = run[0].start_ms, run[-1].end_ms
    length, so_far = sum(map(len, texts)), 0
    for text in texts:
        begin_ms = start_ms + (end_ms - start_ms) * so_far // length
        so_far += len(text)
        until_ms = start_ms + (end_ms - start_ms) * so_far // length
        yield SpokenWord(text, begin_ms, until_ms, min(word.probability for word in run))


def _are_near_words(run: list[_Heard], wanted: tuple[str, ...]) -> bool:
    for at, (word, other) in enumerate(zip(run, wanted, strict=True)):
        said, limit = _sound_of(word.parts), ANCHORED_WORD_LIMIT * sound.weight(other)
        # "Windows sticker": a plural in front of another word is the singular, misheard.
        ways = {said, said.removesuffix("s")} if at < len(run) - 1 else {said}
        if all(sound.distance(way, other) > limit for way in ways):
            return False
    return True


def _parts(text: str) -> tuple[str, ...]:
    return tuple(_PARTS.findall(text.lower().replace("’", "'")))


_UNHEARD = _Heard("", "", "", (), is_rare=False, is_compound=False, is_code=False)
"""Nothing that could be a term or a part of one."""


@lru_cache(maxsize=10_000)
def _heard(text: str) -> _Heard:
    match = _WORD.fullmatch(text)
    before, core, behind = match.groups() if match else ("", text, "")
    if not core.isascii():
        return _UNHEARD
    parts = _parts(core)
    is_rare = not all(map(ordinary.is_word, parts))
    is_compound = len(parts) > 1 and core.replace("-", "").isalpha()
    is_code = any(letter.isupper() or letter.isdigit() for letter in core[1:])
    return _Heard(before, core, behind, parts, is_rare, is_compound, is_code)


@lru_cache(maxsize=10_000)
def _sound_of(parts: tuple[str, ...]) -> str:
    return sound.of(" ".join(sound.spelled(part) for part in parts))


def _keys(skeleton: str) -> set[str]:
    """A skeleton and what is left of it without one sound: two that differ in one share a key."""
    return {skeleton} | {skeleton[:at] + skeleton[at + 1 :] for at in range(len(skeleton))}
