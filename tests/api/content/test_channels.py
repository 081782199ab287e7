"""What each platform takes, exactly: one more of anything is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

import pytest

from api.content import channels
from api.content.channels import CHANNELS, breaches, channel_of, length, platforms_of, uses
from api.store.content import ContentType, Passage, Platform

WHOLE: Final[dict[ContentType, tuple[Passage, ...]]] = {
    "social": (Passage(role="body", text="Come and see it."),),
    "email": tuple(Passage(role=role, text="See it.") for role in ("subject", "body", "call")),
    "print": tuple(Passage(role=role, text="See it.") for role in ("headline", "body")),
    "video": (Passage(role="shot", text="Come and see it.", shows="The car", seconds=3),),
}
"""The least that each type needs."""


def rules(
    platform: Platform, text: Sequence[Passage], images: Sequence[tuple[int, int]] = ()
) -> list[str]:
    return [each.rule for each in breaches(platform, text, images)]


def test_every_platform_has_its_limits_and_says_where_they_come_from() -> None:
    assert set(CHANNELS) == set(get_args(Platform))
    assert {each for type_ in get_args(ContentType) for each in platforms_of(type_)} == {*CHANNELS}
    for platform, channel in CHANNELS.items():
        assert channel_of(platform) is channel
        assert channel.source
        assert set(channel.needs) <= channel.roles.keys()
        assert rules(platform, WHOLE[channel.type]) == []


@pytest.mark.parametrize("platform", CHANNELS)
def test_a_passage_may_be_as_long_as_its_role_allows_and_no_longer(platform: Platform) -> None:
    channel = channel_of(platform)
    for role, most in channel.roles.items():
        if channel.type == "video" or (platform == "x" and role != "body"):
            continue
        others = [each for each in WHOLE[channel.type] if each.role != role]
        at = len(others)
        fits = Passage(role=role, text="a" * most)
        found = breaches(platform, [*others, fits])
        assert "limit.length" not in [each.rule for each in found], role
        found = breaches(platform, [*others, Passage(role=role, text="a" * (most + 1))])
        (told,) = [each for each in found if each.rule == "limit.length"]
        assert told.severity == "blocking"
        assert told.passage == at
        assert told.parameters["most"] == f"{most:,}"


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("Honda Civic", 11),
        ("café", 4),
        ("cafe\u0301", 4),
        ("車", 2),
        ("👾", 2),
        ("🙋🏽", 2),
        ("👨‍👩‍👧‍👦", 2),
        ("🇺🇸", 2),
        ("1️⃣", 2),
        ("❤️", 2),
        ("https://example.com", 23),
        ("See https://example.com/very/long/path?of=a&query=string here", 4 + 23 + 5),
        ("“quoted” – …", 8 + 1 + 1 + 1 + 2),
        ("هوندا", 5),
    ],
)
def test_x_weighs_characters_as_its_documentation_says(text: str, weight: int) -> None:
    """docs.x.com, counting characters: after composition (NFC), an emoji 2, an address 23."""
    assert length("x", text) == weight


def test_a_post_on_x_has_280_with_the_lines_between_its_passages() -> None:
    body, call = Passage(role="body", text="a" * 238), Passage(role="call", text="b" * 40)
    assert length("x", channels.posted([body, call])) == 280
    assert rules("x", [body, call]) == []
    longer = Passage(role="call", text="b" * 41)
    assert rules("x", [body, longer]) == ["limit.total"]


@pytest.mark.parametrize(("platform", "most"), [("instagram", 5), ("x", 3), ("google", 0)])
def test_hashtags_are_counted_wherever_they_stand(platform: Platform, most: int) -> None:
    tags = " ".join(f"#tag{each}" for each in range(most))
    assert rules(platform, [Passage(role="body", text=f"See it. {tags}")]) == []
    more = f"See it. {tags} #more"
    assert rules(platform, [Passage(role="body", text=more)]) == ["limit.hashtags"]


def test_what_a_platform_has_no_place_for_is_told() -> None:
    body = Passage(role="body", text="See it.")
    assert rules("facebook", [body, Passage(role="subject", text="See it")]) == ["limit.role"]
    assert rules("newsletter", [body]) == ["limit.missing", "limit.missing"]
    assert rules("window", []) == ["limit.missing", "limit.missing"]


@pytest.mark.parametrize(
    "number", ["(512) 555-0142", "512-555-0142", "+1 512 555 0142", "5125550142"]
)
def test_a_post_on_google_has_no_telephone_number(number: str) -> None:
    text = [Passage(role="body", text=f"Call {number} and ask.")]
    (told,) = breaches("google", text)
    assert told.rule == "limit.phone"
    assert told.parameters["number"] == number
    assert rules("facebook", text) == []


@pytest.mark.parametrize(
    "text", ["VIN 2HGFE2F58NA100001", "$22,995 and 36,120 miles", "12345678901234"]
)
def test_other_figures_are_no_telephone_numbers(text: str) -> None:
    assert rules("google", [Passage(role="body", text=text)]) == []


def test_a_shot_lasts_as_long_as_its_words_take() -> None:
    ten = Passage(role="shot", text="Take a good look at the car we have here", shows="", seconds=4)
    assert len(ten.text.split()) == 10
    assert rules("reel", [ten]) == []
    assert rules("reel", [ten.model_copy(update={"seconds": 3.9})]) == ["limit.shot_words"]
    assert rules("reel", [ten.model_copy(update={"seconds": None})]) == ["limit.shot_length"]


def test_figures_take_a_word_for_each_digit_to_say() -> None:
    assert channels.spoken_seconds("It costs $22,995.") == 7 / 2.5
    assert channels.spoken_seconds("Call (512) 555-0142") == 11 / 2.5


def test_a_video_is_no_longer_than_its_platform_shows() -> None:
    shot = Passage(role="shot", text="Come and see it.", shows="The car", seconds=45)
    assert rules("reel", [shot, shot]) == []
    assert rules("reel", [shot, shot, shot]) == ["limit.seconds"]
    assert rules("walkaround", [shot] * 4) == []


def test_pictures_are_counted_and_must_be_wide_enough() -> None:
    body = [Passage(role="body", text="See it.")]
    wide = (1200, 900)
    assert rules("google", body, [wide]) == []
    assert rules("google", body, [wide, wide]) == ["limit.images"]
    assert rules("google", body, [(400, 300)]) == []
    (told,) = breaches("google", body, [(399, 900)])
    assert (told.rule, told.parameters["number"]) == ("limit.image_width", "1")
    # A picture that has gone since has no size.
    assert rules("facebook", body, [(0, 0)]) == ["limit.image_width"]


def test_a_finding_stays_the_same_until_its_passage_changes() -> None:
    text = [Passage(role="body", text="a" * 1_201)]
    (first,), (again,) = breaches("facebook", text), breaches("facebook", text)
    assert first.id == again.id
    (other,) = breaches("facebook", [Passage(role="body", text="a" * 1_202)])
    assert other.id != first.id


def test_what_is_used_of_each_limit_is_told_to_who_edits() -> None:
    text = [
        Passage(role="body", text="See it. 👾"),
        Passage(role="hashtags", text="#Honda #HondaCivic"),
    ]
    told = {(each.name, each.used, each.most, each.passage) for each in uses("x", text, images=2)}
    assert ("body", 10, 280, 0) in told
    assert ("hashtags", 18, 200, 1) in told
    assert ("hashtags", 2, 3, None) in told
    assert ("total", 10 + 2 + 18, 280, None) in told
    assert ("images", 2, 4, None) in told
    shot = Passage(role="shot", text="Come and see it.", shows="The car", seconds=3)
    assert ("seconds", 6, 90, None) in {
        (each.name, each.used, each.most, each.passage) for each in uses("reel", [shot, shot])
    }
