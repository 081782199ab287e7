"""What counts as a question, in English and in Spanish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.questions import Interrogatives, interrogatives


def said(text):
    return [(word, 300 * i, 300 * i + 250, 0.9) for i, word in enumerate(text.split())]


def count(text, language="en"):
    return len(interrogatives(language).find(said(text)))


@pytest.mark.parametrize(
    "text",
    [
        "You drive mostly in the city?",
        'He said "really?"',
        "What brings you in today",
        "So, um, how much do you drive in a year.",
        "Okay great and what's your budget",
        "Would you like to take it for a spin.",
        "Well do you have children",
        "Isn't it a beautiful colour",
        "What’s the most important thing for you",
    ],
)
def test_it_is_a_question(text):
    assert count(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "What you need is a bigger boot.",
        "When you come back on Friday we have it ready.",
        "How wonderful.",
        "What a lovely car.",
        "I know what is wrong with it.",
        "So we have three models here.",
        "Yes.",
        "",
        "Do it now.",
        "... ! .",
    ],
)
def test_it_is_none(text):
    assert count(text) == 0


def test_every_sentence_of_a_final_is_judged_alone_and_keeps_its_time():
    text = "Thank you. What is your budget? We have time. Do you need a big one"
    found = interrogatives().find(said(text))
    assert [(q.start_ms, q.end_ms) for q in found] == [(600, 1750), (2700, 4450)]


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("¿Qué coche busca?", 1),
        ("Bueno, cuánto quiere gastar", 1),
        ("Lo que busca es un coche grande.", 0),
        ("Y para qué lo va a usar. Muy bien.", 1),
        ("Cuando vuelva el viernes estará listo.", 0),
    ],
)
def test_spanish_questions(text, questions):
    assert count(text, "es") == questions


def test_a_list_of_ones_own_is_read():
    own = Interrogatives.parse('starts = ["gell"]\nlead_ins = ["ja mei"]')
    assert len(own.find(said("Ja mei, gell des passt"))) == 1
    assert own.find(said("des passt gell")) == []


@pytest.mark.parametrize(
    ("toml", "at_fault"),
    [
        ("starts = 3", "starts is 3"),
        ('starts = ["do you", " "]', "starts holds ' '"),
        ('starts = ["do you"]\nlead_ins = [4]', "lead_ins holds 4"),
        ('starts = ["do you"]\nbegins = []', "begins"),
        ("starts = [", "."),
    ],
)
def test_a_broken_list_says_what_is_wrong(toml, at_fault):
    with pytest.raises(ValueError, match=at_fault):
        Interrogatives.parse(toml)


def test_in_a_language_without_a_list_questions_are_known_by_their_marks():
    found = interrogatives("tlh").find([("nuqneH?", 0, 300, 0.9), ("Qapla'.", 300, 600, 0.9)])
    assert [(each.start_ms, each.end_ms) for each in found] == [(0, 300)]


@given(st.lists(st.text(max_size=12), max_size=20))
def test_anything_can_be_read(texts):
    words = [(text, 10 * i, 10 * i + 5, 0.5) for i, text in enumerate(texts)]
    found = interrogatives().find(words)
    assert all(0 <= q.start_ms <= q.end_ms for q in found)
    assert len(found) <= len(words)
