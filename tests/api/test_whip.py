"""WHIP over HTTP: what is refused, and how (RFC 9725)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import stack
from signaling.trickle import MAX_FRAGMENT_BYTES
from tests.api.conftest import CONSENT, Refused
from tests.node import Node
from tests.signaling.calling import Client, until
from tests.signaling.offers import CHROMIUM, fragment, hidden, without

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = "application/trickle-ice-sdpfrag"
LINES = CHROMIUM.splitlines(True)
BARE = without(CHROMIUM, "a=candidate")
TRICKLED = fragment(CHROMIUM)
PROXIED = {"X-Forwarded-For": "192.0.2.7"}
"""As the proxy on this machine tells it: one address may publish 240 times a minute."""
RESTART = TRICKLED.replace("i4Td", "ysXw")


def publish(http: httpx.Client, session: dict[str, Any], offer: Any, **headers: str) -> Any:
    """With the session's grant, unless `headers` say otherwise: each session may be published to
    thirty times a minute, but by one access token only thirty in all."""
    return publish_signed_in(http, session, offer, **(granted(session) | headers))


def publish_signed_in(
    http: httpx.Client, session: dict[str, Any], offer: Any, **headers: str
) -> Any:
    """With the client's own access token, unless `headers` say otherwise."""
    path = f"/sessions/{session['id']}/whip"
    return http.post(path, content=offer, headers=SDP | headers)


def granted(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['resumeToken']}"}


def fresh(http: httpx.Client) -> dict[str, Any]:
    """A session with consent."""
    session: dict[str, Any] = http.post("/sessions", json={"sessionType": "pitch"}).json()
    http.put(f"/sessions/{session['id']}/consent", json=CONSENT).raise_for_status()
    return session


def test_an_offer_is_answered_with_a_resource(
    http: httpx.Client, consented: dict[str, Any]
) -> None:
    answer = publish_signed_in(http, consented, CHROMIUM)
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/sdp"
    assert answer.text.startswith("v=0")
    assert "useinbandfec=1" in answer.text
    location = answer.headers["location"]
    assert location.startswith(f"/api/v1/sessions/{consented['id']}/whip/")
    deleted = http.delete(location.removeprefix("/api/v1"))
    assert (deleted.status_code, deleted.content) == (200, b"")
    shown = http.get(f"/sessions/{consented['id']}").json()
    assert (shown["status"], shown["durationMs"]) == ("completed", 0)


def test_the_answer_names_the_ice_session_and_what_a_patch_takes(
    http: httpx.Client, consented: dict[str, Any]
) -> None:
    answer = publish_signed_in(http, consented, CHROMIUM)
    resource = answer.headers["location"].rsplit("/", 1)[1]
    assert answer.headers["etag"] == f'"{resource}"'
    assert answer.headers["accept-patch"] == FRAGMENT
    assert answer.headers["cache-control"] == "no-store"
    assert "link" not in answer.headers
    again = publish(http, consented, CHROMIUM)
    assert again.headers["etag"] != answer.headers["etag"]
    http.delete(again.headers["location"].removeprefix("/api/v1"))


def test_the_endpoint_tells_what_it_takes(
    http: httpx.Client, refused: Refused, session: dict[str, Any]
) -> None:
    answer = http.options(f"/sessions/{session['id']}/whip")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["accept-post"] == "application/sdp"
    assert answer.headers["allow"] == "OPTIONS, POST"
    assert "link" not in answer.headers
    refused(http.options(f"/sessions/{'0' * 24}/whip"), 404)
    of_resource = http.options(f"/sessions/{session['id']}/whip/x")
    assert of_resource.status_code == 200
    assert of_resource.headers["accept-patch"] == FRAGMENT
    assert of_resource.headers["allow"] == "DELETE, OPTIONS, PATCH"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])
def test_other_methods_are_kept_for_later_versions(
    http: httpx.Client, refused: Refused, session: dict[str, Any], method: str
) -> None:
    endpoint = f"/sessions/{session['id']}/whip"
    for path, own in ((endpoint, {"POST"}), (f"{endpoint}/x", {"PATCH", "DELETE"})):
        if method in own:
            continue
        answer = http.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == own | {"OPTIONS"}
        if method != "HEAD":
            refused(answer, 405)


