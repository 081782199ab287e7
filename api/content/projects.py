"""The life of a content project: written from a vehicle's facts, edited, reviewed, published.

A draft is edited by whoever may; in review it waits for who may publish, who approves it or
sends it back; published it stays as it is until it is taken back into a draft. Each change of the
text is kept as a version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final

from api.content import channels, claims, compliance, writer
from api.content.dealer import Dealer
from api.content.figures import name as name_of
from api.content.finding import Finding
from api.content.images import Images, Size
from api.content.rewrite import Rewriter
from api.content.views import (
    FindingView,
    HeadPage,
    OverrideBody,
    ProjectBody,
    ProjectsQuery,
    ProjectView,
    TextBody,
    head_view,
    project_view,
)
from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.content import (
    Brief,
    Content,
    ContentHead,
    ContentProject,
    ContentType,
    ContentVersion,
    Facts,
    Origin,
    Override,
    Vehicle,
)
from api.store.documents import User

MAX_PROJECTS: Final = 5_000
"""Of a dealership."""
MAX_VERSIONS: Final = 200
PAGE: Final = "/studio"


class Projects:
    """Raises `Problem` for what cannot be done, `StoreError`, and `NotRecorded`."""

    def __init__(self, services: Services, images: Images, rewriter: Rewriter) -> None:
        self._services = services
        self._store = services.store
        self._images = images
        self._rewriter = rewriter

    async def page(self, by: Identity, query: ProjectsQuery) -> HeadPage:
        """As far as `by` reaches."""
        user_ids, team_ids = by.reached("content.read")
        found = await self._store.content.page(
            by.dealership_id,
            user_ids=user_ids,
            team_ids=team_ids,
            status=query.status,
            type_=query.type,
            vehicle_id=query.vehicle_id,
            offset=query.offset,
            limit=query.limit,
        )
        return HeadPage(items=[head_view(each) for each in found.items], total=found.total)

    async def view(self, project: ContentProject) -> ProjectView:
        """With what is wrong with it now."""
        findings = await self.findings(project)
        overridden = {each.finding for each in project.overrides}
        told = [
            FindingView.model_validate({**each.model_dump(), "overridden": each.id in overridden})
            for each in findings
        ]
        vehicle = await self._store.vehicles.get(project.dealership_id, project.vehicle_id)
        content = project.content
        return project_view(
            project,
            name_of(project.facts, project.settings.language),
            told,
            channels.uses(project.settings.platform, content.text, len(content.images)),
            None if vehicle is None else vehicle.facts != project.facts,
        )

    async def findings(self, project: ContentProject) -> list[Finding]:
        """Those that block come first."""
        sizes = await self._images.sizes(project.dealership_id, project.content.images)
        dealer = await self.dealer(project.dealership_id)
        today = self._services.now().date()
        # Some milliseconds of a core, which calls on this node would wait for.
        return await asyncio.to_thread(findings_of, project, dealer, today, sizes)

    async def dealer(self, dealership_id: str) -> Dealer:
        found = await self._store.dealerships.get(dealership_id)
        if found is None:
            raise Problem(404, "This dealership was removed.")
        return Dealer.of(found)

    # writing

    async def create(self, by: Identity, body: ProjectBody) -> ContentProject:
        """Raises `Problem`: 422 for a vehicle or a platform that is none, 409 beyond
        `MAX_PROJECTS`."""
        _check_platform(body.type, body.settings)
        vehicle = await self._store.vehicles.get(by.dealership_id, body.vehicle_id)
        if vehicle is None:
            raise _wrong("vehicleId", "There is no vehicle with this id: pick another.")
        if (await self._store.content.page(by.dealership_id, limit=0)).total >= MAX_PROJECTS:
            detail = f"There are {MAX_PROJECTS:,} projects already: delete some first."
            raise Problem(409, detail, code="too_many_projects")
        written = await self._written(by.dealership_id, vehicle.facts, body.settings, 0)
        images = await self._images.of_vehicle(vehicle)
        most = channels.channel_of(body.settings.platform).picture.most
        project = ContentProject.new(
            by.dealership_id,
            self._services.now(),
            user_id=by.user_id,
            team_id=min(by.team_ids, default=None),
            title=body.title or _title(vehicle, body.settings),
            type=body.type,
            vehicle_id=vehicle.id,
            settings=body.settings,
            facts=vehicle.facts,
            content=written.model_copy(update={"images": tuple(i.id for i in images[:most])}),
        )
        # The version is there first: no project is without the text that it began with.
        await self._keep(project, by)
        await self._store.content.add(by.dealership_id, project)
        return project

    async def edit(self, by: Identity, project: ContentProject, body: TextBody) -> ContentProject:
        """Raises `Problem`: 409 for what is no draft, 422 for pictures that cannot be shown."""
        _require(project, "draft")
        added = [each for each in body.images if each not in project.content.images]
        await self._images.check(by, added)
        content = Content(
            text=tuple(body.text),
            images=tuple(body.images),
            templates=project.content.templates,
        )
        if content == project.content:
            changed = project.changed(self._services.now(), title=body.title)
            await self._store.content.save(by.dealership_id, changed)
            return changed
        return await self._revised(by, project, "edit", title=body.title, content=content)

    async def write_again(
        self, by: Identity, project: ContentProject, settings: Brief | None
    ) -> ContentProject:
        """Other words, from the vehicle's facts as they are now."""
        _require(project, "draft")
        settings = settings or project.settings
        _check_platform(project.type, settings)
        vehicle = await self._store.vehicles.get(by.dealership_id, project.vehicle_id)
        facts = project.facts if vehicle is None else vehicle.facts
        seed = project.seed + 1
        written = await self._written(by.dealership_id, facts, settings, seed)
        content = written.model_copy(update={"images": project.content.images})
        return await self._revised(
            by,
            project,
            "template",
            settings=settings,
            facts=facts,
            content=content,
            seed=seed,
            fallback=None,
        )

    async def rewrite(self, by: Identity, project: ContentProject) -> ContentProject:
        """Say it in other words by the endpoint that is set up; where what comes back cannot be
        vouched for, the text stays as it is and `fallback` says why."""
        _require(project, "draft")
        dealer = await self.dealer(by.dealership_id)
        today = self._services.now().date()
        text = project.content.text
        made = await self._rewriter.rewritten(
            text, project.facts, project.type, project.settings, dealer, today
        )
        if made.text is None:
            changed = project.changed(self._services.now(), fallback=made.fallback)
            await self._store.content.save(by.dealership_id, changed)
            return changed
        content = project.content.model_copy(update={"text": made.text})
        return await self._revised(by, project, "rewrite", content=content, fallback=None)

    async def restore(
        self, by: Identity, project: ContentProject, version: ContentVersion
    ) -> ContentProject:
        """The text of an earlier version, and what it was asked for; as a new one."""
        _require(project, "draft")
        content = version.content
        return await self._revised(
            by, project, version.origin, settings=version.settings, content=content, fallback=None
        )

    # reviewing

    async def submit(self, by: Identity, project: ContentProject) -> ContentProject:
        """Whoever may publish it is told."""
        _require(project, "draft")
        changed = project.changed(
            self._services.now(), status="review", submitted_at=self._services.now()
        )
        await self._store.content.save(by.dealership_id, changed)
        for user in await self._reviewers(by, project):
            await self._tell(user, "content_waits", project)
        return changed

    async def send_back(self, by: Identity, project: ContentProject, reason: str) -> ContentProject:
        """The author is told why."""
        _require(project, "review")
        changed = project.changed(self._services.now(), status="draft", submitted_at=None)
        await self._services.audit.allowed(by, "content.return", "content", project.id)
        await self._store.content.save(by.dealership_id, changed)
        await self._tell_author(by, project, "content_returned", reason=reason[:200])
        return changed

    async def approve(self, by: Identity, project: ContentProject) -> ContentProject:
        """Raises `Problem` (409) where a finding blocks that nobody overrode."""
        _require(project, "review")
        await self.check_release(project)
        now = self._services.now()
        changed = project.changed(now, status="published", approved_by=by.user_id, published_at=now)
        await self._services.audit.allowed(by, "content.publish", "content", project.id)
        await self._store.content.save(by.dealership_id, changed)
        await self._tell_author(by, project, "content_approved")
        return changed

    async def take_back(self, by: Identity, project: ContentProject) -> ContentProject:
        """A draft again; what went out stays out."""
        if project.status == "draft":
            raise _not_now("This is a draft already.")
        changed = project.changed(
            self._services.now(),
            status="draft",
            submitted_at=None,
            approved_by=None,
            published_at=None,
        )
        await self._services.audit.allowed(by, "content.take_back", "content", project.id)
        await self._store.content.save(by.dealership_id, changed)
        return changed

    async def override(
        self, by: Identity, project: ContentProject, body: OverrideBody
    ) -> ContentProject:
        """Raises `Problem` (409) where there is no such finding now, or it does not block."""
        if project.status == "published":
            raise _not_now("This is published already.")
        found = {each.id: each for each in await self.findings(project)}
        meant = found.get(body.finding)
        if meant is None or meant.severity != "blocking":
            raise _not_now("There is no such finding any more: look at the text again.")
        made = Override(
            rule=meant.rule,
            finding=meant.id,
            reason=body.reason,
            by=by.user_id,
            at=self._services.now(),
        )
        # What no longer applies is dropped: it would wait for its finding to come back unseen.
        kept = [each for each in project.overrides if each.finding in found.keys() - {meant.id}]
        changed = project.changed(self._services.now(), overrides=(*kept, made))
        await self._services.audit.allowed(by, "content.override", "content", project.id)
        await self._store.content.save(by.dealership_id, changed)
        return changed

    async def remove(self, by: Identity, project: ContentHead) -> None:
        """With its versions and comments."""
        await self._services.audit.allowed(by, "content.delete", "content", project.id)
        await self._store.content.remove(by.dealership_id, project.id)
        await self._store.content_versions.remove_of(by.dealership_id, [project.id])
        await self._store.content_comments.remove_of(by.dealership_id, [project.id])

    async def check_release(self, project: ContentProject) -> None:
        """Whether it may go out now: offers end, and facts are corrected, after an approval, too.
        Raises `Problem` (409) where a finding blocks that nobody overrode."""
        overridden = {each.finding for each in project.overrides}
        open_ = [
            each
            for each in await self.findings(project)
            if each.severity == "blocking" and each.id not in overridden
        ]
        if open_:
            detail = (
                f"{len(open_)} findings must be put right or overridden first: {open_[0].message}"
            )
            errors = [{"field": each.rule, "message": each.message} for each in open_]
            raise Problem(409, detail, errors=errors[:50], code="findings")

    # the inside

    async def _written(
        self, dealership_id: str, facts: Facts, settings: Brief, seed: int
    ) -> Content:
        dealer = await self.dealer(dealership_id)
        today = self._services.now().date()
        made = await asyncio.to_thread(writer.write, facts, settings, dealer, today, seed)
        return Content(text=made.text, templates=made.templates)

    async def _revised(
        self, by: Identity, project: ContentProject, origin: Origin, **fields: object
    ) -> ContentProject:
        if project.revision >= MAX_VERSIONS:
            detail = f"There are {MAX_VERSIONS} versions already: begin another project."
            raise Problem(409, detail, code="too_many_versions")
        changed = project.changed(
            self._services.now(), revision=project.revision + 1, origin=origin, **fields
        )
        await self._store.content.save(by.dealership_id, changed)
        await self._keep(changed, by)
        return changed

    async def _keep(self, project: ContentProject, by: Identity) -> None:
        version = ContentVersion.new(
            by.dealership_id,
            self._services.now(),
            project_id=project.id,
            number=project.revision,
            author_id=by.user_id,
            origin=project.origin,
            content=project.content,
            settings=project.settings,
            facts=project.facts,
        )
        await self._store.content_versions.add(by.dealership_id, version)

    async def _reviewers(self, by: Identity, project: ContentHead) -> list[User]:
        """The managers of its team, or else the admins; without who asks."""
        found: list[User] = []
        if project.team_id is not None:
            team = await self._store.teams.get(by.dealership_id, project.team_id)
            if team is not None:
                found = await self._store.users.some(by.dealership_id, team.manager_ids)
        found = [each for each in found if each.role in ("admin", "manager")]
        if not found:
            admins = self._store.users.page
            found = (await admins(by.dealership_id, role="admin", status="active")).items
        return [each for each in found if each.id != by.user_id and each.status == "active"]

    async def _tell_author(
        self, by: Identity, project: ContentHead, kind: str, **parameters: str
    ) -> None:
        author = await self._store.users.get(by.dealership_id, project.user_id)
        if author is not None and author.id != by.user_id:
            await self._tell(author, kind, project, **parameters)

    async def _tell(self, user: User, kind: str, project: ContentHead, **parameters: str) -> None:
        path = f"{PAGE}?project={project.id}"
        await self._services.post.tell(
            user, kind, path=path, projectId=project.id, title=project.title, **parameters
        )


