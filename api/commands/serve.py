"""`forecourt serve`: one node."""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import signal
import socket
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

import click
import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError
from starlette.applications import Starlette

from api import logs, recognizer
from api.app import create_app
from api.audit.tail import BadTail
from api.auth.keys import BadSecrets
from api.child import FIRST_ADMIN, MARKER
from api.playbooks import open_playbooks
from api.services import Services, open_services
from api.settings import Settings
from api.sockets import BoundedSocket
from api.store.base import StoreError
from api.store.crypto import WrongKey
from engine import memory
from engine.asr.correction import Corrector
from engine.asr.domain import DomainError, load
from engine.asr.remote import RemoteError
from engine.models import ModelError, ensure
from signaling.websocket import MAX_FRAME_BYTES


@click.command()
@click.option("--host", help="Address to listen on (FORECOURT_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder for journals and recordings.")
def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Run a node: pages, API and media; on this machine only, unless told otherwise."""
    settings = _settings({"host": host, "port": port, "data": data})
    if not _is_loopback(settings.host) and not settings.public_url.startswith("https://"):
        raise click.ClickException(
            f"{settings.host} can be reached from outside, where passwords must not travel as they "
            "are. Put the node behind a proxy that speaks TLS and say where people reach it: "
            "FORECOURT_PUBLIC_URL=https://coach.example.com. Or use --host 127.0.0.1."
        )
    corrector = _corrector(settings)
    recognizes = _recognizer(settings)
    with _lock(settings.data), _listen(settings.host, settings.port) as listener:
        address = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
        logs.configure(settings.log_level, settings.log_json)
        memory.return_large_blocks()
        opening = _Opening(settings, settings.public_url or address)
        app = create_app(settings, opening, recognizes, open_playbooks(settings), corrector)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            ws=BoundedSocket,
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=10,
            ws_ping_timeout=20,
        )
        click.echo(f"{MARKER}{address}", err=True)
        server = _Server(config, app, settings.drain_s)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            # uvicorn raises the signal again when all is done; the shell expects 128 + its number.
            raise SystemExit(128 + signal.SIGINT) from None
        except SystemExit:
            if opening.failure is not None:
                raise click.ClickException(str(opening.failure)) from opening.failure
            raise


class _Opening:
    """Opens the node's services once its loop runs, and shows who is to be its first admin."""

    def __init__(self, settings: Settings, address: str) -> None:
        self._settings = settings
        self._address = address
        self.failure: Exception | None = None

    async def __call__(self) -> Services:
        try:
            services = await open_services(self._settings, lambda: self._address)
            secret = await services.links.first_admin()
        except (BadSecrets, BadTail, StoreError, WrongKey) as error:
            self.failure = error
            raise
        if secret is not None:
            click.echo(f"{FIRST_ADMIN}{services.post.link(secret)}", err=True)
        return services


class _Server(uvicorn.Server):
    """Ends the calls before it closes connections, so that whoever follows one is told.

    SIGTERM (a deployment) takes no new calls, waits up to `drain_s` for the live ones to end by
    themselves and then leaves them resumable; once more, and it waits no longer. SIGINT (Ctrl-C)
    ends the calls at once.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette, drain_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_s = drain_s
        self._drained_by_s: float | None = None
        self._is_resumable = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT:
            self._is_resumable = False
        if sig == signal.SIGTERM and self._drain_s > 0 and self._drained_by_s is None:
            # uvicorn and the event streams hear of it when the calls are over.
            self._drained_by_s = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._drained_by_s is not None and not self.should_exit:
            calls = self._app.state.calls
            calls.drain()
            if calls.live == 0 or time.monotonic() > self._drained_by_s:
                super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.state.calls.stop(resumable=self._is_resumable)
        await super().shutdown(sockets)


def _settings(options: dict[str, Any]) -> Settings:
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except (ValidationError, SettingsError) as error:
        raise click.ClickException(f"A setting cannot be used: {error}") from error


def _corrector(settings: Settings) -> Corrector | None:
    """What puts domain words right, its lists read and found fit; None where that is off."""
    if settings.domain == "off":
        return None
    try:
        return Corrector(load(settings.domain_words))
    except DomainError as error:
        raise click.ClickException(
            f"{error} Correct the list that FORECOURT_DOMAIN_WORDS names, or unset it."
        ) from error


def _recognizer(settings: Settings) -> recognizer.NodeRecognizer:
    """What the node recognizes with, found fit: weights verified, or a server that answered."""
    if settings.asr_url:
        remote = recognizer.remote(settings)
        try:
            asyncio.run(remote.probe())
        except RemoteError as error:
            raise click.ClickException(
                f"{error}. Check that it runs and FORECOURT_ASR_URL, FORECOURT_ASR_API_KEY and "
                "FORECOURT_ASR_MODEL, or unset FORECOURT_ASR_URL to recognize on this machine."
            ) from error
        return remote
    try:
        model = ensure(settings.model, path=settings.model_path)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    return recognizer.local(settings, model)


def _lock(data: Path) -> IO[str]:
    """Take the data folder for this node; the operating system frees it when the node ends.

    A second node would take the first one's live calls for broken ones and write to their journals.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "node.lock").open("w")
    except OSError as error:
        raise click.ClickException(
            f"The data folder {data} cannot be used ({error.strerror}); choose another with --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise click.ClickException(
            f"Another node uses {data}; stop it, or choose another folder with --data."
        ) from error
    return lock


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(
            f"Port {port} on {host} cannot be used ({error.strerror}); choose another with --port."
        ) from error
    listener.listen(128)
    return listener
