"""What the law, and honesty, ask of advertising for vehicles: each rule finds, explains and cites.

The rules look at the text as it would be read: capitals, accents, look-alike letters, and spaces or
hyphens put between letters make no difference (`folding`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from api.content import channels
from api.content.credit import credit, offer
from api.content.dealer import Dealer
from api.content.finding import Finding, finding
from api.content.folding import Folded, folded, spelled
from api.content.wording import FTC_ACT, wording
from api.store.content import ContentType, CopyLanguage, Facts, Passage

FTC_ONLINE: Final = "FTC .com Disclosures (2013): clear and conspicuous"
CAN_SPAM: Final = "15 USC 7704(a) (CAN-SPAM)"
_DATE: Final = re.compile(
    r"(?<![\d/])(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4}|\d{2})(?![\d/])|"
    r"(?<!\d)(?P<iy>\d{4})-(?P<im>\d{2})-(?P<id>\d{2})(?!\d)|"
    r"(?P<em>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.? (?P<ed>\d{1,2})"
    r"(?:st|nd|rd|th)?(?!\d)(?:,? (?P<ey>\d{4}))?|"
    r"(?<!\d)(?P<sd>\d{1,2})(?: de)? (?P<sm>enero|febrero|marzo|abril|mayo|junio|julio|agosto|"
    r"septiembre|setiembre|octubre|noviembre|diciembre)(?:(?: de| del)? (?P<sy>\d{4}))?"
)
_ENGLISH: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
_SPANISH: Final = "enefebmarabrmayjunjulagosepoctnovdic"
"""Months by their first three letters."""
_BEGAN: Final = re.compile(r"(?:since|founded|established|opened|desde|fundad[oa])[^.]*$")
_ENDS: Final = re.compile(
    r"(?:until|till|through|thru|ends?|by|expires?|hasta|vence|termina)[^.]*$"
)
_REPLY: Final = re.compile(r"^\s*(?:re|fw|fwd|rv|reenv)\s*:")


def check(
    type_: ContentType,
    text: Sequence[Passage],
    facts: Facts,
    language: CopyLanguage,
    dealer: Dealer,
    today: date,
) -> list[Finding]:
    """All that a person must look at before it is published, those about the facts last."""
    read = [folded(each.text) for each in text]
    # Both as it stands and with signs read as letters: "b3st!" is "best!", not "besti".
    words = [
        each
        for some in (read, [spelled(each) for each in read])
        for each in wording(text, some, facts, dealer, today)
    ]
    return [
        *{each.id: each for each in words}.values(),
        *credit(text, read, facts, language, dealer),
        *_dates(text, read, today),
        *(_mail(text, read, dealer) if type_ == "email" else []),
        *(_screen(text) if type_ == "video" else []),
        *offer(read, facts, today),
    ]


def _dates(text: Sequence[Passage], read: Sequence[Folded], today: date) -> Iterator[Finding]:
    for at, (passage, each) in enumerate(zip(text, read, strict=True)):
        for match in _DATE.finditer(each.text):
            day = _day(match, each.text, today)
            if day is not None and day < today:
                yield finding(
                    "offer.expired",
                    "blocking",
                    f"{day:%Y-%m-%d} is over: write a day to come, or remove it.",
                    FTC_ACT,
                    passage=at,
                    text=passage.text,
                    span=each.place(*match.span()),
                    parameters={"day": f"{day:%Y-%m-%d}"},
                )


def _day(match: re.Match[str], text: str, today: date) -> date | None:
    """None for what is no day, or one that something began on. Without a year an end is meant that
    is near: half a year before or after."""
    before = text[max(0, match.start() - 25) : match.start()]
    if _BEGAN.search(before):
        return None
    given = match.groupdict()
    try:
        if given["m"]:
            year = int(given["y"])
            return date(year + 2000 if year < 100 else year, int(given["m"]), int(given["d"]))
        if given["iy"]:
            return date(int(given["iy"]), int(given["im"]), int(given["id"]))
        if given["em"]:
            month = _month(_ENGLISH, given["em"])
            return _near(month, int(given["ed"]), given["ey"], before, today)
        month = _month(_SPANISH, given["sm"].replace("setiembre", "septiembre"))
        return _near(month, int(given["sd"]), given["sy"], before, today)
    except ValueError:
        return None


def _near(month: int, day: int, year: str | None, before: str, today: date) -> date | None:
    if year is not None:
        return date(int(year), month, day)
    if not _ENDS.search(before):
        return None
    meant = date(today.year, month, day)
    return meant.replace(year=today.year + 1) if (today - meant).days > 183 else meant


def _month(names: str, name: str) -> int:
    return names.index(name[:3]) // 3 + 1


def _mail(text: Sequence[Passage], read: Sequence[Folded], dealer: Dealer) -> Iterator[Finding]:
    if not dealer.contact.address:
        yield finding(
            "mail.address",
            "blocking",
            "An advertising e-mail must carry a postal address: an admin enters the dealership's.",
            f"{CAN_SPAM}(5)",
        )
    for at, (passage, each) in enumerate(zip(text, read, strict=True)):
        if passage.role == "subject" and (match := _REPLY.search(each.text)):
            yield finding(
                "mail.subject",
                "blocking",
                "This subject looks like an answer to a mail that nobody wrote: begin otherwise.",
                f"{CAN_SPAM}(2)",
                passage=at,
                text=passage.text,
                span=each.place(*match.span()),
            )


def _screen(text: Sequence[Passage]) -> Iterator[Finding]:
    """A disclosure must stand for as long as it takes to read."""
    for at, each in enumerate(text):
        if each.role != "disclosure":
            continue
        needs = len(each.text.split()) / channels.READ_PER_S
        if (each.seconds or 0) < needs:
            yield finding(
                "video.disclosure_time",
                "blocking",
                f"This takes {needs:.0f} s to read and is on screen for {each.seconds or 0:.0f} s: "
                "show it for longer.",
                FTC_ONLINE,
                passage=at,
                text=each.text,
                parameters={"needs": f"{needs:.0f}", "has": f"{each.seconds or 0:.0f}"},
            )
