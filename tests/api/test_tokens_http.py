"""Tokens and cookies at a running node's door: what is not quite right opens nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from api.auth import keys
from api.auth.tokens import LIFETIME, TYPE
from api.ids import new_id
from tests.api.seeds import Person, Seeds
from tests.node import ADMIN, PASSWORD, Node


@pytest.fixture
async def seeds(node: Node) -> AsyncIterator[Seeds]:
    async with Seeds(node.data) as opened:
        yield opened


@pytest.fixture
async def person(seeds: Seeds) -> Person:
    return await seeds.person(await seeds.dealership("Tokens"), "admin")


@pytest.fixture
async def mine(seeds: Seeds, person: Person) -> str:
    return await seeds.session(person)


@pytest.fixture
async def other(seeds: Seeds, person: Person) -> str:
    return await seeds.session(person)


def claims_of(person: Person, **changed: Any) -> dict[str, Any]:
    now_s = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": "forecourt",
        "aud": "forecourt-api",
        "sub": person.id,
        "dealershipId": person.dealership_id,
        "role": person.role,
        "family": person.family,
        "jti": "0" * 32,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + int(LIFETIME.total_seconds()),
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


def signed(
    node: Node, claims: dict[str, Any], key: bytes | None = None, **header: Any
) -> dict[str, str]:
    kept = keys.load(node.data / keys.FILE_NAME).signing_keys[0]
    given = {"typ": TYPE, "kid": kept.id} | header
    headers = {name: value for name, value in given.items() if value != ""}
    algorithm = headers.pop("alg", "HS256")
    token = jwt.encode(claims, key or kept.raw, algorithm=algorithm, headers=headers)
    return {"Authorization": f"Bearer {token}"}


def ago(**span: float) -> int:
    return int((datetime.now(UTC) - timedelta(**span)).timestamp())


def test_a_token_of_ours_made_by_hand_opens(node: Node, person: Person) -> None:
    headers = signed(node, claims_of(person))
    assert httpx.get(f"{node.url}/api/v1/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": ago(minutes=1), "iat": ago(minutes=11), "nbf": ago(minutes=11)},
        {"nbf": ago(hours=-2)},
        {"iat": ago(hours=-2)},
        {"exp": ago(days=-1)},
        {"aud": "another"},
        {"aud": ["forecourt-api"]},
        {"iss": "another"},
        {"sub": new_id()},
        {"sub": None},
        {"dealershipId": new_id()},
        {"family": new_id()},
        {"role": "operator"},
        {"jti": None},
        {"exp": None},
        {"more": "claims"},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused(
    node: Node, person: Person, changed: dict[str, Any]
) -> None:
    headers = signed(node, claims_of(person, **changed))
    answer = httpx.get(f"{node.url}/api/v1/me", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")


def test_a_role_in_a_token_gives_nothing_that_the_store_does_not(
    node: Node, seeds: Seeds, person: Person
) -> None:
    headers = signed(node, claims_of(person) | {"role": "salesperson"})
    # The store says admin: what the token claims is not asked.
    assert httpx.get(f"{node.url}/api/v1/audit", headers=headers).status_code == 200


# The algorithm of longer keys, with one of ours.
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    ("key", "header"),
    [
        (b"x" * 32, {}),
        (None, {"typ": "JWT"}),
        (None, {"typ": ""}),
        (None, {"kid": "another"}),
        (None, {"kid": "../../etc/passwd"}),
        (None, {"kid": ""}),
        (None, {"jku": "http://127.0.0.1/keys"}),
        (None, {"alg": "HS512"}),
    ],
    ids=str,
)
def test_a_header_or_a_signature_that_is_wrong_is_refused(
    node: Node, person: Person, key: bytes | None, header: dict[str, Any]
) -> None:
    headers = signed(node, claims_of(person), key, **header)
    assert httpx.get(f"{node.url}/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_a_token_without_a_signature_is_refused(node: Node, person: Person, algorithm: str) -> None:
    kid = keys.load(node.data / keys.FILE_NAME).signing_keys[0].id

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    head = part({"alg": algorithm, "typ": TYPE, "kid": kid})
    for signature in ("", "AAAA"):
        token = f"{head}.{part(claims_of(person))}.{signature}"
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{node.url}/api/v1/me", headers=headers).status_code == 401


def test_a_token_in_the_address_opens_nothing(node: Node, person: Person) -> None:
    for name in ("access_token", "token", "Authorization"):
        answer = httpx.get(f"{node.url}/api/v1/me", params={name: person.token})
        assert answer.status_code == 401


def test_cookies_of_a_sign_in_are_out_of_reach_of_scripts_and_other_sites(node: Node) -> None:
    body = {"email": ADMIN, "password": PASSWORD}
    answer = httpx.post(f"{node.url}/api/v1/auth/sign-in", json=body)
    assert answer.headers["cache-control"] == "no-store"
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "; Path=/api/v1/auth; " in cookie
        assert cookie.endswith("; HttpOnly; Secure; SameSite=Strict")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_sites_page_neither_renews_nor_signs_out(
    node: Node, headers: dict[str, str]
) -> None:
    account = node.sign_in()
    cookie = {"Cookie": f"forecourt-refresh={account.refresh_token}"}
    for path in ("refresh", "sign-out"):
        answer = httpx.post(f"{node.url}/api/v1/auth/{path}", headers=cookie | headers)
        assert answer.status_code == 403
    answer = httpx.post(f"{node.url}/api/v1/auth/refresh", headers=cookie)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value", ["", "x", "a" * 43, "a" * 5000, "é", '"quoted"', "../../../etc", "a\tb"]
)
def test_a_refresh_cookie_that_is_none_is_refused_and_removed(node: Node, value: str) -> None:
    headers = {"Cookie": b"forecourt-refresh=" + value.encode()}
    answer = httpx.post(f"{node.url}/api/v1/auth/refresh", headers=headers)
    assert answer.status_code == 401
    if "set-cookie" in answer.headers:
        assert "Max-Age=0" in answer.headers["set-cookie"]


def test_a_device_that_shows_its_mark_is_given_no_other(node: Node) -> None:
    url, body = f"{node.url}/api/v1/auth/sign-in", {"email": ADMIN, "password": PASSWORD}
    assert "forecourt-device=" in httpx.post(url, json=body).headers["set-cookie"]
    shown = {"Cookie": f"forecourt-device={node.account.device}"}
    answer = httpx.post(url, json=body, headers=shown)
    assert answer.status_code == 200
    assert "forecourt-device=" not in answer.headers["set-cookie"]


def test_signing_out_is_the_end_of_the_access_token_too(node: Node) -> None:
    account = node.sign_in()
    token = {"Authorization": f"Bearer {account.access_token}"}
    assert httpx.get(f"{node.url}/api/v1/me", headers=token).status_code == 200
    cookie = {"Cookie": f"forecourt-refresh={account.refresh_token}"}
    answer = httpx.post(f"{node.url}/api/v1/auth/sign-out", headers=cookie)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert httpx.get(f"{node.url}/api/v1/me", headers=token).status_code == 401
    assert httpx.post(f"{node.url}/api/v1/auth/refresh", headers=cookie).status_code == 401


def test_signing_out_without_a_sign_in_is_no_error(node: Node) -> None:
    assert httpx.post(f"{node.url}/api/v1/auth/sign-out").status_code == 204


def test_a_media_cookie_opens_its_session_for_get_alone(
    node: Node, person: Person, mine: str, other: str
) -> None:
    base = f"{node.url}/api/v1/sessions"
    answer = httpx.post(f"{base}/{mine}/media", headers=person.headers)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert f"; Path=/api/v1/sessions/{mine}/; " in cookie
    shown = {"Cookie": cookie.partition(";")[0]}
    # There is no recording of a call that nobody spoke in; but whoever asks may ask.
    answer = httpx.get(f"{base}/{mine}/recording", headers=shown)
    assert answer.status_code == 404
    assert "recording" in answer.json()["detail"]
    for method, path in (
        ("GET", f"{other}/recording"),
        ("GET", f"{mine}/events"),
        ("GET", mine),
        ("DELETE", mine),
        ("POST", f"{mine}/media"),
    ):
        assert httpx.request(method, f"{base}/{path}", headers=shown).status_code == 401


def test_a_media_cookie_ends_with_the_sign_in(node: Node, person: Person, mine: str) -> None:
    base = f"{node.url}/api/v1/sessions/{mine}"
    answer = httpx.post(f"{base}/media", headers=person.headers)
    shown = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    ended = httpx.delete(f"{node.url}/api/v1/users/{person.id}/sign-ins", headers=person.headers)
    assert ended.status_code == 204
    assert httpx.get(f"{base}/recording", headers=shown).status_code == 401
