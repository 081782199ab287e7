"""Whether a text says only what the facts hold: each number in its role, each feature, each name.

A number must be the fact that its words make of it: the price as the price, the payment as the
payment. Names that the facts and the dealership hold themselves (a trim, an engine, an address) are
taken out first, so that what is in them is no claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.content import features, figures, numerals, phrases
from api.content.dealer import Dealer
from api.content.finding import Finding, finding
from api.content.folding import Folded, folded
from api.store.content import CopyLanguage, Facts, Passage

SOURCE: Final = "The vehicle's facts; 15 USC 45 (unfair or deceptive acts)"

Kind = Literal["money", "percent", "miles", "mpg", "months", "year", "number"]

_NUMBER: Final = re.compile(
    r"(?P<dollar>\$ ?|usd ?)?(?<![\w.])(?P<digits>\d+(?:[,.  ']\d+)*)(?P<k> ?k(?!\w))?"
    r"(?P<percent> ?%)?"
)
_AFTER: Final[dict[Kind, re.Pattern[str]]] = {
    "money": re.compile(r"^ ?(?:dollars?|bucks|dolares?|usd)(?!\w)"),
    "percent": re.compile(r"^ ?(?:percent|per cent|por ciento)(?!\w)"),
    "miles": re.compile(r"^[ -]?(?:original |actual |highway )?(?:miles?|mi|millas?)(?!\w)"),
    "mpg": re.compile(r"^[ -]?(?:mpg|miles per gallon|millas por galon)(?!\w)"),
    "months": re.compile(
        r"^[ -]?(?:months?|mos?|meses|mes|(?:easy |low )?(?:monthly )?payments|"
        r"pagos|mensualidades|cuotas)(?!\w)"
    ),
}
_BEFORE: Final[dict[Kind, re.Pattern[str]]] = {
    "mpg": re.compile(r"(?:mpg|fuel economy|rendimiento|galon)[^.;!?]{0,40}$"),
    "miles": re.compile(
        r"(?:odometer|mileage|miles|clock|odometro|millaje|kilometraje|millas)[^.;!?\d]{0,25}$"
    ),
    "money": re.compile(
        r"(?:price|priced at|listed at|asking|precio|cuesta|vale|por solo|yours for)"
        r"[^.;!?\d]{0,15}$"
    ),
}
_MONTHLY: Final = re.compile(r"month|/ ?mo\b|per mo\b|mensual|al mes|por mes|cuota|/ ?mes|weekly")
_DOWN: Final = re.compile(r"down|enganche|inicial|entrada")
_EACH: Final = re.compile(r"(?:payments of|pagos mensuales de) $")
_SIGNING: Final = re.compile(r"signing|delivery|firma|drive-?off")
_PRICE: Final = re.compile(r"price|precio|listed|asking|cost|cuesta|offered at|only at")
_CITY: Final = re.compile(r"city|town|ciudad")
_HIGHWAY: Final = re.compile(r"highway|hwy|carretera|autopista")
_YEARLY: Final = re.compile(r"year|annual|ano|anual")
_SHORT_YEAR: Final = re.compile(r"(?<![\w])'(\d\d)(?!\w)")
_PHONE: Final = re.compile(r"(?<!\w)\+?(?:\(?\d[\d\-.() ]{5,}\d)(?!\w)")
_ADDRESS: Final = re.compile(
    r"(?:https?://|www\.)\S+|(?<!\w)[a-z0-9.\-]+@[a-z0-9.\-]+|"
    r"(?<![\w@.])[a-z0-9\-]+\.(?:com|net|org|us|mx|io|co|biz|info|auto|cars)(?!\w)\S*"
)
_NEW: Final = {
    "en": re.compile(
        r"brand[- ]?new|(?:is|are|it's|stays) new(?!\w)|condition: new|new (?:car|vehicle|truck|"
        r"suv|sedan|van|from)|(?:^|[.!:] ?)new(?:,|!|\.)|(?:a|the|this) new(?= |\.|,|!|$)|"
        r"never (?:driven|owned|titled)|factory[- ]fresh"
    ),
    "es": re.compile(
        r"(?<!\w)(?:es|esta|condicion:|estado:) nuev[oa]|auto nuevo|carro nuevo|vehiculo nuevo|"
        r"totalmente nuev[oa]|completamente nuev[oa]|sin estrenar|para estrenar|"
        r"cero kilometros|de agencia|(?:^|[.!:] ?)nuev[oa](?:,|!|\.)|un [a-z]+ nuevo"
    ),
}
_USED: Final = {
    "en": re.compile(r"(?<!\w)(?:used(?! to)|pre-?owned|second[- ]hand)(?!\w)"),
    "es": re.compile(r"(?<!\w)(?:usad[oa]s?|semi-?nuev[oa]s?|de segunda mano)(?!\w)"),
}
_CERTIFIED: Final = re.compile(r"(?<!\w)(?:certified|cpo|certificad[oa]s?)(?!\w)")
_UNFOUNDED: Final = re.compile(
    r"(?<!\w)(?:(?:very |super |ultra )?low(?:[- ](?:miles?|mileage))|(?:few|hardly any) miles|"
    r"fuel[- ]efficient|gas[- ]?saver|great (?:mpg|gas mileage|fuel economy)|"
    r"(?:five|5)[- ]star|award[- ]winning|top safety pick|reliable|dependable|"
    r"garage[- ]kept|well[- ](?:kept|maintained|cared)|dealer[- ]maintained|"
    r"price (?:drop|cut|reduced)|reduced price|marked down|discount(?:ed)?|rebate|"
    r"on sale|save \$|savings|"
    r"poc[oa]s (?:millas|kilometros)|bajo (?:millaje|kilometraje|consumo)|ahorrador[a]?|"
    r"cinco estrellas|confiable|bien (?:cuidad|mantenid|conservad)[oa]|"
    r"rebajad[oa]|descuento|precio reducido|ahorre|ahorra)(?!\w)"
)
_COLOURS: Final = {
    "black": "negro negra",
    "white": "blanco blanca",
    "silver": "plateado plateada plata",
    "gray": "grey gris",
    "red": "rojo roja",
    "blue": "azul",
    "green": "verde",
    "brown": "cafe marron",
    "beige": "tan",
    "gold": "dorado dorada",
    "orange": "naranja anaranjado",
    "yellow": "amarillo amarilla",
    "purple": "morado morada",
    "burgundy": "vino guinda",
}
_COLOUR_CONTEXT: Final = re.compile(
    r"exterior|interior|paint|colou?r|finish|outside|inside|seats?|wears|dressed|pintura|"
    r"acabado|asientos|por (?:fuera|dentro)|viste"
)
_MAKES: Final = (
    "Acura|Alfa Romeo|Aston Martin|Audi|Bentley|BMW|Buick|Cadillac|Chevrolet|Chevy|Chrysler|"
    "Dodge|Ferrari|Fiat|Ford|Genesis|GMC|Honda|Hyundai|Infiniti|Jaguar|Jeep|Kia|Lamborghini|"
    "Land Rover|Lexus|Lincoln|Lucid|Maserati|Mazda|Mercedes|Mercedes-Benz|Mercury|Mini|"
    "Mitsubishi|Nissan|Oldsmobile|Polestar|Pontiac|Porsche|Ram|Rivian|Rolls-Royce|Saab|Saturn|"
    "Scion|Subaru|Suzuki|Tesla|Toyota|Volkswagen|Volvo"
)
_MODELS: Final = (
    "Accord|Altima|Avalon|Blazer|Bronco|Camaro|Camry|Cayenne|Cherokee|Civic|Corolla|Corvette|"
    "CR-V|CX-5|CX-9|CX-50|CX-90|Durango|Elantra|Equinox|Expedition|F-150|F-250|Forester|"
    "Grand Cherokee|Highlander|HR-V|Impreza|Jetta|Malibu|Maverick|Maxima|Mazda3|Model 3|Model S|"
    "Model X|Model Y|Mustang|Navigator|Odyssey|Outback|Palisade|Passat|Pathfinder|Prius|RAV4|"
    "Rogue|Sentra|Sienna|Sierra|Silverado|Sonata|Sorento|Sportage|Suburban|Tacoma|Tahoe|"
    "Telluride|Tiguan|Traverse|Tucson|Tundra|Versa|Wrangler|Yukon|4Runner"
)
_VEHICLE: Final = re.compile(rf"(?<![\w#])(?:{_MAKES}|{_MODELS})(?!\w)")
IMPLIED: Final = {
    "adaptive_cruise": ("cruise",),
    "wireless_carplay": ("apple_carplay",),
    "wireless_android": ("android_auto",),
    "panoramic": ("sunroof",),
    "heated_rear": ("heated_seats",),
    "plug_in": ("hybrid",),
    "bose": ("premium_audio",),
    "harman": ("premium_audio",),
    "jbl": ("premium_audio",),
    "burmester": ("premium_audio",),
    "climate": ("air_conditioning",),
    "cvt": ("automatic",),
}
"""Who has the one has the other, too."""


@dataclass(frozen=True, slots=True)
class _Number:
    kind: Kind
    value: float
    start: int
    end: int
    before: str
    after: str


def false_claims(
    text: Sequence[Passage], facts: Facts, dealer: Dealer, language: CopyLanguage
) -> list[Finding]:
    """What `text` states that `facts` do not. All of it blocks."""
    held = _Held(facts, dealer, language)
    return [each for at, passage in enumerate(text) for each in held.against(at, passage)]


class _Held:
    """What a vehicle's facts and its dealership let a text say."""

    def __init__(self, facts: Facts, dealer: Dealer, language: CopyLanguage) -> None:
        self._facts = facts
        self._dealer = dealer
        self._language = language
        own = [
            dealer.name,
            dealer.contact.phone,
            dealer.contact.address,
            dealer.contact.website,
            facts.vin,
            facts.stock_number,
            facts.make,
            facts.model,
            facts.trim,
            facts.engine,
            facts.transmission,
            facts.drivetrain,
            facts.exterior,
            facts.interior,
            facts.body,
            figures.name(facts, language),
            *(phrases.bank(language).word(each) for each in _common(facts)),
            *facts.features,
            *(features.translated(each, language) for each in facts.features),
        ]
        if facts.finance is not None:
            own.append(facts.finance.lender)
            if facts.finance.expires_on is not None:
                own.append(figures.day(facts.finance.expires_on, language))
        self._names = _any_of(folded(each).text for each in own if each)
        said = " ; ".join(
            [
                *facts.features,
                facts.engine,
                facts.transmission,
                facts.drivetrain,
                facts.fuel,
                facts.body,
                facts.trim,
                facts.interior,
            ]
        )
        codes = {each.feature.code for each in features.named(said)}
        codes |= {implied for code in codes for implied in IMPLIED.get(code, ())}
        self._features = codes
        self._colours = folded(f"{facts.exterior} {facts.interior} {said}").text
        self._vehicle = {w.lower() for w in f"{facts.make} {facts.model} {facts.trim}".split()}
        self._vehicle |= {facts.make.lower(), facts.model.lower()}

    def against(self, at: int, passage: Passage) -> Iterator[Finding]:
        read = folded(passage.text)
        bare = Folded(_blanked(read.text, self._names), read.origins)
        found = [
            *self._contacts(bare),
            *self._numbers(bare),
            *self._named(passage.text, bare),
            *self._condition(bare),
            *self._colour(bare),
            *self._other_vehicles(passage.text),
        ]
        told: list[tuple[int, int]] = []
        for rule, message, start, end in found:
            if rule != "claim.number" or not any(s <= start and end <= e for s, e in told):
                told.append((start, end))
                yield finding(
                    rule,
                    "blocking",
                    message,
                    SOURCE,
                    passage=at,
                    text=passage.text,
                    span=(start, end),
                )

    def _contacts(self, bare: Folded) -> Iterator[tuple[str, str, int, int]]:
        for match in _ADDRESS.finditer(bare.text):
            told = "This is not the dealership's address on the web: correct or remove it."
            yield "claim.contact", told, *bare.place(*match.span())
        for match in _PHONE.finditer(bare.text):
            digits = re.sub(r"\D", "", match[0])
            own = re.sub(r"\D", "", self._dealer.contact.phone)
            if 7 <= len(digits) <= 15 and not (own and own.endswith(digits[-10:])):
                told = "This is not the dealership's phone number: correct or remove it."
                yield "claim.contact", told, *bare.place(*match.span())

    def _numbers(self, bare: Folded) -> Iterator[tuple[str, str, int, int]]:
        for number in _numbers(bare.text, self._language):
            rule, allowed, what = self._allowed(number)
            if number.value not in allowed:
                quote = bare.text[number.start : number.end].strip()
                if allowed:
                    held = " or ".join(f"{each:,.10g}" for each in sorted(allowed))
                    told = f"{quote} is not {what}, which is {held}: correct it."
                else:
                    told = f"{quote}: the facts hold no {what}. Remove it."
                yield rule, told, *bare.place(number.start, number.end)

    def _allowed(self, number: _Number) -> tuple[str, set[float], str]:
        """The rule, what the number may be, and what that is called."""
        facts, offer = self._facts, self._facts.finance
        match number.kind:
            case "money":
                return self._amount(number)
            case "percent":
                held = None if offer is None or offer.apr_bp is None else offer.apr_bp / 100
                return "claim.rate", _set(held), "the annual percentage rate"
            case "miles":
                yearly = offer is not None and _YEARLY.search(number.after) is not None
                if offer is not None and yearly:
                    return "claim.miles", _set(offer.annual_miles), "the lease's miles a year"
                return "claim.mileage", _set(facts.mileage), "the mileage"
            case "mpg":
                return self._economy(number)
            case "months":
                held = None if offer is None else offer.term_months
                return "claim.term", _set(held), "the term in months"
            case "year":
                return "claim.year", {float(facts.year)}, "the model year"
            case _:
                return "claim.number", set(), "such number"

    def _amount(self, number: _Number) -> tuple[str, set[float], str]:
        """By the words behind it, else before it, else the price."""
        facts, offer = self._facts, self._facts.finance
        if offer is not None and _EACH.search(number.before):
            return "claim.payment", _dollars(offer.monthly_cents), "the monthly payment"
        for words in (number.after, number.before):
            if offer is not None or not _PRICE.search(words):
                if _MONTHLY.search(words):
                    held = None if offer is None else offer.monthly_cents
                    return "claim.payment", _dollars(held), "the monthly payment"
                if _SIGNING.search(words):
                    held = None if offer is None else offer.due_at_signing_cents
                    return "claim.signing", _dollars(held), "the total due at signing"
                if _DOWN.search(words):
                    held = None if offer is None else offer.down_cents
                    return "claim.down", _dollars(held), "the down payment"
            if _PRICE.search(words):
                break
        return "claim.price", _dollars(facts.price_cents), "the price"

    def _economy(self, number: _Number) -> tuple[str, set[float], str]:
        city, highway = self._facts.mpg_city, self._facts.mpg_highway
        for words in (number.after, number.before):
            if _CITY.search(words):
                return "claim.economy", _set(city), "the mpg rating in the city"
            if _HIGHWAY.search(words):
                return "claim.economy", _set(highway), "the mpg rating on the highway"
        return "claim.economy", _set(city) | _set(highway), "an mpg rating"

    def _named(self, text: str, bare: Folded) -> Iterator[tuple[str, str, int, int]]:
        for each in features.named(bare.text):
            if each.feature.code not in self._features:
                name = each.feature.names[self._language][0]
                told = f"The facts hold no {name}: remove it, or add it to the vehicle's features."
                yield "claim.feature", told, *bare.place(each.start, each.end)
        for match in _UNFOUNDED.finditer(bare.text):
            told = "The facts hold nothing that this could be shown by: remove it."
            yield "claim.unfounded", told, *bare.place(*match.span())

    def _condition(self, bare: Folded) -> Iterator[tuple[str, str, int, int]]:
        condition = self._facts.condition
        checks = [
            (_NEW[self._language], condition != "new", "new"),
            (_USED[self._language], condition == "new", "used"),
            (_CERTIFIED, condition != "certified", "certified"),
        ]
        for pattern, is_false, word in checks:
            for match in pattern.finditer(bare.text) if is_false else ():
                told = f"The vehicle is {condition}, not {word}: correct it."
                yield "claim.condition", told, *bare.place(*match.span())

    def _colour(self, bare: Folded) -> Iterator[tuple[str, str, int, int]]:
        for match in _COLOUR.finditer(bare.text):
            near = bare.text[max(0, match.start() - 25) : match.end() + 25]
            names = _SAME_COLOUR[match[0]]
            if _COLOUR_CONTEXT.search(near) and not any(n in self._colours for n in names):
                told = "This is not a color that the facts hold: correct or remove it."
                yield "claim.colour", told, *bare.place(*match.span())

    def _other_vehicles(self, text: str) -> Iterator[tuple[str, str, int, int]]:
        own = {self._dealer.name, *self._facts.features, self._facts.engine, self._facts.make}
        blank = _blanked(text, _any_of(each for each in own if each))
        for match in _VEHICLE.finditer(blank):
            if match[0].lower() not in self._vehicle:
                told = "This names another vehicle than this project's: remove it."
                yield "claim.vehicle", told, match.start(), match.end()


