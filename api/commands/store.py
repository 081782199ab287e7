"""`forecourt store`: look at the node's database, migrate it, take it elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from api.commands import place
from api.store import exports, open_database
from api.store.base import Database, Report, StoreError

T = TypeVar("T")
Question = Callable[[Database], Awaitable[T]]


@click.group()
@place.options("The node's folder, which holds the store if --store names no other.")
@click.pass_context
def store(context: click.Context, url: str | None, data: Path | None) -> None:
    """Check, migrate, export and import the node's database."""
    context.obj = place.store_of(url, data)


@store.command()
@click.pass_obj
def check(url: str) -> None:
    """Read every document. Exit code 1 if anything is wrong."""

    async def run(database: Database) -> Report:
        await database.open()
        return await database.check()

    report = _run(url, _there(run))
    table = Table("collection", "documents")
    for name, documents in report.documents.items():
        table.add_row(name, str(documents))
    Console().print(table)
    click.echo(f"schema {report.schema}, this version of Forecourt wants {report.wanted}")
    for problem in report.problems:
        click.echo(problem, err=True)
    if report.problems:
        raise click.exceptions.Exit(1)
    click.echo("all documents can be read")


@store.command()
@click.pass_obj
def migrate(url: str) -> None:
    """Bring the schema up to date; a store that is not there is made. There is no way back."""

    async def run(database: Database) -> tuple[int, int]:
        return await database.migrate(), await database.schema()

    before, now = _run(url, run)
    click.echo(f"schema {now}" if before == now else f"schema {before or 'none'} -> {now}")


@store.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.pass_obj
def export_(url: str, folder: Path) -> None:
    """Write everything to FOLDER, which must not be there. Stop the node first."""

    async def run(database: Database) -> exports.Manifest:
        await database.open()
        return await exports.export(database, folder)

    _told("exported to", _run(url, _there(run)), folder)


@store.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_obj
def import_(url: str, folder: Path) -> None:
    """Read an export from FOLDER into a store with nothing in it."""

    async def run(database: Database) -> exports.Manifest:
        await database.open()
        return await exports.restore(database, folder)

    _told("imported from", _run(url, run), folder)


def _told(what: str, manifest: exports.Manifest, folder: Path) -> None:
    documents = sum(one.documents for one in manifest.collections.values())
    click.echo(f"{documents} documents {what} {folder}")


def _there(question: Question[T]) -> Question[T]:
    """For a store that should be there: it is not made by looking."""

    async def ask(database: Database) -> T:
        if await database.schema() == 0:
            raise StoreError(
                f"{database.location} holds no store. `forecourt store migrate` makes one."
            )
        return await question(database)

    return ask


def _run(url: str, question: Question[T]) -> T:
    async def run() -> T:
        database = open_database(url)
        try:
            return await question(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreError as error:
        raise click.ClickException(str(error)) from error
