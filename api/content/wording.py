"""Words that advertising for vehicles may not use, or not like that: each with its source.

What the facts or the dealership's name themselves say is not held against a text that repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from api.content.dealer import Dealer
from api.content.finding import Finding, Severity, finding
from api.content.folding import Folded, folded
from api.store.content import Facts, Passage

FTC_FREE: Final = "16 CFR 251.1 (use of the word free)"
FTC_BAIT: Final = "16 CFR 238 (bait advertising)"
FTC_ACT: Final = "15 USC 45 (unfair or deceptive acts)"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` finds in folded text. `excuses` are what else it may stand in."""

    code: str
    severity: Severity
    pattern: re.Pattern[str]
    message: str
    source: str
    excuses: re.Pattern[str] | None = None


def _rule(
    code: str,
    severity: Severity,
    words: str,
    message: str,
    source: str,
    excuses: str | None = None,
) -> Rule:
    return Rule(
        code,
        severity,
        re.compile(rf"(?<!\w)(?:{words})(?!\w)"),
        message,
        source,
        None if excuses is None else re.compile(excuses),
    )


_RULES: Final = (
    _rule(
        "claim.superlative",
        "blocking",
        r"(?:the )?best(?! regards| wishes)|lowest|cheapest|greatest|finest|unbeatable|unmatched|"
        r"number one|no\. ?1|# ?1|nobody beats|can'?t be beat|second to none|top[- ]rated|"
        r"most (?:reliable|affordable|trusted|popular|fuel[- ]efficient|powerful|comfortable|safe)|"
        r"safest|"
        r"(?:el|la|los|las) mejor(?:es)?|mejor (?:precio|oferta|trato|auto|carro)|"
        r"(?:el|la) mas (?:barat[oa]|economic[oa]|confiable|segur[oa]|vendid[oa]|potente)|"
        r"insuperable|inigualable|numero uno|sin igual",
        "This compares with everything else there is, which cannot be shown to be so. Say what it "
        "is instead.",
        FTC_ACT,
        r"best (?:regards|wishes|time to|of luck)",
    ),
    _rule(
        "claim.guarantee",
        "blocking",
        r"guarantee[ds]?|guaranteeing|guaranteed approval|everyone(?:'s| is)? approved|"
        r"all credit approved|instant approval|pre[- ]?approved|no credit check|"
        r"bad credit ok(?:ay)?|no credit,? no problem|risk[- ]free|"
        r"garanti(?:a|as|zad[oa]s?|zamos)|aprobacion (?:garantizada|inmediata|instantanea)|"
        r"todos (?:son )?aprobados|sin revision de credito|sin verificar (?:el )?credito|"
        r"sin credito,? sin problema|mal credito,? no (?:hay )?problema|sin riesgo",
        "This promises what neither you nor the lender can promise everybody. Remove it, or state "
        "the terms of the guarantee in full elsewhere and override with the reason.",
        FTC_ACT,
    ),
    _rule(
        "claim.free",
        "blocking",
        r"free(?! of)|for nothing|no cost|at no charge|complimentary|zero cost|on the house|"
        r"gratis|gratuit[oa]s?|sin costo(?: alguno)?|sin cargo|de regalo",
        'Whatever must be bought for it is not "free" unless all conditions are set out beside the '
        "word. Name them, or leave the word out.",
        FTC_FREE,
        r"toll[- ]?free|hands?[- ]?free|smoke[- ]?free|care[- ]?free|rust[- ]?free|"
        r"free[- ]?flow\w*|free to (?:call|ask|stop|visit|come|reach|contact)|"
        r"maintenance[- ]free|free[- ]?way|feel free",
    ),
    _rule(
        "claim.bait",
        "blocking",
        r"below (?:cost|invoice)|under (?:cost|invoice)|at cost|below dealer cost|"
        r"we'?ll pay off your (?:loan|trade)|push,? pull,? (?:or )?(?:drag|tow)|"
        r"going out of business|liquidation|"
        r"por debajo (?:del? )?(?:costo|factura)|bajo (?:costo de )?factura|al costo|"
        r"pagamos su (?:deuda|prestamo)|liquidacion",
        "This draws people in with what can rarely be had or shown. Say the price instead.",
        FTC_BAIT,
    ),
    _rule(
        "claim.urgency",
        "blocking",
        r"today only|only today|last chance|final (?:hours?|days?)|hurry|act (?:now|fast)|"
        r"while (?:they|supplies) last|won'?t last|ends (?:soon|tonight|today|tomorrow)|"
        r"limited[- ]time|limited (?:offer|supply)|don'?t miss|before it'?s gone|one day only|"
        r"selling fast|almost gone|"
        r"solo (?:por )?hoy|ultima oportunidad|ultim[oa]s (?:horas|dias|unidades)|apurate|apurese|"
        r"dese prisa|hasta agotar existencias|por tiempo limitado|oferta limitada|"
        r"no te lo pierdas|no se lo pierda|se acaba (?:hoy|pronto|manana)",
        "Nothing in the facts says that time or stock is short. Name the last day of an offer "
        "that the facts hold, or leave it out.",
        FTC_ACT,
    ),
    _rule(
        "claim.history",
        "blocking",
        r"(?:no|zero|never had an?|without) accidents?|accident[- ]free|clean (?:title|carfax|"
        r"history)|one[- ]owner|single[- ]owner|1[- ]owner|never (?:smoked|crashed|wrecked)|"
        r"like new|mint condition|showroom condition|excellent condition|perfect condition|"
        r"runs (?:great|perfectly|like new)|no problems|nothing wrong|mechanic'?s? (?:checked|"
        r"inspected)|fully (?:inspected|serviced)|"
        r"sin accidentes|cero accidentes|titulo limpio|un solo dueno|unico dueno|como nuev[oa]|"
        r"(?:excelente|perfect[oa]|impecable) (?:estado|condicion(?:es)?)|sin problemas mecanicos",
        "The facts say nothing of the vehicle's history or condition. Remove it: the history "
        "report is the place for it.",
        "16 CFR 455.1 (used motor vehicles: misrepresenting condition)",
    ),
    _rule(
        "claim.warranty",
        "blocking",
        r"(?:full|lifetime|bumper[- ]to[- ]bumper|unlimited|extended|factory) warranty|"
        r"warranty included|covered by (?:a |the )?warranty|"
        r"garantia (?:completa|de por vida|extendida|de fabrica|incluida|total)",
        "The facts hold no warranty. Remove it, or have the warranty's terms at hand and override "
        "with the reason.",
        "16 CFR 455.2 and 15 USC 2302 (warranties)",
    ),
)


def wording(
    text: Sequence[Passage], read: Sequence[Folded], facts: Facts, dealer: Dealer
) -> Iterator[Finding]:
    """What of a text but its disclosure may not be said; `read` is it folded."""
    allowed = [folded(each).text for each in (dealer.name, *facts.features, facts.trim) if each]
    for at, (passage, each) in enumerate(zip(text, read, strict=True)):
        if passage.role == "disclosure":
            continue
        excused = [span for phrase in allowed for span in _spans(phrase, each.text)]
        for rule in _RULES:
            own = [m.span() for m in rule.excuses.finditer(each.text)] if rule.excuses else []
            for match in rule.pattern.finditer(each.text):
                if not _is_within(match.span(), [*excused, *own]):
                    yield finding(
                        rule.code,
                        rule.severity,
                        rule.message,
                        rule.source,
                        passage=at,
                        text=passage.text,
                        span=each.place(*match.span()),
                    )


def _spans(phrase: str, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(phrase), text)]


def _is_within(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)
