"""An uploaded recording of a conversation becomes a session, as a live call leaves one behind.

Two people on a channel each are the two tracks as they are; on one channel, or on two that hold the
same, diarization tells them apart. Then frames go through `engine.session` as a live call's do,
with the same voice activity, analyzers, playbook and rules, and all the time there is for words.
What comes out is the call's ``journal`` and for each track its recording, ``trainee.ogg`` and
``partner.ogg``. The upload is read two or three times over: memory holds none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine import models
from engine.asr.correction import Corrector
from engine.asr.domain import Term, load
from engine.embedding.minilm import MODEL
from engine.events import Degraded, SessionType
from engine.journal import FileJournal
from engine.objections import LANGUAGE, Judge
from engine.playbook import Playbook
from engine.session import PARTNER, TRAINEE, Session, SessionConfig
from processing.ogg import OggWriter
from processing.sentences import Sentences
from processing.sound import Losses, blocks
from processing.survey import Survey, survey
from processing.transcriber import Transcriber, Unhurried, UnknownLanguage
from processing.voices import Row, Turn, apart, together
from processing.work import Refused, Tell

log = structlog.get_logger(__name__)

JOURNAL = "journal"
RECOGNIZERS = {"en": models.DEFAULT}
OTHERWISE = "whisper-base"
"""Of languages without a recognizer of their own."""
DECODED, DIARIZED, HEARD = 5, 35, 98
"""Per cent of the work that is done behind each stage."""


class Analysis(BaseModel):
    """How a recording is to be analysed.

    `trainee` is who is coached: on a channel each the channel, left or right, else who of the
    `people` speaks first or second. `layout` says what is on two channels where that is known.
    `session` is what the caller has to say about it, journalled first, and `began_at` when it was
    held. `terms` are domain words on top of the shipped ones, which `domain` switches off with
    them; `compares`: objections are judged by the sentence model, else by phrases alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    session_type: SessionType = "pitch"
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    people: Literal[1, 2] = 2
    trainee: Literal[1, 2] = 1
    layout: Literal["auto", "apart", "together"] = "auto"
    domain: bool = True
    terms: Annotated[tuple[Term, ...], Field(max_length=3_000)] = ()
    compares: bool = True
    playbook: Playbook | None = None
    session_id: Annotated[str, Field(max_length=64)] = "recording"
    session: dict[str, Any] | None = None
    began_at: datetime | None = None


