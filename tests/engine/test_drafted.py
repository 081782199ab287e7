"""An exact decode writes what plain greedy decoding writes, whatever its draft says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.asr.decoder import MAX_TOKENS, Decoder, Rows
from engine.asr.drafted import Token, Transcript, decode
from engine.asr.encoder import MAX_POSITIONS, Encoder, Memory
from engine.asr.kernels import Floats
from engine.asr.mel import LogMel, scaled
from engine.asr.vocabulary import Vocabulary
from engine.frames import SAMPLE_RATE, Pcm
from tests.analyzers.recordings import read

PIECES_S = [(0.6, 13.4), (13.4, 25.0), (25.0, 34.7), (34.7, 44.3)]
SHORT_S = (0.6, 5.0)
CAP = 200
NEARLY_AS_LIKELY = 0.2
ENGLISH = 50_256


def states_of(encoder: Encoder, pcm: Pcm) -> Floats:
    """Of the full 30 s, as Whisper was trained."""
    mel = scaled(LogMel().frames(pcm, 0, 2 * MAX_POSITIONS))
    return encoder.states(mel, encoder.memory())


@pytest.fixture(scope="module")
def pieces(reading: Pcm, librivox: list[tuple[Path, Path]]) -> list[Pcm]:
    clips = [read(wav) for wav, _ in librivox]
    spans = [SHORT_S, *PIECES_S]
    cut = [reading[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] for a, b in spans]
    return cut + [clip for clip in clips if len(clip) <= 28 * SAMPLE_RATE]


@pytest.fixture(scope="module")
def states(encoder: Encoder, pieces: list[Pcm]) -> list[Floats]:
    return [states_of(encoder, pcm) for pcm in pieces]


@pytest.fixture(scope="module")
def heard(decoder: Decoder, states: list[Floats]) -> list[Memory]:
    memories = []
    for each in states:
        memory = decoder.memory(MAX_POSITIONS)
        decoder.hear(each, memory, 0)
        memories.append(memory)
    return memories


def transcript(
    decoder: Decoder,
    heard: Memory,
    draft: Sequence[Token] = (),
    *,
    cap: int = CAP,
    exact: bool = True,
) -> Transcript:
    return Transcript(heard, MAX_POSITIONS, decoder.memory(), draft, cap, exact)


def ids(transcript: Transcript) -> list[int]:
    return [token.id for token in transcript.tokens]


@pytest.fixture(scope="module")
def written(decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory]) -> list[Transcript]:
    """Each piece decoded exactly, alone, without a draft."""
    transcripts = [transcript(decoder, memory) for memory in heard]
    for each in transcripts:
        decode(decoder, vocabulary, [each])
    return transcripts


def token(identity: int) -> Token:
    return Token(identity, 0.5, np.array([identity]))


def shortfall(decoder: Decoder, heard: Memory, before: list[int], one: int, other: int) -> float:
    """How much less likely, as a logarithm, token `one` is than `other` behind `before`."""
    rows = Rows(np.array(before), 0, decoder.memory(), heard, MAX_POSITIONS)
    (logits,) = decoder.logits(decoder.states([rows])[-1:])
    return float(logits[other] - logits[one])


def test_the_text_of_an_exact_decode_is_that_of_ctranslate2s_greedy_search(
    reference: ctranslate2.models.Whisper,
    decoder: Decoder,
    vocabulary: Vocabulary,
    states: list[Floats],
    heard: list[Memory],
    written: list[Transcript],
) -> None:
    """Our decoder's weights are int8, so of two words that are as likely it may take the other."""
    same = 0
    for each, memory, ours in zip(states, heard, written, strict=True):
        (theirs,) = reference.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(each[None])),
            [vocabulary.prompt],
            beam_size=1,
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        mine = [*ids(ours), vocabulary.end]
        said = [one for one in theirs.sequences_ids[0] if one < vocabulary.end] + [vocabulary.end]
        assert len(said) > 10
        assert ours.no_speech_probability == pytest.approx(theirs.no_speech_prob, abs=0.02)
        if mine == said:
            same += 1
            assert ours.average_log_probability == pytest.approx(theirs.scores[0], abs=0.03)
            continue
        at = next(n for n, (a, b) in enumerate(zip(mine, said, strict=False)) if a != b)
        before = [*vocabulary.prompt, *mine[:at]]
        assert shortfall(decoder, memory, before, said[at], mine[at]) < NEARLY_AS_LIKELY
    assert same >= len(states) - 2