def _common(facts: Facts) -> tuple[str, ...]:
    """What copy writes in common words of its language."""
    return (facts.exterior, facts.interior, facts.body, facts.transmission)


def _numbers(text: str, language: CopyLanguage) -> Iterator[_Number]:
    """Each number in folded text, as what its neighbours make it."""
    found: list[tuple[int, int, float, str, bool, bool]] = []
    for match in _NUMBER.finditer(text):
        value = _value(match["digits"])
        if match["k"]:
            value *= 1_000
        found.append(
            (
                match.start(),
                match.end(),
                value,
                match["digits"],
                bool(match["dollar"]),
                bool(match["percent"]),
            )
        )
    for start, end, words in numerals.spelled(text, language):
        found.append((start, end, words, "", False, False))
    for short in _SHORT_YEAR.finditer(text):
        found = [each for each in found if not short.start() <= each[0] < short.end()]
        year = 2000 + int(short[1]) if int(short[1]) < 60 else 1900 + int(short[1])
        found.append((short.start(), short.end(), year, str(year), False, False))
    found.sort()
    for place, (start, end, value, digits, has_dollar, has_percent) in enumerate(found):
        last = found[place - 1][1] if place else 0
        following = found[place + 1][0] if place + 1 < len(found) else len(text)
        before = re.split(r"[.;!?\n]", text[max(last, start - 40) : start])[-1]
        after = re.split(r"[.;!?\n]", text[end : min(following, end + 30)])[0]
        kind = _kind(value, digits, before, after, has_dollar=has_dollar, has_percent=has_percent)
        yield _Number(kind, value, start, end, before, after)