@pytest.fixture
def own_loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


class Published:
    """A publication without candidates, and its PATCH."""

    def __init__(self, http: httpx.Client, session: dict[str, Any]) -> None:
        answer = publish(http, session, BARE)
        assert answer.status_code == 201
        self.etag = answer.headers["etag"]
        self._http = http
        self._path = answer.headers["location"].removeprefix("/api/v1")

    def patch(self, body: Any, etag: str | None = None, **headers: str) -> httpx.Response:
        given = {"Content-Type": FRAGMENT, "If-Match": self.etag if etag is None else etag}
        return self._http.patch(self._path, content=body, headers=given | headers)

    def patch_without_etag(self, body: str) -> httpx.Response:
        return self._http.patch(self._path, content=body, headers={"Content-Type": FRAGMENT})

    def delete(self, **headers: str) -> httpx.Response:
        return self._http.delete(self._path, headers=headers)


@pytest.fixture
def published(http: httpx.Client, consented: dict[str, Any]) -> Iterator[Published]:
    made = Published(http, consented)
    yield made
    made.delete()


def test_candidates_are_taken_without_a_word(published: Published) -> None:
    tags = (published.etag, "*", f'"other", {published.etag}')
    for tag in tags:
        answer = published.patch(TRICKLED, tag)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "etag" not in answer.headers
    many = "".join(f"a=candidate:1 1 udp 1 10.0.{i}.1 {4000 + i} typ host\r\n" for i in range(200))
    assert published.patch(TRICKLED + many).status_code == 204


def test_a_patch_says_which_ice_session_it_means(published: Published, refused: Refused) -> None:
    refused(published.patch_without_etag(TRICKLED), 428)
    weak = f"W/{published.etag}"
    for tag in ('"other"', weak, published.etag.strip('"'), "", '""'):
        refused(published.patch(TRICKLED, tag), 412)
        refused(published.patch("hello", tag), 412)


def test_an_ice_restart_is_refused_and_the_connection_stays(
    published: Published, refused: Refused
) -> None:
    for tag in ("*", published.etag):
        assert "publish again" in refused(published.patch(RESTART, tag), 422)["detail"]
    assert published.patch(TRICKLED).status_code == 204


def test_a_bad_fragment_is_refused(published: Published, refused: Refused) -> None:
    bodies = ("", "hello", CHROMIUM, without(TRICKLED, "a=mid"), "a=x\r\n", b"a=\xff\xfe")
    for body in bodies:
        refused(published.patch(body), 400)
    refused(published.patch(TRICKLED, **{"Content-Type": "application/sdp"}), 415)
    refused(published.patch(b"a=x\r\n" * MAX_FRAGMENT_BYTES), 413)
    assert published.patch(TRICKLED).status_code == 204


def test_no_fragment_is_our_fault(published: Published, refused: Refused) -> None:
    lines = TRICKLED.splitlines(True)

    @settings(max_examples=60)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 60), st.text(max_size=6)),
            min_size=1,
            max_size=4,
        )
    )
    def mutilate(edits: list[tuple[int, int, str]]) -> None:
        edited = list(lines)
        for at, column, text in edits:
            edited[at] = edited[at][:column] + text + edited[at][column + len(text) :]
        answer = published.patch(b"".join(line.encode("utf-8", "replace") for line in edited))
        if answer.status_code != 204:
            refused(answer, answer.status_code)
            assert answer.status_code in (400, 422)

    mutilate()


