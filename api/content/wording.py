"""Words that advertising for vehicles may not use, or not like that: each with its source.

What the facts or the dealership's name themselves say is not held against a text that repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from api.content.dealer import Dealer
from api.content.finding import Finding, finding
from api.content.folding import Folded, folded
from api.store.content import Facts, Passage

FTC_ACT: Final = "15 USC 45 (unfair or deceptive acts)"
_FTC_GUARANTEE: Final = "16 CFR 239 (advertising of warranties and guarantees)"
_FTC_FREE: Final = "16 CFR 251.1 (use of the word free)"
_FTC_BAIT: Final = "16 CFR 238 (bait advertising)"
_FTC_PRICING: Final = "16 CFR 233 (deceptive pricing)"
_FTC_USED: Final = "16 CFR 455.1 (used motor vehicles: misrepresenting condition)"


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` finds in folded text. `excuses` are what else it may stand in."""

    code: str
    pattern: re.Pattern[str]
    excuses: re.Pattern[str] | None
    message: str
    source: str


def _any(words: Sequence[str]) -> re.Pattern[str]:
    """Any of `words`, patterns in which a hyphen may stand for a space."""
    together = "|".join(words).replace(" ", "[ -]")
    return re.compile(rf"(?<!\w)(?:{together})(?!\w)")


def _rule(
    code: str, source: str, message: str, words: Sequence[str], excuses: Sequence[str] = ()
) -> Rule:
    return Rule(code, _any(words), _any(excuses) if excuses else None, message, source)


