"""A worker that does what the first sample of a window says, and keeps a record of its batches.

Speaks the protocol of `engine.asr.worker`. Its folder holds `batches` (a JSON list of first samples
per line) and `requests` (pid, names, times and sessions that are over of each); while a file
`closed` is there, it answers nothing. Options: ``mute`` never says ready, ``broken`` ends at once;
``batch``, ``look_s`` and ``final_s`` are what it says of itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from engine.asr.worker import LENGTH, read_message, write_message

DIE = 30_001
BABBLE = 30_002
HANG = 30_003
MISCOUNT = 30_004


def main() -> None:
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    if options.get("broken"):
        return
    while options.get("mute"):
        time.sleep(0.01)
    write_message(
        answers,
        {
            "ready": True,
            "batch": options.get("batch", 4),
            "look_s": options.get("look_s", 0.03),
            "final_s": options.get("final_s", 0.06),
        },
    )
    while (request := read_message(requests)) is not None:
        windows = [np.frombuffer(requests.read(size), np.int16) for size in request["sizes"]]
        orders = [int(window[0]) for window in windows]
        with (folder / "batches").open("a") as record:
            record.write(json.dumps(orders) + "\n")
        with (folder / "requests").open("a") as record:
            asked = {"names": request["names"], "times": request["times"], "over": request["over"]}
            record.write(json.dumps({"pid": os.getpid()} | asked) + "\n")
        while (folder / "closed").exists():
            time.sleep(0.002)
        if DIE in orders:
            os._exit(1)
        if BABBLE in orders:
            answers.write(LENGTH.pack(5) + b"hello")
            answers.flush()
            continue
        while HANG in orders:
            time.sleep(1.0)
        words = [
            {
                "words": [[str(order), 0, 10, 1.0]],
                "score": -0.5,
                "silent": 0.1,
                "full": False,
                "ran_away": False,
            }
            for order in orders
        ]
        write_message(answers, words[1:] if MISCOUNT in orders else words)


if __name__ == "__main__":
    main()
