"""The demo's sample people, on a node of their own."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.account_client import Account
from api.child import NodeProcess
from api.commands.demo import OWN
from api.demo import people
from api.demo.people import FILE_NAME, PeopleError, Person
from tests.node import ROOT

pytestmark = pytest.mark.slow

ENVIRONMENT = OWN | {"FORECOURT_OBJECTIONS": "phrases", "FORECOURT_ASR_WORKERS": "1"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "node"


@pytest.fixture(scope="module")
def node(data: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(data, environment=ENVIRONMENT | {"PYTHONPATH": str(ROOT)})
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def staff(node: NodeProcess, data: Path) -> list[Person]:
    return people.settle(node, data)


def test_there_is_somebody_in_each_role_who_can_sign_in(
    node: NodeProcess, staff: list[Person]
) -> None:
    roles = sorted(person.role for person in staff)
    assert roles == ["admin", "coach", "manager", "salesperson", "salesperson"]
    for person in staff:
        user = Account.sign_in(node.url, person.email, person.password).user
        assert (user["role"], user["status"]) == (person.role, "active")
        assert user["profile"]["firstName"] == person.first_name
        assert user["email"].endswith("@north-motors.example")
    assert len({person.password for person in staff}) == len(staff)


def test_all_but_the_admin_are_in_one_team_of_the_manager_s(
    node: NodeProcess, staff: list[Person]
) -> None:
    admin = people.of_role(staff, "admin")
    account = Account.sign_in(node.url, admin.email, admin.password)
    with httpx.Client(base_url=f"{node.url}/api/v1", auth=account) as http:
        (team,) = http.get("/teams").raise_for_status().json()["items"]
        members = http.get("/users", params={"teamId": team["id"]}).raise_for_status().json()
    ids = {user["role"]: user["id"] for user in members["items"]}
    assert members["total"] == len(staff) - 1
    assert team["managerIds"] == [ids["manager"]]


def test_the_same_folder_has_the_same_people_and_tells_nobody_else(
    node: NodeProcess, data: Path, staff: list[Person]
) -> None:
    people.check(data)
    assert people.settle(node, data) == staff
    assert stat.S_IMODE((data / FILE_NAME).stat().st_mode) == 0o600
    assert all(person.password not in repr(staff) for person in staff)


def test_the_table_tells_who_can_sign_in_with_what(staff: list[Person]) -> None:
    lines = people.table(staff).splitlines()
    for person, line in zip(staff, lines, strict=True):
        told = (person.first_name, person.last_name, person.role, person.email, person.password)
        assert tuple(line.split()) == told


def test_the_folder_of_another_node_and_a_spoilt_list_are_refused(
    node: NodeProcess, tmp_path: Path
) -> None:
    people.check(tmp_path)
    (tmp_path / "store.db").touch()
    with pytest.raises(PeopleError, match="--data"):
        people.check(tmp_path)
    (tmp_path / FILE_NAME).write_text("[{}]")
    people.check(tmp_path)
    with pytest.raises(PeopleError, match=FILE_NAME):
        people.settle(node, tmp_path)
