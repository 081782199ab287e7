"""Pages and their files: kept for good under a digest, asked for again without one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from api.assets import ASKED_AGAIN, KEPT, Assets, Pages, digest_of
from api.routes import pages

WEB = Path(__file__).parents[2] / "api" / "web"
LINKED = re.compile(r'(?:src|href)="(/static/[^"]+)"')
VENDORED = "vendor/lib.js"
IMPORTED = re.compile(r'(?:from|import) "(\./[\w.-]+)"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "js" / "a.js").write_text('import "./b.js";')
    (tmp_path / "static" / "js" / "b.js").write_text("export {};")
    (tmp_path / "lib.js").write_text("export const library = 1;")
    (tmp_path / "page.html").write_text('<script src="/static/js/a.js"></script>/static/')
    return tmp_path


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    assets = Assets(folder / "static", {VENDORED: folder / "lib.js"})
    shown = Pages(folder, {"/": "page.html"}, assets)
    app = Starlette(routes=[Route("/", shown.get), Mount("/static", assets)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
        yield client


def lasting(folder: Path) -> str:
    return digest_of(folder / "static", {VENDORED: folder / "lib.js"})


async def test_a_page_links_to_files_that_may_be_kept_for_good(
    client: httpx.AsyncClient, folder: Path
) -> None:
    page = await client.get("/")
    (address,) = re.findall(r'src="([^"]+)"', page.text)
    assert address == f"/static/{lasting(folder)}/js/a.js"
    assert page.text.endswith("</script>/static/")
    for file in (address, address.replace("a.js", "b.js"), address.replace("js/a.js", VENDORED)):
        answer = await client.get(file)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == KEPT
        assert answer.headers["content-type"].startswith("text/javascript")


async def test_a_page_that_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["cache-control"] == ASKED_AGAIN
    tag = page.headers["etag"]
    again = await client.get("/", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/js/a.js", 200),
        ("/static/0123456789abcdef/js/a.js", 200),
        ("/static/js/none.js", 404),
        ("/static/0123456789abcdef/js/none.js", 404),
        ("/static/js", 404),
        ("/static/js/..%2f..%2fpage.html", 404),
        ("/static/0123456789abcdef/..%2f..%2fpage.html", 404),
    ],
)
async def test_what_has_no_digest_of_this_release_is_never_kept(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers.get("cache-control") in (ASKED_AGAIN, None)


async def test_what_is_not_there_is_not_kept_under_a_digest_either(
    client: httpx.AsyncClient, folder: Path
) -> None:
    answer = await client.get(f"/static/{lasting(folder)}/js/none.js")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_the_digest_names_contents_and_names(folder: Path) -> None:
    files = folder / "static"
    digests = {digest_of(files, {})}
    (files / "js" / "b.js").write_text("export { };")
    digests.add(digest_of(files, {}))
    (files / "js" / "b.js").rename(files / "js" / "c.js")
    digests.add(digest_of(files, {}))
    digests.add(digest_of(files, {VENDORED: folder / "lib.js"}))
    assert len(digests) == 4
    (files / "js" / "c.js").rename(files / "js" / "b.js")
    (files / "js" / "b.js").write_text("export {};")
    assert digest_of(files, {}) in digests


def test_every_page_is_there_and_links_to_files_that_there_are() -> None:
    assert set(pages.PAGES.values()) == {page.name for page in WEB.glob("*.html")}
    for name in pages.PAGES.values():
        html = (WEB / name).read_text(encoding="utf-8")
        linked = LINKED.findall(html)
        assert len(linked) >= 5, name
        assert [path for path in linked if not (WEB / path.lstrip("/")).is_file()] == [], name
        # A policy without 'unsafe-inline' would refuse them.
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", html), name
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html), name


def test_modules_import_each_other_by_relative_addresses_alone() -> None:
    for module in (WEB / "static" / "js").glob("*.js"):
        source = module.read_text(encoding="utf-8")
        assert not re.search(r'(?:from|import) "/', source), module.name
        for imported in IMPORTED.findall(source):
            assert (module.parent / imported).is_file(), (module.name, imported)
