"""`/api/v1/auth`: signing in and out, and what links open."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.entrance import Newcomer
from api.accounts.sign_in import Client, CodeNeeded, EnrolmentNeeded, SignedIn, signed_out
from api.accounts.views import (
    AcceptBody,
    ConfirmBody,
    EmailBody,
    LinkView,
    SecretBody,
    SetUpView,
    SignInBody,
    SignInView,
    user_view,
)
from api.endpoint import OPEN, Answer, endpoint
from api.problems import Problem
from api.services import Services, services_of

log = structlog.get_logger(__name__)

REFRESH = "forecourt-refresh"
DEVICE = "forecourt-device"
PATH = "/api/v1/auth"
DEVICE_LASTS_S = 365 * 86_400
MAX_RESETS = 64
"""Resets that are looked into at once; further ones are refused."""
_resets: set[asyncio.Task[None]] = set()


def client_of(request: Request) -> Client:
    address = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")
    return Client(address, agent, request.cookies.get(DEVICE, "")[:200])


def check_origin(request: Request) -> None:
    """403 for a request that another site's page made: the refresh cookie speaks for whoever has
    it. Browsers say where a page comes from; other clients need not."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in (None, "same-origin", "none") or (
        origin is not None and urlsplit(origin).netloc != host
    ):
        raise Problem(403, "This comes from a page of another site; open Forecourt itself.")


@endpoint(
    "POST",
    "/auth/sign-in",
    OPEN,
    body=SignInBody,
    answers={200: SignInView},
    errors=[401, 403, 429, 503],
)
async def sign_in(request: Request, body: SignInBody) -> Response:
    """Sign in with a password, and with a code where there is a second factor."""
    check_origin(request)
    services = services_of(request)
    client = client_of(request)
    result = await services.sign_ins.with_password(body.email, body.password, body.code, client)
    return await answered(request, services, result)


@endpoint("POST", "/auth/refresh", OPEN, answers={200: SignInView}, errors=[401, 403, 503])
async def refresh(request: Request) -> Response:
    """A new access token, by the refresh cookie, which is renewed too."""
    check_origin(request)
    services = services_of(request)
    token = request.cookies.get(REFRESH)
    try:
        if token is None:
            raise signed_out()
        result = await services.sign_ins.renew(token, client_of(request))
    except Problem as problem:
        if problem.status == 401 and token is not None:
            problem.headers["Set-Cookie"] = _cookie(REFRESH, "", 0)
        raise
    return await answered(request, services, result)


@endpoint("POST", "/auth/sign-out", OPEN, answers={204: Answer("Signed out")}, errors=[403, 503])
async def sign_out(request: Request) -> Response:
    """End this sign-in, in all of its tabs."""
    check_origin(request)
    await services_of(request).sign_ins.sign_out(request.cookies.get(REFRESH, ""))
    return Response(status_code=204, headers={"Set-Cookie": _cookie(REFRESH, "", 0)})


@endpoint(
    "POST",
    "/auth/reset-requests",
    OPEN,
    body=EmailBody,
    answers={202: Answer("A link is mailed, if there is such a person")},
    errors=[403, 429, 503],
)
async def ask_for_reset(request: Request, body: EmailBody) -> Response:
    """Ask for a link to choose a new password."""
    check_origin(request)
    services = services_of(request)
    client = client_of(request)
    await services.limits.check("reset", address=client.address, account=body.email)
    if len(_resets) >= MAX_RESETS:
        later = {"Retry-After": "30"}
        raise Problem(503, "Many people ask for a new password just now.", headers=later)
    # Answered before it is looked up: the time must not tell whether there is such a person.
    task = asyncio.create_task(_reset(services, body.email))
    _resets.add(task)
    task.add_done_callback(_resets.discard)
    return Response(status_code=202)


async def _reset(services: Services, email: str) -> None:
    try:
        await services.entrance.ask_for_reset(email)
    except Exception:
        log.exception("reset_failed")