def _kind(
    value: float, digits: str, before: str, after: str, *, has_dollar: bool, has_percent: bool
) -> Kind:
    if has_dollar:
        return "money"
    if has_percent:
        return "percent"
    for kind, pattern in _AFTER.items():
        if pattern.search(after):
            return kind
    if re.match(r" (?:city|highway|en ciudad|en carretera)(?!\w)", after):
        return "mpg"
    if digits.isdigit() and len(digits) == 4 and 1900 <= value <= 2100:
        return "year"
    for kind, pattern in _BEFORE.items():
        if pattern.search(before):
            return kind
    return "money" if value >= 1_000 else "number"


def _value(digits: str) -> float:
    """``24,995`` and ``24.995`` are the same; ``5.9`` and ``389.50`` are not whole."""
    parts = re.split(r"[,.  ']", digits)
    marks = re.findall(r"[,.  ']", digits)
    if marks and marks[-1] in ".," and len(parts[-1]) != 3:
        return float(f"{''.join(parts[:-1])}.{parts[-1]}")
    return float("".join(parts))


def _blanked(text: str, names: re.Pattern[str] | None) -> str:
    if names is None:
        return text
    return names.sub(lambda match: "~" * len(match[0]), text)


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(set(names), key=len, reverse=True)
    if not longest_first:
        return None
    return re.compile(rf"(?<![\w$])(?:{'|'.join(map(re.escape, longest_first))})(?![\w%])")


def _set(value: float | None) -> set[float]:
    return set() if value is None else {float(value)}


def _dollars(cents: int | None) -> set[float]:
    return set() if cents is None else {cents / 100}


_SAME_COLOUR: Final = {
    word: (english, *others.split())
    for english, others in _COLOURS.items()
    for word in (english, *others.split())
}
_COLOUR: Final = re.compile(rf"(?<!\w)(?:{'|'.join(_SAME_COLOUR)})(?!\w)")
