"""Offers of credit and leases: where a text states their terms, and what must then stand with them.

Stating one term triggers the disclosure of all (12 CFR 1026.24(d)(1), 1013.7(d)(1)); the annual
percentage rate is treated as one, though by the letter it only must be called that ((c)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from api.content import figures
from api.content.dealer import Dealer
from api.content.disclosures import Term, disclosures, missing
from api.content.finding import Finding, Severity, finding
from api.content.folding import Folded, spelled
from api.content.wording import FTC_ACT
from api.store.content import CopyLanguage, Facts, Finance, Passage

REG_Z: Final = "12 CFR 1026.24 (Regulation Z)"
REG_M: Final = "12 CFR 1013.7 (Regulation M)"
TOLERANCE: Final = 0.02
"""How far a payment may lie from the annuity's: lenders round, and count days differently."""

_NUMBER: Final = (
    r"(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty[- ]?four|"
    r"thirty[- ]?six|forty[- ]?eight|sixty|seventy[- ]?two|eighty[- ]?four|ninety|hundred|"
    r"uno?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|veinticuatro|treinta y seis|"
    r"cuarenta y ocho|sesenta|setenta y dos|ochenta y cuatro)"
)
_TRIGGERS: Final[dict[Term, re.Pattern[str]]] = {
    "monthly": re.compile(
        rf"(?<!\w)(?:\$ ?\d[\d,.]*\s*(?:dollars?|dolares)?\s*(?:(?:/|a|per|al|por|each|every|cada)"
        rf"\s*)?(?:mo|mon|month|monthly|mes|mensual|mensuales|week|weekly)(?!\w)|"
        rf"payments? (?:of|as low as|from|"
        rf"starting at) (?:just |only )?\$?\s*{_NUMBER}|"
        rf"(?:{_NUMBER}|dollars|bucks|dolares)\s*(?:dollars|bucks|dolares)?\s*(?:(?:a|per|al|por|"
        rf"each|every|cada) (?:month|mes|week|semana)|monthly|mensuales)|"
        rf"(?:pagos?|cuotas?|mensualidad(?:es)?) (?:mensuales )?(?:de|desde) (?:solo )?\$?\s*"
        rf"{_NUMBER})"
    ),
    "apr": re.compile(
        r"(?<!\w)(?:\d[\d.,]*\s*%\s*(?:apr|a\.p\.r\.?|interest|financing|rate|fixed|"
        r"(?:de )?interes|(?:de )?financiamiento|tasa)|annual percentage rate|"
        r"apr(?![\w.])(?! \d{1,2}(?![\d.]))|apr\.? (?:of|from|financing)|a\.p\.r\.?|"
        r"interest rate|(?:zero|no|low|0%?) (?:percent )?interest|interest[- ]free|finance charge|"
        r"(?:zero|cero|\d+) (?:percent|por ciento) (?:de )?(?:financing|apr|interest?|interes)|"
        r"tasa de (?:interes|porcentaje anual)|(?:sin|cero|bajo) intereses?|cargo financiero|"
        r"tasa anual)"
    ),
    "down": re.compile(
        rf"(?<!\w)(?:(?:\$ ?\d[\d,.]*\s*|{_NUMBER}[\s-]+|\d+ ?%\s*|(?:zero|no|nothing|low)[\s-]+)"
        rf"(?:money[\s-]|cash[\s-]|dollars )?down(?! payment assistance|load|town|ward|hill)(?!\w)|"
        rf"down payments?|money down|(?:put|with) (?:just |only )?\$ ?\d[\d,.]*\s*down|"
        rf"enganche|pago inicial|cuota inicial|sin (?:enganche|pago inicial)|entrada de \$)"
    ),
    "term": re.compile(
        rf"(?<!\w)(?:{_NUMBER}[- ]?(?:months?|mos?\b|meses)(?:\s*(?:term|loan|lease|financing))?|"
        rf"(?:for|over|up to|por|hasta|durante|a) {_NUMBER} (?:years|anos)(?= (?:of |de )?"
        rf"(?:payments|financing|loan|lease|pagos|financiamiento|plazo))|"
        rf"{_NUMBER} (?:easy |low )?(?:monthly )?payments|{_NUMBER} "
        rf"(?:pagos|mensualidades|cuotas)|plazo de {_NUMBER})"
    ),
    "due_at_signing": re.compile(
        r"(?<!\w)(?:due at (?:signing|delivery|lease signing)|drive[- ]?off|cap(?:italized)? cost "
        r"reduction|a(?:l)? (?:la )?firma(?:r)?(?: del contrato)?|pago al firmar)"
    ),
    "deposit": re.compile(r"(?<!\w)(?:security deposit|deposito de (?:garantia|seguridad))"),
}
_LEASE: Final = re.compile(r"(?<!\w)(?:leas(?:e|es|ed|ing)|arrendamiento|arrendar)(?!\w)")
_OF_CREDIT: Final = re.compile(
    r"pay|pago|financ|loan|prestamo|leas|arrend|apr|%|interes|down|enganche|credit|term|plazo|month"
)
_ALONE: Final = re.compile(r"\d+[- ]?(?:months?|mos?|meses)")
_NAMES: Final[dict[Term, str]] = {
    "monthly": "the monthly payment",
    "term": "the number of payments",
    "apr": "the annual percentage rate",
    "down": "the down payment",
    "due_at_signing": "the total due at signing",
    "deposit": "whether a security deposit is required",
}


