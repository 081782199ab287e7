"""`forecourt keys`: new keys, and the end of old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import click

from api.auth import keys as secrets
from api.commands import place
from api.store import open_database
from api.store.base import StoreError
from api.store.crypto import MasterKeys
from api.store.rewrapping import rewrap as wrap_anew
from api.store.rewrapping import wrapped_by
from api.store.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Where:
    path: Path
    url: str


@click.group()
@place.options("The node's folder, with secrets.toml and, if --store names no other, the store.")
@click.pass_context
def keys(context: click.Context, url: str | None, data: Path | None) -> None:
    """Rotate the keys in secrets.toml. A node reads them when it starts."""
    folder = place.folder_of(data)
    store = place.store_of(url, data)
    context.obj = _Where(folder / secrets.FILE_NAME, store)


@keys.command()
@click.argument("what", type=click.Choice(["signing", "master"]))
@click.option(
    "--only-add", is_flag=True, help="Of master: do not wrap data keys anew; `rewrap` does it."
)
@click.pass_obj
def rotate(where: _Where, what: Literal["signing", "master"], only_add: bool) -> None:
    """Make a new current key.

    signing: tokens signed with the key before it stay good until they expire; do not rotate again
    before that (10 minutes). master: every data key is wrapped with the new one. Stop the node
    first. Where nodes share a store: --only-add, give all the new secrets.toml, start them anew,
    then `forecourt keys rewrap`.
    """
    _kept(lambda: secrets.load(where.path))
    changed = _kept(lambda: secrets.rotate(where.path, what, datetime.now(UTC)))
    if what == "signing":
        click.echo(f"the signing key is now {changed.signing_keys[0].id}; start the node anew")
        return
    click.echo(f"the master key is now {changed.master_keys[0].id}")
    if not only_add:
        _rewrap(where, changed.masters())


@keys.command()
@click.pass_obj
def rewrap(where: _Where) -> None:
    """Wrap every data key with the current master key; goes on where it was ended.

    Exit code 1 if there is one that no master key opens.
    """
    _rewrap(where, _kept(lambda: secrets.load(where.path)).masters())


@keys.command()
@click.argument("key_id", metavar="ID")
@click.pass_obj
def forget(where: _Where, key_id: str) -> None:
    """Remove an older master key from secrets.toml, once nothing is wrapped with it.

    What it wrapped in older backups can then be read with their own copy of it alone.
    """
    kept = _kept(lambda: secrets.load(where.path))
    _kept(lambda: kept.without_master(key_id))
    count = _ask(where, lambda store: wrapped_by(store, kept.masters()))[key_id]
    if count:
        raise click.ClickException(
            f"{key_id} still wraps the data keys of {count} sessions, people and uploads, which "
            "would be lost: run `forecourt keys rewrap` first, and see that every node has the "
            "new key."
        )
    _kept(lambda: secrets.forget_master(where.path, key_id))
    click.echo(f"{key_id} is forgotten")


@keys.command("list")
@click.pass_obj
def list_(where: _Where) -> None:
    """Show the keys by id, never by value, and how many data keys each master key wraps."""
    kept = _kept(lambda: secrets.load(where.path))
    counts = _ask(where, lambda store: wrapped_by(store, kept.masters()))
    for number, key in enumerate(kept.master_keys):
        state = "current" if number == 0 else "older"
        click.echo(f"master   {key.id}  {key.created_at:%Y-%m-%d}  {state}, wraps {counts[key.id]}")
    for number, key in enumerate(kept.signing_keys):
        state = "current" if number == 0 else "older"
        click.echo(f"signing  {key.id}  {key.created_at:%Y-%m-%d}  {state}")


def _rewrap(where: _Where, masters: MasterKeys) -> None:
    def told(name: str, count: int) -> None:
        if count % 1_000 == 0:
            click.echo(f"{name}: {count} looked at")

    found = _ask(where, lambda store: wrap_anew(store, masters, told=told))
    click.echo(f"{found.done} data keys wrapped anew")
    if found.failed:
        for name in found.failed[:50]:
            click.echo(f"{name}: its data key opens with no master key here", err=True)
        raise click.ClickException(f"{len(found.failed)} data keys could not be wrapped anew.")


def _kept(question: Callable[[], T]) -> T:
    try:
        return question()
    except secrets.BadSecrets as error:
        raise click.ClickException(str(error)) from error


def _ask(where: _Where, question: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        database = open_database(where.url)
        try:
            if await database.schema() == 0:
                raise StoreError(f"{database.location} holds no store.")
            await database.open()
            return await question(Store(database))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