_RULES: Final = (
    _rule(
        "claim.superlative",
        FTC_ACT,
        "This compares with everything else there is, which cannot be shown to be so. Say what it "
        "is instead.",
        (
            r"the best|best(?= [a-z])",
            r"lowest|cheapest|greatest|finest|safest|nicest|unbeatable|unmatched|unrivall?ed",
            r"number one|no\. ?1|# ?1|second to none|top rated",
            r"(?:nobody|no one|no other dealer) (?:can )?beats?",
            r"(?:can't|cannot) be beat(?:en)?",
            r"most (?:reliable|affordable|trusted|popular|fuel efficient|powerful|comfortable|safe|"
            r"economical|advanced|luxurious)",
            r"(?:el|la|los|las|lo) mejor(?:es)?",
            r"mejor(?:es)? (?:precios?|ofertas?|tratos?|autos?|carros?)",
            r"(?:el|la|los|las) mas (?:barat|economic|segur|vendid|modern|comod)[oa]s?",
            r"(?:el|la|los|las) mas (?:confiable|potente|popular)s?",
            r"insuperables?|inigualables?|imbatibles?|numero uno|sin igual|sin rival",
        ),
        (
            r"(?:the )?best (?:regards|wishes|time|times|day|way|of luck|reached|suit(?:s|ed))",
            r"(?:do|does|doing|did|try) (?:my|our|your|their) best",
            r"(?:suit|fit|work|match)(?:s|es)? (?:you|your (?:\w+ ){1,2}?)(?:the )?best",
            r"what (?:works|fits) best",
            r"a lo mejor",
            r"la mejor (?:manera|forma|hora)",
        ),
    ),
    _rule(
        "claim.guarantee",
        _FTC_GUARANTEE,
        "This promises what neither you nor the lender can promise everybody. Remove it, or set "
        "out what is guaranteed, by whom and on what terms, and override with the reason.",
        (
            r"guarantee[ds]?|guaranteeing|risk free",
            r"(?:everyone|everybody|all credit|all applications?)(?:'s| is| are| gets)? "
            r"(?:approved|accepted)",
            r"(?:instant|automatic) (?:credit )?approval",
            r"you(?:'re| are)(?: already)? (?:pre ?)?approved",
            r"no credit checks?|bad credit (?:is )?(?:ok(?:ay)?|fine|welcome)",
            r"(?:bad|no) credit\W{1,3}no problem",
            r"garantizad[oa]s?|garantiza(?:n|mos)?",
            r"aprobacion (?:inmediata|instantanea|automatica|segura)",
            r"tod[oa]s (?:son |quedan )?aprobad[oa]s",
            r"sin (?:revision de|revisar (?:el|su)|verificar (?:el|su)) credito",
            r"(?:mal|sin) credito\W{1,3}(?:no (?:es|hay) |sin )?problema",
            r"sin riesgo",
        ),
        (
            r"(?:not|no|cannot be|can't be|isn't|aren't|never) guarantee[ds]?",
            r"(?:cannot|can't|do not|don't) guarantee",
            r"no (?:se |esta |es |podemos )?garantiza(?:d[oa]|n|mos|r)?",
        ),
    ),
    _rule(
        "claim.free",
        _FTC_FREE,
        'Whatever must be bought for it is not "free" unless all conditions are set out beside the '
        "word. Name them, or leave the word out.",
        (
            r"free|for nothing|complimentary|on the house",
            r"(?:no|zero|without|at no) (?:extra |additional )?(?:cost|charge)|cost free",
            r"gratis|gratuit[oa]s?|gratuitamente|de regalo",
            r"sin (?:ningun )?(?:costo|coste|cargo)(?: alguno| adicional)?|cero costo",
        ),
        (
            r"(?!cost)[a-z']+-free|(?:toll|hands|smoke|care|rust|maintenance) free",
            r"free (?:flow|standing|range|wheel|spirit|roam)\w*|free to|feel free",
            r"free (?:time|hour|afternoon|evening|day|weekend|moment|minute|saturday|sunday)s?",
            r"free of (?!charge|cost)\w+|free from \w+",
        ),
    ),
    _rule(
        "claim.bait",
        _FTC_BAIT,
        "This draws people in with what can rarely be had or shown. Say the price instead.",
        (
            r"(?:below|under|beneath) (?:dealer |our )?(?:cost|invoice)|at (?:dealer )?cost",
            r"we'?ll pay off your (?:loan|lease|trade)",
            r"push,? pull,? (?:or )?(?:drag|tow)",
            r"going out of business|liquidations?|giveaway",
            r"(?:por )?debajo (?:del? )?(?:costo|factura)|bajo (?:costo de )?factura",
            r"a(?:l)? (?:precio de )?costo",
            r"pagamos su (?:deuda|prestamo)|liquidacion|remate",
        ),
    ),
    _rule(
        "claim.former_price",
        _FTC_PRICING,
        "A saving is one from a price that was really asked for a while, and the facts hold none "
        "but today's. State the price alone, or override with that price and when it was asked.",
        (
            r"(?:was|were|regularly|formerly|originally|reg\.?) (?:only |priced at )?\$ ?\d[\d,.]*",
            r"sav(?:e|ings?)(?: of)?(?: up to| over| an extra| big)? (?:\$ ?\d[\d,.]*|\d+ ?%)",
            r"sav(?:e|ings?) (?:big|thousands|hundreds)",
            r"(?:\$ ?\d[\d,.]*|\d+ ?%|\w+ dollars) off",
            r"(?:off|below|under) (?:the )?(?:msrp|sticker|list|market|book value|kbb|retail)",
            r"discount(?:s|ed)?|marked down|price (?:cut|drop|reduction)|reduced price|rebates?",
            r"antes(?: a)?:? ?\$ ?\d[\d,.]*",
            r"ahorr(?:e|a|o|os|en)(?: de)?(?: hasta| mas de)? (?:\$ ?\d[\d,.]*|\d+ ?%|miles)",
            r"descuentos?|rebajad[oa]s?|rebajas?|reembolsos?",
        ),
    ),
    _rule(
        "claim.urgency",
        FTC_ACT,
        "Nothing in the facts says that time or stock is short. Name the last day of an offer "
        "that the facts hold, or leave it out.",
        (
            r"today only|only today|one day only|last chance|final (?:hours?|days?)",
            r"hurry|act (?:now|fast|today)|don't (?:wait|miss (?:out|it|this))",
            r"while (?:they|supplies|stock) lasts?|won't last|will not last",
            r"(?:ends|ending|expires) (?:soon|tonight|today|tomorrow)",
            r"limited (?:time|offer|supply)|before it's gone|selling fast|almost gone|going fast",
            r"only \w+ left",
            r"solo (?:por )?hoy|ultima oportunidad|ultim[oa]s (?:horas|dias|unidades)",
            r"apurate|apurese|apresurese|apresurate|dese prisa|date prisa|no esperes?(?: mas)?",
            r"hasta agotar existencias|por tiempo limitado|tiempo limitado|oferta limitada",
            r"no (?:te lo pierdas|se lo pierda)|se acaba (?:hoy|pronto|manana)",
        ),
        (
            r"(?:no|any|without|in a|the) hurry|(?:no|don't|not) (?:need )?(?:to )?hurry",
            r"while (?:they|stock) last (?:saw|went|came)",
        ),
    ),
    _rule(
        "claim.history",
        _FTC_USED,
        "The facts say nothing of the vehicle's history or condition. Remove it: the history "
        "report is the place for it.",
        (
            r"(?:no|zero|never had an?|without) (?:prior |reported )?accidents?|accident free",
            r"(?:clean|clear) (?:title|carfax|autocheck|history)",
            r"(?:one|single|1) (?:previous )?owner|never (?:smoked|crashed|wrecked|damaged)",
            r"like new|as new|as good as new|mechanically (?:sound|perfect)",
            r"(?:mint|showroom|excellent|perfect|pristine|immaculate|flawless|great|good|top) "
            r"(?:condition|shape)",
            r"pristine|immaculate|flawless|runs (?:great|perfectly|like new|well)",
            r"no problems|nothing wrong|well (?:maintained|cared for|kept)|garage kept",
            r"(?:mechanic|dealer|fully|professionally)(?:'s)? (?:checked|inspected|serviced)",
            r"(?:sin|cero|ningun) (?:accidentes?|choques?)|nunca chocad[oa]",
            r"titulo limpio|historial limpio|(?:un (?:solo|unico)|unico) dueno",
            r"como nuev[oa]s?|(?:bien|muy) cuidad[oa]|sin problemas mecanicos",
            r"(?:excelentes?|perfect[oa]s?|impecables?|buen(?:as?)?|optim[oa]s?) "
            r"(?:estado|condicion(?:es)?)|impecable",
        ),
        (r"como nuev[oa]s? (?:client|propietari|duen|conductor|comprador)\w+",),
    ),
    _rule(
        "claim.warranty",
        "16 CFR 455.2 and 15 USC 2302 (warranties)",
        "The facts hold no warranty. Remove it, or have the warranty's terms at hand and override "
        "with the reason.",
        (
            r"(?:full|lifetime|bumper to bumper|unlimited|extended|factory|limited|powertrain|"
            r"\d+ (?:year|month|day)) warranty",
            r"warranty (?:is )?included",
            r"(?:covered by|with|includes|comes with) (?:a |the )?warranty",
            r"(?:con |incluye )?garantia (?:completa|de por vida|extendida|de fabrica|incluida|"
            r"total|limitada|de \d+ (?:anos?|meses|dias))",
            r"con garantia|incluye garantia",
        ),
    ),
)
_FIRM: Final = _any([r"limited (?:time|offer)|(?:por )?tiempo limitado|oferta limitada"])
_LAST_DAY: Final = _any(
    [r"today only|only today|(?:ends|ending|expires) (?:tonight|today)|solo (?:por )?hoy|hoy"]
)


