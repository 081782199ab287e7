"""`forecourt audit`: whether anybody tampered with the audit log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from api.audit import chain
from api.audit.tail import BadTail, Tail, path_of, read
from api.auth import keys
from api.commands import place
from api.store import open_database
from api.store.base import StoreError, Unreadable
from api.store.store import Store

BROKEN = 1
TROUBLE = 2
FOLDER = "audit"


class Trouble(click.ClickException):
    """Nothing could be verified."""

    exit_code = TROUBLE


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command()
@place.options("The node's folder, with secrets.toml and, if --store names no other, the store.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def verify(url: str | None, data: Path | None, as_json: bool) -> None:
    """Read every node's chain from its start and name the first link that does not hold.

    That a chain was cut off at its end is known only of nodes whose folder this is. Exit code: 0
    whole, 1 broken, 2 nothing could be verified.
    """
    folder = place.folder_of(data)
    try:
        secrets = keys.load(folder / keys.FILE_NAME)
        found = asyncio.run(_verify(place.store_of(url, data), secrets, folder / FOLDER))
    except (StoreError, keys.BadSecrets, BadTail) as error:
        raise Trouble(str(error)) from error
    if as_json:
        click.echo(json.dumps({"nodes": [_body(one) for one in found]}))
    else:
        for one in found:
            click.echo(_told(one), err=one.broken is not None)
        if not found:
            click.echo("the audit log is empty")
    if any(one.broken for one in found):
        raise click.exceptions.Exit(BROKEN)


async def _verify(url: str, secrets: keys.Secrets, folder: Path) -> list[chain.Chain]:
    database = open_database(url)
    try:
        if await database.schema() == 0:
            raise StoreError(f"{database.location} holds no store.")
        await database.open()
        entries = Store(database).audit
        tails = _tails(folder)
        names = set(tails)
        after, unreadable = "", None
        try:
            while some := await entries.nodes(after):
                names.update(some)
                after = some[-1]
        except Unreadable as error:
            # Whose it is cannot be told: the chains that are known may show it.
            unreadable = error
        found = [
            await chain.verify(entries, secrets.audit_key, node, tails.get(node))
            for node in sorted(names)
        ]
        if unreadable is not None and not any(one.broken for one in found):
            raise unreadable
        return found
    finally:
        await database.close()


def _tails(folder: Path) -> dict[str, Tail]:
    names = [path.stem for path in sorted(folder.glob("*.jsonl"))] if folder.is_dir() else []
    return {name: read(path_of(folder, name)) for name in names}


def _body(found: chain.Chain) -> dict[str, object]:
    broken = found.broken
    return {
        "node": found.node,
        "entries": found.entries,
        "last": found.last,
        "waiting": found.waiting,
        "endKnown": found.is_end_known,
        "broken": broken and {"seq": broken.seq, "breach": broken.breach, "detail": broken.detail},
    }


def _told(found: chain.Chain) -> str:
    if found.broken is not None:
        return f"{found.node}: broken ({found.broken.breach}). {found.broken.detail}"
    parts = [f"{found.node}: {found.entries} entries, whole; the last is {found.last}"]
    if found.waiting:
        parts.append(f"{found.waiting} more wait in the node's folder for the store")
    if not found.is_end_known:
        parts.append("whether its end was cut off cannot be told from this folder")
    return "; ".join(parts)
