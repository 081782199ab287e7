"""What a recogniser remembers of an utterance saves work and changes hardly a word."""

from __future__ import annotations

from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper_normalizer.english import EnglishTextNormalizer

from engine.asr import weights
from engine.asr.decoded import Decoded
from engine.asr.whisper import MAX_KEPT, ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm
from tests.analyzers.recordings import noise, read
from tests.engine.timeline import silence

pytestmark = pytest.mark.slow

STEP_S = 0.5
BEGINNING = "it was the best of"

normal = EnglishTextNormalizer()


def text(decoded: Decoded) -> str:
    said: str = normal(" ".join(word.text for word in decoded.words))
    return said


def look(model: ShortContextWhisper, pcm: Pcm, name: str | None = None) -> Decoded:
    return model.decode([pcm], [False], [name])[0]


def final(model: ShortContextWhisper, pcm: Pcm, name: str | None = None) -> Decoded:
    return model.decode([pcm], [True], [name])[0]


def cut(pcm: Pcm, begin_s: float, end_s: float) -> Pcm:
    return pcm[int(begin_s * SAMPLE_RATE) : int(end_s * SAMPLE_RATE)]


@pytest.fixture
def model(default_model: Path) -> ShortContextWhisper:
    """One that has heard nothing."""
    return ShortContextWhisper(default_model, **weights.options("whisper-tiny.en"))


@pytest.fixture(scope="module")
def spoken(reading: Pcm, librivox: list[tuple[Path, Path]]) -> list[Pcm]:
    """Stretches of speech that begin in silence, of two readers."""
    return [cut(reading, 0.6, 8.6), cut(reading, 25.0, 31.0), read(librivox[0][0])]


