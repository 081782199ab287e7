"""People who join a running node as people do: invited, by the link in their mail."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from email import message_from_bytes, policy

from api.account_client import Account
from api.auth.roles import Role
from tests.node import PASSWORD, Node

WITHIN_S = 10.0


def joined(node: Node, role: Role, team_ids: Sequence[str] | None = None) -> Account:
    """Somebody in `role`, signed in; in a team of their own, unless in others."""
    email = f"{secrets.token_hex(8)}@example.org"
    with node.client() as http:
        if team_ids is None:
            team = http.post("/teams", json={"name": secrets.token_hex(8)})
            team_ids = [team.raise_for_status().json()["id"]]
        body = {"email": email, "role": role, "teamIds": list(team_ids)}
        http.post("/users", json=body).raise_for_status()
    said = {"firstName": "Bo", "lastName": "Lund"}
    return Account.accept(node.url, mailed_to(node, email), email, PASSWORD, said)


def mailed_to(node: Node, email: str) -> str:
    """The link in the newest mail to an address, which may be on its way yet."""
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        for path in sorted((node.data / "mail").glob("*.eml"), reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            if message["To"] == email and body is not None:
                link = re.search(r"https?://\S+/link#\S+", str(body.get_content()))
                assert link is not None
                return link[0]
        time.sleep(0.02)
    raise AssertionError(f"no mail has come for {email}")
