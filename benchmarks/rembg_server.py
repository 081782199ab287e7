"""rembg's own HTTP server, `rembg s`, as its users start it; for `benchmarks.images`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from benchmarks.child import ChildError
from benchmarks.peers import Peer

REMBG = Peer("rembg", ("rembg[cli,cpu]==2.0.86",))
READY_WITHIN_S = 300.0
"""The first start compiles for a minute and a half; a later one takes some seconds."""
REPLY_WITHIN_S = 120.0
STOP_WITHIN_S = 5.0
POLL_S = 0.2


class RembgServer:
    """The server on a port of loopback. Use it as an asynchronous context manager.

    `weights` are the files of the models it may use, by rembg's names for them.
    """

    def __init__(self, weights: Mapping[str, Path]) -> None:
        self._weights = weights
        self._home = tempfile.TemporaryDirectory(prefix="forecourt-bench-")
        self._process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> RembgServer:
        for name, path in self._weights.items():
            folder = Path(self._home.name) / "models" / name
            folder.mkdir(parents=True)
            (folder / f"{name}.onnx").symlink_to(path)
        python = await asyncio.to_thread(REMBG.python)
        port = _free_port()
        self._process = await asyncio.create_subprocess_exec(
            *(str(Path(python).with_name("rembg")), "s", "--no-ui"),
            *("--host", "127.0.0.1", "--port", str(port), "--log_level", "warning"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,
            # It opens a browser otherwise.
            env=os.environ | {"U2NET_HOME": self._home.name, "BROWSER": "true"},
        )
        url = f"http://127.0.0.1:{port}"
        self._client = httpx.AsyncClient(base_url=url, timeout=REPLY_WITHIN_S, trust_env=False)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._client is not None
        await self._client.aclose()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._home.cleanup()

    async def cut(self, picture: bytes, model: str, *, only_mask: bool = False) -> bytes:
        """The PNG it makes of a picture, or its mask. Raises `httpx.HTTPError`."""
        assert self._client is not None
        fields = {"model": model, "om": str(only_mask).lower()}
        reply = await self._client.post("/api/remove", data=fields, files={"file": picture})
        reply.raise_for_status()
        return reply.content

    async def _ready(self) -> None:
        assert self._process is not None
        assert self._client is not None
        while True:
            if self._process.returncode is not None:
                raise ChildError("rembg's server ended while starting")
            try:
                await self._client.get("/openapi.json")
                return
            except httpx.ConnectError:
                await asyncio.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
