"""The worker process that owns the model: reads batches from a pipe, answers with words.

Framing, both ways: a 4-byte little-endian length, then that many bytes of JSON; a request's JSON
names the byte length of each window's int16 PCM, which follows it. Run by the scheduler as
``python -m engine.asr.worker FOLDER OPTIONS_JSON``.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine import memory

LENGTH = struct.Struct("<I")
TRIM_EVERY = 50
"""Batches after which memory is given back: windows of all lengths leave the heap in shreds."""
NICENESS = 5
"""Below the media process, which must never wait for a decode."""


def read_message(stream: BinaryIO) -> Any | None:
    """The next JSON message; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    return json.loads(stream.read(size))


def write_message(stream: BinaryIO, message: Any) -> None:
    body = json.dumps(message, separators=(",", ":")).encode()
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def serve(requests: BinaryIO, answers: BinaryIO, folder: Path, options: dict[str, Any]) -> None:
    """Load the model, say ready, then answer batches until the pipe closes."""
    from engine.asr.whisper import ShortContextWhisper

    model = ShortContextWhisper(folder, **options)
    model.decode([np.zeros(16_000, np.int16)], [True])
    write_message(answers, {"ready": True})
    for batch in count(1):
        request = read_message(requests)
        if request is None:
            return
        windows = [np.frombuffer(requests.read(size), np.int16) for size in request["sizes"]]
        decoded = model.decode(windows, request["times"])
        write_message(
            answers,
            [
                {
                    "words": [
                        [word.text, word.start_ms, word.end_ms, word.probability]
                        for word in result.words
                    ],
                    "score": result.average_log_probability,
                    "silent": result.no_speech_probability,
                    "full": result.full_context,
                }
                for result in decoded
            ],
        )
        if batch % TRIM_EVERY == 0:
            memory.give_back()


def main() -> None:
    # Native libraries may print: keep the pipe to ourselves and point their output at stderr.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICENESS)
    # Ctrl-C in a terminal reaches the whole group: the node still wants its last words decoded,
    # and ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, answers, Path(sys.argv[1]), json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
