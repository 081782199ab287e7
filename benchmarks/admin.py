"""Who calls a benchmark's node: its first admin, with a password that nobody is told."""

from __future__ import annotations

import os
import secrets

from api.account_client import Account
from api.child import NodeProcess

EMAIL = "ada@north-motors.example"
VARIABLE = "FORECOURT_BENCHMARK_PASSWORD"


def of(node: NodeProcess) -> Account:
    """The admin of a node that runs on a new folder."""
    return node.first_admin(EMAIL, secrets.token_urlsafe(16))


def environment(account: Account) -> dict[str, str]:
    """What a child process needs to sign in as the same admin."""
    return {VARIABLE: account.password}


def in_child(url: str) -> Account:
    """In a child process that has `environment`: the same admin, in a sign-in of its own."""
    return Account.sign_in(url, EMAIL, os.environ[VARIABLE])
