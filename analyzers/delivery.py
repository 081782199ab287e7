"""The four delivery scores, 0-100. They describe delivery; they infer no feeling and no character.

Each score is a pure function of measured quantities. A part of a score is 1 where its quantity is
fully good, 0 where it is fully bad, and linear in between; the tables below hold those points and
where they come from. A score is `None` until there is enough speech: 5 s, and 10 words where text
enters.
"""

from __future__ import annotations

from collections.abc import Sequence

MIN_SPEECH_S = 5.0
MIN_WORDS = 10

Points = Sequence[tuple[float, float]]

PACE_POINTS: Points = ((70, 0.0), (110, 0.6), (140, 1.0), (160, 1.0), (180, 0.6), (220, 0.0))
"""wpm. 140-160 is comfortable, 110-180 acceptable (published rates for presenters)."""

LEVEL_POINTS: Points = ((-12, 0.0), (-3, 1.0), (3, 1.0), (12, 0.0))
"""dB against the person's own microphone check. ISO 9921 puts 6 dB between neighbouring vocal
efforts (relaxed, normal, raised, loud): within half a step it is the person's normal voice, two
steps away it is not."""

CLIPPED_POINTS: Points = ((0.0, 1.0), (1.0, 0.0))
"""Percent of samples clipped. Speech driven some 15 dB over full scale reaches 1 % after Opus
(median of 151 recordings at 24 and 32 kbit/s; see `clipping`)."""

SNR_POINTS: Points = ((0.0, 0.0), (15.0, 0.8), (30.0, 1.0))
"""dB. 15 dB is the speech-to-noise ratio ANSI/ASA S12.60 asks for in classrooms, and the point
where noise stops lowering the speech transmission index (IEC 60268-16). It is still heard: DNSMOS
marks 30 dB better than 20 (3.2 and 2.9 of 5, means of six recordings in white, pink and office
noise)."""

MODULATION_POINTS: Points = ((2.0, 0.0), (9.0, 1.0))
"""dB, see `modulation.Modulation`. Clean recordings have 6.5 to 9; a second of reverberation leaves
3.5, noise as loud as the voice 2 to 3."""

CONSONANT_POINTS: Points = ((-26.0, 0.0), (-16.0, 1.0))
"""dB, see `spectrum.Balance`. Standard speech has -11 (ANSI S3.5-1997), our clean recordings and
telephones 3 to -15; low-passed at 1 kHz they fall by 8 to 13."""

CERTAINTY_POINTS: Points = ((0.5, 0.0), (0.9, 1.0))
"""Mean word probability of the recogniser. Ours (Whisper tiny.en) measured 0.95 on a studio reading
and 0.72 on it at 0 dB SNR; a hard accent clean and at 0 dB 0.77 and 0.54."""

FILLER_POINTS: Points = ((2.6, 1.0), (5.0, 0.6), (12.0, 0.0))
"""Per 100 words. Below 5 is the published advice; 2.6 are usual in conversation (Bortfeld et al.,
Language and Speech 44, 2001)."""

HEDGE_POINTS: Points = FILLER_POINTS
"""Per 100 words, for want of a published figure of its own."""

VARIATION_POINTS: Points = ((3.0, 1.0), (9.0, 0.0))
"""Standard deviation (dB) of the level of each second of speech. Within half a step of vocal effort
(ISO 9921) the level is steady; wandering by more than a whole one is not."""

FALL_POINTS: Points = ((0.0, 0.0), (60.0, 1.0))
"""Percent of statements, see `endings.Endings`. In six recordings of people who read whole
sentences aloud 60 to 100 % of the ends fell (72 of 94; 13 were level, 9 rose). There is no
published share below which a speaker sounds unsure: the rest is a straight line to none."""

HESITATION_POINTS: Points = ((700.0, 1.0), (2000.0, 0.0))
"""Mean ms before an answer. Answers usually come within 0.2 s and are heard as delayed from about
0.7 s on (Kendrick & Torreira, Discourse Processes 52, 2015); the later they come, the less sure
their speaker sounds (Brennan & Williams, J. Memory and Language 34, 1995). After 2 s the turn is
given away (`talk.TURN_PAUSE_MS`)."""


def part(value: float, points: Points) -> float:
    """Linear interpolation through `points` (x rising), constant outside them; 0-1."""
    left_x, left_y = points[0]
    if value <= left_x:
        return left_y
    for right_x, right_y in points[1:]:
        if value <= right_x:
            return left_y + (right_y - left_y) * (value - left_x) / (right_x - left_x)
        left_x, left_y = right_x, right_y
    return left_y


