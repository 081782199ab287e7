"""Rules: what was measured -> at most a few cues, each with its evidence.

`RULES` is the whole rule book. A rule fires when its measure has been beyond `enter` for `hold_ms`
and then keeps quiet until the measure has come back past `leave` (the dead band) and `cooldown_ms`
have passed. Only one cue interrupts within `INTERRUPTION_MS`: of several that are due, the one that
stands highest in the table, where the most useful stand first, goes out; the others wait and go
only if they still hold.

A nudge that was followed is praised: its measure came back past `leave` within `follow_ms` of the
cue and has stayed within `enter` for `FOLLOWED_MS`. Praise interrupts too, and gives way to cues.

A cue is a code with parameters; `engine.catalogue` has its words in each language.

Thresholds and their sources: pace 140-160 words a minute is comfortable, 110-180 acceptable, and a
change of about 10 % is noticeable, hence the dead bands. At 1.5 syllables a word and a fifth of the
time spent in short pauses, 180 wpm is 5.6 dictionary syllables a second of speech; our detector
counts syllable nuclei, about 0.9 of them, so 180 wpm reads 5.0; over 4 s it wavers by half, so
`too_fast` enters above 5.5. Slower than 110 wpm while speaking (3.0 nuclei a second) is slow only
when it is sustained. Fillers: fewer than 5 per 100 words (hedges count with them). Level is judged
against the person's own microphone check: 10 dB below it is half as loud (the sone scale, ISO
532-1), 8 dB is on the way there. At these windows 22 minutes of 60 recordings at constant gain,
each against its own first 6 s, gave a cue in 4 of them; a drop of 14 dB is told within 3 s. A
silence of 4 s is far beyond the pauses of fluent speech (under 2 s). Monologue: 90 s without a
pause for the customer. Clipping: what clean speech stays below through Opus, and most of what is 8
dB over full scale does not (measured, see `analyzers.clipping`).

The link is judged by what is heard, not by what was lost on the way and recovered. By ITU-T G.107
with G.113's figures for concealed speech (Ie = 0, Bpl = 25.1), R = 93.2 - 95 p / (p + 25.1) for p
percent concealed: below 80, "some users dissatisfied", from 4 %, and below 70, "many users
dissatisfied", from 8 %. Jitter of 20 ms (RFC 3550) is a spread of 60 ms, the longest that the
receive path waits for a packet. A delay of 150 ms is where G.114 ends what everybody accepts. The
link is weak beyond these, in trouble at twice as much; rules about the speaker wait meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.catalogue import DEFAULT, catalogue
from engine.events import Feedback, Kind, Link, Severity
from engine.features import Features
from engine.matching import NeverSayHeard

INTERRUPTION_MS = 8_000
ENOUGH_SPEECH_MS = 5_000
ENOUGH_WORDS = 40
MUCH_QUIETER_DB = -10.0
"""So far below is judged by the last 1.9 s of speech, less by the last 3 s."""
WEAK_CONCEALED_PCT = 4.0
WEAK_JITTER_MS = 20.0
WEAK_LAG_MS = 150.0
OWN_VOICE = frozenset({"too_quiet", "too_loud", "monologue", "long_pause"})
"""Rules about level and talk: they cannot judge while the microphone hears others, too."""
AFTER_WEAK_MS = 5_000
"""As far as what is measured of the speaker looks back: so long a weak link is held against it."""


class Now(NamedTuple):
    """What the rules look at, ten times a second."""

    features: Features
    link: Link | None
    volume_feedback: bool
    echo: bool = False
    """Whether the microphone hears others, too, from the person's loudspeaker."""


Measure = Callable[[Now], float | None]


def is_weak(concealed_pct: float, jitter_ms: float, lag_ms: float) -> bool:
    """Whether a link with these figures hurts what is heard."""
    return _strain(concealed_pct, jitter_ms, lag_ms) > 1


