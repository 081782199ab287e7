"""A worker process, which owns a model: reads batches from a pipe, answers with words.

Framing, both ways: a 4-byte little-endian length, then that many bytes of JSON. A request's JSON
has the byte length of each window's int16 PCM, which follows it, the windows' utterances by name,
and the sessions that are over. Run by the scheduler as
``python -m engine.asr.worker FOLDER OPTIONS_JSON``; options are those of `ShortContextWhisper`.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from threading import Timer
from typing import Any, BinaryIO

import numpy as np

from engine import memory
from engine.frames import SAMPLE_RATE

Name = tuple[str, str, int]
"""Session, track and number of an utterance."""

LENGTH = struct.Struct("<I")
TRIM_EVERY = 50
"""Batches after which memory is given back: windows of all lengths leave the heap in shreds."""
FULL_CONTEXT_AFTER_S = 5.0
"""When the full context is loaded: it is to be there when it is needed, but those who wait for a
worker to come back are to have words first."""
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


def finished(kept: Iterable[Any], asked: Iterable[Name], over: Iterable[str]) -> Iterator[Name]:
    """Those `kept` that will not be asked about again: their session is `over`, or a later
    utterance of their track is `asked` about."""
    newest = {(session, track): number for session, track, number in asked}
    for session, track, number in kept:
        if session in over or number < newest.get((session, track), 0):
            yield session, track, number


def serve(requests: BinaryIO, answers: BinaryIO, folder: Path, options: dict[str, Any]) -> None:
    """Load the model, say ready and what a window costs, then answer until the pipe closes."""
    from engine.asr import calibration

    model, found = calibration.calibrated(folder, options)
    # The first decode compiles what the following ones find ready.
    model.decode([np.zeros(SAMPLE_RATE, np.int16)], [True])
    write_message(answers, {"ready": True} | asdict(found))
    later = Timer(FULL_CONTEXT_AFTER_S, model.full_context)
    later.daemon = True
    later.start()
    for batch in count(1):
        request = read_message(requests)
        if request is None:
            return
        windows = [np.frombuffer(requests.read(size), np.int16) for size in request["sizes"]]
        names = [(session, track, number) for session, track, number in request["names"]]
        for name in finished(model.kept, names, request["over"]):
            model.forget(name)
        decoded = model.decode(windows, request["times"], names)
        words = [
            {
                "words": [
                    [word.text, word.start_ms, word.end_ms, word.probability]
                    for word in result.words
                ],
                "score": result.average_log_probability,
                "silent": result.no_speech_probability,
                "full": result.full_context,
                "ran_away": result.ran_away,
            }
            for result in decoded
        ]
        write_message(answers, words)
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