def test_what_is_no_publication_takes_no_candidates(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    first = Published(http, consented)
    second = publish(http, consented, CHROMIUM)
    refused(first.patch(TRICKLED), 404)
    location = second.headers["location"].removeprefix("/api/v1")
    given = {"Content-Type": FRAGMENT, "If-Match": second.headers["etag"]}
    assert http.patch(location, content=TRICKLED, headers=given).status_code == 204
    http.delete(location).raise_for_status()
    refused(http.patch(location, content=TRICKLED, headers=given), 404)


def test_a_delete_asks_for_no_entity_tag(published: Published) -> None:
    assert published.delete(**{"If-Match": '"other"'}).status_code == 200


async def test_a_client_that_trickles_is_connected(
    node: Node, consented: dict[str, Any], own_loopback: None
) -> None:
    client = Client()
    path = f"/api/v1/sessions/{consented['id']}"

    async def is_active() -> bool:
        return bool((await http.get(path)).json()["status"] == "active")

    async with httpx.AsyncClient(base_url=node.url, auth=node.account, timeout=30) as http:
        try:
            whole = await client.offer()
            bare = without(whole, "a=candidate", "a=end-of")
            answer = await http.post(f"{path}/whip", content=bare, headers=SDP)
            location, etag = answer.headers["location"], answer.headers["etag"]
            given = {"Content-Type": FRAGMENT, "If-Match": etag}
            patched = await http.patch(location, content=fragment(whole), headers=given)
            assert patched.status_code == 204, patched.text
            own: Any = client.sender.transport.transport._connection
            await until(lambda: own._early_checks)  # and the client has not sent anything yet
            await client.accept(answer.text)
            while not await is_active():
                await asyncio.sleep(0.05)
            (await http.delete(location)).raise_for_status()
        finally:
            await client.close()
        assert (await http.get(path)).json()["status"] == "completed"


def test_an_offer_of_local_names_alone_is_answered(
    http: httpx.Client, consented: dict[str, Any]
) -> None:
    answer = publish(http, consented, hidden(CHROMIUM))
    assert answer.status_code == 201
    http.delete(answer.headers["location"].removeprefix("/api/v1"))


def test_who_is_neither_signed_in_nor_shows_the_grant_publishes_nothing(
    http: httpx.Client,
    anonymous: httpx.Client,
    refused: Refused,
    consented: dict[str, Any],
) -> None:
    other = fresh(http)
    refused(publish_signed_in(anonymous, consented, CHROMIUM), 401)
    refused(publish(anonymous, consented, CHROMIUM, **granted(other)), 401)
    refused(anonymous.options(f"/sessions/{consented['id']}/whip"), 401)
    answer = publish(anonymous, consented, CHROMIUM)
    assert answer.status_code == 201
    path = answer.headers["location"].removeprefix("/api/v1")
    given = {"Content-Type": FRAGMENT, "If-Match": answer.headers["etag"]}
    refused(anonymous.patch(path, content=TRICKLED, headers=given), 401)
    refused(anonymous.delete(path), 401)
    refused(anonymous.delete(path, headers=granted(other)), 401)
    assert anonymous.delete(path, headers=granted(consented)).status_code == 200


def test_publishing_without_consent_is_forbidden(
    http: httpx.Client, refused: Refused, session: dict[str, Any]
) -> None:
    assert "consent" in refused(publish(http, session, CHROMIUM), 403)["detail"]
    http.put(f"/sessions/{session['id']}/consent", json=CONSENT)
    answer = publish(http, session, CHROMIUM)
    assert answer.status_code == 201
    http.delete(answer.headers["location"].removeprefix("/api/v1"))


def test_an_unknown_session_is_not_found(http: httpx.Client, refused: Refused) -> None:
    for session_id in ("0" * 24, "x", "..", "%2e%2e%2f"):
        answer = http.post(f"/sessions/{session_id}/whip", content=CHROMIUM, headers=SDP)
        refused(answer, 404)


@pytest.mark.parametrize("given", ["application/json", "text/plain", "application/sdpx", ""])
def test_another_media_type_is_refused(
    http: httpx.Client, refused: Refused, consented: dict[str, Any], given: str
) -> None:
    headers = {"Content-Type": given}
    path = f"/sessions/{consented['id']}/whip"
    detail = refused(http.post(path, content=CHROMIUM, headers=headers), 415)["detail"]
    assert "application/sdp" in detail


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_offer_is_refused(
    http: httpx.Client, refused: Refused, consented: dict[str, Any], chunked: bool
) -> None:
    body = CHROMIUM.encode() + b"a=x\r\n" * 20_000
    content: Any = (body[i : i + 4_000] for i in range(0, len(body), 4_000)) if chunked else body
    refused(publish(http, consented, content), 413)


def test_bytes_that_are_no_text_are_refused(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    refused(publish(http, consented, b"v=0\r\n\xff\xfe"), 400)


def test_an_offer_cut_off_at_any_line_is_refused_or_answered(
    http: httpx.Client, refused: Refused
) -> None:
    answered = 0
    for count in range(len(LINES)):
        session = fresh(http)
        offer = "".join(LINES[:count])
        answer = publish(http, session, offer, **PROXIED)
        if answer.status_code == 201:
            answered += 1
            http.delete(answer.headers["location"].removeprefix("/api/v1"))
        else:
            refused(answer, 400)
    assert answered < len(LINES) // 4


def test_no_mutilated_offer_is_our_fault(http: httpx.Client, refused: Refused) -> None:
    @settings(max_examples=40)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 40), st.text(max_size=6)),
            min_size=1,
            max_size=4,
        )
    )
    def mutilate(edits: list[tuple[int, int, str]]) -> None:
        lines = list(LINES)
        for at, column, text in edits:
            lines[at] = lines[at][:column] + text + lines[at][column + len(text) :]
        body = b"".join(line.encode("utf-8", "surrogatepass") for line in lines)
        session = fresh(http)
        answer = publish(http, session, body, **PROXIED)
        if answer.status_code == 201:
            http.delete(answer.headers["location"].removeprefix("/api/v1"))
        else:
            refused(answer, 400)

    mutilate()


