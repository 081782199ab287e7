"""What the law wants said beside the terms of an offer, in English and Spanish.

A loan: the down payment, the terms of repayment, the "annual percentage rate" (Regulation Z, 12 CFR
1026.24(d)(2)). A lease: that it is one, the total due at signing, the payments, whether a security
deposit is required (Regulation M, 12 CFR 1013.7(d)(2)). Both name what the offer is for and until
when it holds, so that nothing is offered that cannot be had (12 CFR 1026.24(a), 1013.7(a)).
"""

from __future__ import annotations

from typing import Final, Literal

from api.content import figures
from api.store.content import CopyLanguage, Facts, Finance

Term = Literal["monthly", "term", "apr", "down", "due_at_signing", "deposit"]

_NEEDED: Final[dict[str, tuple[Term, ...]]] = {
    "loan": ("monthly", "term", "apr", "down"),
    "lease": ("monthly", "term", "due_at_signing", "deposit"),
}


def missing(finance: Finance) -> list[Term]:
    """What the facts would have to hold for the disclosures to be whole."""
    held = {
        "monthly": finance.monthly_cents,
        "term": finance.term_months,
        "apr": finance.apr_bp,
        "down": finance.down_cents,
        "due_at_signing": finance.due_at_signing_cents,
        "deposit": finance.deposit_required,
    }
    return [term for term in _NEEDED[finance.kind] if held[term] is None]


def is_complete(finance: Finance) -> bool:
    return not missing(finance)


def disclosures(facts: Facts, language: CopyLanguage, dealer: str) -> str:
    """All sentences that the offer in `facts` needs, each on a line; empty where there is no offer,
    or one that lacks a term."""
    finance = facts.finance
    if finance is None or not is_complete(finance):
        return ""
    made = _LEASE if finance.kind == "lease" else _LOAN
    vehicle = _vehicle(facts, language)
    lines = [made[language](finance, vehicle, language)]
    lines.append(_approval(finance, language, dealer))
    if finance.expires_on is not None:
        day = figures.day(finance.expires_on, language)
        lines.append(f"Offer ends {day}." if language == "en" else f"La oferta termina el {day}.")
    return "\n".join(lines)


def _vehicle(facts: Facts, language: CopyLanguage) -> str:
    """Which one the offer is for."""
    which = f"VIN {facts.vin}"
    if facts.stock_number:
        stock = "stock number" if language == "en" else "número de inventario"
        which = f"{stock} {facts.stock_number}, {which}"
    return f"{figures.name(facts, language)} ({which})"


def _payments(finance: Finance, language: CopyLanguage) -> str:
    assert finance.term_months is not None
    assert finance.monthly_cents is not None
    payment = figures.money(finance.monthly_cents)
    if language == "en":
        return f"{finance.term_months} monthly payments of {payment}"
    return f"{finance.term_months} pagos mensuales de {payment}"


def _down(finance: Finance, language: CopyLanguage) -> str:
    assert finance.down_cents is not None
    down = figures.money(finance.down_cents)
    return f"{down} down payment" if language == "en" else f"{down} de pago inicial"


def _loan_en(finance: Finance, vehicle: str, language: CopyLanguage) -> str:
    assert finance.apr_bp is not None
    rate = figures.percent(finance.apr_bp)
    return (
        f"Finance offer for the {vehicle}: {_down(finance, language)}, then "
        f"{_payments(finance, language)} at {rate} annual percentage rate (APR)."
    )


def _loan_es(finance: Finance, vehicle: str, language: CopyLanguage) -> str:
    assert finance.apr_bp is not None
    rate = figures.percent(finance.apr_bp)
    return (
        f"Oferta de financiamiento para el {vehicle}: {_down(finance, language)}, luego "
        f"{_payments(finance, language)} a una tasa de porcentaje anual (APR) de {rate}."
    )


def _lease_en(finance: Finance, vehicle: str, language: CopyLanguage) -> str:
    assert finance.due_at_signing_cents is not None
    deposit = "Security deposit required" if finance.deposit_required else "No security deposit"
    miles = ""
    if finance.annual_miles is not None:
        miles = f" The lease allows {figures.miles(finance.annual_miles, language)} a year."
    return (
        f"This is a lease offer for the {vehicle}: {_payments(finance, language)}, total due at "
        f"signing {figures.money(finance.due_at_signing_cents)}. {deposit}.{miles}"
    )


def _lease_es(finance: Finance, vehicle: str, language: CopyLanguage) -> str:
    assert finance.due_at_signing_cents is not None
    deposit = (
        "Se requiere depósito de garantía"
        if finance.deposit_required
        else "Sin depósito de garantía"
    )
    miles = ""
    if finance.annual_miles is not None:
        allowed = figures.miles(finance.annual_miles, language)
        miles = f" El arrendamiento permite {allowed} al año."
    return (
        f"Esta es una oferta de arrendamiento (lease) para el {vehicle}: "
        f"{_payments(finance, language)}, total a pagar al firmar "
        f"{figures.money(finance.due_at_signing_cents)}. {deposit}.{miles}"
    )


def _approval(finance: Finance, language: CopyLanguage, dealer: str) -> str:
    """Who gives the credit, and that it is theirs to give."""
    if language == "en":
        lender = finance.lender or "the lender"
        return f"Subject to credit approval by {lender}; ask {dealer} for all terms."
    lender = finance.lender or "la entidad financiera"
    return f"Sujeto a aprobación de crédito por {lender}; pida todos los términos a {dealer}."


_LOAN: Final = {"en": _loan_en, "es": _loan_es}
_LEASE: Final = {"en": _lease_en, "es": _lease_es}
