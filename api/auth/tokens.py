"""Access tokens: signed, short-lived, checked without a look into the store.

JWT (RFC 7519) with HS256 by keys of the node's own, as RFC 8725 advises: one algorithm, an explicit
``typ``, every claim required (OWASP ASVS 5.0: 9.1.1 to 9.1.3, 9.2.1 to 9.2.4). A token lives 10
minutes. That its sign-in (`family`) still stands is another question, for who keeps the sign-ins.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.auth.roles import Role

TYPE: Final = "forecourt-access+jwt"
ALGORITHM: Final = "HS256"
LIFETIME: Final = timedelta(minutes=10)
MAX_LEEWAY_S: Final = 30
MAX_LENGTH: Final = 2048
"""Letters of a token; ours have some 500."""
TOKENS_KEPT: Final = 4096
"""Good tokens that are remembered (some 10 MB); the ones longest unused go first."""

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
"""Unix time, up to the year 9999."""


class Refused(Exception):
    """A token that opens nothing. The reason is for the log, not for who presented it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token is refused: {reason}")
        self.reason = reason


class Claims(BaseModel):
    """What an access token says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    iss: str
    aud: str
    sub: Id
    """The user's id."""
    dealershipId: Id
    role: Role
    family: Id
    """The sign-in that this token goes back to."""
    jti: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    iat: Seconds
    nbf: Seconds
    exp: Seconds

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


CLAIMS: Final = tuple(Claims.model_fields)


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    claims: Claims


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        *,
        issuer: str,
        audience: str,
        now: Callable[[], datetime],
        leeway_s: int = 5,
    ) -> None:
        """`keys` by kid, the current one first; each has 32 bytes at least.

        `leeway_s` is how far the clocks of nodes may be apart, at most 30.
        """
        if not keys or any(len(raw) < 32 for raw in keys.values()):
            raise ValueError("at least one signing key is needed, each of 32 bytes or more")
        if not 0 <= leeway_s <= MAX_LEEWAY_S:
            raise ValueError(f"a leeway of 0 to {MAX_LEEWAY_S} s is needed, not {leeway_s}")
        self._keys = dict(keys)
        self._current = next(iter(self._keys))
        self._issuer = issuer
        self._audience = audience
        self._now = now
        self._leeway_s = leeway_s
        # A page sends the same token many times: its signature is checked once, its times always.
        self._decoded = lru_cache(TOKENS_KEPT)(self._decode)
        self._jwt = jwt.PyJWT(
            {
                "require": list(CLAIMS),
                "strict_aud": True,
                "enforce_minimum_key_length": True,
                # Times are checked below, by the clock that was handed in.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            }
        )

    def issue(self, *, user_id: str, dealership_id: str, role: Role, family: str) -> Issued:
        now_s = int(self._now().timestamp())
        claims = Claims(
            iss=self._issuer,
            aud=self._audience,
            sub=user_id,
            dealershipId=dealership_id,
            role=role,
            family=family,
            jti=secrets.token_hex(16),
            iat=now_s,
            nbf=now_s,
            exp=now_s + int(LIFETIME.total_seconds()),
        )
        token = self._jwt.encode(
            claims.model_dump(),
            self._keys[self._current],
            algorithm=ALGORITHM,
            headers={"typ": TYPE, "kid": self._current},
        )
        return Issued(token, claims)

    def verify(self, token: str) -> Claims:
        """The claims of a token that is good just now. Raises `Refused` for anything else."""
        claims = self._decoded(token)
        self._check_times(claims)
        return claims

    def _decode(self, token: str) -> Claims:
        if len(token) > MAX_LENGTH or not token.isascii():
            raise Refused("it is longer than any of ours, or not ASCII")
        key = self._key_of(token)
        try:
            payload = self._jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
            )
            return Claims.model_validate(payload)
        except jwt.InvalidTokenError as error:
            raise Refused(type(error).__name__) from None
        except ValidationError as error:
            raise Refused(f"claim {error.errors()[0]['loc']}") from None

    def _key_of(self, token: str) -> bytes:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Refused(type(error).__name__) from None
        if header.keys() != {"alg", "typ", "kid"}:
            raise Refused("its header has other fields than ours")
        if header["typ"] != TYPE or header["alg"] != ALGORITHM:
            raise Refused("another type or algorithm")
        kid = header["kid"]
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Refused("no key of its kid")
        return key

    def _check_times(self, claims: Claims) -> None:
        now_s = self._now().timestamp()
        if now_s >= claims.exp + self._leeway_s:
            raise Refused("expired")
        if now_s < claims.nbf - self._leeway_s or now_s < claims.iat - self._leeway_s:
            raise Refused("not yet valid")
        if not claims.iat <= claims.exp <= claims.iat + LIFETIME.total_seconds():
            raise Refused("a longer life than any of ours")
