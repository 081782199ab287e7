"""Sample people for the demo: one team with everybody who belongs to it, each with a password of
their own.

They come as people do: the first admin by the link that the node prints, the others invited by
mail, which a node without a mail server writes to a folder.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

import httpx
from pydantic import TypeAdapter, ValidationError

from api.account_client import Account
from api.auth.roles import Role
from api.child import NodeProcess

FILE_NAME = "demo-people.json"
TEAM = "New cars"
PEOPLE: tuple[tuple[Role, str, str], ...] = (
    ("admin", "Ada", "Field"),
    ("manager", "Marcus", "Webb"),
    ("coach", "Priya", "Nair"),
    ("salesperson", "Dana", "Ortiz"),
    ("salesperson", "Leo", "Hartmann"),
)
MAILED_WITHIN_S = 20.0
_LINK = re.compile(r"https?://\S+/link#\S+")


class PeopleError(RuntimeError):
    """The folder has no sample people and cannot get any; the message says why."""


@dataclass(frozen=True, slots=True)
class Person:
    role: Role
    first_name: str
    last_name: str
    email: str
    password: str = field(repr=False)


_STORED = TypeAdapter(list[Person])


def check(data: Path) -> None:
    """Raises `PeopleError` for a folder that holds other people than ours."""
    if (data / "store.db").exists() and not (data / FILE_NAME).exists():
        raise PeopleError(
            f"{data} is the folder of a node whose people the demo did not make, so it cannot sign "
            "in. Choose another with --data."
        )


def settle(node: NodeProcess, data: Path) -> list[Person]:
    """The people of the node's folder, made if there are none yet. Raises `PeopleError`."""
    path = data / FILE_NAME
    if path.exists():
        try:
            return _STORED.validate_json(path.read_bytes())
        except ValidationError as error:
            raise PeopleError(f"{path} does not hold the demo's people any more.") from error
    try:
        people = _made(node, data)
    except httpx.HTTPError as error:
        raise PeopleError(f"The sample people could not be made: {error}") from error
    _write(path, people)
    return people


def of_role(people: Sequence[Person], role: Role) -> Person:
    """The first in `role`."""
    return next(person for person in people if person.role == role)


def table(people: Sequence[Person]) -> str:
    """Who can sign in with what, one line each."""
    rows = [(f"{p.first_name} {p.last_name}", p.role, p.email, p.password) for p in people]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(f"  {line}" for line in lines)


def _made(node: NodeProcess, data: Path) -> list[Person]:
    people = [
        Person(
            role,
            first,
            last,
            f"{first}.{last}@north-motors.example".lower(),
            secrets.token_urlsafe(12),
        )
        for role, first, last in PEOPLE
    ]
    admin, *others = people
    account = node.first_admin(admin.email, admin.password)
    with httpx.Client(base_url=f"{node.url}/api/v1", auth=account, timeout=30) as http:
        team = http.post("/teams", json={"name": TEAM}).raise_for_status()
        team_id = team.json()["id"]
        ids = {person.email: _join(http, node.url, data, person, team_id) for person in others}
        managers = [ids[person.email] for person in others if person.role == "manager"]
        http.put(
            f"/teams/{team_id}",
            json={"name": TEAM, "managerIds": managers},
            headers={"If-Match": team.headers["etag"]},
        ).raise_for_status()
    return people


def _join(http: httpx.Client, url: str, data: Path, person: Person, team_id: str) -> str:
    """Invite and accept; the new user's id."""
    invitation = {"email": person.email, "role": person.role, "teamIds": [team_id]}
    http.post("/users", json=invitation).raise_for_status()
    said = {"firstName": person.first_name, "lastName": person.last_name}
    link = _mailed_to(data, person.email)
    account = Account.accept(url, link, person.email, person.password, said)
    return str(account.user["id"])


def _mailed_to(data: Path, email: str) -> str:
    """The link in the mail to `email`, which may be on its way yet."""
    until_s = time.monotonic() + MAILED_WITHIN_S
    while time.monotonic() < until_s:
        for path in (data / "mail").glob("*.eml"):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            link = None if body is None else _LINK.search(str(body.get_content()))
            if message["To"] == email and link is not None:
                return link[0]
        time.sleep(0.05)
    raise PeopleError(f"No invitation for {email} has come within {MAILED_WITHIN_S:.0f} s.")


def _write(path: Path, people: list[Person]) -> None:
    """All or nothing, for this user alone."""
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_STORED.dump_json(people, indent=2) + b"\n")
    aside.replace(path)
