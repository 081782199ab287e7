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
    """Its server is the script `NAME_server.py` in this folder."""

    name: str
    requirements: tuple[str, ...]

    def server(self, core: int) -> Child:
        """Its server as a process on `core`, installed first where it is not yet."""
        return Child([self._installed(), str(FOLDER / f"{self.name}_server.py")], core)

    def _installed(self) -> str:
        """The environment's Python. Raises `ChildError` where pip fails."""
        folder = cache_root() / "peers" / self.name
        python = folder / "bin" / "python"
        done = folder / "installed.txt"
        wanted = "\n".join((*self.requirements, sys.version))
        if not done.is_file() or done.read_text() != wanted:
            venv.create(folder, with_pip=True, clear=True)
            command = [str(python), "-m", "pip", "install", "--quiet", *self.requirements]
            if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
                raise ChildError(f"pip could not install {', '.join(self.requirements)}")
            done.write_text(wanted)
        return str(python)


PEERS = (
    Peer("pipecat", ("pipecat-ai[webrtc]==1.14.0", "uvloop")),
    Peer("fastrtc", ("fastrtc==0.0.34", "uvloop")),
)
