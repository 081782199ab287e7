"""`forecourt models`: list, fetch and verify model weights."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from engine.models import DEFAULT, Catalogue, ModelError, State, catalogue

STATES: dict[State, str] = {
    "absent": "not fetched",
    "damaged": "[red]damaged[/]",
    "unverified": "[yellow]not verified[/]",
    "ready": "[green]ready[/]",
}


@click.group()
@click.option(
    "--catalogue",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another catalogue file than the engine's own.",
)
@click.pass_context
def models(context: click.Context, path: Path | None) -> None:
    """List, fetch and verify model weights."""
    context.obj = Catalogue.load(path) if path else catalogue()


@models.command("list")
@click.pass_obj
def list_(entries: Catalogue) -> None:
    """Show every model: size, licence, and what the cache holds of it."""
    table = Table(caption=f"cache: {entries.root}", caption_justify="left")
    for column in ("model", "size", "licence", "state"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    table.add_column("what it is")
    for name, entry in entries.entries.items():
        state = STATES[entries.state(name)]
        table.add_row(name, decimal(entry.size), entry.licence, state, entry.summary)
    Console().print(table)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Fetch every model of the catalogue.")
@click.pass_obj
def fetch(entries: Catalogue, names: tuple[str, ...], every: bool) -> None:
    """Fetch models into the cache (whisper-tiny.en when none is named), replacing damaged ones."""
    for name in entries.entries if every else names or (DEFAULT,):
        try:
            folder = entries.ensure(name, repair=True)
        except ModelError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{name}: ready in {folder}")


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_obj
def verify(entries: Catalogue, names: tuple[str, ...]) -> None:
    """Hash every file of the named models, or of all that are in the cache."""
    failed = False
    for name in names or [each for each in entries.entries if entries.state(each) != "absent"]:
        try:
            click.echo(f"{name}: verified, {entries.verify(name)}")
        except ModelError as error:
            failed = True
            click.echo(f"Error: {error}", err=True)
    if failed:
        raise click.exceptions.Exit(1)
