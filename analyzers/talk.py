"""Who talks: one person's monologue, and how two or more share a conversation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAME_MS
from analyzers.kernel import I8, I8S, kernel

Ints = NDArray[np.int64]

TURN_PAUSE_MS = 2000
"""A silence this long gives the other side the floor: it ends a monologue."""


class Monologue:
    """Speech time since the last silence of 2 s or more, on one track.

    Only speech is added, shorter pauses are not; frames that were not measured are not pushed
    and change nothing.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.speech_ms = 0
        self.longest_ms = 0
        self._silence_ms = 0

    def push(self, speaking: bool) -> None:
        """Take the decision for one measured frame."""
        if speaking:
            self._silence_ms = 0
            self.speech_ms += FRAME_MS
            self.longest_ms = max(self.longest_ms, self.speech_ms)
            return
        self._silence_ms += FRAME_MS
        if self._silence_ms >= TURN_PAUSE_MS:
            self.speech_ms = 0


SPURT_PAUSE_MS = 200
"""Shorter silences lie inside a talk spurt (Brady, Bell System Technical Journal 47, 1968)."""
ANSWER_MS = 300
"""Shorter sounds after the other's turn are no answer yet."""
TURN_MS = 1000
"""Spurts shorter than this are mostly feedback ("mhm") that claims no turn (Edlund, Heldner &
Pelce, "Pause and gap length in face-to-face interaction", 2009)."""
OVERLAP_MS = 500
"""Overlaps where one turn follows the other are mostly shorter (Levinson & Torreira, Frontiers in
Psychology 6:731, 2015): a longer one is no slip of timing."""
LONGEST_GAP_MS = 10_000
"""After a longer silence nobody answers any more: somebody begins anew."""
HOLE_MS = 200
"""After a longer hole in a track, what was said in it is unknown."""
MIN_GAPS = 3
MIN_SHARE_MS = 10_000
_LAG_FRAMES = 100
_GAPS = LONGEST_GAP_MS // FRAME_MS + 1

# Fields of one track, in frames.
_FIELDS = 13
_SPEECH, _SPURT, _QUIET, _HOLE, _MONOLOGUE, _LONGEST, _OTHERS, _OVERLAP, _INTO_TURN = range(9)
_INTERRUPTIONS, _PENDING_GAP, _LAST_GAP, _COUNTED = range(9, 13)
_LONG_AGO = 1 << 40


