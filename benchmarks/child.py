"""Processes of a benchmark, each pinned to a core, asked over their pipes in JSON lines.

Standard library alone: the peers' servers import this in environments of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

READY_WITHIN_S = 90.0
STOP_WITHIN_S = 5.0
MAX_LINE = 1 << 20
ROOT = Path(__file__).resolve().parents[1]

Reply = dict[str, Any]
Handler = Callable[..., Awaitable[Reply]]


class ChildError(RuntimeError):
    """A child process failed, ended or did not become ready; its messages went to stderr."""


def cores() -> tuple[int, int]:
    """A core for the server and another for the load. Raises `ChildError` where there is one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise ChildError("This benchmark needs two cores: one to serve, one to make the load.")
    return allowed[0], allowed[-1]


class Child:
    """`COMMAND CORE ARGUMENTS...` as a process. Use it as an asynchronous context manager.

    `environment` is laid over this process's own.
    """

    def __init__(self, command: list[str], core: int, *arguments: str, **environment: str) -> None:
        self._command = [*command, str(core), *arguments]
        self._environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._ready = asyncio.Event()
        self._next = 0

    @classmethod
    def module(cls, name: str, core: int, *arguments: str, **environment: str) -> Child:
        """A module of this package, run by this Python."""
        return cls([sys.executable, "-m", name], core, *arguments, **environment)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Child:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=MAX_LINE,
        )
        self._reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait_for(self._ready.wait(), READY_WITHIN_S)
            if self._reading.done():
                raise ChildError(f"{self._command} ended while starting")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closing its input ends a child; one that stays is killed."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def ask(self, what: str, **fields: Any) -> Reply:
        """The child's reply to `what`. Raises `ChildError` when it failed or ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        if self._reading is None or self._reading.done():
            raise ChildError(f"{self._command} has ended")
        self._next += 1
        number = self._next
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"number": number, "what": what, **fields})
        self._process.stdin.write(line.encode() + b"\n")
        answer = await reply
        if "error" in answer:
            raise ChildError(f"{what}: {answer['error']}")
        return answer

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                reply = json.loads(line)
                if reply.get("ready"):
                    self._ready.set()
                else:
                    self._replies.pop(reply.pop("number")).set_result(reply)
        finally:
            self._ready.set()
            for waiting in self._replies.values():
                if not waiting.done():
                    waiting.set_result({"error": "the process ended"})


def pin() -> list[str]:
    """In a child: stay on the core named by the first argument; return the arguments after it.

    Call before anything starts a thread: threads inherit the core.
    """
    os.sched_setaffinity(0, {int(sys.argv[1])})
    return sys.argv[2:]


async def serve(handlers: dict[str, Handler]) -> None:
    """In a child: answer each request `what` by `handlers[what](**fields)`, several at a time.

    Does not return: when the input ends, so does the process. Calls, decoder threads and files are
    not closed one by one, since nothing of them is kept.
    """
    loop = asyncio.get_running_loop()
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what anybody prints is no reply
    reader = asyncio.StreamReader(limit=MAX_LINE)
    # uvloop keeps no reference of its own to the transport
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()

    async def answer(request: dict[str, Any]) -> None:
        number, what = request.pop("number"), request.pop("what")
        try:
            reply = await handlers[what](**request)
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            reply = {"error": repr(error)}
        replies.write(json.dumps({"number": number, **reply}).encode() + b"\n")

    replies.write(b'{"ready": true}\n')
    async for line in reader:
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    pipe.close()
    os._exit(0)
