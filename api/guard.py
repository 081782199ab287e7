"""Who may do what, asked in one place: before each endpoint, by its action and its owner."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.sign_in import SignIns, signed_out
from api.auth import media
from api.auth.media import MediaCookies
from api.auth.roles import Owner, allows
from api.auth.tokens import Refused
from api.endpoint import NOWHERE, Again, Endpoint
from api.identity import Identity, identity_of
from api.problems import Problem
from api.store.base import StoreError
from api.store.crypto import DataKey
from api.store.documents import IdempotencyKey
from api.store.repositories.scoped import Now
from api.store.store import Store

ANSWERS_KEPT = timedelta(hours=24)
"""How long the same idempotency key yields the same answer."""
MAX_KEY = 200
MAX_KEPT_BYTES = 256 * 1024


class Guard:
    """Implements `api.endpoint.Guard`. `answers_key` seals what creates have answered."""

    def __init__(
        self,
        sign_ins: SignIns,
        cookies: MediaCookies,
        store: Store,
        answers_key: DataKey,
        now: Now,
    ) -> None:
        self._sign_ins = sign_ins
        self._cookies = cookies
        self._store = store
        self._answers_key = answers_key
        self._now = now

    async def admit(self, request: Request, each: Endpoint, params: BaseModel | None) -> None:
        """401 for who is not signed in, 403 for who may not, 404 for what is not there for them."""
        if each.path.startswith("/sessions/{id}"):
            structlog.contextvars.bind_contextvars(session=getattr(params, "id", ""))
        token = bearer_of(request)
        if each.granted and token is not None and "." not in token:
            return  # a session's grant, which only its call can check
        identity = await self._identified(request, each, params, token)
        request.state.identity = identity
        # For this request's log lines; its task has a context of its own.
        structlog.contextvars.bind_contextvars(user=identity.user_id)
        if identity.reach(each.action) == "-":
            raise forbidden()
        if each.owner is None:
            return
        owner = await each.owner(request, params)
        if owner is None or owner.dealership_id != identity.dealership_id:
            raise NOWHERE
        if not allows(identity.role, each.action, actor=identity.actor, owner=owner):
            raise forbidden()

    async def _identified(
        self, request: Request, each: Endpoint, params: BaseModel | None, token: str | None
    ) -> Identity:
        if token is not None:
            return await self._sign_ins.identify(token)
        value = request.cookies.get(media.NAME) if each.media else None
        session_id = getattr(params, "id", "")
        if value is None:
            raise signed_out()
        try:
            shown = self._cookies.verify(value, method=request.method, session_id=session_id)
        except Refused as refused:
            raise signed_out() from refused
        identity = await self._sign_ins.standing(shown.dealership_id, shown.user_id, shown.family)
        if identity is None:
            raise signed_out()
        return identity

    async def standing(self, identity: Identity) -> Identity | None:
        """Whom `admit` let in, as they stand now; None once they are signed out. While the store
        is away nothing changes."""
        try:
            return await self._sign_ins.standing(
                identity.dealership_id, identity.user_id, identity.family
            )
        except StoreError:
            return identity

    async def still(self, identity: Identity, action: str, owner: Owner | None) -> bool:
        """Whether what `admit` let in may go on, for answers that take long."""
        now = await self.standing(identity)
        return (
            now is not None
            and owner is not None
            and allows(now.role, action, actor=now.actor, owner=owner)
        )

    async def once(self, request: Request, each: Endpoint, said: bytes, answer: Again) -> Response:
        """Answers a create that was asked before with the same key and body as it did then. 409 for
        the same key with another body, and while the first is still being answered."""
        key = request.headers["idempotency-key"]
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            raise Problem(422, f"Idempotency-Key: 1 to {MAX_KEY} letters, please.")
        identity = identity_of(request)
        asked = f"{each.method} {request.url.path}\0".encode() + said
        digest = hashlib.sha256(asked).hexdigest()
        kept, mine = await self._store.idempotency.claim(
            identity.dealership_id,
            identity.user_id,
            key,
            digest,
            self._now() + ANSWERS_KEPT,
        )
        if not mine:
            return self._again(kept, digest)
        try:
            response = await answer()
        except BaseException:
            await self._store.idempotency.release(identity.dealership_id, kept)
            raise
        raw = bytes(response.body)
        if response.status_code < 300 and len(raw) <= MAX_KEPT_BYTES:
            told = _with_headers(raw, response)
            sealed = self._answers_key.seal(told, place=_place(kept))
            await self._store.idempotency.complete(
                identity.dealership_id, kept, response.status_code, sealed
            )
        else:
            await self._store.idempotency.release(identity.dealership_id, kept)
        return response

    def _again(self, kept: IdempotencyKey, digest: str) -> Response:
        if kept.digest != digest:
            detail = "This Idempotency-Key was used for another request; take a new one."
            raise Problem(409, detail, code="key_reused")
        if kept.status is None or kept.body is None:
            detail = "The same request is still being answered; ask again in a moment."
            raise Problem(409, detail, headers={"Retry-After": "1"})
        told = self._answers_key.open(kept.body, place=_place(kept))
        headers, _, body = told.partition(b"\n")
        location, etag = headers.decode().split("\t")
        sent = {"Location": location, "ETag": etag, "Cache-Control": "no-store"}
        present = {name: value for name, value in sent.items() if value}
        return Response(body, kept.status, present, media_type="application/json")


def forbidden() -> Problem:
    return Problem(403, "Your role does not allow this.", code="forbidden")


def bearer_of(request: Request) -> str | None:
    """The token of an ``Authorization: Bearer`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _with_headers(body: bytes, response: Response) -> bytes:
    told = "\t".join(response.headers.get(name, "") for name in ("location", "etag"))
    return told.encode() + b"\n" + body


def _place(kept: IdempotencyKey) -> str:
    return f"{kept.dealership_id}:idempotency_keys:{kept.id}:body"
