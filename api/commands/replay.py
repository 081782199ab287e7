"""`forecourt replay`: a call's rules once more, from its journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from api import logs
from api.commands import place
from api.commands.calls import Trouble, named
from engine import rules as rulebook
from engine.difference import Difference, Pair, difference
from engine.feedback import RULES
from engine.inputs import EventDict, ReplayError
from engine.replay import Replay
from engine.replay import replay as play

DIFFERENT = 1
SHOWN = 50
"""Lines of each kind; more are counted."""


@click.command()
@click.argument("session")
@click.option(
    "--rules",
    "rules_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file with other thresholds: [too_fast] enter = 5.6, or off = true.",
)
@place.options("The node's folder, of whose calls SESSION is one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def replay(
    session: str, rules_path: Path | None, url: str | None, data: Path | None, as_json: bool
) -> None:
    """Judge a past call again, without its audio.

    SESSION is an id, or a folder with a journal that is not encrypted. The rules are this
    version's, or those of a file laid over them; the events they give are compared with the
    journalled ones. Exit code: 0 identical, 1 different, 2 nothing could be compared.
    """
    logs.configure("warning", as_json=False)
    rules = RULES
    if rules_path is not None:
        try:
            rules = rulebook.load(rules_path)
        except rulebook.RulesError as error:
            raise Trouble(str(error)) from error
    call = named(session, data, url)
    try:
        played = play(call.records, rules, call.damaged)
    except ReplayError as error:
        raise Trouble(str(error)) from error
    found = difference(played.before, played.after)
    if as_json:
        click.echo(json.dumps(_body(call.name, played, found, rulebook.version(rules))))
    else:
        _show(Console(soft_wrap=True, highlight=False), call.name, rules_path, played, found)
    if not played.is_identical:
        raise click.exceptions.Exit(DIFFERENT)


def _body(name: str, played: Replay, found: Difference, version: str) -> dict[str, Any]:
    def pairs(given: list[Pair]) -> list[dict[str, EventDict | None]]:
        return [{"before": pair.before, "after": pair.after} for pair in given]

    return {
        "session": name,
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
    console: Console, name: str, rules_path: Path | None, played: Replay, found: Difference
) -> None:
    cues = sum(event["type"] == "feedback" for event in played.before)
    events, parts = _count(len(played.before), "event"), _count(played.parts, "part")
    console.print(f"Session {name}: {events}, {cues} of them cues, in {parts}.")
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