def wording(
    text: Sequence[Passage], read: Sequence[Folded], facts: Facts, dealer: Dealer, today: date
) -> Iterator[Finding]:
    """What of a text may not be said; `read` is it folded, without its disclosures."""
    names = [dealer.name, dealer.contact.address, dealer.contact.website, facts.make, facts.model]
    names += [facts.trim, *(each for each in facts.features if " " in each or "-" in each)]
    own = re.compile(
        "|".join(rf"(?<!\w){re.escape(folded(each).text)}(?!\w)" for each in names if each)
    )
    for at, (passage, each) in enumerate(zip(text, read, strict=True)):
        said = [match.span() for match in own.finditer(each.text)]
        for rule in _RULES:
            excused = said + _excused(rule, each.text, facts, today)
            for match in rule.pattern.finditer(each.text):
                if not _is_within(match.span(), excused):
                    yield finding(
                        rule.code,
                        "blocking",
                        rule.message,
                        rule.source,
                        passage=at,
                        text=passage.text,
                        span=each.place(*match.span()),
                    )


def _excused(rule: Rule, text: str, facts: Facts, today: date) -> list[tuple[int, int]]:
    """Where `rule` does not hold. An offer with a last day is one for a limited time."""
    patterns = [rule.excuses]
    ends = facts.finance.expires_on if facts.finance else None
    if rule.code == "claim.urgency" and ends is not None and ends >= today:
        patterns += [_FIRM, _LAST_DAY if ends == today else None]
    return [match.span() for each in patterns if each for match in each.finditer(text)]


def _is_within(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)