def credit(
    text: Sequence[Passage],
    read: Sequence[Folded],
    facts: Facts,
    language: CopyLanguage,
    dealer: Dealer,
) -> Iterator[Finding]:
    """A term stated anywhere demands all disclosures, word for word, in the disclosure passage."""
    stated = list(_terms(text, read))
    if not stated:
        return
    finance = facts.finance
    is_lease = finance is not None and finance.kind == "lease"
    source = f"{REG_M}, (d)" if is_lease else f"{REG_Z}, (d)"
    due = disclosures(facts, language, dealer.name)
    told = "\n".join(each.text for each in text if each.role == "disclosure")
    if due and all(line in told for line in due.splitlines()):
        return
    if finance is None:
        lacks = "the facts hold no offer"
    elif lacking := missing(finance):
        lacks = f"the facts lack {_listed(_NAMES[each] for each in lacking)}"
    else:
        lacks = ""
    for at, term, span in stated:
        if lacks:
            message = (
                f"This states a term of credit, which demands its disclosures, and {lacks}: "
                "complete the vehicle's offer, or remove the term."
            )
        else:
            message = (
                "This states a term of credit; the disclosures that it demands are missing or "
                f'were changed. Put this back as the disclosure: "{" ".join(due.split())}"'
            )
        yield finding(
            f"credit.{term}",
            "blocking",
            message,
            source,
            passage=at,
            text=text[at].text,
            span=span,
            parameters={"disclosure": due},
        )


def _terms(
    text: Sequence[Passage], read: Sequence[Folded]
) -> Iterator[tuple[int, Term, tuple[int, int]]]:
    """Where terms of credit are stated outside of the disclosure: passage, which, characters."""
    for at, (passage, each) in enumerate(zip(text, read, strict=True)):
        if passage.role == "disclosure":
            continue
        for term, pattern in _TRIGGERS.items():
            # "N0 M0NEY D0WN" says the same; elsewhere digits are figures.
            said = spelled(each) if term == "down" else each
            for match in pattern.finditer(said.text):
                if term == "term" and not _is_of_credit(each.text, match):
                    continue
                yield at, term, each.place(*match.span())


def _is_of_credit(text: str, match: re.Match[str]) -> bool:
    """Whether a number of months is a term of repayment: those of a warranty or a subscription have
    nothing of credit near them."""
    if not _ALONE.fullmatch(match[0].strip()):
        return True
    start, end = match.span()
    return _OF_CREDIT.search(text[max(0, start - 40) : start] + text[end : end + 40]) is not None


def _states_terms(read: Sequence[Folded]) -> bool:
    return any(
        pattern.search(each.text) for each in read for pattern in (*_TRIGGERS.values(), _LEASE)
    )


def offer(read: Sequence[Folded], facts: Facts, today: date) -> Iterator[Finding]:
    """What is wrong with the facts' offer: it blocks where the text states terms."""
    is_stated = _states_terms(read)
    severity: Severity = "blocking" if is_stated else "warning"
    for each in contradictions(facts):
        yield each.model_copy(update={"severity": severity})
    finance = facts.finance
    if finance is None:
        return
    if finance.expires_on is not None and _has_expired(finance, today):
        told = (
            f"The offer ended on {finance.expires_on:%Y-%m-%d}: enter a new one with the vehicle, "
            "or remove it."
        )
        yield finding("facts.expired", severity, told, FTC_ACT)
    if lacking := missing(finance):
        told = (
            f"The offer lacks {_listed(_NAMES[each] for each in lacking)}, without which it "
            "cannot be advertised: complete it with the vehicle."
        )
        yield finding("facts.incomplete", severity, told, REG_Z)


def contradictions(facts: Facts) -> list[Finding]:
    """What of an offer cannot be true together. Nothing of such an offer may be published."""
    finance = facts.finance
    if finance is None:
        return []
    found = []
    if finance.kind == "lease" and finance.apr_bp is not None:
        told = "A lease has no annual percentage rate: remove it, or make the offer a loan."
        found.append(_of_facts("facts.lease_with_apr", told, REG_M))
    price, down = facts.price_cents, finance.down_cents
    if price is not None and down is not None and down >= price:
        told = (
            f"The down payment of {figures.money(down)} is not below the price of "
            f"{figures.money(price)}: correct one of them."
        )
        found.append(_of_facts("facts.down_above_price", told, REG_Z))
    elif (should := _annuity_cents(facts)) is not None:
        assert finance.monthly_cents is not None
        if abs(finance.monthly_cents - should) > TOLERANCE * should:
            told = (
                f"{figures.money(finance.monthly_cents)} a month does not follow from the price, "
                f"the down payment, the rate and the term: those make about "
                f"{figures.money(round(should))}. Correct the figures, or the price it is based on."
            )
            found.append(_of_facts("facts.payment", told, REG_Z))
    return found


def is_offered(facts: Facts, today: date) -> bool:
    """Whether copy may state the offer: it is whole, makes sense and has not expired."""
    finance = facts.finance
    return (
        finance is not None
        and not missing(finance)
        and not contradictions(facts)
        and not _has_expired(finance, today)
    )


def _annuity_cents(facts: Facts) -> float | None:
    """The monthly payment of a loan over the price less the down payment: P r / (1 - (1 + r)^-n)
    with r a twelfth of the rate (12 CFR 1026, appendix J, for equal months)."""
    finance = facts.finance
    if finance is None or finance.kind == "lease" or missing(finance) or facts.price_cents is None:
        return None
    assert finance.apr_bp is not None
    assert finance.term_months is not None
    assert finance.down_cents is not None
    owed, rate, months = (
        facts.price_cents - finance.down_cents,
        finance.apr_bp / 120_000,
        finance.term_months,
    )
    return owed / months if rate == 0 else owed * rate / (1 - (1 + rate) ** -months)


def _has_expired(finance: Finance, today: date) -> bool:
    return finance.expires_on is not None and finance.expires_on < today


def _of_facts(rule: str, message: str, source: str) -> Finding:
    return finding(rule, "blocking", message, source)


def _listed(parts: Iterator[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
