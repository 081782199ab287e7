"""A real model on real speech: short context keeps the words, and no speech gives none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from engine.asr import weights
from engine.asr.decoded import TOKENS_PER_S, Decoded
from engine.asr.whisper import ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm
from tests.analyzers.recordings import noise, read, sine
from tests.engine.timeline import TWO_CITIES, silence

PIECES_S = [(0.6, 13.4), (13.4, 25.0), (25.0, 34.7), (34.7, 44.3)]
"""Stretches of the reading that begin and end in silence."""

normal = EnglishTextNormalizer()


def text(decoded: Decoded) -> str:
    return " ".join(word.text for word in decoded.words)


def errors(reference: str, hypothesis: str) -> float:
    return float(jiwer.wer(normal(reference), normal(hypothesis)))


@pytest.fixture(scope="module")
def pieces(reading: Pcm) -> list[Pcm]:
    return [reading[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] for a, b in PIECES_S]


@pytest.fixture(scope="module")
def decoded(whisper: ShortContextWhisper, pieces: list[Pcm]) -> list[Decoded]:
    """Each piece decoded alone, with word times."""
    return [whisper.decode([piece], [True])[0] for piece in pieces]


def test_short_context_transcribes_real_speech(decoded: list[Decoded]) -> None:
    assert errors(TWO_CITIES, " ".join(text(each) for each in decoded)) <= 0.04
    assert not any(each.full_context for each in decoded)


def test_other_voices_and_texts_are_transcribed(
    whisper: ShortContextWhisper, librivox: list[tuple[Path, Path]]
) -> None:
    reference = " ".join(transcript.read_text() for _, transcript in librivox)
    heard = [whisper.decode([read(wav)], [False])[0] for wav, _ in librivox]
    assert errors(reference, " ".join(text(each) for each in heard)) <= 0.1


def test_word_times_grow_and_stay_inside_the_window(
    decoded: list[Decoded], pieces: list[Pcm]
) -> None:
    for each, piece in zip(decoded, pieces, strict=True):
        times = [time for word in each.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= len(piece) * 1000 / SAMPLE_RATE
        assert times[-1] > times[0]


def test_word_times_agree_with_forced_alignment(
    whisper: ShortContextWhisper, librivox: list[tuple[Path, Path]]
) -> None:
    """Uncorrected, cross-attention is 110 ms late."""
    late_ms: list[float] = []
    for wav, _ in librivox:
        reference = [
            (re.sub(r"\(\d+\)", "", word["t"]), word["b"] * 1000)
            for word in json.loads(wav.with_suffix(".json").read_text())["w"]
            if not word["t"].startswith("<")
        ]
        heard = [
            (re.sub(r"[^a-z']", "", word.text.lower()) or "-", word.start_ms)
            for word in whisper.decode([read(wav)], [True])[0].words
        ]
        aligned = jiwer.process_words(
            " ".join(word for word, _ in reference), " ".join(word for word, _ in heard)
        )
        for chunk in aligned.alignments[0]:
            if chunk.type == "equal":
                for n in range(chunk.ref_end_idx - chunk.ref_start_idx):
                    start_ms = heard[chunk.hyp_start_idx + n][1]
                    late_ms.append(start_ms - reference[chunk.ref_start_idx + n][1])
    assert len(late_ms) > 50
    assert abs(median(late_ms)) <= 40
    assert median(abs(each) for each in late_ms) <= 80


def test_words_have_probabilities_and_the_text_scores(decoded: list[Decoded]) -> None:
    for each in decoded:
        assert all(0.0 < word.probability <= 1.0 for word in each.words)
        assert each.average_log_probability < 0.0
        assert 0.0 <= each.no_speech_probability < 0.6


def test_times_are_left_out_where_nobody_asked(
    whisper: ShortContextWhisper, pieces: list[Pcm], decoded: list[Decoded]
) -> None:
    (untimed,) = whisper.decode(pieces[:1], [False])
    assert text(untimed) == text(decoded[0])
    assert {(word.start_ms, word.end_ms) for word in untimed.words} == {(0, 0)}


def test_a_batch_of_equal_lengths_equals_its_windows_one_by_one(
    whisper: ShortContextWhisper, pieces: list[Pcm]
) -> None:
    windows = [piece[: 4 * SAMPLE_RATE] for piece in pieces[:3]]
    times = [True, False, True]
    together = whisper.decode(windows, times)
    alone = [whisper.decode([w], [t])[0] for w, t in zip(windows, times, strict=True)]
    assert [text(each) for each in together] == [text(each) for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert [word.start_ms for word in one.words] == [word.start_ms for word in other.words]


def test_padding_to_the_longest_of_a_batch_changes_few_words(
    whisper: ShortContextWhisper, pieces: list[Pcm]
) -> None:
    windows = [
        piece[: int(seconds * SAMPLE_RATE)]
        for piece, seconds in zip(pieces[:3], (4.0, 4.9, 5.8), strict=True)
    ]
    together = whisper.decode(windows, [False] * 3)
    alone = [whisper.decode([window], [False])[0] for window in windows]
    assert (
        errors(" ".join(text(each) for each in alone), " ".join(text(each) for each in together))
        <= 0.06
    )


@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.0, 8.0])
def test_silence_gives_no_words(whisper: ShortContextWhisper, seconds: float) -> None:
    assert whisper.decode([silence(seconds)], [True])[0].words == []


@pytest.mark.parametrize("level_dbfs", [-60.0, -40.0, -20.0])
@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_white_noise_gives_no_words(
    whisper: ShortContextWhisper, level_dbfs: float, seconds: float
) -> None:
    assert whisper.decode([noise(level_dbfs, seconds)], [True])[0].words == []


@pytest.mark.parametrize("hz", [50.0, 120.0, 440.0])
def test_a_steady_hum_gives_no_words(whisper: ShortContextWhisper, hz: float) -> None:
    for seconds in (1.0, 5.0):
        assert whisper.decode([sine(hz, -30.0, seconds)], [True])[0].words == []


def test_a_window_that_runs_away_is_decoded_with_full_context_and_ends(
    whisper: ShortContextWhisper, pieces: list[Pcm]
) -> None:
    """The same syllable again and again makes a decoder repeat itself without end."""
    window = np.tile(pieces[0][int(1.6 * SAMPLE_RATE) : int(1.9 * SAMPLE_RATE)], 30)
    (partial,) = whisper.decode([window], [False])
    assert partial.ran_away
    (result,) = whisper.decode([window], [True])
    assert result.full_context
    assert len(result.words) <= TOKENS_PER_S * len(window) / SAMPLE_RATE + 8


def test_a_window_too_long_for_the_model_is_refused(whisper: ShortContextWhisper) -> None:
    with pytest.raises(ValueError, match=r"29\.0 s; at most 28 s"):
        whisper.decode([silence(29.0)], [False])


def test_an_unknown_recognizer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"not a recognizer; known: whisper-tiny\.en"):
        weights.options("whisper-huge")
