"""Uploaded calls: what is said of a recording, and how what was made of it becomes a session.

A session goes by the claim of the attempt that made it, so that no two attempts ever write the same
one; of those that an earlier attempt left, the next one finds all by their job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import structlog
from pydantic import AfterValidator, Field, StrictBool, StringConstraints, WithJsonSchema

from api import completion
from api.accounts.views import Id
from api.delivery import BATCH
from api.jobs.shelf import Shelf, UploadShelf, chunks
from api.keep import Keep
from api.payloads import sealed_event
from api.playbooks import Held, Playbooks
from api.store.base import StoreError
from api.store.crypto import DataKey
from api.store.documents import Consent, PlaybookRef, TrainingSession, VolumeJudgement
from api.store.jobs import Job, JobType
from api.store.repositories.scoped import Now
from api.times import JsonTime
from api.told import Told
from api.views import PlaybookView
from engine.asr.domain import Term
from engine.events import SessionType, Wire
from engine.journal import Record, read
from engine.session import TRAINEE
from processing.recordings import JOURNAL, Analysis
from processing.work import Refused

log = structlog.get_logger(__name__)

UNCALIBRATED: Final = (
    "How loud somebody spoke cannot be told from an uploaded recording, so volume is not judged."
)
FEATURES: Final = "features"
"""Records of a journal that say nothing which events do not: nearly all of it."""


def _attested(given: bool) -> bool:
    if not given:
        raise ValueError(
            "a recording is analysed only where everybody in it agreed to be recorded and coached"
        )
    return given


class Attestation(Wire):
    """`attested` must be true: everybody who is heard agreed to being recorded, and to coaching.
    `textVersion` names the words in which that was asked."""

    attested: Annotated[
        StrictBool,
        AfterValidator(_attested),
        WithJsonSchema({"type": "boolean", "const": True}),
    ]
    text_version: Annotated[str, Field(min_length=1, max_length=40)]


class CallKind(Wire):
    """What is known of a recorded call. Of two people `trainee` says which of them is coached: on
    a channel each (`layout` ``apart``) the channel, else who speaks first or second."""

    session_type: SessionType
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    people: Literal[1, 2] = 2
    trainee: Literal[1, 2] = 1
    layout: Literal["auto", "apart", "together"] = "auto"


class CallBody(CallKind):
    """A recording that was uploaded, and what is known of it.

    `userId` is who is coached, oneself where it is left out; `startedAt` when the call was held,
    else it is dated now.
    """

    upload_id: Id
    user_id: Id | None = None
    started_at: JsonTime | None = None
    consent: Attestation


class CallSettings(CallKind):
    """Settings of a ``call_analysis``."""

    user_id: Id
    team_id: Id | None
    started_at: datetime
    attested_by: Id
    attested_at: datetime
    text_version: str


class CallShelf:
    """Implements `api.jobs.shelf.Shelf`: a recording in, a session out.

    `terms` are the node's own domain words; None where domain words are off. `compares`: whether
    objections are judged by the sentence model.
    """

    def __init__(
        self,
        keep: Keep,
        uploads: UploadShelf,
        books: Playbooks,
        now: Now,
        *,
        terms: Sequence[Term] | None,
        compares: bool,
    ) -> None:
        self._keep = keep
        self._uploads = uploads
        self._books = books
        self._now = now
        self._terms = terms
        self._compares = compares

    async def fetch(self, job: Job, folder: Path) -> list[Path]:
        return await self._uploads.fetch(job, folder)

    async def settings(self, job: Job) -> dict[str, Any]:
        """An `Analysis` with the playbook and the words that a live call would be held with now."""
        said = CallSettings.model_validate(job.settings)
        held = await self._books.of(job.dealership_id, said.language)
        analysis = Analysis(
            session_type=said.session_type,
            language=said.language,
            people=said.people,
            trainee=said.trainee,
            layout=said.layout,
            domain=self._terms is not None,
            terms=(*(self._terms or ()), *held.words),
            compares=self._compares,
            playbook=held.playbook,
            session_id=_session_id(job),
            session=_first_record(job, held),
            began_at=said.started_at,
        )
        return analysis.model_dump(mode="json")

    async def keep(self, job: Job, files: Sequence[Path]) -> list[str]:
        """The id of the session. Until all of it is in the store it has not begun, for whoever
        sees it."""
        said = CallSettings.model_validate(job.settings)
        trainee = await self._keep.store.users.get(job.dealership_id, said.user_id)
        if trainee is None:
            raise Refused("trainee_gone", "The account of whoever is coached in it was erased.")
        paths = {path.name: path for path in files}
        told = await asyncio.to_thread(lambda: Told(_records(paths[JOURNAL])))
        session, key = self._made(job, said, told)
        dealership_id = job.dealership_id
        await self._keep.store.sessions.add(dealership_id, session)
        try:
            await self._consent(session, said)
            sizes = {
                part: await self._put(key, session, part, path)
                for part, path in ((_part(name), path) for name, path in paths.items())
            }
            await self._deliver(key, session, paths[JOURNAL])
            over = await completion.written(self._keep, dealership_id, session.id, key, told, sizes)
            if over is None or over.data_key is None:
                raise Refused("erased", "This call was erased while it was being put away.")
        except BaseException:
            await asyncio.shield(self.remove(job, [session.id]))
            raise
        log.info("call_uploaded", session=session.id, job=job.id)
        return [session.id]

    async def remove(self, job: Job, ids: Iterable[str]) -> None:
        for each in ids:
            await completion.remove(self._keep, job.dealership_id, each)

    async def clear(self, job: Job) -> None:
        left = await self._keep.store.sessions.of_job(job.dealership_id, job.id)
        await self.remove(job, [head.id for head in left])

    async def published(self, job: Job) -> None:
        """The sound is in the session now, under its key: the upload goes."""
        for each in job.input_files:
            try:
                await self._uploads.remove(job, [each])
            except StoreError as error:
                log.warning("upload_left_to_the_sweep", upload=each, error=str(error))

    def _made(self, job: Job, said: CallSettings, told: Told) -> tuple[TrainingSession, DataKey]:
        assert told.first is not None
        used = told.first["playbook"]
        session = TrainingSession.new(
            job.dealership_id,
            self._now(),
            id=_session_id(job),
            user_id=said.user_id,
            team_id=said.team_id,
            session_type=said.session_type,
            language=said.language,
            recording_consent=True,
            volume_feedback=VolumeJudgement(enabled=False, reason=UNCALIBRATED),
            playbook=None if used is None else PlaybookRef(**used),
            node=job.node,
            job_id=job.id,
        )
        key, wrapped = self._keep.vault.new_key(session)
        return session.model_copy(update={"data_key": wrapped}), key

    async def _consent(self, session: TrainingSession, said: CallSettings) -> None:
        consent = Consent.new(
            session.dealership_id,
            self._now(),
            session_id=session.id,
            user_id=said.user_id,
            coaching=True,
            recording=True,
            text_version=said.text_version,
            given_at=said.attested_at,
            attested_by=said.attested_by,
        )
        await self._keep.store.consents.add(session.dealership_id, consent)

    async def _put(self, key: DataKey, session: TrainingSession, part: str, path: Path) -> int:
        blob = completion.blob_of(session.dealership_id, session.id, part)
        return await self._keep.blobs.put(key, blob, chunks(path))

    async def _deliver(self, key: DataKey, session: TrainingSession, journal: Path) -> None:
        """Its events, some at a time: calls go on between them."""
        records = _records(journal)
        events = (record["e"] for record in records if record["k"] == "event")
        while batch := await asyncio.to_thread(lambda: list(islice(events, BATCH))):
            now = self._now()
            sealed = [
                sealed_event(key, session.dealership_id, session.id, event, now) for event in batch
            ]
            await self._keep.store.events.append(session.dealership_id, session.id, sealed)


def by_type(uploads: UploadShelf, calls: CallShelf) -> dict[JobType, Shelf]:
    """The shelf of each type of job."""
    return {
        "background_removal": uploads,
        "image_enhancement": uploads,
        "call_analysis": calls,
    }


def _session_id(job: Job) -> str:
    assert job.claim_id is not None
    return job.claim_id


def _first_record(job: Job, held: Held) -> dict[str, Any]:
    """The journal's ``session`` record, in the words of a live call's where it has them."""
    used = held.playbook
    view = None
    if used is not None:
        view = PlaybookView(id=used.id, version=used.version, digest=used.digest).model_dump()
    return {
        "id": _session_id(job),
        "job": job.id,
        "created": job.settings,
        "words": [term.model_dump(mode="json") for term in held.words],
        "versions": {"forecourt": version("forecourt")},
        "playbook": view,
    }


def _records(journal: Path) -> Iterator[Record]:
    return read(journal, without=(FEATURES,))


def _part(name: str) -> str:
    """What a file of the analysis is called among the blobs of a call."""
    if name == JOURNAL:
        return name
    track = Path(name).stem
    return "recording" if track == TRAINEE else f"recording {track}"
