"""Copy never says what the facts do not hold, in numbers, features or terms, and fits its place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final, get_args

import pytest

from api.content import channels, claims, compliance, features, figures, phrases
from api.content.dealer import Dealer
from api.content.disclosures import disclosures
from api.content.writer import Written, write
from api.store.content import Audience, Brief, CopyLanguage, Facts, Passage, Platform, Tone
from api.store.documents import Contact
from tests.api.content.vehicles import CONTACT, DEALER_NAME, HONDAS, ODD, TODAY, VEHICLES

DEALER: Final = Dealer(DEALER_NAME, CONTACT)
TONES: Final = get_args(Tone)
LANGUAGES: Final = get_args(CopyLanguage)
PLATFORMS: Final = get_args(Platform)
QUICK: Final = (("newsletter", "en"), ("walkaround", "es"))
"""What is looked at every time; all others take half a minute."""

DIGITS: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
NUMBER_WORDS: Final = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|"
    r"forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|dozen|half|twice|double|first|second|"
    r"third|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|"
    r"dieci\w+|veint\w+|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa|cien|ciento|mil|"
    r"docena|doble|primer[oa]?|segund[oa]|tercer[oa]?)\b",
    re.IGNORECASE,
)
TERMS: Final = re.compile(
    r"\bAPR\b|a month|al mes|\bdown\b|enganche|pago inicial|due at signing|a la firma|\blease|"
    r"arrendamiento|arrendar|\bfinanc|payment|pago",
    re.IGNORECASE,
)


def brief(
    platform: Platform, tone: Tone, language: CopyLanguage, to: Audience = "everyone"
) -> Brief:
    return Brief(platform=platform, tone=tone, language=language, target_audience=to)


def whole(text: tuple[Passage, ...]) -> str:
    return "\n".join(each.text for each in text)


def strings(facts: Facts) -> Iterator[str]:
    """What facts hold in words; other numbers may stand in them ("F-150", "10-speed")."""
    yield from (facts.make, facts.model, facts.trim, facts.vin, facts.stock_number, facts.exterior)
    yield from (facts.interior, facts.body, facts.engine, facts.transmission, facts.drivetrain)
    yield from facts.features
    yield from (features.translated(each, "es") for each in facts.features)
    if facts.finance is not None:
        yield facts.finance.lender
    yield from (DEALER_NAME, CONTACT.phone, CONTACT.address, CONTACT.website)


def numbers(text: str) -> set[float]:
    return {float(each.replace(",", "")) for each in DIGITS.findall(text.rstrip(","))}


def amounts(facts: Facts) -> set[float]:
    """Dollars."""
    found = [facts.price_cents]
    if facts.finance is not None:
        offer = facts.finance
        found += [offer.monthly_cents, offer.down_cents, offer.due_at_signing_cents]
    return {cents / 100 for cents in found if cents is not None}


def of_a_kind(facts: Facts) -> dict[str, tuple[str, set[float]]]:
    """What numbers of a kind look like in text, and which of that kind the facts hold."""
    offer = facts.finance
    rates = set() if offer is None or offer.apr_bp is None else {offer.apr_bp / 100}
    months = set() if offer is None or offer.term_months is None else {float(offer.term_months)}
    miles = {
        float(each) for each in (facts.mileage, offer and offer.annual_miles) if each is not None
    }
    mpg = {float(each) for each in (facts.mpg_city, facts.mpg_highway) if each is not None}
    return {
        "money": (r"\$({})", amounts(facts)),
        "rate": (r"({})\s?%", rates),
        "months": (r"({}) (?:months?|mes(?:es)?)\b", months),
        "miles": (r"({}) (?:miles?|millas?)\b", miles),
        "mpg": (r"({}) mpg", mpg),
    }


def assert_numbers_are_of_the_facts(text: str, facts: Facts) -> None:
    held = amounts(facts) | {float(facts.year)}
    for number in itertools.chain.from_iterable(map(numbers, strings(facts))):
        held.add(number)
    if facts.finance is not None and facts.finance.expires_on is not None:
        held |= {float(facts.finance.expires_on.year), float(facts.finance.expires_on.day)}
    for kind, (pattern, allowed) in of_a_kind(facts).items():
        held |= allowed
        stated = re.findall(pattern.format(DIGITS.pattern), text)
        told = {float(each.replace(",", "")) for each in stated}
        assert told <= allowed, (kind, told - allowed, text)
    assert numbers(text) <= held, (numbers(text) - held, text)
    bare = _even(text)
    for own in filter(None, strings(facts)):
        bare = bare.replace(_even(own), "")
    assert not NUMBER_WORDS.search(bare), (NUMBER_WORDS.search(bare), text)


def assert_features_are_of_the_facts(text: str, facts: Facts, language: CopyLanguage) -> None:
    """No name of any feature is left once those that the facts hold are taken out."""
    left = _even(text)
    own = [facts.engine, facts.transmission, facts.drivetrain, facts.body, facts.fuel, facts.trim]
    own += [phrases.bank(language).word(each) for each in own]
    for each in facts.features:
        known = features.recognized(each)
        own += [each, *(() if known is None else known.names[language])]
    for each in sorted(filter(None, map(_even, own)), key=len, reverse=True):
        left = left.replace(each, " / ")
    for feature in features.LEXICON.values():
        for name in itertools.chain.from_iterable(feature.names.values()):
            assert not re.search(rf"\b{re.escape(_even(name))}\b", left), (name, text)


def _even(text: str) -> str:
    return text.casefold().replace("-", " ")


def assert_terms_have_their_disclosure(written: Written, facts: Facts, of: Brief) -> None:
    told = [each.text for each in written.text if each.role == "disclosure"]
    assert len(told) <= 1
    stated = whole(tuple(each for each in written.text if each.role != "disclosure"))
    if TERMS.search(stated):
        assert told == [disclosures(facts, of.language, DEALER_NAME)], stated
    else:
        assert not told


def assert_is_publishable(written: Written, facts: Facts, of: Brief) -> None:
    channel = channels.channel_of(of.platform)
    assert channels.breaches(of.platform, written.text) == []
    found = compliance.check(channel.type, written.text, facts, of.language, DEALER, TODAY)
    assert [each for each in found if each.severity == "blocking"] == [], whole(written.text)
    false = claims.false_claims(written.text, facts, DEALER, of.language)
    assert [each for each in false if each.severity == "blocking"] == [], whole(written.text)


def assert_holds(facts: Facts, of: Brief) -> None:
    written = write(facts, of, DEALER, TODAY)
    text = whole(written.text)
    assert figures.name(facts, of.language) in text
    assert_numbers_are_of_the_facts(text, facts)
    assert_features_are_of_the_facts(text, facts, of.language)
    assert_terms_have_their_disclosure(written, facts, of)
    assert_is_publishable(written, facts, of)


@pytest.mark.parametrize(
    ("platform", "language"),
    [
        pytest.param(*each, marks=() if each in QUICK else pytest.mark.slow)
        for each in itertools.product(PLATFORMS, LANGUAGES)
    ],
)
def test_no_text_states_a_number_or_a_feature_that_its_facts_do_not_hold(
    platform: Platform, language: CopyLanguage
) -> None:
    for tone, facts in itertools.product(TONES, VEHICLES.values()):
        assert_holds(facts, brief(platform, tone, language))


@pytest.mark.parametrize("audience", get_args(Audience))
def test_every_audience_is_addressed_and_told_only_the_facts(audience: Audience) -> None:
    for tone, language in itertools.product(TONES, LANGUAGES):
        for facts in (VEHICLES["f-150"], VEHICLES["civic-bare"], VEHICLES["prologue"]):
            assert_holds(facts, brief("facebook", tone, language, audience))
    others = brief("facebook", "friendly", "en", "families" if audience == "work" else "work")
    mine = brief("facebook", "friendly", "en", audience)
    civic = VEHICLES["civic"]
    assert write(civic, mine, DEALER, TODAY) != write(civic, others, DEALER, TODAY)


# how alike texts are

SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(facts: Facts, of: Brief) -> set[str]:
    """The sentences of a text without what is the vehicle's own: its names, features and figures.
    The lines of a list of features then are one."""
    own = {figures.name(facts, of.language), *strings(facts)} - {*strings_of_the_dealer()}
    own |= {phrases.bank(of.language).word(each) for each in own}
    for each in facts.features:
        known = features.recognized(each)
        own |= {each} if known is None else {*known.names[of.language]}
    own |= {phrases.initial(each) for each in own}
    text = whole(write(facts, of, DEALER, TODAY).text)
    for each in sorted(filter(None, own), key=len, reverse=True):
        text = text.replace(each, "_")
    text = DIGITS.sub("_", text)
    return {each.strip() for each in SENTENCE_END.split(text) if each.strip()}


def strings_of_the_dealer() -> Iterator[str]:
    yield from (DEALER_NAME, CONTACT.phone, CONTACT.address, CONTACT.website)


def most_alike(of: Brief, fleet: tuple[Facts, ...]) -> float:
    """The largest share of the shorter text's sentences that two texts have in common."""
    texts = [sentences(facts, of) for facts in fleet]
    return max(len(a & b) / min(len(a), len(b)) for a, b in itertools.combinations(texts, 2))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_thirty_vehicles_of_one_make_do_not_read_alike(platform: Platform) -> None:
    """They differ in their figures alone, so that nothing but the choice of words sets them apart;
    disclosures and contact lines count as all else does."""
    assert most_alike(brief(platform, "friendly", "en"), HONDAS) <= 0.6


