"""The phrase bank claims nothing, has words for every brief, and takes facts as values only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final, get_args

import pytest

from api.content.phrases import Bank, Draw, Phrase, bank
from api.store.content import Audience, Brief, CopyLanguage, Tone

LANGUAGES: Final = get_args(CopyLanguage)
VALUES: Final = {
    name: f"<{name}>"
    for language in LANGUAGES
    for each in bank(language).phrases
    for name in each.needs
}

NUMBERS: Final = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve twenty thirty "
    "forty fifty sixty hundred thousand dozen half double triple single once twice first "
    "second third both pair couple quarter",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce veinte treinta "
    "cuarenta cincuenta sesenta cien ciento mil docena medio media mitad doble triple "
    "primer primero primera segundo segunda tercer tercero ambos ambas par cuarto único "
    "única",
}
CLAIMS: Final = {
    "en": "new best better perfect ideal great greatest excellent amazing awesome incredible "
    "unbeatable top leading finest superb free guarantee guaranteed guarantees warranty "
    "certified inspected cheap cheapest low lowest affordable bargain deal deals save "
    "savings discount sale value clean reliable dependable safe safest comfortable comfy "
    "spacious roomy efficient economical luxury luxurious powerful quiet smooth sporty "
    "stylish beautiful stunning sleek rugged tough loaded immaculate pristine owner "
    "accident today tonight now hurry limited soon last approved approval credit instant "
    "instantly rare popular",
    "es": "nuevo nueva mejor mejores perfecto perfecta ideal excelente increíble insuperable "
    "gratis gratuito garantía garantizado garantizada certificado certificada inspeccionado "
    "barato barata económico económica oferta ofertas descuento ahorro ahorra ahorre ganga "
    "limpio limpia confiable seguro segura cómodo cómoda espacioso amplio eficiente lujo "
    "lujoso potente silencioso suave deportivo elegante hermoso impecable dueño accidente "
    "hoy ahora apúrate apúrese limitado limitada pronto último última aprobado aprobación "
    "crédito instantáneo popular",
}
EMPTY: Final = "kinds: {}\nand: and\nwords: {}\nphrases:\n"
OF_AN_OFFER: Final = {"loan", "lease", "loan.spoken", "lease.spoken", "shows.terms"}
"""Slots that speak of an offer, which the facts then hold."""


def variants(phrase: Phrase) -> Iterator[str]:
    """Each text that the choices of a phrase allow, its values taken out."""
    parts = re.split(r"\[([^\[\]]*\|[^\[\]]*)\]", phrase.source)
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    for chosen in itertools.product(*choices):
        yield re.sub(r"\{\{.*?\}\}", "#", "".join(chosen))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_the_bank_has_a_number_or_a_claim_of_its_own(language: CopyLanguage) -> None:
    forbidden = {*NUMBERS[language].split(), *CLAIMS[language].split()}
    for phrase in bank(language).phrases:
        for text in variants(phrase):
            words = set(re.findall(r"[\w'-]+", text.casefold()))
            excused = {"oferta"} if phrase.slot in OF_AN_OFFER else set()
            # "Three-quarter" and the like are two words as well.
            parts = {part for word in words for part in re.split("['-]", word)}
            assert not (words | parts) & (forbidden - excused), (phrase.id, text)
            assert not any(map(str.isdigit, text)), (phrase.id, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_choice_makes_a_whole_sentence(language: CopyLanguage) -> None:
    for phrase in bank(language).phrases:
        for text in variants(phrase):
            assert "[" not in text, text
            assert "|" not in text, text
            assert "  " not in text, text
            assert text == text.strip(), text
            assert text[0] in "#¡¿" or text[0].isupper(), text
            assert text.count("¿") == text.count("?") if language == "es" else "¿" not in text, text
            assert text.count("¡") == text.count("!") if language == "es" else "¡" not in text, text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("tone", get_args(Tone))
def test_there_are_words_for_every_brief(language: CopyLanguage, tone: Tone) -> None:
    slots = {each.slot for each in bank("en").phrases} | {each.slot for each in bank("es").phrases}
    for audience, slot in itertools.product(get_args(Audience), slots):
        brief = Brief(platform="facebook", target_audience=audience, tone=tone, language=language)
        found = list(bank(language).sentences(slot, brief, VALUES, "key"))
        assert found, (slot, audience)
        assert all("{" not in each.text for each in found)


def test_a_phrase_is_used_only_where_all_its_values_are_known() -> None:
    brief = Brief(platform="facebook")
    without = {name: value for name, value in VALUES.items() if name != "price"}
    assert list(bank("en").sentences("price", brief, VALUES, "key"))
    assert not list(bank("en").sentences("price", brief, without, "key"))


def test_template_syntax_in_a_value_stays_as_it_was_typed() -> None:
    made = Bank(f"{EMPTY}- slot: intro\n  texts: ['Meet {{{{ vehicle }}}}[.|!]']\n")
    typed = "{{ 7 * 7 }} {% for x in ().__class__.__mro__ %} [a|b] {# no #} <b>"
    (found,) = made.sentences("intro", Brief(platform="facebook"), {"vehicle": typed}, "key")
    assert found.text[:-1] == f"Meet {typed}"


def test_a_sentence_after_an_abbreviation_has_one_stop() -> None:
    made = Bank(
        "kinds: {}\nand: and\nwords: {}\nphrases:\n- slot: ask\n  texts: ['See {{ dealer }}.']\n"
    )
    brief = Brief(platform="facebook")
    (found,) = made.sentences("ask", brief, {"dealer": "Bend Motors, Inc."}, "key")
    assert found.text == "See Bend Motors, Inc."
    (found,) = made.sentences("ask", brief, {"dealer": "Bend Motors"}, "key")
    assert found.text == "See Bend Motors."


def test_a_bank_with_a_phrase_twice_in_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Bank(f"{EMPTY}- {{slot: ask, texts: [See., See.]}}\n")


def test_the_same_key_chooses_the_same_sentences_and_keys_spread() -> None:
    brief = Brief(platform="facebook")
    firsts = [next(bank("en").sentences("intro", brief, VALUES, str(n))) for n in range(200)]
    again = [next(bank("en").sentences("intro", brief, VALUES, str(n))) for n in range(200)]
    assert firsts == again
    assert len({each.phrase for each in firsts}) == 8
    assert len({each.text for each in firsts}) > 20


def test_a_draw_is_even() -> None:
    draw = Draw("key")
    drawn = [draw(4) for _ in range(4_000)]
    assert all(900 < drawn.count(each) < 1_100 for each in range(4))
    assert sorted(Draw("key").shuffled(range(9))) == list(range(9))


def test_common_words_of_listings_are_written_as_the_language_has_them() -> None:
    assert bank("en").word("Black") == "black"
    assert bank("es").word("SEDAN") == "sedán"
    assert bank("es").word("10-speed automatic") == "transmisión automática de 10 velocidades"
    assert bank("en").word("Rallye Red") == "Rallye Red"
    assert bank("es").listed(["quemacocos"]) == "quemacocos"
    assert bank("en").listed(["a", "b", "c"]) == "a, b and c"