def test_looks_at_a_growing_utterance_are_nearly_as_good_as_fresh_decodes(
    whisper: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    """Against the beginning of the last words. What ran away is not shown."""
    fresh_wrong = kept_wrong = words = ran_away = 0
    for number, pcm in enumerate(spoken):
        said = text(final(whisper, pcm)).split()
        for end in range(SAMPLE_RATE, len(pcm), int(STEP_S * SAMPLE_RATE)):
            fresh = look(whisper, pcm[:end])
            kept = look(whisper, pcm[:end], f"growing {number}")
            if kept.ran_away or fresh.ran_away:
                ran_away += 1
                continue
            fresh_wrong += errors_of_a_beginning(text(fresh).split(), said)
            kept_wrong += errors_of_a_beginning(text(kept).split(), said)
            words += len(text(fresh).split())
    assert words > 300
    assert ran_away <= 2
    assert kept_wrong <= fresh_wrong + 0.03 * words


def errors_of_a_beginning(words: list[str], said: list[str]) -> int:
    """The edit distance to that beginning of `said` which is nearest."""
    row = list(range(len(said) + 1))
    for done, word in enumerate(words, 1):
        diagonal, row[0] = row[0], done
        for at, other in enumerate(said, 1):
            changed = diagonal + (word != other)
            diagonal = row[at]
            row[at] = min(changed, row[at] + 1, row[at - 1] + 1)
    return min(row)


def test_last_words_are_those_of_a_fresh_decode_whatever_was_looked_at_before(
    whisper: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    for number, pcm in enumerate(spoken):
        for end in range(SAMPLE_RATE, len(pcm), 2 * SAMPLE_RATE):
            look(whisper, pcm[:end], f"ending {number}")
        fresh, kept = final(whisper, pcm), final(whisper, pcm, f"ending {number}")
        assert [word.text for word in kept.words] == [word.text for word in fresh.words]
        for one, other in zip(kept.words, fresh.words, strict=True):
            assert abs(one.start_ms - other.start_ms) <= 20
            assert one.probability == pytest.approx(other.probability, abs=0.01)


@settings(max_examples=8)
@given(st.lists(st.floats(0.0, 8.0), min_size=1, max_size=5))
def test_last_words_are_exact_after_any_sequence_of_windows_longer_or_shorter(
    whisper: ShortContextWhisper, spoken: list[Pcm], seconds: list[float]
) -> None:
    pcm = spoken[0]
    whisper.forget("any")
    for each in seconds:
        look(whisper, cut(pcm, 0, each), "any")
    end = cut(pcm, 0, seconds[-1])
    assert text(final(whisper, end, "any")) == text(final(whisper, end))


def test_a_window_that_has_shrunk_gives_the_words_of_what_is_left(
    whisper: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    look(whisper, spoken[0], "shrinking")
    for seconds in (6.0, 4.0, 2.4, 1.0):
        pcm = cut(spoken[0], 0, seconds)
        kept, fresh = text(look(whisper, pcm, "shrinking")), text(look(whisper, pcm))
        assert jiwer.wer(fresh, kept) <= 0.2, (kept, fresh)


def test_an_utterance_is_remembered_until_it_is_forgotten(
    model: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    """A beginning that is silenced afterwards is still heard by who remembers it."""
    pcm = cut(spoken[0], 0, 4.6)
    silenced = pcm.copy()
    silenced[: int(1.8 * SAMPLE_RATE)] = 0
    assert not text(look(model, silenced, "another")).startswith(BEGINNING)
    look(model, pcm, "a")
    assert text(look(model, silenced, "a")).startswith(BEGINNING)
    model.forget("a")
    assert text(look(model, silenced, "a")) == text(look(model, silenced))
    model.forget("never heard of")


def test_of_too_many_utterances_those_asked_about_longest_ago_are_let_go(
    model: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    pcm = cut(spoken[0], 0, 4.6)
    silenced = pcm.copy()
    silenced[: int(1.8 * SAMPLE_RATE)] = 0
    look(model, pcm, "first")
    look(model, pcm, "second")
    short = cut(spoken[1], 0, 0.5)
    for number in range(MAX_KEPT - 2):
        look(model, short, f"more {number}")
    look(model, pcm, "first")
    look(model, short, "one too many")
    assert text(look(model, silenced, "first")).startswith(BEGINNING)
    assert not text(look(model, silenced, "second")).startswith(BEGINNING)


def test_memory_is_bounded_however_many_utterances_there_are(
    model: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    """What is let go is used again: rooms for the utterances kept and for one batch, no more."""
    batch = 4
    short = [cut(spoken[0], 0, 0.4), silence(0.2), noise(-30.0, 0.3)]
    for number in range(0, 2 * MAX_KEPT, batch):
        names: list[str | None] = [f"u{number + n}" for n in range(batch)]
        names[number % batch] = None
        model.decode([short[(number + n) % 3] for n in range(batch)], [False] * batch, names)
        model.decode([short[0]], [True], [names[-1]])
    assert len(model._kept) == MAX_KEPT
    assert len(model._kept) + len(model._room.kept) <= MAX_KEPT + batch
    assert len(model._room.said) <= batch
    for name in list(model._kept):
        model.forget(name)
    assert len(model._kept) == 0
    assert len(model._room.kept) <= MAX_KEPT + batch


def test_windows_of_a_batch_keep_apart(
    model: ShortContextWhisper, whisper: ShortContextWhisper, spoken: list[Pcm]
) -> None:
    """Each with its own name, and last words among looks, give what they give alone."""
    ends_s, together, alone = (2.0, 3.0, 4.0), [], []
    for end_s in ends_s:
        windows = [cut(pcm, 0, end_s) for pcm in spoken]
        times = [False, end_s == ends_s[-1], False]
        names = [f"apart {n}" for n in range(len(spoken))]
        together += [text(each) for each in model.decode(windows, times, names)]
        for window, wants_times, name in zip(windows, times, names, strict=True):
            alone.append(text(whisper.decode([window], [wants_times], [name])[0]))
    assert together == alone


def test_audio_of_no_length_has_no_words(whisper: ShortContextWhisper) -> None:
    nothing = np.zeros(0, np.int16)
    assert final(whisper, nothing).words == []
    assert look(whisper, nothing, "nothing").words == []
    assert look(whisper, nothing, "nothing").words == []