def _strain(concealed_pct: float, jitter_ms: float, lag_ms: float) -> float:
    """The worst of the three, as a multiple of what makes a link weak."""
    return max(concealed_pct / WEAK_CONCEALED_PCT, jitter_ms / WEAK_JITTER_MS, lag_ms / WEAK_LAG_MS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the rule book. `measure` returns None where it cannot judge.

    `rises` says whether values above `enter` are the trouble (else values below). `span_ms` is how
    far back the evidence reaches, `follow_ms` how long a speaker may take to follow, 0 where that
    is no merit. `by_ear` rules judge what came over the link: they cannot judge while it is weak.
    """

    code: str
    kind: Kind
    severity: Severity
    measure: Measure
    rises: bool
    enter: float
    leave: float
    hold_ms: int
    cooldown_ms: int
    span_ms: int
    follow_ms: int
    by_ear: bool = False


def _pace(now: Now) -> float | None:
    features = now.features
    if not features.speaking or features.speech_ms < ENOUGH_SPEECH_MS:
        return None
    return features.syllables_per_s


def _level(now: Now) -> float | None:
    features = now.features
    if not now.volume_feedback or not features.speaking or features.speech_ms < 3_000:
        return None
    recent_db = features.recent_vs_baseline_db
    if recent_db is not None and recent_db < MUCH_QUIETER_DB:
        return recent_db
    return features.level_vs_baseline_db


def _clipped(now: Now) -> float | None:
    return now.features.clipped_pct if now.features.speaking else None


def _silence(now: Now) -> float | None:
    return now.features.silence_ms / 1000 if now.features.speech_ms > 0 else None


def _fillers(now: Now) -> float | None:
    features = now.features
    if features.words < ENOUGH_WORDS:
        return None
    if features.fillers_per_100_words is None or features.hedges_per_100_words is None:
        return None
    return features.fillers_per_100_words + features.hedges_per_100_words


def _monologue(now: Now) -> float | None:
    return now.features.monologue_ms / 1000


def _link(now: Now) -> float | None:
    link = now.link
    return None if link is None else _strain(link.concealed_pct, link.jitter_ms, link.lag_ms)


RULES: tuple[Rule, ...] = (
    #    code, kind, severity,
    #    measure, rises, enter, leave, hold_ms, cooldown_ms, span_ms, follow_ms
    Rule("link_trouble", "correction", "high",
         _link, True, 2.0, 1.0, 1_500, 30_000, 3_000, 0),
    Rule("clipping", "correction", "high",
         _clipped, True, 0.06, 0.02, 300, 30_000, 3_000, 15_000),
    Rule("too_quiet", "correction", "medium",
         _level, False, -8.0, -5.0, 0, 20_000, 4_000, 15_000, by_ear=True),
    Rule("too_fast", "correction", "medium",
         _pace, True, 5.5, 4.7, 500, 20_000, 4_000, 15_000, by_ear=True),
    Rule("too_slow", "suggestion", "low",
         _pace, False, 2.5, 2.8, 4_000, 30_000, 8_000, 15_000, by_ear=True),
    Rule("long_pause", "suggestion", "low",
         _silence, True, 4.0, 1.0, 0, 15_000, 4_000, 0, by_ear=True),
    Rule("filler_density", "suggestion", "medium",
         _fillers, True, 6.0, 4.0, 0, 45_000, 60_000, 90_000, by_ear=True),
    Rule("monologue", "suggestion", "medium",
         _monologue, True, 90.0, 5.0, 0, 60_000, 90_000, 45_000),
)  # fmt: skip

FOLLOWED_MS = 5_000
PRAISED_WITHIN_MS = 10_000
"""Praise that finds no room for so long comes too late to be understood."""
PRAISE_AFTER_SPEECH_MS = 25_000
PRAISE_COOLDOWN_MS = 60_000
NEVER_SAY_WITHIN_MS = 12_000
"""What must never be said is worth an interruption as long as the trainee knows what is meant; it
goes before every rule. The `playbook` event tells of it at any rate."""
NEVER_SAY_COOLDOWN_MS = 60_000
"""Of the same code."""
PRAISE_PACE = (2.5, 5.5)


class _State:
    """Where one rule stands."""

    __slots__ = ("armed", "beyond_since_ms", "fired_ms", "is_open", "mended_since_ms", "seen_ms")

    def __init__(self) -> None:
        self.armed = True
        self.beyond_since_ms: int | None = None
        self.fired_ms: int | None = None
        self.is_open = False
        """Whether the last cue may still be followed."""
        self.mended_since_ms: int | None = None
        self.seen_ms = 0

    def due(self, rule: Rule, value: float | None, t_ms: int) -> bool:
        """Whether `rule` wants to speak at `t_ms` given `value`.

        None leaves things as they are, and its time does not count as time beyond `enter`.
        """
        since_ms, self.seen_ms = t_ms - self.seen_ms, t_ms
        if value is None:
            if self.beyond_since_ms is not None:
                self.beyond_since_ms += since_ms
            if self.mended_since_ms is not None:
                self.mended_since_ms += since_ms
            return False
        sign = 1 if rule.rises else -1
        self._mend(rule, sign * value, t_ms)
        if sign * value <= sign * rule.leave:
            self.armed = True
        if sign * value <= sign * rule.enter:
            self.beyond_since_ms = None
            return False
        if self.beyond_since_ms is None:
            self.beyond_since_ms = t_ms
        if not self.armed or t_ms - self.beyond_since_ms < rule.hold_ms:
            return False
        return self.fired_ms is None or t_ms - self.fired_ms >= rule.cooldown_ms

    def _mend(self, rule: Rule, trouble: float, t_ms: int) -> None:
        sign = 1 if rule.rises else -1
        if not self.is_open or self.fired_ms is None:
            self.mended_since_ms = None
        elif self.mended_since_ms is None:
            if t_ms - self.fired_ms > rule.follow_ms:
                self.is_open = False
            elif trouble <= sign * rule.leave:
                self.mended_since_ms = t_ms
        elif trouble > sign * rule.enter:
            self.mended_since_ms = None

    def is_followed(self, t_ms: int) -> bool:
        """Whether the last cue has been followed for long enough, and is still worth praise."""
        if not self.is_open or self.mended_since_ms is None:
            return False
        self.is_open = t_ms - self.mended_since_ms <= FOLLOWED_MS + PRAISED_WITHIN_MS
        return self.is_open and t_ms - self.mended_since_ms >= FOLLOWED_MS


class Coach:
    """One track's feedback, in words of `language`. Deterministic: the same features give the same
    cues."""

    def __init__(self, rules: tuple[Rule, ...] = RULES, language: str = DEFAULT) -> None:
        self._rules = rules
        self._catalogue = catalogue(language)
        self._states = {rule.code: _State() for rule in rules}
        self._last_cue_ms = -INTERRUPTION_MS
        self._good_from_speech_ms: int | None = None
        self._last_praise_ms: int | None = None
        self._weak_until_ms = 0
        self._never: tuple[NeverSayHeard, int] | None = None
        self._never_ms: dict[str, int] = {}

    def hear(self, never: NeverSayHeard, t_ms: int) -> None:
        """Something was said that must never be said. The newest waits for its turn, no other."""
        told_ms = self._never_ms.get(never.never_say.code)
        if told_ms is None or t_ms - told_ms >= NEVER_SAY_COOLDOWN_MS:
            self._never = never, t_ms

    def step(self, t_ms: int, now: Now) -> Feedback | None:
        """Judge the features at session time `t_ms`; return the cue to give now, if any."""
        due: tuple[Rule, float] | None = None
        followed: Rule | None = None
        if now.link is not None and now.link.weak:
            self._weak_until_ms = t_ms + AFTER_WEAK_MS
        trouble = weak = t_ms < self._weak_until_ms
        for rule in self._rules:
            blind = (weak and rule.by_ear) or (now.echo and rule.code in OWN_VOICE)
            value = None if blind else rule.measure(now)
            state = self._states[rule.code]
            wants = state.due(rule, value, t_ms)
            trouble = trouble or state.beyond_since_ms is not None
            if followed is None and state.is_followed(t_ms):
                followed = rule
            if wants and due is None and value is not None:
                due = rule, value
        praise = self._praise_due(t_ms, now, trouble)
        if t_ms - self._last_cue_ms < INTERRUPTION_MS:
            return None
        never, self._never = self._never, None
        if never is not None and t_ms - never[1] <= NEVER_SAY_WITHIN_MS:
            return self._forbid(t_ms, never[0])
        if due is not None:
            return self._fire(t_ms, now, *due)
        if followed is not None and not trouble:
            return self._followed(t_ms, followed)
        return self._praise(t_ms, now) if praise else None

    def _fire(self, t_ms: int, now: Now, rule: Rule, value: float) -> Feedback:
        state = self._states[rule.code]
        state.armed = False
        state.fired_ms = self._last_cue_ms = t_ms
        state.is_open, state.mended_since_ms = rule.follow_ms > 0, None
        self._good_from_speech_ms = None
        parameters = {"value": round(value, 2), "threshold": rule.enter}
        if now.link is not None and rule.measure is _link:
            link = now.link
            parameters |= {
                "concealed_pct": link.concealed_pct,
                "lag_ms": link.lag_ms,
                "jitter_ms": link.jitter_ms,
            }
        return self._cue(rule.kind, rule.severity, rule.code, parameters, t_ms, rule.span_ms)

    def _forbid(self, t_ms: int, heard: NeverSayHeard) -> Feedback:
        never = heard.never_say
        self._last_cue_ms = self._never_ms[never.code] = t_ms
        self._good_from_speech_ms = None
        parameters = {
            "phrase": never.code,
            "title": never.title,
            "reason": never.reason,
            "instead": never.instead,
        }
        cue = self._cue("correction", "high", "never_say", parameters, t_ms, 0)
        return cue.model_copy(update={"span_ms": heard.span_ms})

    def _followed(self, t_ms: int, rule: Rule) -> Feedback:
        state = self._states[rule.code]
        assert state.fired_ms is not None
        state.is_open = False
        self._last_cue_ms = t_ms
        seconds = (t_ms - state.fired_ms) / 1000
        parameters: dict[str, float | int | str] = {"nudge": rule.code, "seconds": seconds}
        return self._cue("praise", "low", "followed", parameters, t_ms, FOLLOWED_MS)

    def _cue(
        self,
        kind: Kind,
        severity: Severity,
        code: str,
        parameters: Mapping[str, float | int | str],
        t_ms: int,
        span_ms: int,
    ) -> Feedback:
        key = f"followed.{parameters['nudge']}" if code == "followed" else f"feedback.{code}"
        return Feedback(
            kind=kind,
            severity=severity,
            code=code,
            parameters=dict(parameters),
            message=self._catalogue.text(f"{key}.message", **parameters),
            evidence=self._catalogue.text(f"{key}.evidence", **parameters),
            span_ms=(max(0, t_ms - span_ms), t_ms),
        )

    def _praise_due(self, t_ms: int, now: Now, trouble: bool) -> bool:
        features = now.features
        pace = features.syllables_per_s
        steady = pace is None or PRAISE_PACE[0] <= pace <= PRAISE_PACE[1]
        if trouble or (features.speaking and not steady):
            self._good_from_speech_ms = None
            return False
        if self._good_from_speech_ms is None:
            self._good_from_speech_ms = features.speech_ms
        if features.speech_ms - self._good_from_speech_ms < PRAISE_AFTER_SPEECH_MS:
            return False
        return self._last_praise_ms is None or t_ms - self._last_praise_ms >= PRAISE_COOLDOWN_MS

    def _praise(self, t_ms: int, now: Now) -> Feedback:
        assert self._good_from_speech_ms is not None
        seconds = (now.features.speech_ms - self._good_from_speech_ms) / 1000
        self._last_praise_ms = self._last_cue_ms = t_ms
        self._good_from_speech_ms = now.features.speech_ms
        parameters = {"value": round(seconds, 1)}
        span_ms = round(seconds * 1000)
        return self._cue("praise", "low", "steady_delivery", parameters, t_ms, span_ms)
