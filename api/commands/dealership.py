"""`forecourt dealership`: what only an operator does with tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import SecretStr

from api.audit.tail import BadTail
from api.auth.keys import BadSecrets
from api.commands import place
from api.ids import new_id
from api.problems import Problem
from api.services import Services, open_services
from api.settings import Settings
from api.store.base import Duplicate, StoreError
from api.store.crypto import WrongKey
from api.store.documents import Dealership, LinkPurpose, User

T = TypeVar("T")
NODE = "operator"
"""The audit chain of what is done at the command line, beside a node that may run."""


@click.group()
@place.options("The node's folder, with secrets.toml and, if --store names no other, the store.")
@click.option("--public-url", envvar="FORECOURT_PUBLIC_URL", default="http://127.0.0.1:8080")
@click.pass_context
def dealership(context: click.Context, url: str | None, data: Path | None, public_url: str) -> None:
    """Make dealerships, and let their admins in again. Shows no content of any."""
    given: dict[str, Any] = {"data": place.folder_of(data), "node": NODE, "public_url": public_url}
    if url:
        given["store"] = SecretStr(url)
    context.obj = Settings(**given)


@dealership.command()
@click.argument("name")
@click.argument("email")
@click.option("--language", default="en", show_default=True)
@click.pass_obj
def add(settings: Settings, name: str, email: str, language: str) -> None:
    """Make the dealership NAME, and print a link by which EMAIL becomes its admin."""

    async def work(services: Services) -> str:
        own = new_id()
        made = Dealership.new(
            own,
            services.now(),
            id=own,
            name=name,
            language=language,
            key_check=services.key_check,
        )
        await services.store.dealerships.add(made)
        user = User.new(made.id, services.now(), email=email, role="admin")
        _, wrapped = services.vault.new_key(user)
        user = user.model_copy(update={"data_key": wrapped})
        try:
            await services.store.users.add(made.id, user)
        except Duplicate:
            await services.store.dealerships.remove(made.id)
            raise
        await _record(services, user, "dealership.create")
        return services.post.link(await services.links.make(user, "invite"))

    click.echo(f"Within 72 hours: {_run(settings, work)}")


@dealership.command()
@click.argument("email")
@click.option("--without-second-factor", is_flag=True, help="Also remove a second factor lost.")
@click.pass_obj
def admit(settings: Settings, email: str, without_second_factor: bool) -> None:
    """Print a link by which EMAIL chooses a new password; for admins whom nobody can help."""

    async def work(services: Services) -> str:
        user = await services.store.users.by_email(email)
        if user is None or user.status == "disabled":
            raise click.ClickException(f"Nobody of this address has an account: {email}")
        if without_second_factor:
            await services.store.users.save(
                user.dealership_id, user.changed(services.now(), totp=None)
            )
        await _record(services, user, "user.admit")
        purpose: LinkPurpose = "invite" if user.status == "invited" else "reset"
        return services.post.link(await services.links.make(user, purpose))

    click.echo(_run(settings, work))


async def _record(services: Services, user: User, action: str) -> None:
    await services.audit.about_person(
        action, user.id, dealership_id=user.dealership_id, actor_id=NODE
    )


def _run(settings: Settings, work: Callable[[Services], Awaitable[T]]) -> T:
    async def run() -> T:
        services = await open_services(settings, lambda: settings.public_url)
        try:
            return await work(services)
        finally:
            await services.close()

    try:
        return asyncio.run(run())
    except Duplicate as error:
        raise click.ClickException("Somebody has an account with this address already.") from error
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except (BadSecrets, BadTail, StoreError, WrongKey, ValueError) as error:
        raise click.ClickException(str(error)) from error
