"""Where copy appears: what each platform takes, and what of a text it would not.

Limits are those that the platforms state in their help pages (looked up in November 2026) or, where
one only advises, what it shows without cutting; `source` says which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from api.content.finding import Finding, finding
from api.store.content import ContentType, Passage, Platform, Role

WORDS_PER_S: Final = 2.5
"""What can be spoken clearly in an advertisement: 150 words a minute, between lectures (140) and
monologues on the radio (160; Tauroza and Allison 1990)."""
READ_PER_S: Final = 4.0
"""What can be read on a screen: 238 words a minute (Brysbaert 2019)."""
_URL = re.compile(r"https?://\S+")
_PICTOGRAPH: Final = r"[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff]"
_EMOJI = re.compile(
    r"[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3|"
    rf"{_PICTOGRAPH}[\ufe0f\U0001f3fb-\U0001f3ff]*"
    rf"(?:\u200d{_PICTOGRAPH}[\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
"""Flags, keycaps, and pictographs with what is joined to them (Unicode TS 51): each counts once."""
_PHONE = re.compile(r"(?<!\w)\+?1?[-. ]?\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}(?!\w)")
_HASHTAG = re.compile(r"(?<!\w)#\w+")
_URL_WEIGHT: Final = 23
_LIGHT: Final = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Code points that count as one on X; all others count as two (docs.x.com, counting characters)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels that pictures are fitted to, how many there may be, and the narrowest it takes."""

    width: int
    height: int
    most: int
    narrowest: int


@dataclass(frozen=True, slots=True)
class Channel:
    """`roles` says how many characters a passage of each role may have, `total` how many all that
    is posted may; `seconds` is a video's longest."""

    platform: Platform
    type: ContentType
    roles: Mapping[Role, int]
    picture: Picture
    source: str
    total: int | None = None
    hashtags: int = 0
    seconds: float | None = None
    needs: tuple[Role, ...] = ("body",)
    """Roles without which it is no text for this platform."""
    terms: bool = True
    """Whether an offer's terms have room with all that must stand beside them."""
    phones: bool = True
    """Whether its text may have telephone numbers."""


_POST: Final[Mapping[Role, int]] = {
    "body": 1_200,
    "features": 600,
    "call": 300,
    "disclosure": 1_500,
    "hashtags": 200,
}
_SHOTS: Final[Mapping[Role, int]] = {"shot": 300, "disclosure": 1_500}

CHANNELS: Final[Mapping[Platform, Channel]] = {
    each.platform: each
    for each in (
        Channel(
            "facebook",
            "social",
            _POST,
            Picture(1200, 1500, 10, 600),
            "Facebook takes 63,206 characters; beyond 5,000 nobody reads on",
            total=5_000,
            hashtags=5,
        ),
        Channel(
            "instagram",
            "social",
            _POST,
            Picture(1080, 1350, 20, 320),
            "Instagram Help: captions of 2,200 characters, 5 hashtags, pictures from 320 pixels",
            total=2_200,
            hashtags=5,
        ),
        Channel(
            "x",
            "social",
            {**_POST, "body": 280, "features": 200, "call": 200, "disclosure": 280},
            Picture(1600, 900, 4, 600),
            "docs.x.com, counting characters: 280, an address 23, an emoji 2; 4 pictures",
            total=280,
            hashtags=3,
            terms=False,
        ),
        Channel(
            "google",
            "social",
            {role: most for role, most in _POST.items() if role != "hashtags"},
            Picture(1200, 900, 1, 400),
            "Google Business Profile Help: posts of 1,500 characters without telephone numbers, "
            "pictures from 400 x 300",
            total=1_500,
            phones=False,
        ),
        Channel(
            "newsletter",
            "email",
            {
                "subject": 78,
                "preheader": 110,
                "headline": 90,
                "body": 1_200,
                "features": 900,
                "call": 300,
                "disclosure": 1_500,
            },
            Picture(1200, 800, 6, 600),
            "RFC 5322, 2.1.1: lines of 78 characters; Gmail shows about 110 of a preheader",
            needs=("subject", "body", "call"),
        ),
        Channel(
            "flyer",
            "print",
            {
                "headline": 70,
                "body": 700,
                "features": 900,
                "call": 240,
                "disclosure": 1_500,
            },
            Picture(2100, 1400, 3, 1000),
            "A letter page with 11 point text and pictures of 300 dots per inch",
            needs=("headline", "body"),
        ),
        Channel(
            "window",
            "print",
            {
                "headline": 50,
                "body": 260,
                "features": 700,
                "call": 160,
                "disclosure": 1_500,
            },
            Picture(2100, 1400, 1, 1000),
            "A letter page to be read from three feet: 16 point text (ADA Standards, 703.5.5)",
            needs=("headline", "body"),
            terms=False,
        ),
        Channel(
            "reel",
            "video",
            _SHOTS,
            Picture(1080, 1920, 12, 540),
            "Instagram Help: reels of up to 90 seconds are recommended to others",
            seconds=90,
            needs=("shot",),
            terms=False,
        ),
        Channel(
            "walkaround",
            "video",
            _SHOTS,
            Picture(1920, 1080, 20, 960),
            "Three minutes, which is what YouTube shows as a Short at most",
            seconds=180,
            needs=("shot",),
        ),
    )
}