@kernel(I8, I8S, I8S, I8S)
def follow_turns(states: Ints, fields: Ints, gaps: Ints) -> int:
    """Advance by one frame of all tracks; return how many tracks spoke in it.

    `states` (n,) is 1 for speech, 0 for silence, -1 for a frame that was not measured; `fields`
    (n * _FIELDS,) is what each track's counters hold, `gaps` (n * _GAPS,) how often each left a gap
    of so many frames before it answered.
    """
    tracks = states.size
    speakers = 0
    measured = True
    for i in range(tracks):
        speakers += 1 if states[i] == 1 else 0
        measured = measured and states[i] >= 0
    for i in range(tracks):
        me = i * _FIELDS
        if states[i] < 0:
            fields[me + _HOLE] += 1
            if fields[me + _HOLE] * FRAME_MS >= HOLE_MS:
                fields[me + _SPURT] = 0
                fields[me + _QUIET] = _LONG_AGO
                fields[me + _PENDING_GAP] = -1
            continue
        fields[me + _HOLE] = 0
        if states[i] == 0:
            continue
        if measured:
            fields[me + _SPEECH] += 1
        if fields[me + _SPURT] == 0:
            # A spurt begins: after whose speech, or into whose turn?
            fields[me + _PENDING_GAP] = -1
            fields[me + _OVERLAP] = 0
            fields[me + _INTO_TURN] = 0
            fields[me + _COUNTED] = 0
            gap = _LONG_AGO
            for k in range(tracks):
                if k == i:
                    continue
                other = k * _FIELDS
                if states[k] == 1 or (states[k] < 0 and fields[other + _QUIET] == 0):
                    gap = _LONG_AGO
                    if fields[other + _SPURT] * FRAME_MS >= TURN_MS:
                        fields[me + _INTO_TURN] = 1
                    break
                gap = min(gap, fields[other + _QUIET])
            if gap < _GAPS and gap < fields[me + _QUIET]:
                fields[me + _PENDING_GAP] = gap
        fields[me + _SPURT] += 1
        if speakers > 1:
            fields[me + _OVERLAP] += 1
        if fields[me + _PENDING_GAP] >= 0 and fields[me + _SPURT] * FRAME_MS >= ANSWER_MS:
            gaps[i * _GAPS + fields[me + _PENDING_GAP]] += 1
            fields[me + _LAST_GAP] = fields[me + _PENDING_GAP]
            fields[me + _PENDING_GAP] = -1
        if (
            fields[me + _INTO_TURN] == 1
            and fields[me + _COUNTED] == 0
            and fields[me + _OVERLAP] * FRAME_MS >= OVERLAP_MS
            and fields[me + _SPURT] * FRAME_MS >= TURN_MS
        ):
            fields[me + _INTERRUPTIONS] += 1
            gaps[i * _GAPS] += 1
            fields[me + _COUNTED] = 1
        fields[me + _MONOLOGUE] += 1
        fields[me + _LONGEST] = max(fields[me + _LONGEST], fields[me + _MONOLOGUE])
    for i in range(tracks):
        me = i * _FIELDS
        if states[i] == 1:
            fields[me + _QUIET] = 0
            fields[me + _OTHERS] = 0
        elif states[i] == 0:
            fields[me + _QUIET] += 1
            if fields[me + _QUIET] * FRAME_MS >= SPURT_PAUSE_MS:
                fields[me + _SPURT] = 0
                fields[me + _PENDING_GAP] = -1
            fields[me + _OTHERS] += 1 if speakers > 0 else 0
            if (
                fields[me + _QUIET] * FRAME_MS >= TURN_PAUSE_MS
                or fields[me + _OTHERS] * FRAME_MS >= TURN_MS
            ):
                fields[me + _MONOLOGUE] = 0
    return speakers


@dataclass(frozen=True, slots=True)
class Talk:
    """One track's part in a conversation. Times in ms; `None` where there is too little yet."""

    speech_ms: int
    """Speech while all tracks were measured."""
    share_pct: float | None
    """Of all tracks' speech; `None` before 10 s of it."""
    monologue_ms: int
    longest_monologue_ms: int
    interruptions: int
    """How often this track interrupted another."""
    answers: int
    last_gap_ms: int | None
    """Hesitation before the last answer."""
    longest_gap_ms: int | None
    patience_ms: int | None
    """Median gap left after another stops; `None` before three gaps."""
    hesitation_ms: int | None
    """Mean gap before an answer, interruptions left out; `None` before three answers."""


