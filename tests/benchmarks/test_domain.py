"""The spoken test set of domain words is what its sentences say, and terms are counted right."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.domain.measure import Result, Utterance, rate
from benchmarks.domain.sentences import FOLDER, HALVES, SENTENCES, Sentence, Sentences, clips
from benchmarks.domain.terms import Tagger, inserted, missed
from engine.asr.domain import Terms, load
from engine.frames import SAMPLE_RATE


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    return Sentences.load()


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(load())


def test_no_term_is_in_both_halves_and_every_one_is_in_the_list(sentences):
    tuning, heldout = ({t for s in sentences.of(half) for t in s.terms} for half in HALVES)
    assert not tuning & heldout
    assert tuning | heldout <= {term.term for term in load().terms}
    assert min(len(tuning), len(heldout)) >= 100
    assert set(sentences.say) <= tuning | heldout


def test_half_of_the_sentences_and_more_hold_terms_and_the_others_none(sentences):
    for half in HALVES:
        assert len(getattr(sentences, half).domain) == 60
        assert all(s.terms for s in map(Sentence, getattr(sentences, half).domain))
        assert len(getattr(sentences, half).ordinary) == 40
        assert not any(s.terms for s in map(Sentence, getattr(sentences, half).ordinary))


def test_every_marked_term_is_found_in_the_text_itself(sentences, tagger):
    for half in HALVES:
        for sentence in sentences.of(half):
            assert missed(sentence.terms, tagger.found(sentence.text)) == []


@pytest.mark.parametrize("half", HALVES)
def test_the_clips_were_rendered_from_the_sentences_as_they_stand(sentences, half):
    side = json.loads((FOLDER / f"{half}.json").read_text())
    assert side["sentencesSha256"] == hashlib.sha256(SENTENCES.read_bytes()).hexdigest()
    spoken = Counter(clip["text"] for clip in side["clips"])
    assert spoken == {s.marked: 2 if s.terms else 1 for s in sentences.of(half)}
    assert all(one["endMs"] == two["startMs"] for one, two in pairwise(side["clips"]))
    assert (FOLDER / f"{half}.opus").stat().st_size < 3_000_000


def test_the_halves_share_no_voice():
    sides = [json.loads((FOLDER / f"{half}.json").read_text()) for half in HALVES]
    tuning, heldout = ({clip["voice"] for clip in side["clips"]} for side in sides)
    assert not tuning & heldout
    assert min(len(tuning), len(heldout)) >= 4


@pytest.mark.parametrize("half", HALVES)
def test_a_clip_is_one_sentence_with_quiet_around_it(half):
    for clip in clips(half):
        samples = clip.pcm.astype(np.float64) / 32768
        edge = SAMPLE_RATE // 5
        assert 10 * np.log10(np.mean(samples[:edge] ** 2) + 1e-12) < -50
        assert 10 * np.log10(np.mean(samples[-edge:] ** 2) + 1e-12) < -50
        assert -30 < 10 * np.log10(np.mean(samples[edge:-edge] ** 2)) < -18
        words = len(clip.sentence.text.split())
        assert 1.0 < words / (len(samples) / SAMPLE_RATE) < 5.0


def test_a_clip_of_another_rendering_is_refused(tmp_path):
    for name in ("tuning.json", "heldout.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / "tuning.opus").write_bytes((FOLDER / "heldout.opus").read_bytes())
    with pytest.raises(ValueError, match="of another file"):
        clips("tuning", tmp_path)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("the C.R.V. and a crv", {"CR-V": 2}),
        ("an F one fifty, an F150 and an F-150", {"F-150": 3}),
        ("a grand cherokee, not a Cherokee", {"Grand Cherokee": 1, "Cherokee": 1}),
        ("a rav four hybrid", {"RAV4": 1}),
        ("lease end and a lease", {"lease-end": 1, "lease": 1}),
        ("silver auto parts", {}),
    ],
)
def test_terms_are_found_however_they_are_cut_into_words(tagger, text, terms):
    assert tagger.found(text) == terms


def test_missed_and_invented_terms_are_counted_each_time():
    assert missed(["Kia", "Kia", "Soul"], Counter({"Kia": 1})) == ["Kia", "Soul"]
    assert inserted(Counter({"Kia": 1}), Counter({"Kia": 2, "Soul": 1})) == ["Kia", "Soul"]


def test_a_result_adds_up_the_voices_of_a_sentence(tagger):
    sentence = Sentence("a [Kia] [Soul]")
    utterances = [Utterance(sentence, []), Utterance(sentence, [])]
    result = Result.of(utterances, ["a Kia soul", "a key a sole Honda"], tagger)
    assert result.missed == [(2, 4)]
    assert result.invented == [(1, 6)]
    assert result.examples == ["Honda"]
    assert rate(result.wrong) == pytest.approx(4 / 6)


def test_an_empty_list_finds_nothing():
    assert Tagger(Terms(())).found("a Kia Soul") == {}