def findings_of(
    project: ContentProject, dealer: Dealer, today: date, sizes: Sequence[Size]
) -> list[Finding]:
    """What is wrong with a project's text: with the law, with its facts, with its platform."""
    text, facts, language = project.content.text, project.facts, project.settings.language
    found = [
        *compliance.check(project.type, text, facts, language, dealer, today),
        *claims.false_claims(text, facts, dealer, language),
        *channels.breaches(project.settings.platform, text, sizes),
    ]
    distinct = {each.id: each for each in found}
    return sorted(distinct.values(), key=lambda each: each.severity)


def _check_platform(type_: ContentType, settings: Brief) -> None:
    platforms = channels.platforms_of(type_)
    if settings.platform not in platforms:
        raise _wrong("settings.platform", f"For {type_} choose one of: {', '.join(platforms)}.")


def _title(vehicle: Vehicle, settings: Brief) -> str:
    return f"{name_of(vehicle.facts, settings.language)[:130]}: {settings.platform}"


def _require(project: ContentHead, status: str) -> None:
    if project.status == status:
        return
    wanted = {
        "draft": "This is no draft any more: take it back to change it.",
        "review": "This does not wait for review: send it to review first.",
    }
    raise _not_now(wanted[status])


def _not_now(detail: str) -> Problem:
    return Problem(409, detail, code="not_now")


def _wrong(field: str, message: str) -> Problem:
    errors = [{"field": field, "message": message}]
    return Problem(422, f"{field}: {message}", errors=errors)
