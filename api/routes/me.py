"""`/api/v1/me`: one's own account."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import (
    CodeBody,
    NewEmail,
    NewPassword,
    PasswordBody,
    RecoveryCodes,
    SetUpView,
    UserView,
    user_view,
)
from api.auth.roles import Owner
from api.endpoint import Answer, endpoint
from api.entity_tags import tagged
from api.identity import identity_of
from api.routes.auth import client_of, private
from api.services import services_of


async def oneself(request: Request, params: None) -> Owner:
    return identity_of(request).own


SECURE = "account.secure"


@endpoint("GET", "/me", "user.read", owner=oneself, answers={200: UserView})
async def get_me(request: Request) -> Response:
    """Whoever asks."""
    services = services_of(request)
    user = await services.account.of(identity_of(request))
    return tagged(user_view(user, services.profiles), user.version)


@endpoint(
    "PUT",
    "/me/password",
    SECURE,
    owner=oneself,
    body=NewPassword,
    answers={204: Answer("Changed; every other sign-in has ended")},
    errors=[429, 503],
)
async def put_password(request: Request, body: NewPassword) -> Response:
    """Change the password."""
    identity, client = identity_of(request), client_of(request)
    await services_of(request).account.change_password(identity, body.current, body.new, client)
    return Response(status_code=204)


@endpoint(
    "PUT",
    "/me/email",
    SECURE,
    owner=oneself,
    body=NewEmail,
    answers={202: Answer("A link is mailed to the new address, which counts once it is followed")},
    errors=[409, 429, 503],
)
async def put_email(request: Request, body: NewEmail) -> Response:
    """Change the e-mail address."""
    identity, client = identity_of(request), client_of(request)
    account = services_of(request).account
    await account.change_email(identity, body.email, body.password, client)
    return Response(status_code=202)


@endpoint(
    "POST",
    "/me/second-factor",
    SECURE,
    owner=oneself,
    body=PasswordBody,
    answers={200: SetUpView},
    errors=[409, 429, 503],
)
async def set_up_second_factor(request: Request, body: PasswordBody) -> Response:
    """A secret for an authenticator app; it counts once a code was shown (`PUT`)."""
    identity, client = identity_of(request), client_of(request)
    account = services_of(request).account
    made = await account.set_up_second_factor(identity, body.password, client)
    return private(SetUpView.of(made))


@endpoint(
    "PUT",
    "/me/second-factor",
    SECURE,
    owner=oneself,
    body=CodeBody,
    answers={200: RecoveryCodes},
    errors=[409, 429, 503],
)
async def confirm_second_factor(request: Request, body: CodeBody) -> Response:
    """Show by a code that the app has the secret; the recovery codes are told this once."""
    identity, client = identity_of(request), client_of(request)
    account = services_of(request).account
    codes = await account.confirm_second_factor(identity, body.code, client)
    return private(RecoveryCodes(recovery_codes=codes))


@endpoint(
    "DELETE",
    "/me/second-factor",
    SECURE,
    owner=oneself,
    body=PasswordBody,
    answers={204: Answer("Codes are asked for no longer")},
    errors=[409, 429, 503],
)
async def remove_second_factor(request: Request, body: PasswordBody) -> Response:
    """Do without a second factor, where the dealership lets you."""
    identity, client = identity_of(request), client_of(request)
    await services_of(request).account.remove_second_factor(identity, body.password, client)
    return Response(status_code=204)


@endpoint(
    "POST",
    "/me/second-factor/recovery-codes",
    SECURE,
    owner=oneself,
    body=PasswordBody,
    answers={200: RecoveryCodes},
    errors=[409, 429, 503],
)
async def renew_recovery_codes(request: Request, body: PasswordBody) -> Response:
    """New recovery codes in the place of all old ones."""
    identity, client = identity_of(request), client_of(request)
    account = services_of(request).account
    codes = await account.renew_recovery_codes(identity, body.password, client)
    return private(RecoveryCodes(recovery_codes=codes))


endpoints = [
    get_me,
    put_password,
    put_email,
    set_up_second_factor,
    confirm_second_factor,
    remove_second_factor,
    renew_recovery_codes,
]
