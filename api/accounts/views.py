"""What routes tell of people and take from them: one model per JSON body."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.accounts.profile import Name, Profile, Profiles
from api.accounts.second_factor import SetUp
from api.auth.passwords import MAX_LENGTH
from api.auth.roles import Role
from api.store.documents import (
    Contact,
    Dealership,
    Email,
    Notifications,
    Policy,
    Preferences,
    Team,
    User,
    UserStatus,
)
from engine.events import Wire

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=100)]
# Code points before NFC; what is far too long is refused without being hashed.
Password = Annotated[str, StringConstraints(min_length=1, max_length=4 * MAX_LENGTH)]
CodeText = Annotated[str, StringConstraints(max_length=40)]
Teams = Annotated[list[Id], Field(max_length=50)]


def _stripped(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ValueError("is empty")
    return stripped


Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"\S"),
    AfterValidator(_stripped),
]


class IdPath(BaseModel):
    id: Id


class FamilyPath(IdPath):
    family: Id


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Field(ge=0, le=200)] = 50


class UsersQuery(PageQuery):
    role: Role | None = None
    status: UserStatus | None = None
    team_id: Annotated[Id | None, Field(alias="teamId")] = None
    sort: Literal[
        "email", "-email", "createdAt", "-createdAt", "role", "-role", "status", "-status"
    ] = "email"


# signing in


class SignInBody(Wire):
    email: Email
    password: Password
    code: CodeText = ""


class SecretBody(Wire):
    secret: Secret


class EmailBody(Wire):
    email: Email


class AcceptBody(Wire):
    """What a link's purpose needs: see `purpose` in `POST /auth/links/inspect`."""

    secret: Secret
    password: Password | None = None
    email: Email | None = None
    dealership_name: Title | None = None
    first_name: Name = ""
    last_name: Name = ""
    language: Language = "en"


class ConfirmBody(Wire):
    secret: Secret
    code: CodeText


class UserView(Wire):
    """A person as whoever may see them does. `version` is the `ETag`, for `If-Match`."""

    id: Id
    email: str
    email_verified: bool
    role: Role
    team_ids: list[Id]
    status: UserStatus
    profile: Profile
    second_factor: bool
    preferences: Preferences
    created_at: datetime
    updated_at: datetime
    version: int


class SignInView(Wire):
    """`second_factor`: the same again, with `code`. `enrolment`: go on with `POST /auth/enrolment`
    and `enrolmentSecret`. `verified`: the address is confirmed, nobody was signed in."""

    status: Literal["signed_in", "second_factor", "enrolment", "verified"]
    access_token: str | None = None
    expires_at: datetime | None = None
    user: UserView | None = None
    enrolment_secret: str | None = None
    recovery_codes: list[str] | None = None
    """Told once, after a second factor was set up."""


class LinkView(Wire):
    purpose: Literal["invite", "verify", "reset", "first_admin", "enrol"]
    email: str | None = None
    dealership: str | None = None
    role: Role | None = None


class SetUpView(Wire):
    """For an authenticator app: the secret as text, as an address, and that as a picture (SVG)."""

    secret_text: str
    uri: str
    qr_svg: str

    @classmethod
    def of(cls, made: SetUp) -> SetUpView:
        return cls(secret_text=made.secret, uri=made.uri, qr_svg=made.qr_svg)


class RecoveryCodes(Wire):
    recovery_codes: list[str]


# one's own account


class PasswordBody(Wire):
    password: Password


class NewPassword(Wire):
    current: Password
    new: Password


class NewEmail(Wire):
    email: Email
    password: Password


class CodeBody(Wire):
    code: CodeText


# people, teams, dealership


class UserList(Wire):
    items: list[UserView]
    total: int


class Invitation(Wire):
    email: Email
    role: Role
    team_ids: Annotated[Teams, Field(default_factory=list)]
    language: Language | None = None
    """By default the dealership's."""


class RoleBody(Wire):
    role: Role


class TeamsBody(Wire):
    team_ids: Teams


class StatusBody(Wire):
    status: Literal["active", "disabled"]


class NotificationsBody(Wire):
    email: bool
    muted: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,80}$")]],
        Field(max_length=50, default_factory=list),
    ]


class PreferencesBody(Wire):
    language: Language
    theme: Literal["light", "dark", "system"]
    notifications: NotificationsBody

    def preferences(self) -> Preferences:
        wanted = self.notifications
        muted = tuple(dict.fromkeys(wanted.muted))
        return Preferences(
            language=self.language,
            theme=self.theme,
            notifications=Notifications(email=wanted.email, muted=muted),
        )


class SignInEntry(Wire):
    """Where a person is signed in; `family` ends it."""

    family: Id
    signed_in_at: datetime
    last_used_at: datetime
    user_agent: str
    is_current: bool


class SignInList(Wire):
    items: list[SignInEntry]


class TeamBody(Wire):
    name: Title
    manager_ids: Annotated[Teams, Field(default_factory=list)]


class TeamView(Wire):
    id: Id
    name: str
    manager_ids: list[Id]
    created_at: datetime
    updated_at: datetime
    version: int


class TeamList(Wire):
    items: list[TeamView]
    total: int


class PolicyBody(Wire):
    totp_required: Annotated[list[Role], Field(max_length=4, default_factory=list)]
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 365


class DealershipBody(Wire):
    name: Title
    language: Language
    policy: PolicyBody
    contact: Contact | None = None
    """How customers reach it; where it is not given, it stays as it is."""

    def stored(self) -> Policy:
        required = tuple(dict.fromkeys(self.policy.totp_required))
        return Policy(totp_required=required, retention_days=self.policy.retention_days)


class DealershipView(DealershipBody):
    contact: Contact
    id: Id
    version: int


def user_view(user: User, profiles: Profiles) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        role=user.role,
        team_ids=list(user.team_ids),
        status=user.status,
        profile=profiles.of(user),
        second_factor=user.totp is not None and user.totp.enabled,
        preferences=user.preferences,
        created_at=user.created_at,
        updated_at=user.updated_at,
        version=user.version,
    )


def team_view(team: Team) -> TeamView:
    return TeamView(
        id=team.id,
        name=team.name,
        manager_ids=list(team.manager_ids),
        created_at=team.created_at,
        updated_at=team.updated_at,
        version=team.version,
    )


def dealership_view(dealership: Dealership) -> DealershipView:
    policy = dealership.policy
    return DealershipView(
        id=dealership.id,
        name=dealership.name,
        language=dealership.language,
        policy=PolicyBody(
            totp_required=list(policy.totp_required), retention_days=policy.retention_days
        ),
        contact=dealership.contact,
        version=dealership.version,
    )
