"""Access tokens: what is issued is accepted, and nothing that anybody else can make."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from api.auth.tokens import LIFETIME, MAX_LENGTH, TYPE, AccessTokens, Claims, Refused

KEY = os.urandom(32)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
USER, DEALERSHIP, FAMILY = "a" * 24, "b" * 24, "c" * 24


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens_at(now: Callable[[], datetime], **changed: Any) -> AccessTokens:
    options: dict[str, Any] = {"issuer": "forecourt", "audience": "forecourt-api"} | changed
    keys = options.pop("keys", {"k1": KEY})
    return AccessTokens(keys, now=now, **options)


def issue(tokens: AccessTokens) -> str:
    return tokens.issue(user_id=USER, dealership_id=DEALERSHIP, role="coach", family=FAMILY).token


def part(value: object) -> str:
    raw = json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def payload(**changed: Any) -> dict[str, Any]:
    now_s = int(START.timestamp())
    claims = {
        "iss": "forecourt",
        "aud": "forecourt-api",
        "sub": USER,
        "dealershipId": DEALERSHIP,
        "role": "coach",
        "family": FAMILY,
        "jti": "d" * 32,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + 600,
    } | changed
    return {name: value for name, value in claims.items() if value is not ...}


def signed(claims: Any = None, key: bytes = KEY, algorithm: str = "HS256", **header: Any) -> str:
    """A token that is right but for what the test changes; a header of ... is left out."""
    head = {"typ": TYPE, "kid": "k1", "alg": algorithm} | header
    head = {name: value for name, value in head.items() if value is not ...}
    if algorithm == "none":
        return f"{part(head)}.{part(claims or payload())}."
    body = json.dumps(payload() if claims is None else claims).encode()
    signing = f"{part(head)}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}"
    raw = jwt.get_algorithm_by_name(algorithm).sign(signing.encode(), key)
    return f"{signing}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def test_an_issued_token_is_accepted_and_says_who(clock: Clock) -> None:
    issued = tokens_at(clock).issue(
        user_id=USER, dealership_id=DEALERSHIP, role="coach", family=FAMILY
    )
    assert tokens_at(clock).verify(issued.token) == issued.claims
    assert issued.claims.expires_at == START + LIFETIME
    assert jwt.get_unverified_header(issued.token) == {"typ": TYPE, "alg": "HS256", "kid": "k1"}
    assert len(issued.token) < MAX_LENGTH / 3


def test_a_token_built_by_hand_is_accepted_so_that_the_forgeries_below_mean_something(
    clock: Clock,
) -> None:
    assert tokens_at(clock).verify(signed()).sub == USER


def test_no_two_tokens_are_the_same(clock: Clock) -> None:
    tokens = tokens_at(clock)
    assert len({issue(tokens) for _ in range(20)}) == 20


NOW_S = int(START.timestamp())
rsa_public = (
    rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)
FORGED: dict[str, str] = {
    "alg none": signed(algorithm="none"),
    "alg None": signed(algorithm="none", alg="None"),
    "alg none with our header": signed(algorithm="none", alg="HS256"),
    "HS384": signed(algorithm="HS384", key=KEY * 2),
    "HS512": signed(algorithm="HS512", key=KEY * 2),
    "HS512 said to be HS256": signed(algorithm="HS512", key=KEY * 2, alg="HS256"),
    "RS256 by name": signed(alg="RS256"),
    "alg missing": signed(alg=...),
    "alg a list": signed(alg=["HS256"]),
    "alg in other letters": signed(alg="hs256"),
    "another key": signed(key=os.urandom(32)),
    "an empty key": signed(key=b""),
    "typ JWT": signed(typ="JWT"),
    "typ of a refresh": signed(typ="forecourt-refresh+jwt"),
    "typ missing": signed(typ=...),
    "typ a number": signed(typ=1),
    "kid unknown": signed(kid="k2"),
    "kid missing": signed(kid=...),
    "kid empty": signed(kid=""),
    "kid a path": signed(kid="../../../dev/null"),
    "kid a number": signed(kid=1),
    "kid a list": signed(kid=["k1"]),
    "its own key in the header": signed(jwk={"kty": "oct", "k": "AA"}),
    "a key's address in the header": signed(jku="https://evil.example/keys"),
    "a critical extension": signed(crit=["b64"], b64=False),
    "aud another": signed(payload(aud="other")),
    "aud a list": signed(payload(aud=["forecourt-api"])),
    "aud missing": signed(payload(aud=...)),
    "aud null": signed(payload(aud=None)),
    "iss another": signed(payload(iss="evil")),
    "iss a list": signed(payload(iss=["forecourt"])),
    "iss a part of ours": signed(payload(iss="fore")),
    "iss missing": signed(payload(iss=...)),
    "sub missing": signed(payload(sub=...)),
    "sub a number": signed(payload(sub=1)),
    "sub no id": signed(payload(sub="admin")),
    "sub with a newline": signed(payload(sub=USER + "\n")),
    "dealership missing": signed(payload(dealershipId=...)),
    "dealership an operator": signed(payload(dealershipId={"$ne": ""})),
    "role unknown": signed(payload(role="root")),
    "role missing": signed(payload(role=...)),
    "role a list": signed(payload(role=["admin"])),
    "family missing": signed(payload(family=...)),
    "jti missing": signed(payload(jti=...)),
    "jti a number": signed(payload(jti=7)),
    "iat missing": signed(payload(iat=...)),
    "iat in the future": signed(payload(iat=NOW_S + 60, exp=NOW_S + 600)),
    "iat a string": signed(payload(iat=str(NOW_S))),
    "nbf missing": signed(payload(nbf=...)),
    "nbf in the future": signed(payload(nbf=NOW_S + 60)),
    "exp missing": signed(payload(exp=...)),
    "exp past": signed(payload(iat=NOW_S - 700, nbf=NOW_S - 700, exp=NOW_S - 100)),
    "exp a string": signed(payload(exp=str(NOW_S + 600))),
    "exp a fraction": signed(payload(exp=NOW_S + 0.5)),
    "exp true": signed(payload(exp=True)),
    "exp endless": signed(payload(exp=1e400)),
    "exp enormous": signed(payload(exp=10**30)),
    "exp negative": signed(payload(exp=-1)),
    "a life of a year": signed(payload(exp=NOW_S + 365 * 86400)),
    "ended before it began": signed(payload(exp=NOW_S - 1)),
    "an unknown claim": signed(payload(admin=True)),
    "a payload that is a list": signed([payload()]),
    "a payload that is null": signed("null"),
    "oversized": signed(payload(family="c" * 4000)),
    "not ASCII": signed() + "é",
    "empty": "",
    "dots": "..",
    "one part": "abc",
    "four parts": signed() + ".x",
    "five parts, as encrypted ones have": "a.b.c.d.e",
    "blank before": " " + signed(),
    "newline behind": signed() + "\n",
    "a bearer word": "Bearer " + signed(),
    "header no JSON": "e30x." + signed().split(".", 1)[1],
    "header null": "bnVsbA." + signed().split(".", 1)[1],
    "deeply nested": part(0)[:0]
    + base64.urlsafe_b64encode(b"[" * 900).rstrip(b"=").decode()
    + "."
    + signed().split(".", 1)[1],
    "no signature": signed().rsplit(".", 1)[0] + ".",
    "the signature of another": signed().rsplit(".", 1)[0]
    + "."
    + signed(payload(role="admin")).rsplit(".", 1)[1],
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_or_spoiled_token_is_refused(clock: Clock, name: str) -> None:
    with pytest.raises(Refused) as caught:
        tokens_at(clock).verify(FORGED[name])
    assert FORGED[name][:40] not in str(caught.value) or not FORGED[name]


def test_a_public_key_as_secret_of_an_hmac_opens_nothing(clock: Clock) -> None:
    """The confusion of algorithms: HS256 with what a verifier would take for an RSA key."""
    head = part({"typ": TYPE, "kid": "k1", "alg": "HS256"}) + "." + part(payload())
    raw = jwt.get_algorithm_by_name("HS256").sign(head.encode(), rsa_public)
    forged = f"{head}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"
    with pytest.raises(Refused):
        tokens_at(clock).verify(forged)


@given(st.text(max_size=400))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        tokens_at(lambda: START).verify(text)


@given(st.data())
def test_a_token_with_any_letter_changed_is_refused(data: st.DataObject) -> None:
    tokens = tokens_at(lambda: START)
    token = issue(tokens)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[at]))
    changed = token[:at] + letter + token[at + 1 :]
    try:
        claims = tokens.verify(changed)
    except Refused:
        return
    # The last letter of base64 of 32 bytes has two bits that stand for nothing.
    assert at == len(token) - 1
    assert claims == tokens.verify(token)


@pytest.mark.parametrize(
    ("after_s", "good"),
    [(-6, False), (-5, True), (0, True), (599, True), (604, True), (605, False)],
)
def test_a_token_lives_ten_minutes_and_the_leeway(clock: Clock, after_s: int, good: bool) -> None:
    tokens = tokens_at(clock)
    token = issue(tokens)
    clock.time = START + timedelta(seconds=after_s)
    if good:
        assert isinstance(tokens.verify(token), Claims)
    else:
        with pytest.raises(Refused, match=r"expired|not yet valid"):
            tokens.verify(token)


def test_after_a_rotation_old_tokens_are_accepted_until_their_key_is_gone(clock: Clock) -> None:
    old_token = issue(tokens_at(clock))
    rotated = tokens_at(clock, keys={"k2": os.urandom(32), "k1": KEY})
    assert rotated.verify(old_token).sub == USER
    new_token = issue(rotated)
    assert jwt.get_unverified_header(new_token)["kid"] == "k2"
    with pytest.raises(Refused, match="kid"):
        tokens_at(clock).verify(new_token)
    with pytest.raises(Refused, match="kid"):
        tokens_at(clock, keys={"k2": os.urandom(32)}).verify(old_token)


@pytest.mark.parametrize("changed", [{"issuer": "other"}, {"audience": "other"}])
def test_a_token_of_another_installation_is_refused(clock: Clock, changed: dict[str, str]) -> None:
    with pytest.raises(Refused):
        tokens_at(clock, **changed).verify(issue(tokens_at(clock)))


@pytest.mark.parametrize(
    "wrong", [{"keys": {}}, {"keys": {"a": b"x" * 31}}, {"leeway_s": 31}, {"leeway_s": -1}]
)
def test_weak_keys_and_long_leeways_are_refused(clock: Clock, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"signing key|leeway"):
        tokens_at(clock, **wrong)


def test_ids_that_are_none_are_not_put_into_a_token(clock: Clock) -> None:
    with pytest.raises(ValueError, match="pattern"):
        tokens_at(clock).issue(user_id="me", dealership_id=DEALERSHIP, role="coach", family=FAMILY)


def test_a_token_that_was_good_is_refused_once_it_has_ended(clock: Clock) -> None:
    tokens = tokens_at(clock)
    token = issue(tokens)
    assert tokens.verify(token) == tokens.verify(token)
    clock.time = START + timedelta(minutes=11)
    with pytest.raises(Refused, match="expired"):
        tokens.verify(token)


def test_how_many_tokens_are_remembered_is_bounded_and_refused_ones_are_not(clock: Clock) -> None:
    tokens = tokens_at(clock)
    for name in ("aud another", "role unknown", "no signature"):
        for _ in range(2):
            with pytest.raises(Refused):
                tokens.verify(FORGED[name])
    tokens.verify(issue(tokens))
    kept = tokens._decoded.cache_info()
    assert (kept.currsize, kept.maxsize) == (1, 4096)
