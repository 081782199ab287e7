"""The page behind the link in a mail: looking changes nothing, the button ends it for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from api.routes import unsubscribe
from tests.api.content.outbox import Outbox, opened


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path / "node", 1) as outbox:
        yield outbox


@pytest.fixture
async def http(outbox: Outbox) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's who is not signed in."""
    app = Starlette(routes=unsubscribe.routes)
    app.state.services = outbox.services
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://node.example") as http:
        yield http


async def test_looking_changes_nothing_and_the_button_ends_it_for_good(
    outbox: Outbox, http: httpx.AsyncClient
) -> None:
    (person,) = await outbox.people(1)
    link = f"/unsubscribe?token={outbox.services.outlets.token_of(person)}"
    for _ in range(2):
        page = await http.get(link)
        assert page.status_code == 200
        assert "<button" in page.text
        assert "North & Sons" in unescape(page.text)
        assert "North & Sons" not in page.text
    assert await outbox.store.subscribers.on_list(outbox.dealership_id, "Weekly") == [person]
    for _ in range(2):
        done = await http.post(link)
        assert done.status_code == 200
        assert "<button" not in done.text
        assert "You get no more mails" in done.text
    after = await outbox.store.subscribers.get(outbox.dealership_id, person.id)
    assert after is not None
    assert (after.version, after.unsubscribed_at is not None) == (2, True)
    assert "<button" not in (await http.get(link)).text


async def test_a_mail_program_ends_it_by_itself(outbox: Outbox, http: httpx.AsyncClient) -> None:
    """RFC 8058: a POST without cookies, with this body."""
    (person,) = await outbox.people(1)
    link = f"/unsubscribe?token={outbox.services.outlets.token_of(person)}"
    done = await http.post(link, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert await outbox.store.subscribers.on_list(outbox.dealership_id, "Weekly") == []


async def test_it_speaks_the_language_of_the_mails(outbox: Outbox, http: httpx.AsyncClient) -> None:
    (person,) = await outbox.people(1)
    spanish = person.changed(outbox.now(), language="es")
    await outbox.store.subscribers.save(outbox.dealership_id, spanish)
    page = await http.get(f"/unsubscribe?token={outbox.services.outlets.token_of(person)}")
    assert '<html lang="es">' in page.text
    assert "Cancelar la suscripción" in page.text


@pytest.mark.parametrize("query", ["", "?token=", "?token=x", "?token=" + "A" * 54, "?t=%00"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_is_nobodys_says_so(
    http: httpx.AsyncClient, query: str, method: str
) -> None:
    headers = {"Accept-Language": "es-MX,es;q=0.9"}
    page = await http.request(method, f"/unsubscribe{query}", headers=headers)
    assert page.status_code == 404
    assert "Este enlace no es de nadie" in page.text


async def test_who_was_removed_hears_that_the_link_is_nobodys(
    outbox: Outbox, http: httpx.AsyncClient
) -> None:
    (person,) = await outbox.people(1)
    await outbox.store.subscribers.remove(outbox.dealership_id, person.id)
    page = await http.post(f"/unsubscribe?token={outbox.services.outlets.token_of(person)}")
    assert page.status_code == 404
