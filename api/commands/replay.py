"""`forecourt replay`: a call's rules once more, from its journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from api import logs
from api.ids import is_id
from api.past import JOURNAL
from api.settings import Settings
from engine import rules as rulebook
from engine.difference import Difference, Pair, difference
from engine.feedback import RULES
from engine.inputs import EventDict, ReplayError
from engine.journal import Record
from engine.replay import Replay, load
from engine.replay import replay as play

DIFFERENT = 1
TROUBLE = 2
SHOWN = 50
"""Lines of each kind; more are counted."""


class Trouble(click.ClickException):
    """Nothing could be compared."""

    exit_code = TROUBLE


@click.command()
@click.argument("session")
@click.option(
    "--rules",
    "rules_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file with other thresholds: [too_fast] enter = 5.6, or off = true.",
)
@click.option("--data", type=click.Path(path_type=Path), help="The node's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def replay(session: str, rules_path: Path | None, data: Path | None, as_json: bool) -> None:
    """Judge a past call again, without its audio.

    SESSION is an id, or a session's folder. The rules are this version's, or those of a file laid
    over them; the events they give are compared with the journalled ones. Exit code: 0 identical, 1
    different, 2 nothing could be compared.
    """
    logs.configure("warning", as_json=False)
    folder = folder_of(session, data)
    rules = RULES
    if rules_path is not None:
        try:
            rules = rulebook.load(rules_path)
        except rulebook.RulesError as error:
            raise Trouble(str(error)) from error
    records, damaged = journal_of(folder)
    try:
        played = play(records, rules, damaged)
    except ReplayError as error:
        raise Trouble(str(error)) from error
    found = difference(played.before, played.after)
    if as_json:
        click.echo(json.dumps(_body(folder, played, found, rulebook.version(rules))))
    else:
        _show(Console(soft_wrap=True, highlight=False), folder, rules_path, played, found)
    if not played.is_identical:
        raise click.exceptions.Exit(DIFFERENT)


def folder_of(session: str, data: Path | None) -> Path:
    """The folder of a session named by its id, or by itself. Raises `Trouble`."""
    if is_id(session):
        settings = Settings() if data is None else Settings(data=data)
        folder = settings.sessions / session
        if (folder / JOURNAL).exists():
            return folder
        raise Trouble(
            f"There is no journal of session {session} in {settings.sessions}. Name the node's "
            "folder with --data; of a call whose recording was refused nothing is kept."
        )
    folder = Path(session)
    if (folder / JOURNAL).exists():
        return folder
    raise Trouble(f"{session} is neither a session's id (24 hex digits) nor a folder of one.")


def journal_of(folder: Path) -> tuple[list[Record], int]:
    """A session's records, and how many of its journal's lines are damaged. Raises `Trouble`."""
    try:
        return load(folder / JOURNAL)
    except OSError as error:
        raise Trouble(f"{folder / JOURNAL} cannot be read: {error.strerror}.") from error


def _body(folder: Path, played: Replay, found: Difference, version: str) -> dict[str, Any]:
    def pairs(given: list[Pair]) -> list[dict[str, EventDict | None]]:
        return [{"before": pair.before, "after": pair.after} for pair in given]

    return {
        "session": folder.name,
        "identical": played.is_identical,
        "rules": version,
        "coachedWith": list(played.rules),
        "parts": played.parts,
        "events": len(played.before),
        "damagedLines": played.damaged,
        "unwrittenRecords": played.missing,
        "unconfirmedEvents": played.unconfirmed,
        "appeared": found.appeared,
        "vanished": found.vanished,
        "moved": pairs(found.moved),
        "changed": pairs(found.changed),
        "others": pairs(found.others),
    }


def _show(
    console: Console, folder: Path, rules_path: Path | None, played: Replay, found: Difference
) -> None:
    cues = sum(event["type"] == "feedback" for event in played.before)
    events, parts = _count(len(played.before), "event"), _count(played.parts, "part")
    console.print(f"Session {folder.name}: {events}, {cues} of them cues, in {parts}.")
    for line in warnings(played):
        console.print(f"[yellow]{line}[/]")
    if rules_path is None and played.rules != (rulebook.version(),):
        console.print("[yellow]The call was coached with other rules than this version has.[/]")
    if played.is_identical:
        console.print("[green]Identical[/]: every event came out as it is in the journal.")
        return
    with_what = f"with {escape(str(rules_path))}" if rules_path else "with this version's rules"
    if not len(found):
        console.print(f"Played again {with_what}, the events are the same but their numbers.")
        return
    console.print(f"Played again {with_what}:")
    _list(console, "appeared", [f"[green]+[/] {_cue(event)}" for event in found.appeared])
    _list(console, "vanished", [f"[red]-[/] {_cue(event)}" for event in found.vanished])
    _list(console, "moved", [_moved(pair) for pair in found.moved])
    _list(console, "changed", [_changed(pair) for pair in found.changed])
    _list(console, "other events", [_other(pair) for pair in found.others])


def warnings(played: Replay) -> list[str]:
    """What keeps a journal from being played as it was."""
    lines = []
    if played.damaged:
        lost = _count(played.damaged, "line")
        lines.append(f"{lost} of the journal cannot be read: what stood there is missing below.")
    if played.missing:
        lost = _count(played.missing, "record")
        lines.append(f"{lost} never reached the disk, which was full.")
    if played.unconfirmed:
        lost = _count(played.unconfirmed, "event")
        lines.append(f"{lost} at the moment of a crash never reached the journal: left out.")
    return lines


def _list(console: Console, heading: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(f"{heading} ({len(lines)})")
    for line in lines[:SHOWN]:
        console.print(f"  {line}")
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def time_of(t_ms: int) -> str:
    """Session time as minutes and seconds."""
    return f"{t_ms // 60_000:02}:{t_ms % 60_000 / 1000:06.3f}"


def _cue(event: EventDict) -> str:
    data = event["data"]
    return f"{time_of(event['t'])}  {data['code']:<16} {escape(data['message'])}"


def _moved(pair: Pair) -> str:
    assert pair.before is not None
    assert pair.after is not None
    return f"[yellow]>[/] {time_of(pair.before['t'])} -> {_cue(pair.after)}"


def _changed(pair: Pair) -> str:
    assert pair.before is not None
    assert pair.after is not None
    before, after = pair.before["data"], pair.after["data"]
    parts = [f"{key}: {before[key]} -> {after[key]}" for key in before if before[key] != after[key]]
    return f"[yellow]~[/] {_cue(pair.after)}\n      {escape('; '.join(parts))}"


def _other(pair: Pair) -> str:
    event = pair.after or pair.before
    assert event is not None
    sign = "[green]+[/]" if pair.before is None else "[red]-[/]" if pair.after is None else "~"
    return f"{sign} {time_of(event['t'])}  {event['type']}"