class Conversation:
    """Talk share, monologues, interruptions, hesitation and patience of two or more tracks.

    Each track pushes a decision per frame of session time; a frame counts once every track has
    reported it, or 2 s late without those that have not. Memory does not grow. Frames that were not
    measured enter nothing: they lengthen no gap, and after a hole of 200 ms nothing before it is
    related to what follows.

    A talk spurt is speech with silences below 200 ms. Share: a track's speech / all tracks' speech.
    Monologue: speech without a silence of 2 s of one's own and without 1 s of another's speech in
    one's silence. Gap (hesitation before an answer): from the end of another track's speech to the
    start of this one's, when the other spoke last, at most 10 s before; it counts once the answer
    has lasted 0.3 s. Interruption: a spurt of at least 1 s that begins while another has been
    talking for at least 1 s, with at least 0.5 s of both together. Patience: the median of the
    gaps, each interruption a gap of nothing.
    """

    def __init__(self, tracks: int = 2) -> None:
        """`tracks` >= 2, else `ValueError`."""
        if tracks < 2:
            raise ValueError(f"a conversation has two tracks or more, not {tracks}")
        self._tracks = tracks
        self._fields = np.zeros(tracks * _FIELDS, np.int64)
        self._gaps = np.zeros(tracks * _GAPS, np.int64)
        self._states = np.zeros(tracks, np.int64)
        self._waiting = np.zeros((_LAG_FRAMES, tracks), np.int64)
        self._reported = [0] * tracks
        self.reset()

    def reset(self) -> None:
        self._fields[:] = 0
        self._fields[_QUIET::_FIELDS] = _LONG_AGO
        self._fields[_PENDING_GAP::_FIELDS] = -1
        self._fields[_LAST_GAP::_FIELDS] = -1
        self._gaps[:] = 0
        self._waiting[:] = -1
        self._next: int | None = None

    def push(self, track: int, start_ms: int, speaking: bool | None) -> None:
        """Take the decision for `track`'s frame that begins at `start_ms` of session time.

        `None` for a frame that was not measured. A frame older than 2 s, or than one that was
        counted already, is left out.
        """
        frame = start_ms // FRAME_MS
        if self._next is None:
            self._next = frame
            self._reported = [frame] * self._tracks
        if frame < self._next:
            return
        # Nobody waits for longer: beyond the ring the oldest frames count as they are.
        for _ in range(min(frame - self._next - _LAG_FRAMES + 1, 2 * _LAG_FRAMES)):
            self._count_next()
        self._next = max(self._next, frame - _LAG_FRAMES + 1)
        self._waiting[frame % _LAG_FRAMES, track] = -1 if speaking is None else int(speaking)
        self._reported[track] = max(self._reported[track], frame + 1)
        while self._next < min(self._reported):
            self._count_next()

    def flush(self) -> None:
        """Count what still waits for another track: at the end of a call."""
        while self._next is not None and self._next < max(self._reported):
            self._count_next()

    def of(self, track: int) -> Talk:
        """The part of `track` (0 and up) so far."""
        fields = self._fields[track * _FIELDS : (track + 1) * _FIELDS].tolist()
        speech = int(self._fields[_SPEECH::_FIELDS].sum()) * FRAME_MS
        gaps = np.cumsum(self._gaps[track * _GAPS : (track + 1) * _GAPS])
        count = int(gaps[-1])
        patience = None
        if count >= MIN_GAPS:
            low = np.searchsorted(gaps, (count + 1) // 2)
            high = np.searchsorted(gaps, count // 2 + 1)
            patience = int(low + high) * FRAME_MS // 2
        longest = int(np.searchsorted(gaps, count)) * FRAME_MS if count else None
        answers = count - fields[_INTERRUPTIONS]
        # The sum over all gaps of how many were longer; interruptions are gaps of nothing.
        waited_ms = int(count * len(gaps) - gaps.sum()) * FRAME_MS
        return Talk(
            speech_ms=fields[_SPEECH] * FRAME_MS,
            share_pct=100.0 * fields[_SPEECH] * FRAME_MS / speech
            if speech >= MIN_SHARE_MS
            else None,
            monologue_ms=fields[_MONOLOGUE] * FRAME_MS,
            longest_monologue_ms=fields[_LONGEST] * FRAME_MS,
            interruptions=fields[_INTERRUPTIONS],
            answers=answers,
            last_gap_ms=None if fields[_LAST_GAP] < 0 else fields[_LAST_GAP] * FRAME_MS,
            longest_gap_ms=longest,
            patience_ms=patience,
            hesitation_ms=round(waited_ms / answers) if answers >= MIN_GAPS else None,
        )

    def _count_next(self) -> None:
        assert self._next is not None
        row = self._waiting[self._next % _LAG_FRAMES]
        self._states[:] = row
        row[:] = -1
        follow_turns(self._states, self._fields, self._gaps)
        self._next += 1
