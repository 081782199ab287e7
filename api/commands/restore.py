"""`forecourt restore`: a node out of a backup."""

from __future__ import annotations

from pathlib import Path

import click

from api.backup import Manifest, Node, read_manifest
from api.backup import restore as put_back
from api.commands.backup import on_node, passphrase_of, places, told
from api.store.base import Unreadable


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@places
def restore(
    folder: Path,
    store: str | None,
    data: Path | None,
    blobs: str | None,
    passphrase_file: Path | None,
) -> None:
    """Read a backup from FOLDER into a node with nothing in it.

    Every file is checked before anything is written. If it fails later (a full disk), delete what
    was written and restore again.
    """
    place = folder.absolute()
    try:
        has_secrets = read_manifest(folder).has_secrets
    except Unreadable as error:
        raise click.ClickException(str(error)) from error
    passphrase = passphrase_of(passphrase_file, is_new=False) if has_secrets else None

    async def run(node: Node) -> Manifest:
        await node.database.migrate()
        await node.database.open()
        return await put_back(node, place, passphrase)

    told("restored from", on_node(store, data, blobs, run), folder)
