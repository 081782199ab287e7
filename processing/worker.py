"""A worker: a process that does one job after the other, behind everything else on the machine.

It reads a request a line from its standard input and answers in lines of JSON: any number of
``{"stage", "percent"}``, then one of ``{"files", "notes", "rss_bytes"}``,
``{"refused", "sentence"}`` and ``{"broken", "sentence"}``. A request names the work
(``module:name``), its inputs, the folder for its outputs, and its settings. Run by
`processing.process`, with which it ends.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import platform
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Final

from processing.work import Made, Refused, Work

NICENESS: Final = 19
PR_SET_PDEATHSIG: Final = 1
IOPRIO_WHO_PROCESS: Final = 1
IOPRIO_IDLE: Final = 3 << 13
IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
"""Number of the system call ioprio_set(2), which libc has no function for."""
AUTOGROUP: Final = Path("/proc/self/autogroup")
AUTOGROUP_TRIES: Final = 20
AUTOGROUP_EVERY_S: Final = 0.1
OPEN_FILES: Final = 256


def step_back(parent: int) -> None:
    """Yield the processor, the disk and, when memory runs out, life to everything else; end when
    `parent` does, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to pass on
    os.nice(NICENESS)
    if sys.platform != "linux":
        return
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    _step_back_as_session()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the node ended before its worker began")
    if (number := IOPRIO_SET.get(platform.machine())) is not None:
        libc.syscall(number, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE)
    Path("/proc/self/oom_score_adj").write_text("1000")


def _step_back_as_session() -> None:
    """Where the kernel shares the processor out between sessions first (sched(7), autogroup), what
    a process says of itself counts within its own alone: a worker, which is a session, would get as
    much as all of a node."""
    if not AUTOGROUP.exists():
        return
    for _ in range(AUTOGROUP_TRIES):
        try:
            AUTOGROUP.write_text(str(NICENESS))
        except BlockingIOError:
            # One such change in a tenth of a second is taken from the whole machine.
            time.sleep(AUTOGROUP_EVERY_S)
        else:
            return
    sys.stderr.write("A worker's session could not be put behind the others.\n")


def limit(memory_bytes: int, file_bytes: int) -> None:
    """What the kernel holds it to: memory of its own, the size of a file, and files open."""
    for what, most in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),  # a core dump would hold what people said
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # EFBIG instead of an end


def rss_bytes() -> int:
    """Memory that this process holds now."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def load(path: str) -> Work:
    """The work that `path` (``module:name``) names."""
    module, _, name = path.partition(":")
    work: Work = getattr(importlib.import_module(module), name)
    return work


def answer(request: dict[str, Any], answers: BinaryIO) -> dict[str, Any]:
    """Do what `request` asks for, telling how far it is."""
    told: tuple[str, int] | None = None

    def tell(stage: str, percent: int) -> None:
        nonlocal told
        if told != (stage, percent):
            told = (stage, percent)
            write(answers, {"stage": stage, "percent": percent})

    try:
        inputs = [Path(each) for each in request["inputs"]]
        work = load(request["work"])
        made = work(inputs, Path(request["outputs"]), request["settings"], tell)
        notes = made.notes if isinstance(made, Made) else ()
        files = [file.name for file in made]
        return {"files": files, "notes": notes, "rss_bytes": rss_bytes()}
    except Refused as refused:
        return {"refused": refused.code, "sentence": refused.sentence}
    except MemoryError:
        return _broken("out_of_memory", "It needed more memory than a job may have.")
    except OSError as error:
        _trace(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _broken("disk_full", "The disk of the worker is full.")
        return _broken("work_failed", f"The worker could not do it ({type(error).__name__}).")
    except Exception as error:  # noqa: BLE001 - whatever breaks a job is told to the node
        _trace(error)
        return _broken("work_failed", f"The worker could not do it ({type(error).__name__}).")


def _broken(code: str, sentence: str) -> dict[str, Any]:
    return {"broken": code, "sentence": sentence}


def _trace(error: BaseException) -> None:
    """Where it broke; not what the error says, which may quote what somebody sent."""
    where = "".join(traceback.format_tb(error.__traceback__))
    sys.stderr.write(f"{where}{type(error).__name__}\n")
    sys.stderr.flush()


def write(stream: BinaryIO, message: dict[str, Any]) -> None:
    stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    stream.flush()


def main() -> None:
    """``python -m processing.worker PARENT MEMORY_BYTES FILE_BYTES``"""
    parent, memory_bytes, file_bytes = map(int, sys.argv[1:])
    step_back(parent)
    limit(memory_bytes, file_bytes)
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    write(answers, {"ready": os.getpid()})
    for line in sys.stdin.buffer:
        write(answers, answer(json.loads(line), answers))


if __name__ == "__main__":
    main()
