"""How a project looks: on its platform, in a mail, on paper. HTML by templates of ours.

Whatever a text holds is escaped: it is shown, and never markup. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.content import channels, figures, storyboard
from api.content.dealer import Dealer
from api.store.content import ContentProject, CopyLanguage, Role
from engine.catalogue import catalogue

_TEMPLATES: Final = {
    "social": "post.html",
    "email": "mail.html",
    "print": "sheet.html",
    "video": "storyboard.html",
}
_NAMES: Final = {
    "facebook": "Facebook",
    "instagram": "Instagram",
    "x": "X",
    "google": "Google Business Profile",
}


def page(project: ContentProject, dealer: Dealer, images: Sequence[str], link: str = "") -> str:
    """As it will look. `images` are addresses of its pictures in order; `link` is where a reader of
    a mail ends it."""
    told = _told(project, dealer, images, link)
    return _environment().get_template(_TEMPLATES[project.type]).render(told)


def plain_mail(project: ContentProject, dealer: Dealer, link: str) -> str:
    """A mail for readers without HTML."""
    texts = catalogue(project.settings.language)
    shown = [
        _bulleted(each.text) if each.role == "features" else each.text
        for each in project.content.text
        if each.role not in ("subject", "preheader")
    ]
    foot = f"{dealer.name}\n{dealer.contact.address}"
    return "\n\n".join([*shown, foot, f"{texts.text('content.mail.stop')}: {link}"]) + "\n"


def subject_of(project: ContentProject) -> str:
    """On one line; its title where it has no subject."""
    return " ".join((_first(project, "subject") or project.title).split())


def _told(
    project: ContentProject, dealer: Dealer, images: Sequence[str], link: str
) -> dict[str, Any]:
    platform, language = project.settings.platform, project.settings.language
    text, texts = project.content.text, catalogue(language)
    picture = channels.channel_of(platform).picture
    return {
        "language": language,
        "title": project.title,
        "platform": platform,
        "platform_name": _NAMES.get(platform, platform),
        "dealer": dealer.name,
        "address": dealer.contact.address,
        "vehicle": figures.name(project.facts, language),
        "images": list(images),
        "shape": f"{picture.width} / {picture.height}",
        "text": channels.posted(text),
        "subject": subject_of(project),
        "preheader": _first(project, "preheader"),
        "headline": _first(project, "headline"),
        "parts": [
            {"role": each.role, "lines": each.text.splitlines()}
            for each in text
            if each.role in ("body", "features")
        ],
        "call": _lines(project, "call"),
        "disclosure": _lines(project, "disclosure"),
        "shots": storyboard.shots(text),
        "unsubscribe": link,
        "why": texts.text("content.mail.why"),
        "stop": texts.text("content.mail.stop"),
    }


def _first(project: ContentProject, role: Role) -> str:
    return next((each.text for each in project.content.text if each.role == role), "")


def _lines(project: ContentProject, role: Role) -> list[str]:
    return [
        line
        for each in project.content.text
        if each.role == role
        for line in each.text.splitlines()
    ]


def _bulleted(text: str) -> str:
    return "\n".join(f"- {line}" for line in text.splitlines())


def language_tag(language: CopyLanguage) -> str:
    """For readers of the United States (BCP 47)."""
    return f"{language}-US"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("api.content"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