def pace(*, rate_wpm: float | None, speech_s: float, words: int) -> int | None:
    """100 * part(rate_wpm)."""
    if rate_wpm is None or not _enough(speech_s, words):
        return None
    return _score(part(rate_wpm, PACE_POINTS))


def volume(
    *, level_vs_baseline_db: float | None, clipped_pct: float, speech_s: float
) -> int | None:
    """100 * part(level_vs_baseline_db) * (0.5 + 0.5 part(clipped_pct)).

    `None` without a microphone check: an absolute level says more about the device than the voice.
    """
    if level_vs_baseline_db is None or speech_s < MIN_SPEECH_S:
        return None
    undistorted = 0.5 + 0.5 * part(clipped_pct, CLIPPED_POINTS)
    return _score(part(level_vs_baseline_db, LEVEL_POINTS) * undistorted)


def clarity(
    *,
    snr_db: float | None,
    clipped_pct: float,
    asr_certainty: float | None,
    speech_s: float,
    words: int,
    modulation_db: float | None = None,
    consonants_db: float | None = None,
) -> int | None:
    """100 * (0.35 part(asr_certainty) + 0.30 part(modulation_db) + 0.15 part(snr_db)
    + 0.10 part(clipped_pct) + 0.10 part(consonants_db)).

    How well the words can be made out: what the recogniser made of them, what noise and room leave
    of their envelope (`Modulation.depth_db`), the noise beside them (`clarity.snr_db`), distortion
    (`Clipping.total_pct`) and muffling (`Balance.consonants_db`). It falls as noise or
    reverberation rise. Quantities that are not known yet (`None`) leave their weight to the rest.

    With a fixed certainty its ranks agree with those of DNSMOS (overall mark) at 0.84 over 130
    clips: five voices, clean, in noise of 0 to 30 dB SNR, in rooms, low-passed and clipped.
    """
    if asr_certainty is None or not _enough(speech_s, words):
        return None
    known = [
        (weight, part(value, points))
        for weight, value, points in (
            (0.35, asr_certainty, CERTAINTY_POINTS),
            (0.30, modulation_db, MODULATION_POINTS),
            (0.15, snr_db, SNR_POINTS),
            (0.10, clipped_pct, CLIPPED_POINTS),
            (0.10, consonants_db, CONSONANT_POINTS),
        )
        if value is not None
    ]
    return _weighted(known)


def confidence(
    *,
    fillers_per_100_words: float | None,
    hedges_per_100_words: float | None,
    level_variation_db: float | None,
    speech_s: float,
    words: int,
    falling_statements_pct: float | None = None,
    hesitation_ms: float | None = None,
) -> int | None:
    """100 * (0.25 part(fillers) + 0.25 part(hedges) + 0.20 part(level_variation_db)
    + 0.15 part(falling_statements_pct) + 0.15 part(hesitation_ms)).

    A score of delivery: few fillers, few hedges, a steady level, statements that end as statements,
    prompt answers; what listeners take for certainty (Smith & Clark, J. Memory and Language 32,
    1993; Brennan & Williams 1995; Goupil et al., Nature Communications 12, 2021). The weights are
    ours: half for the words, which are counted most surely.

    Quantities that are not known yet (`None`) leave their weight to the rest: the level before 5 s
    of speech, endings before five statements, and answers without another person's track, that is
    always where somebody practises alone.
    """
    if fillers_per_100_words is None or hedges_per_100_words is None:
        return None
    if not _enough(speech_s, words):
        return None
    return _weighted(
        [
            (weight, part(value, points))
            for weight, value, points in (
                (0.25, fillers_per_100_words, FILLER_POINTS),
                (0.25, hedges_per_100_words, HEDGE_POINTS),
                (0.20, level_variation_db, VARIATION_POINTS),
                (0.15, falling_statements_pct, FALL_POINTS),
                (0.15, hesitation_ms, HESITATION_POINTS),
            )
            if value is not None
        ]
    )


def _enough(speech_s: float, words: int) -> bool:
    return speech_s >= MIN_SPEECH_S and words >= MIN_WORDS


def _weighted(parts: Sequence[tuple[float, float]]) -> int:
    return _score(sum(weight * value for weight, value in parts) / sum(w for w, _ in parts))


def _score(share: float) -> int:
    return min(max(round(100.0 * share), 0), 100)