@pytest.mark.slow
@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nor_do_they_in_any_tone_or_language(tone: Tone, language: CopyLanguage) -> None:
    mixed = tuple(each for each in VEHICLES.values() if each.make == "Honda")
    for platform in PLATFORMS:
        of = brief(platform, tone, language)
        assert most_alike(of, HONDAS) <= 0.6, platform
        assert most_alike(of, mixed) <= 0.6, platform


def test_the_same_seed_writes_the_same_text_and_another_seed_another() -> None:
    of = brief("facebook", "friendly", "en")
    first = write(VEHICLES["civic"], of, DEALER, TODAY)
    assert write(VEHICLES["civic"], of, DEALER, TODAY) == first
    assert len({write(VEHICLES["civic"], of, DEALER, TODAY, seed).text for seed in range(20)}) == 20


def test_a_text_names_the_phrases_that_it_was_made_of() -> None:
    written = write(VEHICLES["civic"], brief("walkaround", "lively", "es"), DEALER, TODAY)
    known = {each.id for each in phrases.bank("es").phrases}
    assert written.templates
    assert set(written.templates) <= known


# offers

STATED: Final[tuple[Platform, ...]] = ("facebook", "newsletter", "flyer", "walkaround")


@pytest.mark.parametrize("platform", STATED)
@pytest.mark.parametrize("name", ["civic", "accord", "rav4", "500e"])
def test_an_offer_is_stated_with_its_disclosures_where_there_is_room(
    platform: Platform, name: str
) -> None:
    facts = VEHICLES[name]
    written = write(facts, brief(platform, "friendly", "en"), DEALER, TODAY)
    disclosure = disclosures(facts, "en", DEALER_NAME)
    assert disclosure
    assert disclosure in [each.text for each in written.text if each.role == "disclosure"]
    said = whole(tuple(each for each in written.text if each.role != "disclosure"))
    assert facts.finance is not None
    assert facts.finance.monthly_cents is not None
    assert figures.money(facts.finance.monthly_cents) in said


