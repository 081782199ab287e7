"""`forecourt reanalyse`: a call once more, from its recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
from rich.console import Console
from rich.table import Table

from api import logs
from api.commands import place
from api.commands.calls import Named, Trouble, named
from api.commands.replay import DIFFERENT, time_of
from api.settings import Settings
from api.words import LANGUAGE, Words, terms_of
from engine.asr import weights
from engine.asr.correction import Corrector
from engine.asr.domain import DomainError, Term, load
from engine.asr.process import WORKER, WorkerLost, WorkerProcess
from engine.frames import SAMPLE_RATE, Pcm
from engine.inputs import ReplayError, parts_of
from engine.journal import Record
from engine.models import ModelError, ensure
from engine.reanalysis import CUE_MS, Decode, Row, compared
from engine.reanalysis import reanalyse as hear_again

PRE_SKIP = 312 * SAMPLE_RATE // 48_000
"""Samples that a decoder drops at the beginning (RFC 7845, 5.1): the live path, which hears packets
alone, does not."""


@click.command()
@click.argument("session")
@place.options("The node's folder, of whose calls SESSION is one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def reanalyse(session: str, url: str | None, data: Path | None, as_json: bool) -> None:
    """Hear a past call's recording again, and compare.

    SESSION is an id, or a folder with a journal and recordings that are not encrypted. Voice
    activity, analyzers and recognizer run again; words, metrics and cues are compared with the
    journalled ones, each within its tolerance. Exit code: 0 all within, 1 not, 2 nothing could be
    compared.
    """
    logs.configure("warning", as_json=False)
    call = named(session, data, url, with_audio=True)
    records, damaged = call.records, call.damaged
    try:
        parts = parts_of(records)
        audio = {track: _recording(call, track) for part in parts for track in part.inputs}
        settings = Settings()
        heard_with, own = _words(records)
        is_english = parts[0].config.language == LANGUAGE
        corrector = Words(_corrector(settings)).with_own(own) if is_english else None
        is_same = heard_with == (corrector.version if corrector else None)
        with _decoding(parts[0].config.language, settings) as decode:
            before, after = hear_again(records, audio, decode, corrector)
    except ReplayError as error:
        raise Trouble(str(error)) from error
    rows = compared(before, after)
    is_within = all(row.is_within for row in rows)
    if as_json:
        body = {
            "session": call.name,
            "within": is_within,
            "damagedLines": damaged,
            "sameWords": is_same,
            "rows": [_body(row) for row in rows],
        }
        click.echo(json.dumps(body))
    else:
        _show(call.name, rows, damaged, is_same=is_same)
    if not is_within:
        raise click.exceptions.Exit(DIFFERENT)


def _words(records: Iterable[Record]) -> tuple[str | None, tuple[Term, ...]]:
    """The version of the domain words that the call was heard with (None: without any), and those
    among them that were its dealership's own."""
    for record in records:
        if record["k"] == "session":
            return record.get("versions", {}).get("domain"), terms_of(record.get("words", ()))
    return None, ()


def _recording(call: Named, track: str) -> Pcm:
    """The track's samples from session time 0 on. Raises `Trouble`."""
    source = call.recordings.get(track)
    if source is None:
        raise Trouble(
            f"There is no recording of the {track}: without it a call can be replayed, but not "
            "reanalysed."
        )
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    pieces = [np.zeros(PRE_SKIP, np.int16)]
    try:
        with av.open(source, "r") as container:
            for frame in container.decode(audio=0):
                pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise Trouble(f"The recording of the {track} cannot be read: {error}.") from error
    return np.concatenate(pieces)


@contextmanager
def _decoding(language: str, settings: Settings) -> Iterator[Decode]:
    """A worker of this machine for `language`. Raises `Trouble` where there is none."""
    names = settings.asr_languages | {"en": settings.model}
    if language not in names:
        raise Trouble(f"No recognizer is set for {language!r} (FORECOURT_ASR_LANGUAGES).")
    name = names[language]
    try:
        folder = ensure(name, path=settings.model_path if language == "en" else None)
    except ModelError as error:
        raise Trouble(str(error)) from error
    options = weights.options(name) | {"language": language}
    worker = WorkerProcess([*WORKER, str(folder), json.dumps(options)])
    with asyncio.Runner() as runner:
        try:
            runner.run(worker.start(asyncio.Event()))
            yield lambda window: runner.run(worker.decode([window]))[0]
        except WorkerLost as error:
            raise Trouble(f"{error}.".capitalize()) from error
        finally:
            runner.run(worker.end())


def _corrector(settings: Settings) -> Corrector | None:
    """What puts domain words right, as the node is set to. Raises `Trouble`."""
    try:
        return Corrector(load(settings.domain_words)) if settings.domain == "on" else None
    except DomainError as error:
        raise Trouble(str(error)) from error


def _body(row: Row) -> dict[str, Any]:
    return {
        "track": row.track,
        "what": row.what,
        "before": row.before,
        "after": row.after,
        "absolute": row.tolerance.absolute,
        "share": row.tolerance.share,
        "within": row.is_within,
    }


def _show(name: str, rows: list[Row], damaged: int, *, is_same: bool) -> None:
    console = Console()
    if not is_same:
        console.print("[yellow]The call was heard with other domain words than this node has.[/]")
    if damaged:
        console.print(f"[yellow]{damaged} lines of the journal cannot be read.[/]")
    table = Table(title=f"Session {name}, heard again", title_justify="left")
    for column in ("track", "what"):
        table.add_column(column, no_wrap=True)
    for column in ("journal", "again", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        is_cue = row.tolerance is CUE_MS
        shown = [_shown(value, is_cue) for value in (row.before, row.after)]
        verdict = "[green]within[/]" if row.is_within else "[red]beyond[/]"
        table.add_row(row.track, row.what, *shown, _tolerance(row), verdict)
    console.print(table)
    beyond = sum(not row.is_within for row in rows)
    within = f"{len(rows) - beyond} of {len(rows)} within their tolerance"
    console.print(f"[red]{within}[/]" if beyond else f"[green]{within}[/]")


def _shown(value: float | None, is_cue: bool) -> str:
    if value is None:
        return "-"
    return time_of(int(value)) if is_cue else f"{value:.3g}" if abs(value) < 1 else f"{value:.5g}"


def _tolerance(row: Row) -> str:
    if row.tolerance is CUE_MS:
        return f"{CUE_MS.absolute / 1000:g} s"
    share = f" or {row.tolerance.share:.0%}" if row.tolerance.share else ""
    return f"{row.tolerance.absolute:g}{share}"
