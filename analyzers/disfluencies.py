"""Fillers that were heard and fillers that were written, none counted twice."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence

from analyzers.filled_pauses import FilledPause
from analyzers.fillers import Occurrence
from analyzers.pace import Word

HEARD = "(uh)"
"""The text of a filler that was heard and not written."""
SYLLABLE_MS = 100
"""A word keeps at least this much of its time for each of its syllables."""
SLACK_MS = 150
"""How far off a word's time in a transcript may be."""

_SPELLINGS = re.compile(r"u+h*m+|u+h+|e+r+m*|e+h+m*|a*h+m+|a+h+|h*m+")
_VOWELS = re.compile(r"[aeiouyáéíóúü]+")


def merge(
    heard: Iterable[FilledPause], occurrences: Sequence[Occurrence], words: Sequence[Word]
) -> list[Occurrence]:
    """All fillers and hedges in order of time; those only heard have the text `HEARD`.

    `occurrences` are what `Lexicon.find` found in `words`, the words of the same time as `heard`.

    A sound is a written "um", however spelled, if they share any time, or if they lie within 150 ms
    of each other and no other sound is that "um".

    Where the text has another word, its times decide, because a recognizer that leaves an "um" out
    stretches a neighbour over it. The sound is the word's own lengthened vowel, and no filled
    pause, if the two share half of the shorter one and the word would be left with less than 100 ms
    for each of its syllables. Else both stand: the sound is a filler beside the word.
    """
    written = [found for found in occurrences if _SPELLINGS.fullmatch(found.text)]
    free = list(written)
    merged = list(occurrences)
    for sound in sorted(heard, key=lambda sound: sound.start_ms):
        match = next((found for found in written if _shared_ms(sound, found) > 0), None)
        if match is None:
            match = next((found for found in free if _shared_ms(sound, found) > -SLACK_MS), None)
        if match is not None:
            if match in free:
                free.remove(match)
        elif not any(_owns(word, sound) for word in words):
            merged.append(Occurrence("filler", HEARD, sound.start_ms, sound.end_ms))
    return sorted(merged, key=lambda found: (found.start_ms, found.end_ms))


class Disfluencies:
    """Filled pauses of one track on their way to being counted: each waits for the final transcript
    of its time, with which it is merged, or counts by itself where none comes."""

    AT_MOST = 256
    """More do not wait: the oldest is forgotten."""

    def __init__(self) -> None:
        self._waiting: deque[FilledPause] = deque(maxlen=self.AT_MOST)

    @property
    def waiting(self) -> int:
        """Filled pauses heard that no transcript has covered yet."""
        return len(self._waiting)

    def hear(self, pause: FilledPause) -> None:
        """Take what `FilledPauses.push` returned, in order of time."""
        self._waiting.append(pause)

    def read(self, words: Sequence[Word], occurrences: Sequence[Occurrence]) -> list[Occurrence]:
        """Take the words of one final and the `occurrences` in them; return what to count.

        That is `merge` of them with the sounds up to 150 ms behind the last word.
        """
        until_ms = words[-1][2] + SLACK_MS if words else 0
        return merge(self._until(until_ms), occurrences, words)

    def settle(self, until_ms: int) -> list[Occurrence]:
        """What to count of the sounds that ended before `until_ms` without a transcript.

        Finals come seconds after their words: leave them that time.
        """
        return merge(self._until(until_ms), (), ())

    def _until(self, until_ms: int) -> list[FilledPause]:
        over = []
        while self._waiting and self._waiting[0].end_ms < until_ms:
            over.append(self._waiting.popleft())
        return over


def _shared_ms(sound: FilledPause, found: Occurrence) -> int:
    """Time that the two share, ms; if negative, the time between them."""
    return min(found.end_ms, sound.end_ms) - max(found.start_ms, sound.start_ms)


def _owns(word: Word, sound: FilledPause) -> bool:
    text, start_ms, end_ms, _ = word
    shared_ms = min(end_ms, sound.end_ms) - max(start_ms, sound.start_ms)
    if shared_ms <= 0 or 2 * shared_ms < min(end_ms - start_ms, sound.end_ms - sound.start_ms):
        return False
    syllables = max(1, len(_VOWELS.findall(text.lower())))
    return end_ms - start_ms - shared_ms < SYLLABLE_MS * syllables
