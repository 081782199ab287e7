"""The table of roles, cell by cell, against what the product's roles are meant to do.

Each cell below lists whose things a role reaches: o one's own, t a colleague's of one's team, c a
colleague's of another team, h the house's (of no person and no team).
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth import roles
from api.auth.roles import Actor, Owner, allows

ALL, TEAM, OWN, OTHERS, NONE = "otch", "ot", "o", "tc", ""
EVERYBODY = {"admin": ALL, "manager": ALL, "coach": ALL, "salesperson": ALL}
ONESELF = {"admin": OWN, "manager": OWN, "coach": OWN, "salesperson": OWN}
ONESELF_OR_ADMIN = {"admin": ALL, "manager": OWN, "coach": OWN, "salesperson": OWN}
ADMIN = {"admin": ALL, "manager": NONE, "coach": NONE, "salesperson": NONE}
ADMIN_NOT_ONESELF = {"admin": OTHERS, "manager": NONE, "coach": NONE, "salesperson": NONE}
CALLS = {"admin": ALL, "manager": TEAM, "coach": TEAM, "salesperson": OWN}
COACHING = {"admin": ALL, "manager": TEAM, "coach": TEAM, "salesperson": NONE}
WORK = {"admin": ALL, "manager": TEAM, "coach": OWN, "salesperson": OWN}
LEADERS = {"admin": ALL, "manager": ALL, "coach": NONE, "salesperson": NONE}
LEADING = {"admin": ALL, "manager": TEAM, "coach": NONE, "salesperson": NONE}

EXPECTED = {
    "user.list": COACHING,
    "user.read": CALLS,
    "user.invite": LEADING,
    "user.update": ONESELF_OR_ADMIN,
    "user.move": ADMIN,
    "user.change_role": ADMIN_NOT_ONESELF,
    "user.disable": ADMIN_NOT_ONESELF,
    "user.reset_totp": ADMIN_NOT_ONESELF,
    "user.end_sign_ins": ONESELF_OR_ADMIN,
    "user.export": ONESELF_OR_ADMIN,
    "account.secure": ONESELF,
    "user.erase": ADMIN_NOT_ONESELF,
    "team.list": EVERYBODY,
    "team.read": {"admin": ALL, "manager": TEAM, "coach": TEAM, "salesperson": TEAM},
    "team.create": ADMIN,
    "team.update": LEADING,
    "team.delete": ADMIN,
    "dealership.read": EVERYBODY,
    "dealership.update": ADMIN,
    "session.create": ONESELF,
    "session.list": CALLS,
    "session.read": CALLS,
    "session.events": CALLS,
    "session.recording": CALLS,
    "session.delete": ONESELF_OR_ADMIN,
    "session.upload": CALLS,
    "session.consent": ONESELF,
    "session.publish": ONESELF,
    "session.listen": COACHING,
    "session.invite": ONESELF,
    "session.join": EVERYBODY,
    "board.read": COACHING,
    "note.create": CALLS,
    "note.read": CALLS,
    "note.update": ONESELF,
    "note.delete": ONESELF_OR_ADMIN,
    "scorecard.read": CALLS,
    "scorecard.write": COACHING,
    "rubric.write": LEADERS,
    "assignment.create": COACHING,
    "assignment.read": CALLS,
    "assignment.update": COACHING,
    "preferences.read": ONESELF,
    "preferences.update": ONESELF,
    "notification.list": ONESELF,
    "notification.update": ONESELF,
    "notification.delete": ONESELF,
    "audit.read": ADMIN,
    "playbook.read": EVERYBODY,
    "playbook.write": LEADERS,
    "progress.read": CALLS,
    "digest.read": LEADING,
    "vehicle.read": EVERYBODY,
    "vehicle.write": EVERYBODY,
    "vehicle.delete": LEADERS,
    "content.create": ONESELF,
    "content.read": WORK,
    "content.update": WORK,
    "content.publish": LEADING,
    "content.comment": WORK,
    "content.delete": WORK,
    "outlet.manage": LEADERS,
    "upload.create": ONESELF,
    "upload.read": WORK,
    "upload.update": ONESELF,
    "upload.delete": WORK,
    "job.create": ONESELF,
    "job.read": WORK,
    "job.cancel": WORK,
    "metrics.read": ADMIN,
}
CELLS = [(action, role, cell) for action, row in EXPECTED.items() for role, cell in row.items()]

ME = Actor("u1", "d1", frozenset({"t1", "t2"}))
OWNERS = {
    "o": Owner("d1", "u1", frozenset({"t1"})),
    "t": Owner("d1", "u2", frozenset({"t2", "t3"})),
    "c": Owner("d1", "u3", frozenset({"t3"})),
    "h": Owner("d1"),
}
ELSEWHERE = [
    Owner("d2", "u1", frozenset({"t1"})),
    Owner("d2", "u2", frozenset({"t2"})),
    Owner("d2", "u3", frozenset({"t3"})),
    Owner("d2"),
    Owner(""),
]


@pytest.mark.parametrize(("action", "role", "cell"), CELLS)
def test_a_cell_reaches_exactly_whose_it_should(action: str, role: str, cell: str) -> None:
    reached = {
        whose for whose, owner in OWNERS.items() if allows(role, action, actor=ME, owner=owner)
    }
    assert reached == set(cell)


@pytest.mark.parametrize(("action", "role"), [cell[:2] for cell in CELLS])
def test_no_cell_reaches_another_dealership(action: str, role: str) -> None:
    assert not any(allows(role, action, actor=ME, owner=owner) for owner in ELSEWHERE)
    nobody = Actor("u1", "", frozenset({"t1"}))
    assert not allows(role, action, actor=nobody, owner=Owner("", "u1", frozenset({"t1"})))


def test_the_table_has_the_expected_actions_and_roles_and_no_others() -> None:
    assert EXPECTED.keys() == roles.ACTIONS
    assert all(row.keys() == set(roles.ROLES) for row in roles.TABLE.values())
    assert set(roles.ROLES) == {"admin", "manager", "coach", "salesperson"}


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_unknown_role_or_action_reaches_nothing(role: str, action: str) -> None:
    for each_role, each_action in ((role, "session.read"), ("admin", action), (role, action)):
        if each_role in roles.ROLES and each_action in roles.ACTIONS:
            continue
        assert roles.reach(each_role, each_action) == "-"
        for owner in OWNERS.values():
            assert not allows(each_role, each_action, actor=ME, owner=owner)


@pytest.mark.parametrize("role", ["Admin", "ADMIN", " admin", "admin ", "", "superuser"])
def test_roles_are_compared_to_the_letter(role: str) -> None:
    assert not allows(role, "user.read", actor=ME, owner=OWNERS["o"])


def test_nobody_without_an_id_owns_what_has_no_owner() -> None:
    ghost = Actor("", "d1")
    for action, role in itertools.product(roles.ACTIONS, ("manager", "coach", "salesperson")):
        if roles.reach(role, action) != "D":
            assert not allows(role, action, actor=ghost, owner=Owner("d1", ""))
            assert not allows(role, action, actor=ghost, owner=Owner("d1"))


def test_without_a_team_there_are_no_colleagues() -> None:
    alone = Actor("u1", "d1")
    for owner in (Owner("d1", "u2"), Owner("d1", "u2", frozenset({"t1"}))):
        assert not allows("manager", "session.read", actor=alone, owner=owner)


def test_who_may_be_invited_as_what() -> None:
    assert roles.invitable("admin") == {"admin", "manager", "coach", "salesperson"}
    assert roles.invitable("manager") == {"salesperson"}
    for role in ("coach", "salesperson", "", "root"):
        assert roles.invitable(role) == frozenset()
