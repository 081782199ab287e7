"""`forecourt worker`: jobs for nodes elsewhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from api import logs
from api.accounts.vault import Vault
from api.auth import keys
from api.ids import new_id
from api.jobs.calls import CallShelf, by_type
from api.jobs.lane import Crew, Lane
from api.jobs.scratch import scratch
from api.jobs.shelf import UploadShelf
from api.keep import Keep
from api.playbooks import Playbooks
from api.services import utc_now
from api.settings import Settings
from api.store import open_database
from api.store.base import StoreError
from api.store.blobs import open_blobs
from api.store.crypto import MasterKeys, WrongKey
from api.store.store import Store
from api.uploads import Uploading
from engine.asr.domain import DomainError, Term, load
from processing.queue import Queue

MARKER = "Forecourt works on jobs."


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="A node's folder, or one beside it.")
def worker(data: Path | None) -> None:
    """Do the jobs of nodes that share a MongoDB and a Redis, until told to stop.

    Its folder is a node's on this machine, or one with a copy of the nodes' secrets.toml;
    FORECOURT_STORE, FORECOURT_BLOBS and FORECOURT_REDIS are the nodes'. FORECOURT_JOB_WORKERS says
    how many processes work.
    """
    settings = _settings(data)
    try:
        masters = keys.load(settings.data / keys.FILE_NAME).masters()
        logs.configure(settings.log_level, settings.log_json)
        terms = None if settings.domain == "off" else load(settings.domain_words).terms
        asyncio.run(_work(settings, masters, terms))
    except (DomainError, keys.BadSecrets, StoreError, WrongKey) as error:
        raise click.ClickException(str(error)) from error


def _settings(data: Path | None) -> Settings:
    try:
        settings = Settings() if data is None else Settings(data=data)
    except (ValidationError, SettingsError) as error:
        raise click.ClickException(f"A setting cannot be used: {error}") from error
    if settings.store_url.startswith("sqlite:"):
        raise click.ClickException(
            "A worker shares its store with nodes, which SQLite cannot be: it belongs to one node, "
            "which does its jobs itself. Set FORECOURT_STORE to the nodes' MongoDB."
        )
    if not settings.redis.get_secret_value():
        raise click.ClickException(
            "A worker hears of jobs over Redis: set FORECOURT_REDIS to the nodes' server."
        )
    if settings.job_workers == 0:
        raise click.ClickException("FORECOURT_JOB_WORKERS is 0; a worker needs at least 1.")
    if not settings.blobs and not (settings.data / "blobs").is_dir():
        raise click.ClickException(
            f"There are no uploads in {settings.data}: set FORECOURT_BLOBS to where the nodes keep "
            "them, or name a node's folder with --data."
        )
    return settings


async def _work(settings: Settings, masters: MasterKeys, terms: Sequence[Term] | None) -> None:
    """Until SIGTERM or SIGINT. Raises `StoreError`, `WrongKey`."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = Store(open_database(settings.store_url), utc_now)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(store.close)
        # Of one version with the nodes, whose first start migrates.
        await store.database.open()
        for dealership in await store.dealerships.every(limit=1):
            if dealership.key_check is not None:
                masters.verify(dealership.key_check)
        blobs = open_blobs(settings.blobs_url)
        await blobs.open()
        vault = Vault(masters)
        uploading = Uploading(store, blobs, vault, None, utc_now)
        # A name of its own at each start: what an earlier one left is taken over as any lost job.
        name = f"{settings.node}-{new_id()}"
        folder = opened.enter_context(scratch(settings.data / "workers", name))
        crew = Crew(folder, settings.job_workers)
        queue = Queue(settings.redis.get_secret_value())
        uploads = UploadShelf(store, uploading)
        books = Playbooks(settings.data / "playbooks", None)
        await books.start(store.playbooks)
        opened.push_async_callback(books.stop)
        calls = CallShelf(
            Keep(store, blobs, vault, name),
            uploads,
            books,
            utc_now,
            terms=terms,
            compares=settings.objections == "model",
        )
        lane = Lane(store.jobs, by_type(uploads, calls), queue, crew, name, utc_now)
        await lane.start()
        opened.push_async_callback(lane.stop)
        click.echo(MARKER, err=True)
        await stopped.wait()