def channel_of(platform: Platform) -> Channel:
    return CHANNELS[platform]


def platforms_of(type_: ContentType) -> list[Platform]:
    return [each.platform for each in CHANNELS.values() if each.type == type_]


def posted(text: Sequence[Passage]) -> str:
    """A post as it is typed into the platform: its passages, a blank line between them."""
    return "\n\n".join(each.text for each in text if each.text)


def length(platform: Platform, text: str) -> int:
    """Characters as the platform counts them."""
    if platform != "x":
        return len(text)
    bare, urls = _URL.subn("", unicodedata.normalize("NFC", text))
    bare, emoji = _EMOJI.subn("", bare)
    return urls * _URL_WEIGHT + emoji * 2 + sum(1 if _is_light(c) else 2 for c in bare)


def spoken_seconds(text: str) -> float:
    """How long it takes to say. A figure takes a word for each of its digits."""
    words = sum(max(1, sum(map(str.isdigit, word))) for word in text.split())
    return words / WORDS_PER_S


def hashtags(text: Sequence[Passage]) -> list[str]:
    return [tag for each in text for tag in _HASHTAG.findall(each.text)]


def breaches(
    platform: Platform, text: Sequence[Passage], images: Sequence[tuple[int, int]] = ()
) -> list[Finding]:
    """What the platform would not take, or nobody could follow; `images` are widths and heights in
    pixels. All of it blocks."""
    channel = CHANNELS[platform]
    found = [*_roles(channel, text), *_whole(channel, text), *_pictures(channel, images)]
    return found + (_timing(channel, text) if channel.type == "video" else [])


@dataclass(slots=True)
class Use:
    """How much of a limit is used."""

    name: str
    used: int
    most: int
    passage: int | None = field(default=None)


def uses(platform: Platform, text: Sequence[Passage], images: int = 0) -> list[Use]:
    """Each limit of the platform beside what a text takes of it, for who edits it."""
    channel = CHANNELS[platform]
    told = [
        Use(each.role, length(platform, each.text), channel.roles[each.role], at)
        for at, each in enumerate(text)
        if each.role in channel.roles
    ]
    if channel.total is not None:
        told.append(Use("total", length(platform, posted(text)), channel.total))
    if channel.hashtags:
        told.append(Use("hashtags", len(hashtags(text)), channel.hashtags))
    if channel.seconds is not None:
        seconds = sum(each.seconds or 0 for each in text)
        told.append(Use("seconds", round(seconds), round(channel.seconds)))
    return [*told, Use("images", images, channel.picture.most)]


def _is_light(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _LIGHT)


