"""Copy from a vehicle's facts: sentences of the phrase bank, arranged for a platform.

It says what the facts hold and nothing else. An offer is stated only with all its disclosures, and
only where it is whole, makes sense and has not expired (`credit.is_offered`). What does not fit a
platform's limits is left out, the least telling first; no sentence is cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from api.content import channels, compliance, features, figures, phrases
from api.content.channels import Channel
from api.content.credit import is_offered
from api.content.dealer import Dealer
from api.content.disclosures import disclosures
from api.content.phrases import Bank, Draw, Sentence, initial
from api.store.content import Brief, CopyLanguage, Facts, Passage, Role

LEAST_SHOT_S: Final = 3
_LEAST_TELLING: Final = (
    "more",
    "economy",
    "power",
    "opening",
    "website",
    "address",
    "invite",
    "look",
    "hashtags",
    "features",
    "miles",
    "terms",
    "equipment",
    "price",
    "phone",
    "ask",
)
"""Slots in the order in which they give way."""
_INSTEAD: Final = {
    "intro": "bare",
    "look": "look.inside",
    "subject": "subject.plain",
    "preheader": "preheader.plain",
    "headline": "headline.plain",
}
"""Slots to look into where the facts or the room are too little for those of a slot."""
_DETAILS: Final = ("look", "power", "miles", "economy")
_IN_A_SENTENCE: Final = 4
"""Features that a sentence names at most,"""
_CHARACTERS: Final = 160
"""and their characters in all."""


@dataclass(frozen=True, slots=True)
class Written:
    """`templates` are the ids of the phrases, in order."""

    text: tuple[Passage, ...]
    templates: tuple[str, ...]


def write(facts: Facts, brief: Brief, dealer: Dealer, today: date, seed: int = 0) -> Written:
    """A whole text. `today` tells whether an offer still stands; another `seed` is another text."""
    draft = _Draft(facts, brief, dealer, today, seed)
    written = draft.written()
    for slot in _LEAST_TELLING:
        if not channels.breaches(brief.platform, written.text):
            return written
        draft.left_out.add(slot)
        written = draft.written()
    if channels.breaches(brief.platform, written.text):
        draft.name_the_vehicle_alone()
        written = draft.written()
    return written


class _Draft:
    """A text in the making: the order of its slots, and the sentence that each of them got."""

    def __init__(self, facts: Facts, brief: Brief, dealer: Dealer, today: date, seed: int) -> None:
        self.left_out: set[str] = set()
        self._facts = facts
        self._brief = brief
        self._channel = channels.channel_of(brief.platform)
        self._bank = phrases.bank(brief.language)
        self._key = f"{facts.vin}|{seed}|{brief.platform}"
        self._values = _values(facts, brief.language, dealer, self._channel, self._bank)
        self._disclosure = ""
        if self._channel.terms and is_offered(facts, today):
            self._disclosure = disclosures(facts, brief.language, dealer.name)
        draw = Draw(self._key)
        self._features = draw.shuffled(_sayable(facts, brief.language, dealer, today))
        self._named = 2 + draw(_IN_A_SENTENCE - 1)
        self._details = draw.shuffled(_DETAILS)
        self._is_equipment_first = draw(2) == 0
        self._is_price_first = draw(2) == 0
        self._is_website_told = draw(2) == 0
        self._sentences: dict[str, Sentence | None] = {}
        self._used: list[str] = []

    def name_the_vehicle_alone(self) -> None:
        """Without its trim and the dealership's name, for the longest of names."""
        bare = self._facts.model_copy(update={"trim": ""})
        self._values = {"vehicle": figures.name(bare, self._brief.language)}
        self._sentences.clear()

    def written(self) -> Written:
        self._used = []
        passages = {
            "social": self._social,
            "email": self._email,
            "print": self._print,
            "video": self._video,
        }[self._channel.type]()
        text = tuple(each for each in passages if each.text)
        return Written(text, tuple(self._used))

    # the kinds of text

    def _social(self) -> Iterator[Passage]:
        if self._brief.platform == "x":
            yield Passage(role="body", text=self._said("intro", "price", "equipment"))
        else:
            yield Passage(role="body", text="\n\n".join(self._story()))
        yield self._call()
        yield Passage(role="disclosure", text=self._disclosed())
        yield Passage(role="hashtags", text=self._hashtags())

    def _email(self) -> Iterator[Passage]:
        for role in ("subject", "preheader", "headline"):
            yield self._line(role)
        for paragraph in self._story():
            yield Passage(role="body", text=paragraph)
        yield self._list()
        yield self._call()
        yield Passage(role="disclosure", text=self._disclosed())

    def _print(self) -> Iterator[Passage]:
        yield self._line("headline")
        if self._brief.platform == "window":
            yield Passage(role="body", text=self._said("intro", *self._details, "price"))
        else:
            yield Passage(role="body", text="\n\n".join(self._story()))
        yield self._list()
        yield self._call()
        yield Passage(role="disclosure", text=self._disclosed())

    def _video(self) -> Iterator[Passage]:
        told = [*self._details, "equipment", "more"]
        if self._brief.platform == "reel":
            told = [*self._details[:2], "equipment"]
        for slot in ("opening", "intro", *told, "price", "terms", "invite"):
            yield self._shot(slot)
        yield self._shot("call", *self._contacts())
        text = self._disclosed()
        seconds = math.ceil(len(text.split()) / channels.WORDS_PER_S)
        yield Passage(role="disclosure", text=text, seconds=max(LEAST_SHOT_S, seconds))

    def _story(self) -> list[str]:
        """Paragraphs: which vehicle, what is known of it, what it costs, an invitation."""
        facts = [self._details, ["equipment", "more"]]
        if self._is_equipment_first:
            facts.reverse()
        begin, end = ["opening", "intro"], ["price", "terms", "invite"]
        if self._is_price_first and not self._disclosure:
            begin, end = [*begin, "price"], ["invite"]
        paragraphs = (self._said(*slots) for slots in (begin, *facts, end))
        return [each for each in paragraphs if each]

    # passages

    def _line(self, role: Role) -> Passage:
        """A subject, a headline or the like."""
        return Passage(role=role, text=self._said(role))

    def _list(self) -> Passage:
        """Features, each on a line, as many as there is room for."""
        lines: list[str] = []
        left = 0 if "features" in self.left_out else self._channel.roles["features"]
        for each in sorted(self._features, key=str.casefold):
            if len(each) < left:
                lines.append(initial(each))
                left -= len(each) + 1
        return Passage(role="features", text="\n".join(lines))

    def _call(self) -> Passage:
        lines = [self._said(slot) for slot in self._contacts()]
        return Passage(role="call", text="\n".join(filter(None, lines)))

    def _contacts(self) -> list[str]:
        """A way or two to reach the dealership; an address of the web is not spoken if need not
        be."""
        others = ["website", "address"] if self._is_website_told else ["address", "website"]
        if self._channel.type == "video":
            others = ["address", "website"]
        known = [each for each in ("phone", *others) if each in self._values]
        known = [each for each in known if each not in self.left_out]
        return known[: 1 if self._brief.platform == "x" else 2] or ["ask"]

    def _shot(self, scene: str, *slots: str) -> Passage:
        text = self._said(*(slots or (scene,)))
        if not text:
            return Passage(role="shot", text="")
        shown = self._sentence(f"shows.{scene}")
        shows = "" if shown is None else self._use(shown)
        seconds = max(LEAST_SHOT_S, math.ceil(channels.spoken_seconds(text)))
        return Passage(role="shot", text=text, shows=shows, seconds=seconds)

    def _disclosed(self) -> str:
        return "" if "terms" in self.left_out else self._disclosure

    def _hashtags(self) -> str:
        if "hashtags" in self.left_out or not self._channel.hashtags:
            return ""
        facts = self._facts
        generic = self._bank.sentences("hashtags", self._brief, {}, self._key)
        tags = [_hashtag(facts.make, facts.model), _hashtag(facts.make)]
        tags += [self._use(each) for each, _ in zip(generic, range(2), strict=False)]
        return " ".join(list(dict.fromkeys(filter(None, tags)))[: self._channel.hashtags])

    # sentences

    def _said(self, *slots: str) -> str:
        found = (self._sentence(slot) for slot in slots)
        return " ".join(self._use(each) for each in found if each is not None)

    def _use(self, sentence: Sentence) -> str:
        self._used.append(sentence.phrase)
        return sentence.text

    def _sentence(self, slot: str) -> Sentence | None:
        """The first that fits: the same one however often it is asked for."""
        if slot in self.left_out:
            return None
        if slot not in self._sentences:
            self._sentences[slot] = self._chosen(slot)
        return self._sentences[slot]

    def _chosen(self, slot: str) -> Sentence | None:
        values, of = self._values, slot
        if slot in ("equipment", "more"):
            if not (names := self._names(slot)):
                return None
            values = {**values, "features": names}
        if slot == "terms":
            if not self._disclosure or self._facts.finance is None:
                return None
            is_spoken = self._channel.type == "video"
            of = self._facts.finance.kind + (".spoken" if is_spoken else "")
        most = self._channel.roles.get(slot)  # type: ignore[call-overload]
        for place in (of, _INSTEAD.get(slot, "")):
            for sentence in self._bank.sentences(place, self._brief, values, self._key):
                if most is None or len(sentence.text) <= most:
                    return sentence
        return None

    def _names(self, slot: str) -> str:
        """The features that one sentence names; those of "more" are others."""
        begin = 0 if slot == "equipment" else self._named
        names: list[str] = []
        for each in self._features[begin : begin + self._named]:
            if len(self._bank.listed([*names, each])) <= _CHARACTERS:
                names.append(each)
        return self._bank.listed(names)


