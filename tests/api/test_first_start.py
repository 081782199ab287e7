"""A node's first start, the operator's commands, and secrets that do not fit."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from api.account_client import Account, NotSignedIn
from api.cli import main
from tests.api.seeds import Seeds
from tests.node import ADMIN, PASSWORD, ROOT, Node, serve_command

pytestmark = pytest.mark.slow

OTHER = "eve@south-motors.example"
NEW = "an otter under the bridge"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of its own, that has its first admin."""
    node = Node(tmp_path_factory.mktemp("first") / "node")
    node.start()
    yield node
    node.stop()


def operator(node: Node, *arguments: str) -> str:
    """What `forecourt dealership` prints."""
    options = ["--data", str(node.data), "--public-url", node.url]
    result = CliRunner().invoke(main, ["dealership", *options, *arguments])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_secrets_are_for_the_nodes_user_alone_and_the_link_is_in_no_log(used: Node) -> None:
    assert (used.data / "secrets.toml").stat().st_mode & 0o777 == 0o600
    secret = used.first_admin_link.rpartition("#")[2]
    lines = [line for line in used.log.splitlines() if secret in line]
    assert lines == [f"First admin, within 24 hours: {used.first_admin_link}"]
    for hidden in (ADMIN, PASSWORD, used.account.access_token, used.account.refresh_token):
        assert hidden not in used.log


def test_a_second_dealership_is_a_world_of_its_own(used: Node) -> None:
    link = operator(used, "add", "South Motors", OTHER).rpartition(" ")[2]
    said = {"firstName": "Eve", "lastName": "Moss"}
    eve = Account.accept(used.url, link, OTHER, NEW, said)
    assert eve.user["role"] == "admin"
    with used.client(eve) as http:
        assert http.get("/dealership").json()["name"] == "South Motors"
        assert http.get("/users").json()["total"] == 1
        assert http.get(f"/users/{used.account.user['id']}").status_code == 404
        entries = http.get("/audit").json()["items"]
        assert {entry["node"] for entry in entries} == {"operator", "node1"}
    again = CliRunner().invoke(
        main, ["dealership", "--data", str(used.data), "add", "South Motors", OTHER]
    )
    assert again.exit_code == 1
    assert "address already" in again.output


def test_an_admin_whom_nobody_can_help_is_let_in_again(used: Node) -> None:
    link = operator(used, "admit", ADMIN)
    assert Account.accept(used.url, link, ADMIN, NEW).user["email"] == ADMIN
    with pytest.raises(NotSignedIn):
        Account.sign_in(used.url, ADMIN, PASSWORD)


def test_the_node_prints_no_link_once_there_is_an_admin(used: Node) -> None:
    before = used.log.count("First admin")
    used.stop()
    used.start()
    assert used.log.count("First admin") == before == 1
    assert httpx.get(f"{used.url}/healthz").status_code == 200


async def test_what_was_kept_for_long_enough_is_destroyed(used: Node) -> None:
    async with Seeds(used.data) as seeds:
        here = await seeds.dealership("Keeps a year")
        admin = await seeds.person(here, "admin")
        old = [await seeds.session(admin, days_ago=days) for days in (366, 2000)]
        young = await seeds.session(admin, days_ago=364)
    await asyncio.to_thread(used.stop)
    await asyncio.to_thread(used.start)
    async with httpx.AsyncClient(
        base_url=f"{used.url}/api/v1", headers=admin.headers, timeout=30
    ) as http:
        async with asyncio.timeout(20):
            while (page := (await http.get("/sessions")).json())["total"] > 1:
                await asyncio.sleep(0.1)
        assert [item["id"] for item in page["items"]] == [young]
        entries = (await http.get("/audit", params={"action": "session.expire"})).json()["items"]
        assert {entry["targetId"] for entry in entries} == set(old)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("other keys", "not those this data was written with"),
        ("open to all", "chmod 600"),
        ("not there", None),
        ("no toml", "not TOML"),
    ],
)
def test_secrets_that_do_not_fit_stop_the_start_with_a_sentence(
    used: Node, tmp_path: Path, damage: str, says: str | None
) -> None:
    used.stop()
    data = tmp_path / "data"
    shutil.copytree(used.data, data)
    secrets = data / "secrets.toml"
    if damage == "other keys":
        secrets.unlink()
        CliRunner().invoke(main, ["dealership", "--data", str(tmp_path / "x"), "admit", "a@b.c"])
        shutil.copy(tmp_path / "x" / "secrets.toml", secrets)
    elif damage == "open to all":
        secrets.chmod(0o644)
    elif damage == "no toml":
        secrets.write_text("keys = [")
    else:
        # New ones are made at a first start alone: these would open nothing.
        secrets.unlink()
        says = "not those this data was written with"
    done = subprocess.run(
        serve_command("--port", "0", "--data", str(data)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert says is not None
    errors = re.findall(r"^Error: .*", done.stderr, re.MULTILINE)
    assert len(errors) == 1
    assert says in errors[0]
