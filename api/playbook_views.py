"""What routes tell of playbooks and take for them: one model per JSON body."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from api.accounts.views import Language
from api.store.base import MAX_INT
from api.store.teaching import DomainWord, PlaybookHead, PlaybookVersion
from engine.document import MAX_BYTES
from engine.events import SessionType, Wire
from engine.playbook import Playbook

MAX_BODY_BYTES = 2**20
"""A source whose letters are all written as escapes, and words."""

Source = Annotated[str, StringConstraints(max_length=MAX_BYTES)]
Remark = Annotated[str, StringConstraints(max_length=200)]
Written = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Said = Annotated[str, StringConstraints(max_length=80)]


class PlaybookPath(BaseModel):
    digest: Annotated[str, Field(max_length=100)]


class LanguagePath(BaseModel):
    language: Language


class VersionPath(LanguagePath):
    number: Annotated[int, Field(ge=1, le=MAX_INT)]


# what a page shows beside a call


class StageView(Wire):
    code: str
    title: str


class StagesView(Wire):
    pitch: list[StageView]
    objection: list[StageView]
    closing: list[StageView]


class MustSayView(Wire):
    code: str
    title: str
    why: str
    sessions: list[SessionType]


class NeverSayView(Wire):
    code: str
    title: str
    reason: str
    instead: str


class CardView(Wire):
    title: str
    say: str
    ask: str
    avoid: str
    next: str


class ObjectionView(Wire):
    code: str
    title: str
    card: CardView


class PlaybookBody(Wire):
    """Not the phrases and exemplars, by which things are recognized."""

    id: str
    version: str
    digest: str
    title: str
    language: str
    stages: StagesView
    must_say: list[MustSayView]
    never_say: list[NeverSayView]
    objections: list[ObjectionView]

    @classmethod
    def of(cls, shown: Playbook) -> PlaybookBody:
        return cls.model_validate(shown, from_attributes=True)


# writing them


class WordBody(Wire):
    """`spoken`: in lower-case words of the letters a to z, where the spelling does not say it."""

    term: Written
    spoken: Annotated[list[Said], Field(max_length=4, default_factory=list)]


Words = Annotated[list[Written | WordBody], Field(max_length=500, default_factory=list)]
"""A word alone is spoken as it is spelled."""


def stored(words: Sequence[str | WordBody]) -> tuple[DomainWord, ...]:
    """As a version holds them."""
    return tuple(
        DomainWord(term=word)
        if isinstance(word, str)
        else DomainWord(term=word.term, spoken=tuple(word.spoken))
        for word in words
    )


class VersionBody(Wire):
    source: Source
    domain_words: Words
    remark: Remark = ""


class DraftBody(VersionBody):
    language: Language


class HeadView(Wire):
    """`number` is 0 of a shipped one, which is published where the dealership has none of its
    own."""

    language: str
    number: int
    status: Literal["draft", "published", "retired"]
    title: str
    digest: str
    author_name: str | None
    remark: str
    published_at: datetime | None
    updated_at: datetime | None
    shipped: bool


class HeadList(Wire):
    items: list[HeadView]


class VersionView(HeadView):
    """`version` is the `ETag`, for `If-Match`."""

    source: str
    domain_words: list[WordBody]
    version: int


class ShippedView(Wire):
    language: str
    title: str
    digest: str
    source: str
    domain_words: list[WordBody]


class CheckBody(Wire):
    source: Source
    domain_words: Words


class FaultView(Wire):
    line: int
    message: str


class WordFaultView(Wire):
    """`number`: which word, from 1."""

    number: int
    message: str


class CheckView(Wire):
    faults: list[FaultView]
    word_faults: list[WordFaultView]
    preview: PlaybookBody | None


class TryBody(Wire):
    """`source`, or version `number` of `language` (0: the shipped one), or what calls in `language`
    are held with now."""

    source: Source | None = None
    language: Language = "en"
    number: Annotated[int, Field(ge=0, le=MAX_INT)] | None = None
    domain_words: Annotated[list[Written | WordBody], Field(max_length=500)] | None = None
    """By default those of the version."""
    sentence: Annotated[str, StringConstraints(min_length=1, max_length=600)]
    session_type: SessionType
    speaker: Literal["salesperson", "customer"]


class HeardObjection(Wire):
    """`margin`: how clearly it is this one (cosine); `card` is shown where it is clear enough."""

    code: str
    title: str
    margin: float
    card: CardView | None


class TryView(Wire):
    """`corrected`: the sentence once domain words are put right. `judgedBy`: whether objections
    were told by sentences alike, or by phrases alone."""

    stages: list[StageView]
    must_say: list[StageView]
    never_say: list[NeverSayView]
    objections: list[HeardObjection]
    corrected: str
    judged_by: Literal["sentences", "phrases"]


def head_view(head: PlaybookHead, author_name: str | None) -> HeadView:
    return HeadView(
        language=head.language,
        number=head.number,
        status=head.status,
        title=head.title,
        digest=head.digest,
        author_name=author_name,
        remark=head.remark,
        published_at=head.published_at,
        updated_at=head.updated_at,
        shipped=False,
    )


def shipped_view(shipped: Playbook, *, is_used: bool) -> HeadView:
    return HeadView(
        language=shipped.language,
        number=0,
        status="published" if is_used else "retired",
        title=shipped.title,
        digest=shipped.digest,
        author_name=None,
        remark="",
        published_at=None,
        updated_at=None,
        shipped=True,
    )


def version_view(version: PlaybookVersion, author_name: str | None) -> VersionView:
    words = [WordBody(term=word.term, spoken=list(word.spoken)) for word in version.domain_words]
    return VersionView(
        **dict(head_view(version, author_name)),
        source=version.source,
        domain_words=words,
        version=version.version,
    )
