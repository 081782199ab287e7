"""Other projects' servers, each in an environment of its own below the cache, for `--peers`."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child, ChildError
from engine.models import cache_root

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Peer:
    """Its server is the script `NAME_server.py` in this folder.

    `bare` are installed after `requirements`, without what they ask for themselves. The first that
    is bare, else the first requirement, is what it is a version of.
    """

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        return (*self.bare, *self.requirements)[0]

    def server(self, core: int, *arguments: str, **environment: str) -> Child:
        """Its server as a process on `core`, installed first where it is not yet."""
        script = str(FOLDER / f"{self.name}_server.py")
        return Child([self.python(), script], core, *arguments, **environment)

    def python(self) -> str:
        """The Python of its environment, which is made first where it is not yet.

        Raises `ChildError` where pip fails.
        """
        folder = cache_root() / "peers" / self.name
        python = folder / "bin" / "python"
        done = folder / "installed.txt"
        wanted = "\n".join((*self.requirements, *self.bare, sys.version))
        if not done.is_file() or done.read_text() != wanted:
            venv.create(folder, with_pip=True, clear=True)
            _install(python, *self.requirements)
            if self.bare:
                _install(python, "--no-deps", *self.bare)
            done.write_text(wanted)
        return str(python)


def _install(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise ChildError(f"pip could not install {' '.join(arguments)}")


PEERS = (
    Peer("pipecat", ("pipecat-ai[webrtc]==1.14.0", "uvloop")),
    Peer("fastrtc", ("fastrtc==0.0.34", "uvloop")),
)

RECOGNIZERS = (
    Peer("whisperlivekit", ("whisperlivekit==0.2.26", "faster-whisper==1.2.1", "torch==2.13.0")),
    # Its package also asks for CUDA, OpenVINO, PyAudio and more, which this backend never imports;
    # what it does import has the versions that the package asks for.
    Peer(
        "whisperlive",
        (
            "faster-whisper==1.2.0",
            "tokenizers==0.20.3",
            "torch==2.13.0",
            "websockets==17.4",
            "fastapi==0.165.0",
            "uvicorn==0.54.0",
            "python-multipart",
            "scipy",
        ),
        ("whisper-live==0.10.0",),
    ),
    # The last version whose package holds a model; later ones download theirs.
    Peer("moonshine", ("moonshine-voice==0.0.73", "websockets==17.4")),
)
"""For `benchmarks.asr_peers`."""