@pytest.mark.parametrize("platform", ["x", "window", "reel"])
def test_where_disclosures_have_no_room_no_term_is_stated(platform: Platform) -> None:
    for language in LANGUAGES:
        text = whole(
            write(VEHICLES["civic"], brief(platform, "lively", language), DEALER, TODAY).text
        )
        assert not TERMS.search(text), text


@pytest.mark.parametrize("name", ["contradictory", "incomplete", "expired"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_offer_that_cannot_stand_is_not_mentioned(name: str, platform: Platform) -> None:
    written = write(ODD[name], brief(platform, "friendly", "en"), DEALER, TODAY)
    assert not TERMS.search(whole(written.text)), whole(written.text)


def test_a_disclosure_in_a_video_stands_as_long_as_it_takes_to_read() -> None:
    written = write(VEHICLES["accord"], brief("walkaround", "friendly", "en"), DEALER, TODAY)
    (shown,) = [each for each in written.text if each.role == "disclosure"]
    assert shown.seconds is not None
    assert len(shown.text.split()) <= channels.READ_PER_S * shown.seconds


def test_what_is_spoken_in_a_shot_fits_its_seconds() -> None:
    for facts in VEHICLES.values():
        for each in write(facts, brief("reel", "lively", "es"), DEALER, TODAY).text:
            assert each.role == "shot"
            assert each.shows
            assert each.seconds is not None
            assert len(each.text.split()) <= channels.WORDS_PER_S * each.seconds


# bad input


@pytest.mark.parametrize("name", ODD)
def test_odd_facts_make_texts_that_fit_every_platform(name: str) -> None:
    for platform, language in itertools.product(PLATFORMS, LANGUAGES):
        written = write(ODD[name], brief(platform, "friendly", language), DEALER, TODAY)
        assert channels.breaches(platform, written.text) == [], platform
        assert all(each.text.strip() for each in written.text)


def test_template_syntax_and_markup_in_facts_stay_as_they_were_typed() -> None:
    for name in ("template", "html"):
        facts = ODD[name]
        text = whole(write(facts, brief("flyer", "friendly", "en"), DEALER, TODAY).text)
        assert figures.name(facts) in text
        assert all(phrases.initial(each) in text for each in facts.features)


def test_a_feature_that_is_an_offer_or_a_promise_is_not_repeated() -> None:
    text = whole(write(ODD["advertised"], brief("flyer", "friendly", "en"), DEALER, TODAY).text)
    assert "Sunroof" in text
    assert "APR" not in text


def test_a_price_is_stated_only_where_there_is_one() -> None:
    for platform in PLATFORMS:
        text = whole(write(ODD["priceless"], brief(platform, "friendly", "en"), DEALER, TODAY).text)
        assert "price" not in text.casefold()


def test_a_dealership_without_contact_details_is_named() -> None:
    bare = Dealer("Bend Motors, Inc.", Contact())
    for platform, tone in itertools.product(PLATFORMS, TONES):
        written = write(VEHICLES["soul"], brief(platform, tone, "en"), bare, TODAY)
        assert "Bend Motors, Inc." in whole(written.text)
        assert ".." not in whole(written.text)
        assert channels.breaches(platform, written.text) == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_longest_of_names_still_make_a_text_that_fits(platform: Platform) -> None:
    contact = Contact(phone="5" * 40, address="A" * 200, website=f"https://{'w' * 180}.us")
    dealer = Dealer("D" * 200, contact)
    for facts, language in itertools.product((*ODD.values(), VEHICLES["accord"]), LANGUAGES):
        written = write(facts, brief(platform, "professional", language), dealer, TODAY)
        assert channels.breaches(platform, written.text) == [], facts


def test_no_telephone_number_goes_where_none_is_taken() -> None:
    text = whole(write(VEHICLES["civic"], brief("google", "friendly", "en"), DEALER, TODAY).text)
    assert "555-0142" not in text