def _sayable(facts: Facts, language: CopyLanguage, dealer: Dealer, today: date) -> list[str]:
    """Features by their names in sentences, each once, without those that say what advertising may
    not: a listing's "features" can be "free maintenance" or "0% APR"."""
    spelled = {each.casefold(): each for each in (_spelled(f, language) for f in facts.features)}
    names = list(spelled.values())
    passages = [Passage(role="features", text=each) for each in names]
    found = compliance.check("social", passages, facts, language, dealer, today)
    refused = {each.passage for each in found if each.severity == "blocking"}
    return [each for at, each in enumerate(names) if at not in refused]


def _spelled(feature: str, language: CopyLanguage) -> str:
    """A known feature in small letters where it is no name; others as they stand."""
    known = features.recognized(feature)
    own = () if known is None else known.names[language]
    same = (name for name in own if _bare(name) == _bare(feature))
    return next(same, features.translated(feature, language))


def _bare(name: str) -> str:
    return name.casefold().replace("-", " ")


def _values(
    facts: Facts, language: CopyLanguage, dealer: Dealer, channel: Channel, bank: Bank
) -> dict[str, str]:
    """What phrases may name, by the names they use; what is not known is not there."""
    powertrain = (facts.engine, facts.transmission, facts.drivetrain)
    contact = dealer.contact
    found: dict[str, str | None] = {
        "vehicle": figures.name(facts, language),
        "model": f"{facts.make} {facts.model}",
        "kind": bank.kinds[facts.condition],
        "dealer": dealer.name,
        "exterior": bank.word(facts.exterior),
        "interior": bank.word(facts.interior),
        "body": bank.word(facts.body),
        "powertrain": ", ".join(bank.word(each) for each in powertrain if each),
        "mileage": None if facts.mileage is None else figures.miles(facts.mileage, language),
        "price": None if facts.price_cents is None else figures.money(facts.price_cents),
        "mpg_city": None if facts.mpg_city is None else str(facts.mpg_city),
        "mpg_highway": None if facts.mpg_highway is None else str(facts.mpg_highway),
        "phone": contact.phone if channel.phones else None,
        "website": contact.website,
        "address": contact.address,
        **_terms(facts, language),
    }
    known = {name: value for name, value in found.items() if value}
    if channel.type == "social":
        # A number sign in a name would make a hashtag of it.
        known = {name: value.replace("#", "") for name, value in known.items()}
    return known


def _terms(facts: Facts, language: CopyLanguage) -> dict[str, str | None]:
    finance = facts.finance
    if finance is None:
        return {}
    amounts = {
        "monthly": finance.monthly_cents,
        "down": finance.down_cents,
        "due": finance.due_at_signing_cents,
    }
    months, rate = finance.term_months, finance.apr_bp
    return {
        **{name: None if each is None else figures.money(each) for name, each in amounts.items()},
        "term": None if months is None else figures.months(months, language),
        "apr": None if rate is None else figures.percent(rate),
    }


def _hashtag(*names: str) -> str:
    """``#HondaCivic``; nothing for names without letters."""
    bare = "".join(c for name in names for c in name if c.isalnum())
    return f"#{bare}" if any(map(str.isalpha, bare)) else ""
