"""The rules of advertising: what they find, what they leave alone, and how they explain it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.content import compliance, credit
from api.content.dealer import Dealer
from api.content.disclosures import disclosures
from api.content.finding import Finding
from api.content.folding import folded
from api.store.content import ContentType, Facts, Finance, Passage
from api.store.documents import Contact
from tests.api.content.sentences import CLEAN, DIRTY

TODAY = date(2026, 11, 24)
DEALER = Dealer("Guarantee Motors", Contact(address="1 Main St, Cleveland, OH 44113"))
FACTS = Facts(
    vin="1HGCM82633A004352",
    year=2022,
    make="Honda",
    model="Civic",
    trim="EX",
    mileage=36_120,
    price_cents=21_995_00,
    features=("best-in-class towing",),
)
LOAN = Finance(
    monthly_cents=369_94, term_months=60, apr_bp=590, down_cents=2_813_00, lender="First Bank"
)
LEASE = Finance(
    kind="lease",
    monthly_cents=299_00,
    term_months=36,
    due_at_signing_cents=2_999_00,
    deposit_required=False,
    annual_miles=10_000,
)


def found(
    *text: str | Passage,
    facts: Facts = FACTS,
    type_: ContentType = "social",
    dealer: Dealer = DEALER,
) -> list[Finding]:
    passages = [Passage(role="body", text=t) if isinstance(t, str) else t for t in text]
    return compliance.check(type_, passages, facts, "en", dealer, TODAY)


def rules(*text: str | Passage, facts: Facts = FACTS) -> set[str]:
    return {each.rule for each in found(*text, facts=facts) if each.severity == "blocking"}


def with_offer(offer: Finance, **fields: object) -> Facts:
    return FACTS.model_copy(update={"finance": offer, **fields})


@pytest.mark.parametrize(
    ("rule", "sentence"), [(rule, each) for rule, some in DIRTY.items() for each in some]
)
def test_what_may_not_be_said_blocks_and_is_explained(rule: str, sentence: str) -> None:
    blocking = [each for each in found(sentence) if each.severity == "blocking"]
    assert rule in {each.rule for each in blocking}
    for each in blocking:
        assert len(each.message) > 40
        assert each.source
        assert each.start is not None
        assert each.end is not None
        assert each.quote == sentence[each.start : each.end] != ""


@pytest.mark.parametrize("sentence", CLEAN)
def test_what_may_be_said_is_left_alone(sentence: str) -> None:
    assert found(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Only $389 a month", "credit.monthly"),
        ("Financing at 3.9% APR", "credit.apr"),
        ("$0 down", "credit.down"),
        ("72 months financing", "credit.term"),
        ("$2,999 due at signing", "credit.due_at_signing"),
        ("No security deposit", "credit.deposit"),
    ],
)
def test_each_term_demands_its_disclosure(sentence: str, rule: str) -> None:
    assert rule in rules(sentence)


@pytest.mark.parametrize("offer", [LOAN, LEASE], ids=["loan", "lease"])
def test_with_its_disclosure_a_term_may_be_stated(offer: Finance) -> None:
    facts = with_offer(offer)
    says = Passage(role="body", text="It is $369.94 a month.")
    whole = Passage(role="disclosure", text=disclosures(facts, "en", DEALER.name))
    assert rules(says, whole, facts=facts) == set()
    assert rules(says, facts=facts) == {"credit.monthly"}
    cut = whole.model_copy(update={"text": whole.text.splitlines()[0]})
    assert rules(says, cut, facts=facts) == {"credit.monthly"}
    other = whole.model_copy(update={"text": whole.text.replace("$", "€")})
    assert rules(says, other, facts=facts) == {"credit.monthly"}


def test_a_disclosure_names_all_that_the_law_wants() -> None:
    loan = disclosures(with_offer(LOAN), "en", DEALER.name)
    for part in ("$2,813 down payment", "60 monthly payments of $369.94", "5.9%", "First Bank"):
        assert part in loan
    assert "annual percentage rate" in loan
    lease = disclosures(with_offer(LEASE), "en", DEALER.name)
    assert "This is a lease" in lease
    for part in ("36 monthly payments of $299", "due at signing $2,999", "No security deposit"):
        assert part in lease
    spanish = disclosures(with_offer(LOAN), "es", DEALER.name)
    assert "tasa de porcentaje anual" in spanish
    assert "60 pagos mensuales de $369.94" in spanish


@pytest.mark.parametrize(
    "lacking",
    ["monthly_cents", "term_months", "apr_bp", "down_cents"],
)
def test_an_offer_that_lacks_a_term_is_neither_disclosed_nor_stated(lacking: str) -> None:
    facts = with_offer(LOAN.model_copy(update={lacking: None}))
    assert disclosures(facts, "en", DEALER.name) == ""
    assert not credit.is_offered(facts, TODAY)
    told = {each.rule: each.severity for each in found("Come and see it.", facts=facts)}
    assert told == {"facts.incomplete": "warning"}
    assert "facts.incomplete" in rules("Yours at $369.94 a month", facts=facts)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (with_offer(LOAN.model_copy(update={"monthly_cents": 299_00})), "facts.payment"),
        (with_offer(LOAN, price_cents=2_000_00), "facts.down_above_price"),
        (with_offer(LEASE.model_copy(update={"apr_bp": 100})), "facts.lease_with_apr"),
    ],
)
def test_contradictory_terms_are_never_offered(facts: Facts, rule: str) -> None:
    assert [each.rule for each in credit.contradictions(facts)] == [rule]
    assert not credit.is_offered(facts, TODAY)


def test_an_offer_holds_to_the_end_of_its_last_day() -> None:
    ends = with_offer(LOAN.model_copy(update={"expires_on": TODAY}))
    assert credit.is_offered(ends, TODAY)
    assert not credit.is_offered(ends, date(2026, 11, 25))


def test_a_rate_of_nothing_divides_the_price_by_the_months() -> None:
    offer = Finance(monthly_cents=300_00, term_months=60, apr_bp=0, down_cents=3_995_00)
    assert credit.contradictions(with_offer(offer)) == []


def test_an_advertising_mail_needs_an_address_and_an_honest_subject() -> None:
    mail = Passage(role="subject", text="Re: your car")
    nowhere = Dealer("North Motors", Contact())
    told = {each.rule for each in found(mail, type_="email", dealer=nowhere)}
    assert told == {"mail.address", "mail.subject"}
    assert found(Passage(role="subject", text="Your car"), type_="email") == []


def test_a_disclosure_is_on_screen_for_as_long_as_it_takes_to_read() -> None:
    words = " ".join(["word"] * 40)
    brief = Passage(role="disclosure", text=words, seconds=9.9)
    assert [each.rule for each in found(brief, type_="video")] == ["video.disclosure_time"]
    assert found(brief.model_copy(update={"seconds": 10.0}), type_="video") == []


def test_a_finding_keeps_its_id_until_what_it_is_about_changes() -> None:
    (one,) = found("The best there is.")
    assert found("The best there is.") == [one]
    (other,) = found("The best there is today.")
    assert other.id != one.id


@given(st.text(max_size=300))
def test_folded_text_knows_where_it_came_from(text: str) -> None:
    made = folded(text)
    assert len(made.text) == len(made.origins)
    assert all(0 <= place < len(text) for place in made.origins)
    assert list(made.origins) == sorted(made.origins)


@given(st.text(max_size=200))
def test_any_text_can_be_checked(text: str) -> None:
    for each in found(Passage.model_construct(role="body", text=text, shows="", seconds=None)):
        assert each.passage in (0, None)