def test_a_refused_offer_leaves_the_session_free(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    for _ in range(3):
        refused(publish(http, consented, "v=0\r\n"), 400)
    answer = publish(http, consented, CHROMIUM)
    assert answer.status_code == 201
    http.delete(answer.headers["location"].removeprefix("/api/v1"))


def test_a_session_that_is_being_connected_is_taken(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    first = publish_signed_in(http, consented, CHROMIUM)
    refused(publish_signed_in(http, consented, CHROMIUM), 409)
    for token in ("Bearer nonsense", "Bearer", "Basic x", consented["resumeToken"], ""):
        refused(publish(http, consented, CHROMIUM, Authorization=token), 401)
    token = f"bearer {consented['resumeToken']}"
    second = publish(http, consented, CHROMIUM, Authorization=token)
    assert second.status_code == 201
    refused(http.delete(first.headers["location"].removeprefix("/api/v1")), 404)
    http.delete(second.headers["location"].removeprefix("/api/v1")).raise_for_status()


def test_two_offers_at_once_do_not_both_get_the_session(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: publish_signed_in(http, consented, CHROMIUM), range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    (won,) = [answer for answer in answers if answer.status_code == 201]
    http.delete(won.headers["location"].removeprefix("/api/v1")).raise_for_status()


def test_consent_cannot_change_once_the_call_has_begun(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    location = publish(http, consented, CHROMIUM).headers["location"]
    path = f"/sessions/{consented['id']}/consent"
    refused(http.put(path, json=CONSENT | {"recording": False}), 409)
    http.delete(location.removeprefix("/api/v1"))
    refused(http.put(path, json=CONSENT | {"recording": False}), 409)
    assert http.get(path).json() == CONSENT


def test_a_call_that_is_over_cannot_be_published_to(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    location = publish(http, consented, CHROMIUM).headers["location"]
    http.delete(location.removeprefix("/api/v1"))
    refused(publish(http, consented, CHROMIUM), 409)
    refused(publish_signed_in(http, consented, CHROMIUM), 409)


@pytest.mark.parametrize("resource", ["0" * 16, "x", "%c3%bc", "..%2f"])
def test_what_is_no_resource_of_the_call_deletes_nothing(
    http: httpx.Client, refused: Refused, consented: dict[str, Any], resource: str
) -> None:
    location = publish(http, consented, CHROMIUM).headers["location"]
    refused(http.delete(f"/sessions/{consented['id']}/whip/{resource}"), 404)
    assert http.delete(location.removeprefix("/api/v1")).status_code == 200
