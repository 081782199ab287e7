"""Where a command finds the node's folder and its store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from api.settings import default_data_dir
from api.store import FORMS

F = TypeVar("F", bound=Callable[..., Any])


def options(data_help: str) -> Callable[[F], F]:
    """`--store` and `--data`, as `url` and `data`."""

    def add(command: F) -> F:
        data = click.option(
            "--data",
            envvar="FORECOURT_DATA",
            type=click.Path(file_okay=False, path_type=Path),
            help=data_help,
        )
        store = click.option(
            "--store",
            "url",
            envvar="FORECOURT_STORE",
            help=f"The store's address, {FORMS}. FORECOURT_STORE says the same.",
        )
        return store(data(command))

    return add


def folder_of(data: Path | None) -> Path:
    return (data or default_data_dir()).absolute()


def store_of(url: str | None, data: Path | None) -> str:
    """The store's address: the one given, or the one in the node's folder."""
    return url or f"sqlite:///{folder_of(data) / 'store.db'}"
