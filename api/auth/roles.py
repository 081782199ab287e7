"""Who may do what: one table, role by action, whose cells say to whose things it reaches.

A cell is one of five reaches. Nothing ever reaches into another dealership, and what is not in the
table nobody may do.

- ``-``  nobody's
- ``O``  one's own
- ``T``  one's own, and those of the teams one is in
- ``D``  the whole dealership's
- ``X``  the whole dealership's but one's own

A person's own things are those with their user id. A thing belongs to the teams its person is in; a
team belongs to itself; playbooks, the audit log and the dealership belong to no person and no team,
so that only ``D`` reaches them.

The cells a reader may wonder about:

- **user.change_role, user.disable, user.reset_totp, user.erase: X.** No admin takes a dealership's
  last admin away, or lowers the guard of the account they sit at, in one request; a second admin
  does it, or an operator at the command line.
- **user.update: O for all but admins.** A person keeps their own name and phone. Managers ask an
  admin, so that one hand looks after who is who. **user.move** (between teams) is an admin's too:
  it decides who reads whose calls.
- **user.invite: T for managers.** They bring people into their own teams, and only salespeople
  (`invitable`): nobody hands out more than they have, and coaches come from an admin.
- **user.end_sign_ins: O for all, D for admins.** Signing out everywhere is for oneself; admins end
  those of who has left (ASVS 7.4.5).
- **user.export: O for all; user.erase: not one's own.** Everybody may take their data along; what
  erases for good is done by an admin, who checks who asks.
- **account.secure: O for all.** Password, e-mail address and second factor are changed by the
  person alone, who proves the password again; what an admin may do is user.reset_totp.
- **team.list: D for all.** Team names are no secret in a dealership, and pages need them; who is in
  a team (team.read) is for its members.
- **session.create, session.publish, session.consent: O for everybody, admins too.** Nobody speaks,
  consents or withdraws for somebody else.
- **session.upload: T for managers and coaches.** They are the ones who have recordings of their
  people; whoever uploads one attests that all in it agreed, and that is audited.
- **session.delete: O, and D for admins.** Managers and coaches judge calls and so do not remove
  them; who was recorded may, at any time.
- **session.listen: - for salespeople.** Listening live is coaching. **D for admins**, who in small
  dealerships are the coach; every listening is announced to the trainee and audited.
- **session.invite: O; session.join: D for all.** Whom to invite is the trainee's choice; whoever of
  the dealership has the code may play the customer.
- **session.list, read, events, recording: O for salespeople.** Colleagues do not hear each other.
- **note.update, note.delete: O.** The owner of a note is its author; nobody rewrites what a coach
  wrote. Admins may delete: a note can harm a person. Salespeople write notes on their own calls.
- **scorecard.read: O for salespeople.** Theirs once it is published: a draft is its author's work.
- **rubric.write: D for managers.** One rubric makes calls of all teams comparable; coaches judge by
  it and do not change it.
- **assignment.create, assignment.update: - for salespeople.** What to practise, and what is good
  enough, is for whoever coaches to say.
- **preferences, notification: O for all.** An admin has no business in a person's inbox.
- **audit.read: admins alone.** It tells what managers did, too.
- **playbook.write: D for managers.** A playbook is the dealership's and not a team's; coaches use
  what the sales management decided, and propose changes to them.
- **digest.read: - for coaches.** The Monday page prepares a manager's one-to-ones; a coach has
  progress.read, which shows the same people.
- **vehicle.write: D for all.** What is known of a vehicle is the house's knowledge, and whoever
  stands before it corrects it; what is made of it, a manager approves.
- **outlet.manage: - for salespeople and coaches.** Mailing lists are customers' addresses, and a
  webhook sends out of the house.
- **content.publish: - for salespeople and coaches.** A manager approves what leaves the house.
- **job.read, job.cancel: T for managers.** Their teams' jobs use what all wait for; coaches only
  have their own.
- **upload.read, upload.delete: T for managers.** Uploads are what goes into jobs and comes out.
  **upload.update: O for all.** How a vehicle's photos look is for whoever takes them to decide.
- **metrics.read: admins alone.** The page is of the node; it has sums over dealerships, no ids and
  no names. Scrapers use an address of their own, not a role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self, get_args

Role = Literal["admin", "manager", "coach", "salesperson"]
Reach = Literal["-", "O", "T", "D", "X"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

_GRID: Final = """
                         admin  manager  coach  salesperson
