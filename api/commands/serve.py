"""`forecourt serve`: one node."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import click
import uvicorn

from api import logs
from api.app import create_app
from api.settings import Settings
from engine.models import ModelError, ensure


@click.command()
@click.option("--host", help="Loopback address to listen on (FORECOURT_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder for journals and recordings.")
def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Run a node: practice page, API and media, on this machine only."""
    given = {"host": host, "port": port, "data": data}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    if not _is_loopback(settings.host):
        raise click.ClickException(
            f"{settings.host} is not a loopback address. Until there are accounts, a node trusts "
            "whoever reaches it, so it listens on this machine only: use --host 127.0.0.1."
        )
    logs.configure(settings.log_level, settings.log_json)
    try:
        model = ensure(settings.model, path=settings.model_path)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    listener = _listen(settings.host, settings.port)
    address = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(settings, model),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    click.echo(f"Forecourt listens on {address}", err=True)
    uvicorn.Server(config).run(sockets=[listener])


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
        raise click.ClickException(
            f"Port {port} on {host} cannot be used ({error.strerror}); choose another with --port."
        ) from error
    listener.listen(128)
    return listener