@st.composite
def drafts(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Edits of the right text: (what, where in a thousand, a token)."""
    what = st.sampled_from(["drop", "change", "insert", "cut", "repeat"])
    return draw(
        st.lists(st.tuples(what, st.integers(0, 999), st.integers(0, ENGLISH - 1)), max_size=6)
    )


def edited(right: Sequence[Token], edits: list[tuple[str, int, int]]) -> list[Token]:
    draft = list(right)
    for what, where, identity in edits:
        at = where * len(draft) // 1_000
        if what == "drop":
            del draft[at : at + 1]
        elif what == "change":
            draft[at : at + 1] = [token(identity)]
        elif what == "insert":
            draft.insert(at, token(identity))
        elif what == "cut":
            del draft[at:]
        else:
            draft[at:at] = draft[max(at - 5, 0) : at]
    return draft


@settings(max_examples=15)
@given(edits=drafts())
@example(edits=[])
@example(edits=[("cut", 0, 0)])
def test_any_edited_draft_gives_the_same_text(
    decoder: Decoder,
    vocabulary: Vocabulary,
    heard: list[Memory],
    written: list[Transcript],
    edits: list[tuple[str, int, int]],
) -> None:
    again = transcript(decoder, heard[0], edited(written[0].tokens, edits))
    decode(decoder, vocabulary, [again])
    assert ids(again) == ids(written[0])
    assert again.log_probability == pytest.approx(written[0].log_probability, abs=1e-2)


@settings(max_examples=8)
@given(st.lists(st.integers(0, ENGLISH - 1), max_size=60))
@example([ENGLISH] * 3)
def test_a_draft_of_garbage_gives_the_same_text(
    decoder: Decoder,
    vocabulary: Vocabulary,
    heard: list[Memory],
    written: list[Transcript],
    garbage: list[int],
) -> None:
    again = transcript(decoder, heard[0], [token(each) for each in garbage])
    decode(decoder, vocabulary, [again])
    assert ids(again) == ids(written[0])


def test_the_draft_of_another_utterance_gives_the_same_text(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    again = transcript(decoder, heard[1], written[2].tokens)
    decode(decoder, vocabulary, [again])
    assert ids(again) == ids(written[1])


def test_a_batch_gives_the_same_as_one_by_one(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    """Looks and last words, with drafts and without."""
    heard, others = heard[:5], [written[1], *written[:4]]
    together = [
        transcript(decoder, memory, draft.tokens if number % 2 else (), exact=number % 3 > 0)
        for number, (memory, draft) in enumerate(zip(heard, others, strict=True))
    ]
    decode(decoder, vocabulary, together)
    for number, each in enumerate(together):
        alone = transcript(decoder, heard[number], each.draft, exact=each.exact)
        decode(decoder, vocabulary, [alone])
        assert ids(each) == ids(alone)
        assert each.log_probability == pytest.approx(alone.log_probability, abs=1e-2)


# looks: a draft is compared with its rivals alone


def test_a_look_without_a_draft_is_exact(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    look = transcript(decoder, heard[0], exact=False)
    decode(decoder, vocabulary, [look])
    assert ids(look) == ids(written[0])


def test_a_look_confirms_a_draft_that_was_right(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    for memory, right in zip(heard, written, strict=True):
        look = transcript(decoder, memory, right.tokens, exact=False)
        decode(decoder, vocabulary, [look])
        assert ids(look) == ids(right)


@settings(max_examples=10)
@given(edits=drafts())
def test_a_look_with_a_wrong_draft_finds_back_to_the_text(
    decoder: Decoder,
    vocabulary: Vocabulary,
    heard: list[Memory],
    written: list[Transcript],
    edits: list[tuple[str, int, int]],
) -> None:
    """A token that came near none of its rivals is not rivalled by what is right: give it some."""
    right = written[0]
    rivals = np.unique(ids(right))
    wary = [
        each._replace(rivals=np.union1d(each.rivals, rivals))
        for each in edited(right.tokens, edits)
    ]
    look = transcript(decoder, heard[0], wary, exact=False)
    decode(decoder, vocabulary, [look])
    assert ids(look) == ids(right)


def test_a_guess_that_loses_to_its_rivals_and_is_right_all_the_same_is_written_once(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    """Two roundings of one product may differ on two tokens that are as likely. The words before
    it were written again and again, until the decode had run away."""
    right = written[0].tokens
    draft = [*right[:5], right[5]._replace(rivals=np.array([right[6].id])), *right[6:]]
    look = transcript(decoder, heard[0], draft, exact=False)
    decode(decoder, vocabulary, [look])
    assert ids(look) == ids(written[0])


@pytest.mark.parametrize("exact", [False, True])
def test_a_decode_ends_one_token_behind_its_cap(
    decoder: Decoder,
    vocabulary: Vocabulary,
    heard: list[Memory],
    written: list[Transcript],
    exact: bool,
) -> None:
    for draft in ((), written[0].tokens):
        capped = transcript(decoder, heard[0], draft, cap=7, exact=exact)
        decode(decoder, vocabulary, [capped])
        assert ids(capped) == ids(written[0])[:8]


def test_attention_is_kept_for_each_token_and_sums_to_at_most_one(
    decoder: Decoder, vocabulary: Vocabulary, heard: list[Memory], written: list[Transcript]
) -> None:
    audible = 220
    maps = []
    for draft in ([], written[0].tokens[:7]):
        timed = transcript(decoder, heard[0], draft)
        timed.audible = audible
        timed.attention = np.empty((MAX_TOKENS, len(decoder.alignment), audible), np.float32)
        decode(decoder, vocabulary, [timed])
        rows = len(vocabulary.prompt) + len(timed.tokens)
        maps.append(timed.attention[:rows])
    assert np.abs(maps[0] - maps[1]).max() <= 1e-2
    assert (maps[0] >= 0).all()
    assert (maps[0].sum(axis=2) <= 1 + 1e-4).all()
