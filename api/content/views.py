"""What routes take and tell of content projects."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from api.accounts.views import Id, PageQuery
from api.content.channels import Use
from api.content.finding import Finding
from api.store.content import (
    MAX_IMAGES,
    MAX_PASSAGES,
    Brief,
    Content,
    ContentComment,
    ContentHead,
    ContentProject,
    ContentType,
    ContentVersion,
    Facts,
    Origin,
    Override,
    Passage,
    ProjectStatus,
)
from api.store.documents import Moment
from api.store.plain import Line, Plain
from engine.events import Wire

Title = Annotated[str, StringConstraints(max_length=160), Line]
Reason = Annotated[str, StringConstraints(min_length=10, max_length=500), Line]
Remark = Annotated[str, StringConstraints(min_length=1, max_length=2_000), Plain]


class ProjectBody(Wire):
    """What to write: for a platform of that `type`. Without a title it is called by its vehicle."""

    vehicle_id: Id
    type: ContentType
    settings: Brief
    title: Title = ""


class TextBody(Wire):
    """A project as it was edited."""

    title: Annotated[Title, Field(min_length=1)]
    text: Annotated[list[Passage], Field(min_length=1, max_length=MAX_PASSAGES)]
    images: Annotated[list[Id], Field(max_length=MAX_IMAGES)]


class AgainBody(Wire):
    """Written anew from the vehicle's facts as they are now; without settings, with its own."""

    settings: Brief | None = None


class ReasonBody(Wire):
    reason: Reason


class OverrideBody(Wire):
    """The finding by its id, and why it stands."""

    finding: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    reason: Reason


class RemarkBody(Wire):
    """`passage`: its place in the text, where it is about one."""

    text: Remark
    passage: Annotated[int, Field(ge=0, lt=MAX_PASSAGES)] | None = None


class ResolvedBody(Wire):
    resolved: bool


class ProjectsQuery(PageQuery):
    status: ProjectStatus | None = None
    type: ContentType | None = None
    vehicle_id: Annotated[Id | None, Field(alias="vehicleId")] = None


class FindingView(Finding):
    """`overridden`: somebody who may publish accepted it, and said why."""

    overridden: bool = False


class UseView(Wire):
    """How much of a limit is used; `passage` is its place in the text, None: of the whole."""

    name: str
    used: int
    most: int
    passage: int | None

    @classmethod
    def of(cls, use: Use) -> Self:
        return cls(name=use.name, used=use.used, most=use.most, passage=use.passage)


class HeadView(Wire):
    """A project as lists show it."""

    id: Id
    user_id: Id
    team_id: Id | None
    title: str
    type: ContentType
    status: ProjectStatus
    vehicle_id: Id
    settings: Brief
    revision: int
    version: int
    created_at: Moment
    updated_at: Moment
    submitted_at: Moment | None
    published_at: Moment | None


class HeadPage(Wire):
    """Some of `total` projects."""

    items: list[HeadView]
    total: int


class ProjectView(HeadView):
    """`findings` are of the text as it is now; where one blocks and is not overridden it cannot be
    approved. `fallback` says why a rewrite was not taken. `factsChanged`: the vehicle's facts are
    others now than those it was written from; None where the vehicle is gone."""

    name: str
    approved_by: Id | None
    content: Content
    facts: Facts
    origin: Origin
    fallback: str | None
    overrides: list[Override]
    findings: list[FindingView]
    limits: list[UseView]
    facts_changed: bool | None
    can_approve: bool


class VersionHead(Wire):
    number: int
    author_id: Id | None
    author_name: str
    origin: Origin
    created_at: Moment


class VersionView(VersionHead):
    content: Content
    settings: Brief
    facts: Facts


class VersionPage(Wire):
    """Some of `total`, the newest first."""

    items: list[VersionHead]
    total: int


class CommentView(Wire):
    id: Id
    author_id: Id | None
    author_name: str
    revision: int
    passage: int | None
    text: str
    resolved_at: Moment | None
    created_at: Moment
    version: int


class CommentPage(Wire):
    """Some of `total`, the oldest first."""

    items: list[CommentView]
    total: int


def head_view(head: ContentHead) -> HeadView:
    return HeadView.model_validate({name: getattr(head, name) for name in HeadView.model_fields})


def project_view(
    project: ContentProject,
    name: str,
    findings: list[FindingView],
    limits: list[Use],
    facts_changed: bool | None,
) -> ProjectView:
    told = {field: getattr(project, field) for field in HeadView.model_fields}
    held = ("approved_by", "content", "facts", "origin", "fallback", "overrides")
    told |= {field: getattr(project, field) for field in held}
    blocked = any(each.severity == "blocking" and not each.overridden for each in findings)
    return ProjectView.model_validate(
        told
        | {
            "name": name,
            "overrides": list(project.overrides),
            "findings": findings,
            "limits": [UseView.of(each) for each in limits],
            "facts_changed": facts_changed,
            "can_approve": project.status == "review" and not blocked,
        }
    )


def version_head(version: ContentVersion, author: str) -> VersionHead:
    return VersionHead(
        number=version.number,
        author_id=version.author_id,
        author_name=author,
        origin=version.origin,
        created_at=version.created_at,
    )


def version_view(version: ContentVersion, author: str) -> VersionView:
    return VersionView(
        **version_head(version, author).model_dump(),
        content=version.content,
        settings=version.settings,
        facts=version.facts,
    )


def comment_view(comment: ContentComment, author: str) -> CommentView:
    return CommentView(
        id=comment.id,
        author_id=comment.author_id,
        author_name=author,
        revision=comment.revision,
        passage=comment.passage,
        text=comment.text,
        resolved_at=comment.resolved_at,
        created_at=comment.created_at,
        version=comment.version,
    )
