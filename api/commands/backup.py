"""`forecourt backup`: everything a node keeps, as a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.filesize import decimal

from api.auth.keys import BadSecrets
from api.backup import Manifest, Node, back_up
from api.passphrase import WrongPassphrase
from api.settings import default_data_dir
from api.store import FORMS, open_database
from api.store.base import StoreError
from api.store.blobs import FORMS as BLOB_FORMS
from api.store.blobs import open_blobs
from api.store.crypto import Damaged

F = TypeVar("F", bound=Callable[..., Any])


def places(command: F) -> F:
    """The options of `backup` and `restore`."""
    for option in (
        click.option(
            "--passphrase-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file whose first line is the passphrase. Else it is asked for.",
        ),
        click.option(
            "--blobs",
            envvar="FORECOURT_BLOBS",
            help=f"The blobs' address, {BLOB_FORMS}. By default blobs/ in the node's folder.",
        ),
        click.option(
            "--data",
            envvar="FORECOURT_DATA",
            type=click.Path(file_okay=False, path_type=Path),
            help="The node's folder.",
        ),
        click.option(
            "--store",
            envvar="FORECOURT_STORE",
            help=f"The store's address, {FORMS}. By default store.db in the node's folder.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@places
@click.option("--without-secrets", is_flag=True, help="You keep a copy of secrets.toml elsewhere.")
def backup(
    folder: Path,
    store: str | None,
    data: Path | None,
    blobs: str | None,
    passphrase_file: Path | None,
    without_secrets: bool,
) -> None:
    """Write the store, the blobs and the secrets to FOLDER, which must not be there.

    Stop the node first. The secrets are sealed under a passphrase; who loses it cannot restore.
    """
    to = folder.absolute()
    passphrase = None
    if not without_secrets:
        passphrase = passphrase_of(passphrase_file, is_new=True)

    async def run(node: Node) -> Manifest:
        if await node.database.schema() == 0:
            raise StoreError(f"{node.database.location} holds no store.")
        await node.database.open()
        return await back_up(node, to, passphrase, datetime.now(UTC))

    told("written to", on_node(store, data, blobs, run), folder)


def passphrase_of(path: Path | None, *, is_new: bool) -> str:
    if path is not None:
        lines = path.read_text().splitlines()
        return lines[0] if lines else ""
    asked: str = click.prompt(
        "passphrase of the backup", hide_input=True, confirmation_prompt=is_new
    )
    return asked


def on_node(
    store: str | None,
    data: Path | None,
    blobs: str | None,
    question: Callable[[Node], Awaitable[Manifest]],
) -> Manifest:
    """Ask a node that does not run; its store is closed afterwards."""
    folder = (data or default_data_dir()).absolute()

    async def run() -> Manifest:
        database = open_database(store or f"sqlite:///{folder / 'store.db'}")
        try:
            opened = open_blobs(blobs or (folder / "blobs").as_uri())
            await opened.open()
            return await question(Node(database, opened, folder))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (StoreError, BadSecrets, WrongPassphrase, Damaged) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}.") from error


def told(what: str, manifest: Manifest, folder: Path) -> None:
    secrets = "with" if manifest.has_secrets else "without"
    size = decimal(manifest.bytes_)
    click.echo(f"{manifest.files} files ({size}), {secrets} secrets, {what} {folder}")