user.list                D      T        T      -
user.read                D      T        T      O
user.invite              D      T        -      -
user.update              D      O        O      O
user.move                D      -        -      -
user.change_role         X      -        -      -
user.disable             X      -        -      -
user.reset_totp          X      -        -      -
user.end_sign_ins        D      O        O      O
user.export              D      O        O      O
account.secure           O      O        O      O
user.erase               X      -        -      -
team.list                D      D        D      D
team.read                D      T        T      T
team.create              D      -        -      -
team.update              D      T        -      -
team.delete              D      -        -      -
dealership.read          D      D        D      D
dealership.update        D      -        -      -
session.create           O      O        O      O
session.list             D      T        T      O
session.read             D      T        T      O
session.events           D      T        T      O
session.recording        D      T        T      O
session.delete           D      O        O      O
session.upload           D      T        T      O
session.consent          O      O        O      O
session.publish          O      O        O      O
session.listen           D      T        T      -
session.invite           O      O        O      O
session.join             D      D        D      D
board.read               D      T        T      -
note.create              D      T        T      O
note.read                D      T        T      O
note.update              O      O        O      O
note.delete              D      O        O      O
scorecard.read           D      T        T      O
scorecard.write          D      T        T      -
rubric.write             D      D        -      -
assignment.create        D      T        T      -
assignment.read          D      T        T      O
assignment.update        D      T        T      -
preferences.read         O      O        O      O
preferences.update       O      O        O      O
notification.list        O      O        O      O
notification.update      O      O        O      O
notification.delete      O      O        O      O
audit.read               D      -        -      -
playbook.read            D      D        D      D
playbook.write           D      D        -      -
progress.read            D      T        T      O
digest.read              D      T        -      -
vehicle.read             D      D        D      D
vehicle.write            D      D        D      D
vehicle.delete           D      D        -      -
content.create           O      O        O      O
content.read             D      T        O      O
content.update           D      T        O      O
content.publish          D      T        -      -
content.comment          D      T        O      O
content.delete           D      T        O      O
outlet.manage            D      D        -      -
upload.create            O      O        O      O
upload.read              D      T        O      O
upload.update            O      O        O      O
upload.delete            D      T        O      O
job.create               O      O        O      O
job.read                 D      T        O      O
job.cancel               D      T        O      O
metrics.read             D      -        -      -
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks."""

    user_id: str
    dealership_id: str
    team_ids: frozenset[str] = frozenset()


class Owned(Protocol):
    """What belongs to a person, and to at most one of their teams."""

    @property
    def dealership_id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    @property
    def team_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the thing is that an action is about."""

    dealership_id: str
    user_id: str | None = None
    team_ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, thing: Owned) -> Self:
        teams = frozenset() if thing.team_id is None else frozenset({thing.team_id})
        return cls(thing.dealership_id, thing.user_id, teams)


def _table() -> dict[str, dict[str, Reach]]:
    head, *rows = _GRID.strip("\n").splitlines()
    roles = head.split()
    reaches: tuple[Reach, ...] = get_args(Reach)
    by_letter: dict[str, Reach] = {reach: reach for reach in reaches}
    table: dict[str, dict[str, Reach]] = {}
    for row in rows:
        action, *cells = row.split()
        assert len(cells) == len(roles) == len(ROLES)
        assert action not in table
        table[action] = {role: by_letter[cell] for role, cell in zip(roles, cells, strict=True)}
    return table


TABLE: Final = _table()
"""Reach by action and role."""
ACTIONS: Final = frozenset(TABLE)


def reach(role: str, action: str) -> Reach:
    """How far `role` reaches with `action`; ``-`` for what is not in the table."""
    return TABLE.get(action, {}).get(role, "-")


def allows(role: str, action: str, *, actor: Actor, owner: Owner) -> bool:
    """Whether `actor` in `role` may do `action` to what belongs to `owner`.

    For a list the owner is what is listed: oneself, a team, or the whole dealership (`reach` tells
    which of them to list). An invitation is asked for once for each team it leads into.
    """
    if not actor.dealership_id or actor.dealership_id != owner.dealership_id:
        return False
    is_own = bool(actor.user_id) and actor.user_id == owner.user_id
    match reach(role, action):
        case "O":
            return is_own
        case "T":
            return is_own or bool(actor.team_ids & owner.team_ids)
        case "D":
            return True
        case "X":
            return not is_own and owner.user_id is not None
        case _:
            return False


def invitable(role: str) -> frozenset[Role]:
    """The roles that who has `role` may give to somebody they invite."""
    if role == "admin":
        return frozenset(ROLES)
    return frozenset({"salesperson"}) if role == "manager" else frozenset()
