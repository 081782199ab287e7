"""The browser client's files under addresses that change with them, so that they may be kept.

`/static/DIGEST/…` is what the pages ask for: one digest over every file below `api/web/static` and
of the libraries that the pages load, so that a module's relative imports and a style sheet's
relative addresses lead to files of the same release. Such an answer is immutable. `/static/…`
without a digest, or with one of another release, serves what there is now and is asked for again
each time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

STATIC = "/static/"
KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"
DIGEST_LETTERS = 16
_DIGEST = re.compile(rf"/static/([0-9a-f]{{{DIGEST_LETTERS}}})(?=/)")


Vendored = Mapping[str, Path]
"""Files of libraries, by their path below `/static`."""
NOTHING: Vendored = MappingProxyType({})


def vendored(packages: Path) -> Vendored:
    """What the pages load of the npm packages in the folder `packages`. Files that were not fetched
    are left out: a page whose library is missing does without it."""
    uplot, waves = packages / "uplot", packages / "wavesurfer.js"
    wanted = {
        "vendor/uplot/uPlot.esm.js": uplot / "dist" / "uPlot.esm.js",
        "vendor/uplot/uPlot.min.css": uplot / "dist" / "uPlot.min.css",
        "vendor/uplot/LICENSE": uplot / "LICENSE",
        "vendor/wavesurfer/wavesurfer.esm.js": waves / "dist" / "wavesurfer.esm.js",
        "vendor/wavesurfer/LICENSE": waves / "LICENSE",
    }
    return {name: file for name, file in wanted.items() if file.is_file()}


def digest_of(folder: Path, vendor: Vendored = NOTHING) -> str:
    """Names the content of all files below `folder` and of `vendor`: 16 hexadecimal digits."""
    whole = hashlib.sha256()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")} | dict(vendor)
    for name, file in sorted(files.items()):
        if not file.is_file():
            continue
        content = hashlib.sha256(file.read_bytes()).digest()
        whole.update(len(name.encode()).to_bytes(4, "big") + name.encode() + content)
    return whole.hexdigest()[:DIGEST_LETTERS]


class _Files(StaticFiles):
    """Those below a folder, and `vendor`."""

    def __init__(self, folder: Path, vendor: Vendored) -> None:
        super().__init__(directory=folder)
        self._vendor = vendor

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        file = self._vendor.get(path.replace(os.sep, "/"))
        return super().lookup_path(path) if file is None else (str(file), file.stat())


class Assets:
    """An ASGI application for what is below `/static`."""

    def __init__(self, folder: Path, vendor: Vendored = NOTHING) -> None:
        self.digest = digest_of(folder, vendor)
        self._files = _Files(folder, vendor)

    def linked(self, page: str) -> str:
        """`page` (HTML) with its files under their lasting addresses."""
        return page.replace(f'"{STATIC}', f'"{STATIC}{self.digest}/')

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no files over {scope['type']}")
        found = _DIGEST.match(scope["path"])
        is_lasting = found is not None and found.group(1) == self.digest
        if found is not None:
            bare = STATIC[:-1] + scope["path"][found.end() :]
            scope = {**scope, "path": bare, "raw_path": bare.encode()}
        response = await self._files.get_response(self._files.get_path(scope), scope)
        kept = is_lasting and response.status_code in (200, 206, 304)
        response.headers["Cache-Control"] = KEPT if kept else ASKED_AGAIN
        await response(scope, receive, send)


class Pages:
    """HTML files with links to `assets`, each with a tag by which a browser asks whether it has
    changed. Read once, at start."""

    def __init__(self, folder: Path, names: Mapping[str, str], assets: Assets) -> None:
        """`names`: the file below `folder` for each path."""
        self._bodies: dict[str, bytes] = {
            path: assets.linked((folder / name).read_text(encoding="utf-8")).encode()
            for path, name in names.items()
        }
        self._tags = {
            path: f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            for path, body in self._bodies.items()
        }

    async def get(self, request: Request) -> Response:
        """The page at the request's path."""
        path = request.url.path
        headers = {"ETag": self._tags[path], "Cache-Control": ASKED_AGAIN}
        known = request.headers.get("if-none-match", "").replace("W/", "").split(",")
        if self._tags[path] in (tag.strip() for tag in known):
            return Response(status_code=304, headers=headers)
        return Response(self._bodies[path], headers=headers, media_type="text/html")
