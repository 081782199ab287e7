"""Greedy decoding that checks a draft instead of writing anew.

Successive windows of one utterance say nearly the same. So the words of the last window are a draft
of the next: all its tokens go through the decoder in one pass, which tells for each whether it is
what the decoder would have written itself. What is saved is a pass for each token that was right
(speculative decoding: Leviathan, Kalman, Matias 2023; with an earlier output as the draft). After a
token that differs the draft is taken up again where it has that token.

An exact decode compares each token of the draft with the whole vocabulary: the text is that of
plain greedy decoding. Otherwise it is compared with its rivals alone, the tokens that came near it
when it was written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.asr.decoder import Decoder, Rows
from engine.asr.encoder import Memory
from engine.asr.kernels import Floats
from engine.asr.vocabulary import Vocabulary

NEAR = 10.0
"""A rival's logarithm of probability is at most this much below that of the token written."""
TAKE_UP = 6
"""How far ahead in the draft the token that was written instead is looked for."""
PROPOSED = 7
"""Tokens of the draft in a pass once it has been left: with the one that is sure, two blocks of
four rows."""
MOST_RIVALS = 64
"""Behind noise nearly all of the vocabulary is near."""
NEVER = -1e9


class Token(NamedTuple):
    """A token as it was written: how likely it was, and which tokens were near, itself included."""

    id: int
    probability: float
    rivals: NDArray[np.int64]


@dataclass(slots=True)
class Transcript:
    """One window on its way to text; `tokens` are what has been written.

    `heard` has the keys and values of `positions` encoder states, `said` room for those of tokens.
    Decoding stops at `cap` tokens. `attention` (tokens of prompt and text, heads, audible), if
    wanted, takes the weights on the first `audible` positions.
    """

    heard: Memory
    positions: int
    said: Memory
    draft: Sequence[Token]
    cap: int
    exact: bool
    attention: Floats | None = None
    audible: int = 0
    tokens: list[Token] = field(default_factory=list)
    log_probability: float = 0.0
    """The sum over the tokens and the end."""
    no_speech_probability: float = 0.0
    """Zero for a draft that is not decoded exactly: there was speech before."""
    is_over: bool = False
    at: int = 0
    """How many tokens, the prompt's included, the decoder has taken in and need not again."""
    pending: list[int] = field(default_factory=list)
    """Those it takes in next: one that is sure (or the prompt), then guesses."""
    guesses: Sequence[Token] = ()
    behind: int = 0
    """Where the draft goes on behind the guesses."""

    @property
    def average_log_probability(self) -> float:
        return self.log_probability / max(len(self.tokens), 1)


def decode(decoder: Decoder, vocabulary: Vocabulary, transcripts: Sequence[Transcript]) -> None:
    """Write every transcript to its end, all of them in the same passes."""
    for transcript in transcripts:
        transcript.guesses = transcript.draft[: transcript.cap]
        transcript.behind = len(transcript.guesses)
        opening = [*_before(transcript, vocabulary), *vocabulary.prompt]
        transcript.pending = [*opening, *(token.id for token in transcript.guesses)]
    while active := [transcript for transcript in transcripts if not transcript.is_over]:
        states = decoder.states([_rows(transcript) for transcript in active])
        wanted: list[int] = []
        spans: list[tuple[Transcript, int, int]] = []
        end = 0
        for transcript in active:
            begin, end = end, end + len(transcript.pending)
            if _asks_silence(transcript):
                wanted.append(begin + len(_before(transcript, vocabulary)))
            agreed = 0
            if not transcript.exact:
                sure = end - len(transcript.guesses) - 1
                agreed = _agreed(decoder, transcript.guesses, states[sure:end])
            rows = len(transcript.guesses) + 1 - agreed if transcript.exact else 1
            first = end - len(transcript.guesses) - 1 + agreed
            wanted += range(first, first + rows)
            spans.append((transcript, agreed, rows))
        logits = decoder.logits(states[wanted])
        begin = 0
        for transcript, agreed, rows in spans:
            if _asks_silence(transcript):
                transcript.no_speech_probability = _probability(logits[begin], vocabulary.silent)
                begin += 1
            _take(transcript, agreed, logits[begin : begin + rows], vocabulary)
            begin += rows


def _before(transcript: Transcript, vocabulary: Vocabulary) -> list[int]:
    """Looks go without: a text in front costs them a quarter more, and the last words bring what
    it is there for."""
    return vocabulary.before if transcript.exact else []


def _asks_silence(transcript: Transcript) -> bool:
    """Whether this pass is to tell if there is speech at all: where words were heard, there is."""
    return transcript.at == 0 and (transcript.exact or not transcript.draft)


def _rows(transcript: Transcript) -> Rows:
    return Rows(
        np.array(transcript.pending, np.int64),
        transcript.at,
        transcript.said,
        transcript.heard,
        transcript.positions,
        transcript.attention,
        transcript.audible,
    )


def _agreed(decoder: Decoder, guesses: Sequence[Token], states: Floats) -> int:
    """How many of `guesses`, from the first on, beat their rivals."""
    for place, guess in enumerate(guesses):
        scores = decoder.scores(states[place], guess.rivals)
        if guess.rivals[scores.argmax()] != guess.id:
            return place
    return len(guesses)


def _take(transcript: Transcript, agreed: int, logits: Floats, vocabulary: Vocabulary) -> None:
    """Write the `agreed` guesses, then what `logits` say, row by row, until a guess is wrong."""
    guesses = transcript.guesses
    for guess in guesses[:agreed]:
        _write(transcript, guess)
    last = agreed + len(logits) - 1
    for place, row in enumerate(logits, agreed):
        row[vocabulary.suppressed] = NEVER
        if not transcript.tokens:
            row[vocabulary.suppressed_first] = NEVER
        token = _likeliest(row)
        if token.id == vocabulary.end:
            transcript.log_probability += math.log(token.probability)
            transcript.is_over = True
            return
        _write(transcript, token)
        if len(transcript.tokens) > transcript.cap:
            transcript.is_over = True
            return
        if place == last or guesses[place].id != token.id:
            _go_on(transcript, token, place)
            return


def _write(transcript: Transcript, token: Token) -> None:
    transcript.tokens.append(token)
    transcript.log_probability += math.log(token.probability)


def _go_on(transcript: Transcript, token: Token, place: int) -> None:
    """Let `token`, written instead of the guess at `place`, be followed by what the draft says."""
    draft, unread = transcript.draft, transcript.behind - (len(transcript.guesses) - place)
    transcript.at += len(transcript.pending) - (len(transcript.guesses) - place)
    transcript.guesses, transcript.behind = (), min(unread + 1, len(draft))
    for at in range(unread, min(unread + TAKE_UP, len(draft))):
        if draft[at].id == token.id:
            transcript.guesses = draft[at + 1 : at + 1 + PROPOSED]
            transcript.behind = at + 1 + len(transcript.guesses)
            break
    transcript.pending = [token.id, *(guess.id for guess in transcript.guesses)]


def _likeliest(row: Floats) -> Token:
    best = int(row.argmax())
    rivals = np.flatnonzero(row > row[best] - NEAR)
    if len(rivals) > MOST_RIVALS:
        rivals = rivals[np.argpartition(row[rivals], -MOST_RIVALS)[-MOST_RIVALS:]]
    return Token(best, _probability(row, best), rivals)


def _probability(row: Floats, token: int) -> float:
    top = row.max()
    return float(np.exp(row[token] - top) / np.exp(row - top).sum())