def _roles(channel: Channel, text: Sequence[Passage]) -> list[Finding]:
    found = []
    for at, each in enumerate(text):
        most = channel.roles.get(each.role)
        used = length(channel.platform, each.text)
        if most is None:
            told = f"{channel.platform} has no place for {each.role}: remove this passage."
            found.append(_breach(channel, "limit.role", told, each, at, role=each.role))
        elif used > most:
            told = f"This has {used:,} characters; {most:,} fit here: shorten it."
            found.append(
                _breach(channel, "limit.length", told, each, at, used=f"{used:,}", most=f"{most:,}")
            )
    for role in channel.needs:
        if not any(each.role == role and each.text for each in text):
            told = f"There is no {role}, which {channel.platform} needs: write one."
            found.append(_breach(channel, "limit.missing", told, role=role))
    return found


def _whole(channel: Channel, text: Sequence[Passage]) -> list[Finding]:
    found = []
    used, tags = length(channel.platform, posted(text)), len(hashtags(text))
    if channel.total is not None and used > channel.total:
        told = f"In all it has {used:,} characters; {channel.platform} takes {channel.total:,}."
        found.append(
            _breach(channel, "limit.total", told, used=f"{used:,}", most=f"{channel.total:,}")
        )
    if channel.type == "social" and tags > channel.hashtags:
        told = f"It has {tags} hashtags; {channel.platform} takes {channel.hashtags}: remove some."
        found.append(
            _breach(channel, "limit.hashtags", told, used=str(tags), most=str(channel.hashtags))
        )
    for at, each in enumerate(text):
        if not channel.phones and (match := _PHONE.search(each.text)):
            told = f"{channel.platform} takes no telephone numbers in a text: remove it."
            found.append(_breach(channel, "limit.phone", told, each, at, number=match[0].strip()))
    return found


def _pictures(channel: Channel, images: Sequence[tuple[int, int]]) -> list[Finding]:
    found, wanted = [], channel.picture
    if len(images) > wanted.most:
        told = f"It has {len(images)} pictures; {channel.platform} takes {wanted.most}."
        found.append(
            _breach(channel, "limit.images", told, used=str(len(images)), most=str(wanted.most))
        )
    for number, (width, _) in enumerate(images, start=1):
        if width < wanted.narrowest:
            told = (
                f"Picture {number} is {width} pixels wide; {channel.platform} wants "
                f"{wanted.narrowest} or more: take a larger one."
            )
            found.append(
                _breach(
                    channel,
                    "limit.image_width",
                    told,
                    number=str(number),
                    used=str(width),
                    most=str(wanted.narrowest),
                )
            )
    return found


def _timing(channel: Channel, text: Sequence[Passage]) -> list[Finding]:
    found = []
    for at, each in enumerate(text):
        if each.role != "shot":
            continue
        if each.seconds is None:
            told = "This shot has no length: say how many seconds it lasts."
            found.append(_breach(channel, "limit.shot_length", told, each, at))
        elif (needs := spoken_seconds(each.text)) > each.seconds:
            told = (
                f"Saying this takes about {needs:.0f} s, and the shot lasts {each.seconds:.0f} s: "
                "shorten the words or lengthen the shot."
            )
            found.append(
                _breach(
                    channel,
                    "limit.shot_words",
                    told,
                    each,
                    at,
                    used=f"{needs:.0f}",
                    most=f"{each.seconds:.0f}",
                )
            )
    seconds = sum(each.seconds or 0 for each in text)
    if channel.seconds is not None and seconds > channel.seconds:
        told = f"It lasts {seconds:.0f} s; {channel.platform} takes {channel.seconds:.0f} s."
        found.append(
            _breach(
                channel,
                "limit.seconds",
                told,
                used=f"{seconds:.0f}",
                most=f"{channel.seconds:.0f}",
            )
        )
    return found


def _breach(
    channel: Channel,
    rule: str,
    message: str,
    passage: Passage | None = None,
    at: int | None = None,
    **parameters: str,
) -> Finding:
    return finding(
        rule,
        "blocking",
        message,
        channel.source,
        passage=at,
        text="" if passage is None else passage.text,
        parameters={"platform": channel.platform, **parameters},
    )
