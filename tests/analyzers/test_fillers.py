"""Fillers and hedges count where they are meant, once, with their times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.fillers import Lexicon, lexicon, per_100_words


def words(text):
    """Words as a final carries them, 300 ms each."""
    return [(word, 300 * i, 300 * i + 250, 0.9) for i, word in enumerate(text.split())]


def found(text):
    return [(hit.kind, hit.text) for hit in lexicon().find(words(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Um, so this one, uh, has leather.", ["um", "uh"]),
        ("It's, you know, a great car.", ["you know"]),
        ("You know, the price is good.", ["you know"]),
        ("Basically the engine is new and to be honest it's quiet.", ["basically", "to be honest"]),
        ("To be honest with you, no.", ["to be honest with you"]),
        ("It has, like, four doors.", ["like"]),
        ("Like, it never breaks down.", ["like"]),
        ("It was like like driving a boat.", ["like"]),
        ("I mean, look at it.", ["i mean"]),
        ("Actually, it is, actually, the last one.", ["actually", "actually"]),
    ],
)
def test_fillers_are_heard(text, expected):
    assert found(text) == [("filler", phrase) for phrase in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I think it's kind of roomy.", ["i think", "kind of"]),
        ("Maybe we could probably do that.", ["maybe", "probably"]),
        ("It's sort of silver, I guess.", ["sort of", "i guess"]),
        ("I believe it has a towbar.", ["i believe"]),
        ("I’d say it's perhaps ten years.", ["i'd say", "perhaps"]),
    ],
)
def test_hedges_are_heard(text, expected):
    assert found(text) == [("hedge", phrase) for phrase in expected]


@pytest.mark.parametrize(
    "text",
    [
        "I like this car and it drives like a dream.",
        "Would you like a test drive?",
        "It looks like rain, I'd like that.",
        "Do you know the price?",
        "If you know what you want, tell me.",
        "As you know we close at six.",
        "What kind of car do you drive?",
        "That sort of thing happens.",
        "This kind of engine is rare.",
        "I believe in this brand.",
        "What do I think of the offer?",
        "That is what I mean.",
        "The humble umbrella and the error.",
        "It is actually here.",
        "Sort, of course, by price.",
        "",
    ],
)
def test_what_is_meant_literally_is_not_counted(text):
    assert found(text) == []


def test_no_word_counts_twice():
    assert found("I think, I think maybe") == [
        ("hedge", "i think"),
        ("hedge", "i think"),
        ("hedge", "maybe"),
    ]
    assert found("or something like that") == [("hedge", "or something like that")]
    assert found("like like like") == [("filler", "like")]


def test_a_phrase_does_not_reach_across_punctuation():
    assert found("It is more or. Less than that.") == []
    assert found("Ask the kind, of course.") == []


def test_an_occurrence_spans_its_words():
    (hit,) = lexicon().find(words("It's, you know, quick."))
    assert (hit.start_ms, hit.end_ms) == (300, 850)


def test_punctuation_of_its_own_separates_as_well():
    assert found("It has , like , four") == [("filler", "like")]
    assert found("It is kind — of odd") == []


@given(st.lists(st.text(max_size=12), max_size=30))
def test_any_words_yield_ordered_occurrences_that_do_not_overlap(texts):
    heard = [(text, 300 * i, 300 * i + 250, 0.5) for i, text in enumerate(texts)]
    hits = lexicon().find(heard)
    assert all(hit.start_ms < hit.end_ms for hit in hits)
    assert all(a.end_ms <= b.end_ms for a, b in pairwise(hits))


@given(
    st.lists(
        st.sampled_from(
            ["um", "you", "know", "i", "think", "like", "like,", "kind", "of", "the", "maybe."]
        ),
        max_size=30,
    )
)
def test_occurrences_never_share_a_word(tokens):
    hits = lexicon().find(words(" ".join(tokens)))
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(hits))


def test_a_word_list_of_ones_own_is_used():
    own = Lexicon.parse('[filler]\nphrases = ["Mega Deal"]\n')
    (hit,) = own.find(words("A mega deal today."))
    assert (hit.kind, hit.text) == ("filler", "mega deal")
    assert own.find(words("Um, maybe.")) == []


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[filler", "Expected"),
        ('filler = "um"', "phrases"),
        ("[filler]\nphrases = ['']", "phrase ''"),
        ("[hedge]\nphrases = [7]", "phrase 7"),
        ("[hedges]\nphrases = []", "hedges"),
        ('[[rule]]\nkind = "mood"\nphrase = "x"', "kind"),
        ('[[rule]]\nkind = "filler"', "phrase"),
        ('[[rule]]\nkind = "filler"\nphrase = "x"\nnever = true', "never"),
    ],
)
def test_a_broken_word_list_is_refused_by_name_of_the_fault(toml, message):
    with pytest.raises(ValueError, match=message):
        Lexicon.parse(toml)


def test_in_a_language_without_a_list_nothing_is_found():
    assert lexicon("xx").find(words("Um, you know, basically this.")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Eh, el coche es, digamos, rápido.", [("filler", "eh"), ("filler", "digamos")]),
        ("Bueno, o sea, me gusta.", [("filler", "bueno"), ("filler", "o sea")]),
        ("Es un buen coche, y este es bueno.", []),
        ("Quizás mañana, creo que sí.", [("hedge", "quizás"), ("hedge", "creo que")]),
        ("Entonces firmamos aquí.", []),
    ],
)
def test_fillers_and_hedges_of_spanish(text, expected):
    assert [(hit.kind, hit.text) for hit in lexicon("es").find(words(text))] == expected


def test_density_needs_ten_words():
    assert per_100_words(1, 9) is None
    assert per_100_words(1, 10) == pytest.approx(10.0)
    assert per_100_words(0, 200) == 0.0
