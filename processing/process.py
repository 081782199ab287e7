"""A worker's process, seen from the node: started, fed, watched, recycled, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from processing.work import Made, Note, Refused, Tell

log = structlog.get_logger(__name__)

READY_WITHIN_S: Final = 60.0
MAX_LINE_BYTES: Final = 256 * 1024
MAX_SAID_BYTES: Final = 16 * 1024
LAST_WORDS_S: Final = 1.0
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A worker's linear algebra must not spin on the cores that calls need."""
CODE: Final = re.compile(r"[a-z0-9_.]{1,80}")
GIB: Final = 2**30


class Broken(Exception):
    """An attempt failed as another may not: `code` is for programs, `sentence` for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take, and when it is replaced by a new one."""

    memory_bytes: int = 4 * GIB
    """Of its own, as the kernel counts RLIMIT_DATA."""
    file_bytes: int = 4 * GIB
    recycle_bytes: int = 1536 * 2**20
    """Held after a job: libraries that leak are given no more jobs."""
    recycle_jobs: int = 100


class Sayings:
    """What libraries print in a worker, passed on to this process's own standard error: of each job
    the first `MAX_SAID_BYTES`, the rest is dropped and counted."""

    def __init__(self) -> None:
        self._left = MAX_SAID_BYTES
        self._dropped = 0

    async def pass_on(self, stream: asyncio.StreamReader) -> None:
        """Until it ends."""
        while data := await stream.read(MAX_SAID_BYTES):
            passed = data[: self._left]
            self._left -= len(passed)
            self._dropped += len(data) - len(passed)
            sys.stderr.write(passed.decode(errors="replace"))

    def over(self) -> None:
        """A job is: the next one may say as much again."""
        if self._dropped:
            log.warning("job_worker_too_talkative", dropped_bytes=self._dropped)
        self._left, self._dropped = MAX_SAID_BYTES, 0


class WorkerProcess:
    """One worker, kept warm from job to job; one job at a time."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._process: asyncio.subprocess.Process | None = None
        self._jobs = 0
        self._sayings = Sayings()
        self._listening: asyncio.Task[None] | None = None
        self.started = 0
        """How many processes there have been."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def work(
        self,
        work: str,
        inputs: Sequence[Path],
        outputs: Path,
        settings: Mapping[str, Any],
        tell: Tell,
        within_s: float,
    ) -> Made:
        """What the work at the import path `work` made in `outputs`.

        Raises `Refused`, or `Broken` also where the process ended, hung beyond `within_s` or spoke
        nonsense; it is replaced then. Cancelled, the process is killed in the middle of the job.
        """
        keep = False
        try:
            async with asyncio.timeout(within_s):
                process = await self._running()
                request = {
                    "work": work,
                    "inputs": [str(path) for path in inputs],
                    "outputs": str(outputs),
                    "settings": dict(settings),
                }
                answer = await _ask(process, request, tell)
            files = [_inside(outputs, str(name)) for name in answer["files"]]
            made = Made(files, [_note(files, *note) for note in answer["notes"]])
            rss_bytes = int(answer["rss_bytes"])
            keep = self._is_fit() and rss_bytes < self._limits.recycle_bytes
            return made
        except Refused:
            keep = self._is_fit()
            raise
        except TimeoutError as error:
            raise Broken("too_slow", f"It took longer than {within_s:.0f} seconds.") from error
        except (EOFError, OSError) as error:
            raise Broken("worker_lost", "The worker ended in the middle of it.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise Broken("worker_lost", "The worker's answer is not one.") from error
        finally:
            if not keep:
                await self.end()
            self._sayings.over()

    async def end(self) -> None:
        """Kill it with all that it started, and collect it."""
        process, self._process, self._jobs = self._process, None, 0
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if self._listening is not None:
            # Somebody whom it started, and who left its group, may still hold the pipe.
            await asyncio.wait({self._listening}, timeout=LAST_WORDS_S)
            self._listening.cancel()

    def _is_fit(self) -> bool:
        """Whether a process that did one more job may have another."""
        self._jobs += 1
        return self._jobs < self._limits.recycle_jobs

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self.end()
        limits = self._limits
        figures = (os.getpid(), limits.memory_bytes, limits.file_bytes)
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "processing.worker",
            *map(str, figures),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env=os.environ | ONE_THREAD,
            start_new_session=True,
        )
        self.started += 1
        assert process.stderr is not None
        listening = self._sayings.pass_on(process.stderr)
        self._listening = asyncio.create_task(listening, name="job-worker-stderr")
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await _read(process)
        except TimeoutError as error:
            raise Broken("worker_lost", "The worker did not start.") from error
        log.info("job_worker_ready", pid=process.pid)
        return process


async def _ask(
    process: asyncio.subprocess.Process, request: dict[str, Any], tell: Tell
) -> dict[str, Any]:
    """The last that it answers, of files. Raises as `WorkerProcess.work` does."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    await process.stdin.drain()
    while True:
        message = await _read(process)
        if "percent" in message:
            tell(_code(message["stage"]), min(100, max(0, int(message["percent"]))))
        elif "refused" in message:
            raise Refused(_code(message["refused"]), str(message["sentence"]))
        elif "broken" in message:
            raise Broken(_code(message["broken"]), str(message["sentence"]))
        else:
            return message


async def _read(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Raises `EOFError`, `ValueError`."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    return message


def _code(given: object) -> str:
    """Raises `ValueError` for what is no code, as stages and reasons are."""
    if not isinstance(given, str) or not CODE.fullmatch(given):
        raise ValueError("not a code")
    return given


def _note(files: Sequence[Path], file: object, code: object) -> Note:
    """Raises `ValueError`."""
    if not isinstance(file, int) or not 0 <= file < len(files):
        raise ValueError("a note on a file that was not made")
    return Note(file, _code(code))


def _inside(folder: Path, name: str) -> Path:
    """A regular file right in `folder`. Raises `ValueError`."""
    path = folder / name
    if path.parent != folder or path.is_symlink() or not path.is_file():
        raise ValueError("not a file of the outputs")
    return path
