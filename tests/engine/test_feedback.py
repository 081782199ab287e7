"""Each rule speaks once, in time, and keeps quiet until there is reason to speak again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalogue import catalogue
from engine.events import Feedback, Link
from engine.features import Features
from engine.feedback import (
    AFTER_WEAK_MS,
    FOLLOWED_MS,
    INTERRUPTION_MS,
    PRAISE_AFTER_SPEECH_MS,
    PRAISE_COOLDOWN_MS,
    PRAISE_PACE,
    PRAISED_WITHIN_MS,
    RULES,
    WEAK_CONCEALED_PCT,
    WEAK_JITTER_MS,
    WEAK_LAG_MS,
    Coach,
    Now,
    Rule,
    is_weak,
)

STEP_MS = 100
GOOD = Features(
    t_ms=0,
    level_dbfs=-22.0,
    lufs_momentary=-20.0,
    pitch_hz=180.0,
    pitch_range_semitones=6.0,
    syllables_per_s=sum(PRAISE_PACE) / 2,
    speech_level_dbfs=-22.0,
    level_vs_baseline_db=0.0,
    noise_floor_dbfs=-60.0,
    snr_db=38.0,
    clipped_pct=0.0,
    speaking=True,
    speech_ms=20_000,
    silence_ms=0,
    monologue_ms=10_000,
    rate_wpm=150.0,
    words=60,
    fillers=0,
    hedges=0,
    fillers_per_100_words=0.0,
    hedges_per_100_words=0.0,
)


def now(link: Link | None = None, *, volume: bool = True, **changes: Any) -> Now:
    return Now(replace(GOOD, **changes), link, volume)


def a_link(concealed_pct: float = 0.0, **figures: float) -> Link:
    jitter_ms, lag_ms = figures.pop("jitter_ms", 5.0), figures.pop("lag_ms", 5.0)
    return Link(
        lost_pct=figures.pop("lost_pct", concealed_pct),
        recovered_pct=figures.pop("recovered_pct", 0.0),
        concealed_pct=concealed_pct,
        jitter_ms=jitter_ms,
        lag_ms=lag_ms,
        bitrate_kbps=32.0,
        weak=is_weak(concealed_pct, jitter_ms, lag_ms),
        **figures,
    )


def lossy(pct: float) -> Link:
    return a_link(pct)


MEASURED: dict[str, Callable[[float], Now]] = {
    "link_trouble": lambda value: now(lossy(value * WEAK_CONCEALED_PCT)),
    "clipping": lambda value: now(clipped_pct=value),
    "too_quiet": lambda value: now(level_vs_baseline_db=value),
    "too_fast": lambda value: now(syllables_per_s=value),
    "too_slow": lambda value: now(syllables_per_s=value),
    "long_pause": lambda value: now(silence_ms=round(1000 * value), speaking=False),
    "filler_density": lambda value: now(
        fillers_per_100_words=value / 2, hedges_per_100_words=value / 2
    ),
    "monologue": lambda value: now(monologue_ms=int(value * 1000)),
}
UNKNOWN: dict[str, Now] = {
    "link_trouble": now(None),
    "clipping": now(speaking=False),
    "too_quiet": now(level_vs_baseline_db=None),
    "too_fast": now(syllables_per_s=None),
    "too_slow": now(syllables_per_s=None),
    "long_pause": now(speech_ms=0),
    "filler_density": now(words=3),
}

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
each_unknowable = pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.code in UNKNOWN],
    ids=[rule.code for rule in RULES if rule.code in UNKNOWN],
)


class Call:
    """A coach with nothing but `rules`, stepped ten times a second."""

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self.coach = Coach(rules)
        self.t_ms = 0
        self.cues: list[tuple[int, Feedback]] = []

    def hold(self, what: Now, for_ms: int) -> list[Feedback]:
        """Steps of `what`, `for_ms` long; the cues they gave."""
        given = []
        for _ in range(for_ms // STEP_MS):
            cue = self.coach.step(self.t_ms, what)
            if cue is not None:
                given.append(cue)
                self.cues.append((self.t_ms, cue))
            self.t_ms += STEP_MS
        return given


def beyond(rule: Rule) -> Now:
    return MEASURED[rule.code](rule.enter + (1 if rule.rises else -1) * abs(rule.enter) / 2)


def within(rule: Rule) -> Now:
    """Back past `leave`."""
    margin = abs(rule.enter - rule.leave) / 10
    return MEASURED[rule.code](rule.leave - (margin if rule.rises else -margin))


def between(rule: Rule) -> Now:
    """Inside the dead band."""
    return MEASURED[rule.code]((rule.enter + rule.leave) / 2)


@each_rule
def test_a_rule_speaks_once_when_its_measure_has_been_beyond_long_enough(rule: Rule) -> None:
    call = Call((rule,))
    call.hold(within(rule), 5_000)
    begun_ms = call.t_ms
    call.hold(beyond(rule), 300_000)
    ((at_ms, cue),) = call.cues
    assert at_ms == begun_ms + rule.hold_ms
    assert (cue.code, cue.kind, cue.severity) == (rule.code, rule.kind, rule.severity)
    assert cue.parameters["threshold"] == rule.enter
    assert cue.span_ms == (max(0, at_ms - rule.span_ms), at_ms)


@each_rule
def test_a_measure_at_its_threshold_is_no_trouble(rule: Rule) -> None:
    assert Call((rule,)).hold(MEASURED[rule.code](rule.enter), 60_000) == []


@each_rule
def test_a_moment_beyond_is_no_trouble(rule: Rule) -> None:
    call = Call((rule,))
    for _ in range(50):
        call.hold(beyond(rule), max(0, rule.hold_ms - STEP_MS))
        call.hold(within(rule), 1_000)
    assert call.cues == []


@each_rule
def test_a_rule_stays_quiet_inside_its_dead_band(rule: Rule) -> None:
    call = Call((rule,))
    call.hold(beyond(rule), rule.hold_ms + 1_000)
    call.hold(between(rule), rule.cooldown_ms)
    call.hold(beyond(rule), rule.cooldown_ms)
    assert len(call.cues) == 1


@each_rule
def test_a_rule_speaks_again_after_its_measure_came_back_and_its_cooldown_passed(
    rule: Rule,
) -> None:
    call = Call((rule,))
    call.hold(beyond(rule), rule.hold_ms + STEP_MS)
    call.hold(within(rule), STEP_MS)
    call.hold(beyond(rule), 2 * rule.cooldown_ms)
    first_ms, again_ms = (at_ms for at_ms, _ in call.cues)
    assert again_ms == max(first_ms + rule.cooldown_ms, first_ms + 2 * STEP_MS + rule.hold_ms)


@each_unknowable
def test_what_cannot_be_measured_gives_no_cue(rule: Rule) -> None:
    call = Call((rule,))
    call.hold(beyond(rule), rule.hold_ms)
    assert call.hold(UNKNOWN[rule.code], 60_000) == []


@each_unknowable
def test_time_that_was_not_measured_neither_resets_a_rule_nor_counts_for_it(rule: Rule) -> None:
    """Two moments of trouble with a minute of silence between them are not a minute of trouble."""
    call = Call((rule,))
    begun_ms = call.t_ms
    call.hold(beyond(rule), rule.hold_ms // 2)
    before = len(call.cues)
    call.hold(UNKNOWN[rule.code], 30_000)
    assert len(call.cues) == before
    call.hold(beyond(rule), 60_000)
    ((at_ms, _),) = call.cues
    unmeasured_ms = 0 if before else 30_000
    assert at_ms == begun_ms + unmeasured_ms + rule.hold_ms


def test_the_volume_rule_is_silent_without_a_baseline() -> None:
    call = Call()
    assert call.hold(now(volume=False, level_vs_baseline_db=-30.0), 30_000) == []
    assert call.hold(now(level_vs_baseline_db=None), 30_000) == []


@pytest.mark.parametrize(
    "early",
    [
        now(speech_ms=4_900, syllables_per_s=9.0),
        now(speech_ms=2_900, level_vs_baseline_db=-30.0),
        now(words=39, fillers_per_100_words=50.0),
        now(speech_ms=0, silence_ms=60_000, speaking=False),
    ],
    ids=["pace", "level", "fillers", "before-the-first-word"],
)
def test_nothing_is_judged_before_there_is_enough_to_judge(early: Now) -> None:
    assert Call().hold(early, 20_000) == []


def test_of_several_troubles_the_one_highest_in_the_table_is_told_first() -> None:
    everything = now(
        a_link(),
        clipped_pct=2.0,
        level_vs_baseline_db=-20.0,
        syllables_per_s=8.0,
        fillers_per_100_words=20.0,
        monologue_ms=200_000,
    )
    call = Call()
    call.hold(now(), 1_000)
    call.hold(everything, 60_000)
    told = [cue.code for _, cue in call.cues[1:]]
    table = [rule.code for rule in RULES if rule.code in told]
    assert len(told) >= 4
    assert told == table
    gaps = [b - a for (a, _), (b, _) in zip(call.cues, call.cues[1:], strict=False)]
    assert set(gaps) == {INTERRUPTION_MS}


WEAK = (
    a_link(1.1 * WEAK_CONCEALED_PCT),
    a_link(jitter_ms=1.1 * WEAK_JITTER_MS),
    a_link(lag_ms=1.1 * WEAK_LAG_MS),
)
each_weakness = pytest.mark.parametrize("link", WEAK, ids=["concealed", "jitter", "lag"])
each_by_ear = pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.by_ear],
    ids=[rule.code for rule in RULES if rule.by_ear],
)


def test_what_was_lost_and_recovered_is_no_trouble() -> None:
    link = a_link(0.5, lost_pct=20.0, recovered_pct=19.5)
    assert not link.weak
    assert Call().hold(now(link), 60_000) == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (a_link(25.0), "25 % of the last second's sound"),
        (a_link(jitter_ms=50.0), "50 ms unevenly"),
        (a_link(lag_ms=320.0), "320 ms late"),
    ],
    ids=["concealed", "jitter", "lag"],
)
def test_a_bad_link_is_told_with_its_figures_and_what_to_do(link: Link, said: str) -> None:
    call = Call()
    call.hold(now(a_link()), 1_000)
    (cue,) = call.hold(now(link), 3_000)
    assert cue.code == "link_trouble"
    assert cue.severity == "high"
    assert said in cue.evidence
    assert "router" in cue.evidence
    assert "cable" in cue.evidence
    assert "not your voice" in cue.evidence


def test_a_bad_link_is_told_before_anything_else_that_waits_to_be_told() -> None:
    call = Call()
    call.hold(now(a_link(50.0), clipped_pct=2.0, monologue_ms=200_000), 60_000)
    assert [cue.code for _, cue in call.cues] == ["monologue", "link_trouble", "clipping"]


def test_one_bad_second_is_not_told() -> None:
    call = Call()
    for _ in range(20):
        call.hold(now(a_link(30.0)), 1_100)
        call.hold(now(a_link()), 4_000)
    assert call.cues == []


@each_by_ear
@each_weakness
def test_a_rule_that_judges_by_ear_waits_while_the_link_is_weak_and_shortly_after(
    rule: Rule, link: Link
) -> None:
    call = Call((rule,))
    trouble = beyond(rule)
    assert call.hold(trouble._replace(link=link), 60_000) == []
    over_ms = call.t_ms - STEP_MS
    call.hold(trouble._replace(link=a_link()), 60_000)
    ((at_ms, cue),) = call.cues
    assert cue.code == rule.code
    assert at_ms == over_ms + AFTER_WEAK_MS + rule.hold_ms


@each_weakness
def test_what_the_network_cannot_cause_is_told_on_a_weak_link_too(link: Link) -> None:
    told = []
    for what in (now(link, clipped_pct=2.0), now(link, monologue_ms=200_000)):
        told += [cue.code for cue in Call().hold(what, 5_000)]
    assert told == ["clipping", "monologue"]


@each_weakness
def test_nobody_is_praised_for_what_a_weak_link_hid(link: Link) -> None:
    call = Call()
    for speech_ms in range(0, 2 * PRAISE_AFTER_SPEECH_MS, STEP_MS):
        weak = speech_ms % 10_000 == 0
        call.hold(now(link if weak else a_link(), speech_ms=speech_ms), STEP_MS)
    assert call.cues == []


def test_a_trouble_that_is_over_by_its_turn_is_not_told() -> None:
    call = Call()
    call.hold(now(clipped_pct=2.0, syllables_per_s=8.0), 2_000)
    call.hold(now(), 20_000)
    told = [cue.code for _, cue in call.cues]
    assert told[0] == "clipping"
    assert "too_fast" not in told


def test_a_good_stretch_is_praised_once_it_is_long_enough() -> None:
    call = Call()
    for speech_ms in range(0, 2 * PRAISE_AFTER_SPEECH_MS, STEP_MS):
        call.hold(now(speech_ms=speech_ms), STEP_MS)
    ((at_ms, cue),) = call.cues
    assert at_ms == PRAISE_AFTER_SPEECH_MS
    assert cue.kind == "praise"
    assert cue.span_ms == (0, at_ms)


def test_praise_is_not_repeated_within_its_cooldown() -> None:
    call = Call()
    for speech_ms in range(0, 300_000, STEP_MS):
        call.hold(now(speech_ms=speech_ms), STEP_MS)
    times = [at_ms for at_ms, _ in call.cues]
    assert len(times) > 2
    assert min(b - a for a, b in itertools.pairwise(times)) >= PRAISE_COOLDOWN_MS


def test_silence_is_not_praised() -> None:
    assert Call().hold(now(speaking=False, silence_ms=500), 120_000) == []


@pytest.mark.parametrize(
    "flaw",
    [
        now(lossy(20.0), speech_ms=15_000),
        now(speech_ms=15_000, syllables_per_s=PRAISE_PACE[1] + 0.1),
        now(speech_ms=15_000, syllables_per_s=PRAISE_PACE[0] - 0.1),
    ],
    ids=["lossy-link", "hurried", "dragging"],
)
def test_praise_counts_from_the_last_flaw(flaw: Now) -> None:
    call = Call()
    for speech_ms in range(0, 60_000, STEP_MS):
        good = now(lossy(0.0), speech_ms=speech_ms)
        call.hold(flaw if speech_ms == 15_000 else good, STEP_MS)
    (at_ms,) = (at_ms for at_ms, cue in call.cues if cue.kind == "praise")
    weak_ms = AFTER_WEAK_MS if flaw.link is not None and flaw.link.weak else 0
    assert at_ms == pytest.approx(15_000 + weak_ms + PRAISE_AFTER_SPEECH_MS, abs=STEP_MS)


MOMENTS = st.builds(
    now,
    st.none() | st.builds(lossy, st.floats(0, 30)),
    volume=st.booleans(),
    clipped_pct=st.floats(0, 1),
    level_vs_baseline_db=st.none() | st.floats(-20, 5),
    syllables_per_s=st.none() | st.floats(0, 9),
    silence_ms=st.integers(0, 20_000),
    speaking=st.booleans(),
    speech_ms=st.integers(0, 60_000),
    words=st.integers(0, 80),
    fillers_per_100_words=st.none() | st.floats(0, 20),
    hedges_per_100_words=st.none() | st.floats(0, 20),
    monologue_ms=st.integers(0, 200_000),
)
CALLS = st.lists(st.tuples(MOMENTS, st.integers(1, 120)), max_size=12)


@given(CALLS)
def test_no_two_cues_come_within_eight_seconds_whatever_happens(
    moments: list[tuple[Now, int]],
) -> None:
    call = Call()
    for what, steps in moments:
        call.hold(what, steps * STEP_MS)
    times = [at_ms for at_ms, _ in call.cues]
    assert all(b - a >= INTERRUPTION_MS for a, b in itertools.pairwise(times))
    for at_ms, cue in call.cues:
        assert 0 <= cue.span_ms[0] < cue.span_ms[1] == at_ms or at_ms == 0
        assert "{" not in cue.evidence


@given(CALLS)
def test_the_same_measures_give_the_same_cues(moments: list[tuple[Now, int]]) -> None:
    one, other = Call(), Call()
    for what, steps in moments:
        one.hold(what, steps * STEP_MS)
        other.hold(what, steps * STEP_MS)
    assert one.cues == other.cues


@each_rule
def test_the_table_reads_at_a_glance_and_makes_sense(rule: Rule) -> None:
    assert (rule.leave < rule.enter) == rule.rises
    assert rule.cooldown_ms >= INTERRUPTION_MS
    assert [each.code for each in RULES].count(rule.code) == 1


# what was followed is praised

PRAISED = [rule for rule in RULES if rule.follow_ms]
each_praised = pytest.mark.parametrize("rule", PRAISED, ids=[rule.code for rule in PRAISED])


def cued(rule: Rule) -> Call:
    """A call in which `rule` has just spoken."""
    call = Call((rule,))
    call.hold(within(rule), 5_000)
    assert len(call.hold(beyond(rule), rule.hold_ms + STEP_MS)) == 1
    return call


@each_praised
def test_a_nudge_that_was_followed_is_praised_once(rule: Rule) -> None:
    call = cued(rule)
    (praise,) = call.hold(within(rule), 20_000)
    assert (praise.kind, praise.code) == ("praise", "followed")
    assert praise.parameters["nudge"] == rule.code
    at_ms = call.cues[-1][0]
    assert at_ms - call.cues[0][0] >= max(FOLLOWED_MS, INTERRUPTION_MS)
    assert praise.parameters["seconds"] == (at_ms - call.cues[0][0]) / 1000


@each_praised
def test_a_nudge_that_was_followed_too_late_or_for_a_moment_is_not_praised(rule: Rule) -> None:
    once = replace(rule, cooldown_ms=10 * rule.follow_ms)
    call = cued(once)
    for _ in range(3):
        call.hold(within(once), FOLLOWED_MS - 2 * STEP_MS)
        call.hold(beyond(once), STEP_MS)
    call.hold(beyond(once), once.follow_ms)
    call.hold(within(once), 15_000)
    assert [cue.code for _, cue in call.cues] == [rule.code]


@each_praised
def test_a_nudge_that_was_ignored_is_not_praised(rule: Rule) -> None:
    call = cued(rule)
    call.hold(beyond(rule), 120_000)
    assert {cue.code for _, cue in call.cues} == {rule.code}


def test_praise_waits_while_something_else_is_wrong_and_not_for_long() -> None:
    call = Call()
    call.hold(now(clipped_pct=0.0), 1_000)
    call.hold(now(clipped_pct=1.0), 1_000)
    slow = now(syllables_per_s=2.0)
    cues = call.hold(slow, FOLLOWED_MS + PRAISED_WITHIN_MS + 2_000) + call.hold(now(), 20_000)
    assert "followed" not in [cue.code for cue in cues if cue.parameters.get("nudge") == "clipping"]


@pytest.mark.parametrize("language", ["en", "es"])
@each_rule
def test_cues_are_in_the_language_of_the_call_and_short(rule: Rule, language: str) -> None:
    texts = catalogue(language)
    call = Call((rule,))
    call.coach = Coach((rule,), language)
    call.hold(beyond(rule), rule.hold_ms + STEP_MS)
    ((_, cue),) = call.cues
    assert cue.message == texts.text(f"feedback.{rule.code}.message")
    assert len(cue.message.split()) <= 6
    assert cue.evidence == texts.text(f"feedback.{rule.code}.evidence", **cue.parameters)