@endpoint(
    "POST",
    "/auth/links/inspect",
    OPEN,
    body=SecretBody,
    answers={200: LinkView},
    errors=[410, 429, 503],
)
async def inspect_link(request: Request, body: SecretBody) -> LinkView:
    """What a link that was mailed is for; it is not used up by this."""
    services = services_of(request)
    await services.limits.check("verify", address=client_of(request).address)
    link, user, dealership = await services.entrance.look(body.secret)
    return LinkView(
        purpose=link.purpose,
        email=link.email or (user.email if user else None),
        dealership=dealership.name if dealership else None,
        role=user.role if user else None,
    )


@endpoint(
    "POST",
    "/auth/links/accept",
    OPEN,
    body=AcceptBody,
    answers={200: SignInView},
    errors=[403, 409, 410, 429, 503],
)
async def accept_link(request: Request, body: AcceptBody) -> Response:
    """Use a link: join, choose a new password, confirm an address, be the first admin."""
    check_origin(request)
    services = services_of(request)
    client = client_of(request)
    await services.limits.check("verify", address=client.address)
    newcomer = Newcomer(
        body.password or "",
        body.email or "",
        body.dealership_name or "",
        body.first_name,
        body.last_name,
        body.language,
    )
    result = await services.entrance.accept(body.secret, newcomer, client)
    return await answered(request, services, result)


@endpoint(
    "POST",
    "/auth/enrolment",
    OPEN,
    body=SecretBody,
    answers={200: SetUpView},
    errors=[409, 410, 429, 503],
)
async def enrol(request: Request, body: SecretBody) -> Response:
    """Set up the second factor that the dealership asks for."""
    services = services_of(request)
    await services.limits.check("verify", address=client_of(request).address)
    made = await services.entrance.set_up(body.secret)
    return private(SetUpView.of(made))


@endpoint(
    "POST",
    "/auth/enrolment/confirm",
    OPEN,
    body=ConfirmBody,
    answers={200: SignInView},
    errors=[403, 409, 410, 429, 503],
)
async def confirm_enrolment(request: Request, body: ConfirmBody) -> Response:
    """Show by a code that it works; signs in, and tells recovery codes once."""
    check_origin(request)
    services = services_of(request)
    client = client_of(request)
    await services.limits.check("verify", address=client.address)
    result, codes = await services.entrance.confirm(body.secret, body.code, client)
    return await answered(request, services, result, codes)


async def answered(
    request: Request,
    services: Services,
    result: SignedIn | CodeNeeded | EnrolmentNeeded | None,
    codes: list[str] | None = None,
) -> Response:
    """The answer to an attempt to sign in, with its cookies."""
    match result:
        case None:
            return private(SignInView(status="verified"))
        case CodeNeeded():
            return private(SignInView(status="second_factor"))
        case EnrolmentNeeded(user):
            secret = await services.entrance.enrolment(user)
            return private(SignInView(status="enrolment", enrolment_secret=secret))
    view = SignInView(
        status="signed_in",
        access_token=result.access.token,
        expires_at=result.access.claims.expires_at,
        user=user_view(result.user, services.profiles),
        recovery_codes=codes,
    )
    response = private(view)
    lasts_s = int((result.expires_at - services.now()).total_seconds())
    response.headers.append("Set-Cookie", _cookie(REFRESH, result.refresh_token, lasts_s))
    mark = services.sign_ins.device_cookie(result.user)
    if request.cookies.get(DEVICE) != mark:
        response.headers.append("Set-Cookie", _cookie(DEVICE, mark, DEVICE_LASTS_S))
    return response


def private(view: BaseModel, status: int = 200) -> Response:
    """`view`, which nothing on its way may keep."""
    content = view.model_dump_json(by_alias=True, exclude_none=True)
    headers = {"Cache-Control": "no-store"}
    return Response(content, status, headers, media_type="application/json")


def _cookie(name: str, value: str, lasts_s: int) -> str:
    return f"{name}={value}; Path={PATH}; Max-Age={lasts_s}; HttpOnly; Secure; SameSite=Strict"


endpoints = [
    sign_in,
    refresh,
    sign_out,
    ask_for_reset,
    inspect_link,
    accept_link,
    enrol,
    confirm_enrolment,
]