def work_analysis(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Satisfies `processing.work.Work`: one input; the journal comes first, then the recordings."""
    try:
        analysis = Analysis.model_validate(settings)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        raise Refused(
            "settings", f"These settings are not as they should be: {fields}. Correct them."
        ) from error
    if len(inputs) != 1:
        raise Refused("inputs", f"A call is one recording, not {len(inputs)}.")
    return analyse(inputs[0], outputs, analysis, tell)


def analyse(path: Path, outputs: Path, analysis: Analysis, tell: Tell) -> list[Path]:
    """The files that a call leaves behind, made in `outputs` of the recording at `path`. Raises
    `Refused`."""
    losses = Losses()
    progress = _Progress(tell)
    reading = progress.within("decoding", 0, DECODED)
    found = survey(blocks(path, reading, losses), losses)
    if not found.audible:
        raise Refused(
            "silent", "Nothing can be heard in the recording: it is silent from end to end."
        )
    names = _tracks(analysis)
    rows = _rows(path, found, names, analysis, progress, outputs)
    recognizer = _recognizer(analysis.language)
    files = {track: outputs / f"{track}.ogg" for track in names}
    journal = FileJournal(outputs / JOURNAL)
    with ExitStack() as open_files:
        open_files.callback(journal.close)
        if analysis.session is not None:
            journal.append("session", **analysis.session)
        if analysis.began_at is not None:
            journal.append("begin", at=analysis.began_at.isoformat())
        session = _session(analysis, recognizer, journal)
        writers = {}
        for track, file in files.items():
            writers[track] = OggWriter(file)
            open_files.callback(writers[track].close)
        heard = progress.within("transcribing", progress.percent, HEARD)
        words = _play(rows, session, recognizer, writers, found, heard)
        progress.within("writing", HEARD, 100)(0.0)
    if session.unwritten:
        raise OSError(f"the journal took {session.unwritten} records less than there were")
    if not words:
        raise Refused(
            "no_speech", "Nobody can be understood in the recording: no words were found in it."
        )
    progress.within("writing", HEARD, 100)(1.0)
    return [outputs / JOURNAL, *files.values()]


def _tracks(analysis: Analysis) -> list[str]:
    """In the order of channels, or of who speaks first."""
    if analysis.people == 1:
        return [TRAINEE]
    return [TRAINEE, PARTNER] if analysis.trainee == 1 else [PARTNER, TRAINEE]


def _rows(
    path: Path,
    found: Survey,
    names: list[str],
    analysis: Analysis,
    progress: _Progress,
    scratch: Path,
) -> Iterator[Row]:
    """Frames of every track, the trainee's first; nothing stays in the folder `scratch`."""
    is_apart = found.is_apart if analysis.layout == "auto" else analysis.layout == "apart"
    if len(names) > 1 and is_apart and found.channels > 1:
        rows = apart(blocks(path), names, range(len(names)))
    else:
        turns: list[Turn] = []
        if len(names) > 1:
            # Brings PyTorch, which most recordings do without.
            from processing.diarization import diarized

            step = progress.within("diarizing", DECODED, DIARIZED)
            turns = diarized(blocks(path), found, len(names), step, folder=scratch)
        rows = together(blocks(path), names, found, turns)
    order = sorted(range(len(names)), key=lambda n: names[n] != TRAINEE)
    return ([row[n] for n in order] for row in rows)


def _recognizer(language: str) -> Unhurried:
    name = RECOGNIZERS.get(language, OTHERWISE)
    try:
        transcriber = Transcriber(models.ensure(name, progress=False), language)
    except models.ModelError as error:
        raise Refused(
            "no_model",
            "This server has no recognizer for the language of the recording: ask its operator to "
            "fetch one.",
        ) from error
    except UnknownLanguage as error:
        raise Refused(
            "language", "The recognizer does not know the language that was given; choose another."
        ) from error
    return Unhurried(transcriber.decode)


def _session(analysis: Analysis, recognizer: Unhurried, journal: FileJournal) -> Session:
    corrector = None
    if analysis.domain and analysis.language == "en":
        corrector = Corrector(load().extended(analysis.terms))
    playbook = analysis.playbook
    config = SessionConfig(
        analysis.session_type, None, volume_feedback=False, language=analysis.language
    )
    return Session(
        analysis.session_id,
        config,
        recognizer,
        journal,
        lambda: 0.0,
        corrector=corrector,
        playbook=playbook,
        judge=None if playbook is None else _judge(playbook, analysis.compares),
    )


def _judge(playbook: Playbook, compares: bool) -> Judge:
    sentences = None
    if compares and playbook.language == LANGUAGE:
        try:
            sentences = Sentences(models.catalogue().verify(MODEL))
        except models.ModelError as error:
            log.warning("objections_by_phrases_alone", why=str(error))
    judge = Judge(playbook, sentences)
    asyncio.run(judge.prepare())
    return judge


def _play(
    rows: Iterable[Row],
    session: Session,
    recognizer: Unhurried,
    writers: Mapping[str, OggWriter],
    found: Survey,
    tell: Callable[[float], None],
) -> int:
    """Play the call through `session`; returns how many words were said in it."""
    words = 0

    def count(event: Any) -> None:
        nonlocal words
        if event.type == "transcript.final":
            words += len(event.data["words"])

    session.subscribe(count)
    for track in sorted(writers, key=lambda name: name != TRAINEE):
        session.add_track(track)
    session.enter("active")
    for row in rows:
        for frame in row:
            session.push([frame])
            writers[frame.track].push(frame.pcm)
        recognizer.answer()
        tell(row[0].end_sample / found.samples)
    session.flush()
    recognizer.answer()
    if found.losses.any:
        session.emit(Degraded(what="recording", why="the file is damaged, or was cut off"))
    session.complete("uploaded")
    return words


class _Progress:
    """Tells each per cent once, and never goes back."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: tuple[str, int] | None = None
        self.percent = 0

    def within(self, stage: str, begin: int, end: int) -> Callable[[float], None]:
        """Takes the share, 0 to 1, of a `stage` that lasts from `begin` to `end` per cent."""

        def told(share: float) -> None:
            percent = begin + int((end - begin) * min(max(share, 0.0), 1.0))
            self.percent = max(self.percent, percent)
            now = stage, self.percent
            if now != self._told:
                self._told = now
                self._tell(*now)

        return told
