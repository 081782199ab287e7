"""People of a node, their mails, and browsers they are signed in with."""

from __future__ import annotations

import email.policy
import itertools
import re
import secrets
import time
from email.message import EmailMessage
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from api.account_client import Account
from tests.e2e import chromium
from tests.e2e.node import Node

MAILED_WITHIN_S = 20.0
POLL_S = 0.05
LINK = re.compile(r"https?://\S+/link#([A-Za-z0-9_-]+)")
_numbers = itertools.count(1)


def new_password() -> str:
    return f"seven quiet lorries {secrets.token_hex(4)}"


def new_address(name: str = "ben") -> str:
    return f"{name}{next(_numbers)}.{secrets.token_hex(3)}@north-motors.example"


def mails(node: Node, to: str) -> list[EmailMessage]:
    """What was mailed to this address, oldest first."""
    found: list[EmailMessage] = []
    for file in sorted((node.data / "mail").glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        if to in str(message["To"]):
            found.append(message)
    return found


def mailed_secret(node: Node, to: str, *, after: int = 0) -> str:
    """The secret of the newest link mailed to `to`, once there are more than `after` mails."""
    until_s = time.monotonic() + MAILED_WITHIN_S
    while time.monotonic() < until_s:
        for message in reversed(mails(node, to)[after:]):
            body = message.get_body(("plain",))
            assert body is not None
            if found := LINK.search(body.get_content()):
                return found[1]
        time.sleep(POLL_S)
    raise AssertionError(f"No link was mailed to {to}")


def invite(node: Node, role: str = "salesperson", **said: Any) -> str:
    """Invite somebody; their address."""
    address = new_address()
    with node.client() as client:
        body = {"email": address, "role": role, "teamIds": []} | said
        client.post("/users", json=body).raise_for_status()
    return address


def join(node: Node, role: str = "salesperson") -> Account:
    """Somebody new, who has accepted their invitation."""
    address = invite(node, role)
    said = {"firstName": "Ben", "lastName": "Porter"}
    return Account.accept(node.url, mailed_secret(node, address), address, new_password(), said)


def signed_in(
    browser: Browser, node: Node, account: Account | None = None, **options: Any
) -> BrowserContext:
    """A fresh profile that has just signed in, in a sign-in of its own; as the node's admin, who
    prefers English and the device's theme, unless told otherwise."""
    context = chromium.context(browser, node.url, **options)
    if account is None:
        own = node.sign_in()
        _prefer_nothing(node, own)
    else:
        own = account.again()
    context.add_cookies([own.cookie()])  # type: ignore[list-item]
    return context


def _prefer_nothing(node: Node, account: Account) -> None:
    wanted = {"language": "en", "theme": "system", "notifications": {"email": True, "muted": []}}
    with node.client(account) as client:
        me = client.get("/me")
        if me.json()["preferences"] != wanted:
            path = f"/users/{account.user['id']}/preferences"
            tag = {"If-Match": me.headers["etag"]}
            client.put(path, json=wanted, headers=tag).raise_for_status()


def watched(page: Page) -> list[str]:
    """Errors of the page's scripts, and what its policy refused, as they come."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
    )
    return errors
