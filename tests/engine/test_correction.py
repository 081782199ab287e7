"""Terms of the list put right in transcripts, and all else left as it is."""

from __future__ import annotations

import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr import ordinary
from engine.asr.correction import LONGEST_WORD, MAX_RUN, Corrector
from engine.asr.domain import Term, Terms, load
from engine.asr.window import SpokenWord


@pytest.fixture(scope="module")
def corrector() -> Corrector:
    return Corrector(load())


def corrected(corrector: Corrector, text: str) -> str:
    return " ".join(corrector.correct(text.split()))


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("The Kia Teljuride has heated seats.", "The Kia Telluride has heated seats."),
        ("The Larryette adds leather, and so on.", "The Lariat adds leather, and so on."),
        ("Your cross-track is worth more.", "Your Crosstrek is worth more."),
        ("Aseranto is a little smaller", "A Sorento is a little smaller"),
        ("There is a dock fee of $200", "There is a doc fee of $200"),
        ("look at the Windows sticker.", "look at the window sticker."),
    ],
)
def test_a_term_that_was_misheard_is_put_right(corrector, heard, meant):
    assert corrected(corrector, heard) == meant


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("the CRV EXL, or the HRV?", "the CR-V EX-L, or the HR-V?"),
        ("This F150X LT comes", "This F-150 XLT comes"),
        ("a Rav 4's price", "a RAV4's price"),
        ('the "CX90"', 'the "CX-90"'),
        ("K-5", "K5"),
        ("the Rx350.", "the RX 350."),
    ],
)
def test_a_term_is_written_as_the_list_has_it(corrector, heard, meant):
    assert corrected(corrector, heard) == meant


@pytest.mark.parametrize(
    "text",
    [
        "Put the silver auto parts on the shelf by the door.",
        "Can you see our view from the window?",
        "focus on the edge of a fusion of soul and an odyssey",
        "He has the rough for all to see.",
        "Lt. Smith and John Miller Sr. were there, and so was Le Carré.",
        "I see a 4 door and a six, I think, on the I-4.",
        "A money back factor, the fees, many test drives, two Camrys and three leases.",
        "down, payment is due",
        "Elinor and Marianne went to Norland with Mrs. Dashwood.",
        "He found Zarathustra's kine abnormally coldhearted.",
        "Oh, my neighbor's mom had a tumor, um, and it was only a rumor.",
    ],
)
def test_ordinary_words_are_left_alone(corrector, text):
    assert corrected(corrector, text) == text


def test_a_run_does_not_reach_across_punctuation(corrector):
    assert corrected(corrector, "see the Santafe") == "see the Santa Fe"
    assert corrected(corrector, "see the Santa, Fe too") == "see the Santa, Fe too"
    assert corrected(corrector, "He said Rav. 4 of them") == "He said Rav. 4 of them"


def test_a_dealerships_term_is_put_right_too():
    own = Corrector(Terms((Term(term="Zeekr Mixx", spoken=("zeeker mix",)),)))
    assert corrected(own, "the Zeaker Micks, please") == "the Zeekr Mixx, please"


def test_terms_said_by_letters_are_never_taken_for_one_another(corrector):
    for trim in ("XLE", "XSE", "SXT", "GLD", "CPA", "MDS", "XC50"):
        assert corrected(corrector, f"the {trim} one") == f"the {trim} one"


def test_times_of_a_run_go_to_the_term(corrector):
    words = [
        SpokenWord("The", 0, 100, 0.9),
        SpokenWord("F150X", 100, 500, 0.5),
        SpokenWord("LT", 520, 700, 0.4),
        SpokenWord("is", 700, 800, 0.9),
    ]
    assert corrector.correct_spoken(words) == [
        words[0],
        SpokenWord("F-150", 100, 475, 0.4),
        SpokenWord("XLT", 475, 700, 0.4),
        words[3],
    ]
    assert corrector.correct_spoken(words[:1]) == words[:1]
    assert corrector.correct_spoken([]) == []


def test_what_is_committed_is_corrected_alike_as_the_utterance_grows(corrector):
    words = ["We", "have", "the", "Teljuride", "and", "a", "dock", "fee", "of", "two", "hundred"]
    whole = corrector.correct(words)
    for size in range(len(words) + 1):
        part = corrector.correct(words[:size])
        # The last words may still become the beginning of a term.
        settled = max(0, size - MAX_RUN)
        assert part[:settled] == whole[:settled]


def test_every_term_of_the_list_stays_as_it_is_written(corrector):
    for term in load().terms:
        assert corrected(corrector, term.term) == term.term


def test_english_words_are_known_and_letters_are_not():
    assert all(map(ordinary.is_word, ["dock", "focus", "sinatra", "don't", "mom", "i", "a", "42"]))
    assert not any(map(ordinary.is_word, ["teljuride", "q", "", "#", "teljurides", "q" * 60]))
    assert ordinary.is_common("focus")
    assert not ordinary.is_common("lariat")


words = st.lists(
    st.one_of(
        st.text(max_size=2 * LONGEST_WORD),
        st.text(alphabet=string.ascii_letters + string.digits + " -'’.,&", max_size=12),
        st.sampled_from(["dock", "fee", "Teljuride", "CRV", "F150X", "LT", "the", "silver", "’s"]),
        st.sampled_from(sorted({word for term in load().terms for word in term.term.split()})),
    ),
    max_size=12,
)


def test_every_word_of_a_term_stands_beside_others_without_a_fault(corrector):
    for term in load().terms:
        for word in term.term.split():
            for other in ("trucks", "two", "15", "the"):
                corrector.correct([word, other])
                corrector.correct([other, word, other])


@given(words)
def test_any_words_are_corrected_without_a_fault(corrector, words):
    """A word beside "Ram" of "Ram 1500" was compared with digits, which have no sound."""
    before = list(words)
    replacements = corrector.replacements(words)
    assert words == before
    at = 0
    for one in replacements:
        assert at <= one.first < one.last <= len(words)
        assert one.last - one.first <= MAX_RUN
        assert one.texts != tuple(words[one.first : one.last])
        at = one.last
    assert corrector.correct(words) == corrector.correct(tuple(words))
    spoken = corrector.correct_spoken([SpokenWord(word, i, i + 1) for i, word in enumerate(words)])
    assert [word.text for word in spoken] == corrector.correct(words)
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(spoken))


@given(
    st.lists(
        st.from_regex(r"[A-Za-z]{1,8}( [A-Za-z]{1,8}){0,3}", fullmatch=True),
        unique_by=str.casefold,
        max_size=8,
    )
)
def test_any_list_makes_a_corrector_that_keeps_its_terms(names):
    own = Corrector(Terms(tuple(Term(term=name) for name in names)))
    for name in names:
        assert corrected(own, name).replace(" ", "").casefold() == name.replace(" ", "").casefold()


def test_a_long_word_costs_no_more_than_a_short_one(corrector):
    long = ["q" * 100_000, "RAV4" + "!" * 1_000, "é" * 30]
    assert corrector.correct(long) == long
