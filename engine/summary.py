"""What a call comes to: three strengths and three things to work on, each with its moments.

Each quality of delivery has a share 0-1: the same published points as the scores
(`analyzers.delivery`), less a quarter for every cue it gave. From `STRONG` on a quality is a
strength, below it something to work on; the best and the worst three are told. The moments of a
strength are praise for it, or else the longest stretch in which it held; those of something to work
on are the spans of its cues, or else the longest stretch in which it did not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analyzers import delivery
from analyzers.delivery import Points, part
from engine.catalogue import Catalogue
from engine.events import Feedback, Metrics, Point, Quantities, Summary
from engine.features import Features

AT_MOST = 3
STRONG = 0.8
PER_CUE = 0.25
MOST_MOMENTS = 5
SHORTEST_MS = 3_000
"""A stretch is told from this long on."""
ENOUGH_WORDS = 40
ENOUGH_SPEECH_S = 15.0

CUES: Mapping[str, str] = {
    "clipping": "sound",
    "too_quiet": "volume",
    "too_fast": "pace",
    "too_slow": "pace",
    "long_pause": "pauses",
    "filler_density": "fillers",
    "monologue": "room",
    "never_say": "promises",
}
"""Which quality a cue is about. A weak link is nobody's delivery."""

SYLLABLE_POINTS: Points = ((2.0, 0.0), (2.8, 1.0), (5.0, 1.0), (6.0, 0.0))
"""Nuclei per second of speech, as the pace rules of `engine.feedback` have them."""


class Span(NamedTuple):
    """Milliseconds of session time."""

    start_ms: int
    end_ms: int


class Stretches:
    """Of each quality measured all along, the longest stretch in which it was good, and in which it
    was not. Feed `push` ten times a second; holds a few numbers per quality."""

    def __init__(self) -> None:
        self._current: dict[str, tuple[bool, int]] = {}
        self._longest: dict[tuple[str, bool], Span] = {}

    def push(self, features: Features) -> None:
        if not features.speaking:
            return
        for quality, share in _shares(features).items():
            if share is None:
                self._current.pop(quality, None)
                continue
            good = share >= STRONG
            before = self._current.get(quality)
            if before is None or before[0] != good:
                before = self._current[quality] = good, features.t_ms
            span = Span(before[1], features.t_ms)
            longest = self._longest.get((quality, good))
            if longest is None or span.end_ms - span.start_ms > longest.end_ms - longest.start_ms:
                self._longest[quality, good] = span

    def longest(self, quality: str, *, good: bool) -> Span | None:
        """None where none was 3 s long."""
        span = self._longest.get((quality, good))
        return span if span and span.end_ms - span.start_ms >= SHORTEST_MS else None


def summary(
    metrics: Metrics,
    cues: Sequence[Feedback],
    stretches: Stretches,
    texts: Catalogue,
    unsaid: tuple[Sequence[str], int] | None = None,
) -> Summary:
    """The summary of a track, empty where there was too little speech to judge (15 s, 40 words).

    `unsaid`: titles of what the playbook says must be said and was not, and how much must be said.
    """
    quantities = metrics.quantities
    if quantities.speech_s < ENOUGH_SPEECH_S or quantities.words < ENOUGH_WORDS:
        return Summary(strengths=[], work_on=[])
    troubles: dict[str, list[Feedback]] = {}
    praises: dict[str, list[Feedback]] = {}
    for cue in cues:
        if cue.kind == "praise":
            # Steady delivery is a matter of pace; what was followed names its nudge.
            quality = CUES.get(str(cue.parameters.get("nudge")), "pace")
            praises.setdefault(quality, []).append(cue)
        elif cue.code in CUES:
            troubles.setdefault(CUES[cue.code], []).append(cue)
    judged: list[tuple[float, str, float]] = []
    for quality, (share, value) in _judged(quantities, troubles).items():
        lost = PER_CUE * len(troubles.get(quality, ()))
        judged.append((max(share - lost, 0.0), quality, value))
    if unsaid is not None and unsaid[1]:
        missing, wanted = unsaid
        judged.append((1 - len(missing) / wanted, "must_say", float(len(missing))))
    judged.sort(key=lambda one: -one[0])
    strong = [one for one in judged if one[0] >= STRONG][:AT_MOST]
    weak = [one for one in reversed(judged) if one[0] < STRONG][:AT_MOST]

    def points(
        chosen: Sequence[tuple[float, str, float]], kind: str, told: Mapping[str, list[Feedback]]
    ) -> list[Point]:
        found = []
        for _, quality, value in chosen:
            moments = [cue.span_ms for cue in told.get(quality, ())][:MOST_MOMENTS]
            stretch = stretches.longest(quality, good=kind == "strength")
            if not moments and stretch:
                moments = [(stretch.start_ms, stretch.end_ms)]
            titles = ", ".join(unsaid[0][:AT_MOST]) if unsaid is not None else ""
            message = texts.text(f"{kind}.{quality}", value=value, titles=titles)
            found.append(
                Point(
                    code=quality,
                    parameters={"value": round(value, 2)},
                    message=message,
                    moments=moments,
                )
            )
        return found

    return Summary(
        strengths=points(strong, "strength", praises), work_on=points(weak, "work_on", troubles)
    )


def _judged(
    q: Quantities, troubles: Mapping[str, Sequence[Feedback]]
) -> dict[str, tuple[float, float]]:
    """Per quality its share, cues apart, and the value to tell."""
    measured: dict[str, tuple[float | None, Points]] = {
        "pace": (q.rate_wpm, delivery.PACE_POINTS),
        "volume": (q.level_vs_baseline_db, delivery.LEVEL_POINTS),
        "sound": (q.clipped_pct, delivery.CLIPPED_POINTS),
        "quiet_room": (q.snr_db, delivery.SNR_POINTS),
        "fillers": (q.fillers_per_100_words, delivery.FILLER_POINTS),
        "hedges": (q.hedges_per_100_words, delivery.HEDGE_POINTS),
    }
    judged = {
        quality: (part(value, points), value)
        for quality, (value, points) in measured.items()
        if value is not None
    }
    if q.asr_certainty is not None:
        sure = q.asr_certainty
        judged["articulation"] = part(sure, delivery.CERTAINTY_POINTS), 100 * sure
    for quality in ("pauses", "room", "promises"):
        count = float(len(troubles.get(quality, ())))
        # Of these there is nothing but cues: no cue in a call of a minute is a strength, but it is
        # none to have said nothing forbidden.
        if count or (q.speech_s >= 60.0 and quality != "promises"):
            judged[quality] = (STRONG if not count else STRONG - 0.01), count
    return judged


def _shares(features: Features) -> dict[str, float | None]:
    def share(value: float | None, points: Points) -> float | None:
        return None if value is None else part(value, points)

    return {
        "pace": share(features.syllables_per_s, SYLLABLE_POINTS),
        "volume": share(features.level_vs_baseline_db, delivery.LEVEL_POINTS),
        "sound": share(features.clipped_pct, delivery.CLIPPED_POINTS),
        "quiet_room": share(features.snr_db, delivery.SNR_POINTS),
        "fillers": share(features.fillers_per_100_words, delivery.FILLER_POINTS),
        "hedges": share(features.hedges_per_100_words, delivery.HEDGE_POINTS),
    }
