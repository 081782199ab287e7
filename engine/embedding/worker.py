"""A worker process, which owns the model: reads sentences from a pipe, answers with vectors.

Framing as in `engine.asr.worker`: a 4-byte little-endian length, then that many bytes of JSON. A
request is a list of sentences; its answer is ``{"vectors": n}``, followed by n vectors of `WIDTH`
little-endian float32. Run as ``python -m engine.embedding.worker FOLDER``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from engine.asr.worker import read_message, write_message

NICENESS = 10
"""Below the recognizers: words are needed before they can be understood."""


def serve(requests: BinaryIO, answers: BinaryIO, folder: Path) -> None:
    """Load the model, say ready, then answer until the pipe closes."""
    from engine.embedding.minilm import MiniLM

    model = MiniLM(folder)
    model.embed(["Ready."])
    write_message(answers, {"ready": True})
    while (sentences := read_message(requests)) is not None:
        vectors = model.embed(sentences)
        write_message(answers, {"vectors": len(vectors)})
        answers.write(vectors.astype("<f4").tobytes())
        answers.flush()


def main() -> None:
    # Native libraries may print: keep the pipe to ourselves and point their output at stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICENESS)
    # Ctrl-C in a terminal reaches the whole group; the node ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, answers, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
