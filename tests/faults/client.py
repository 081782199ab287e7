"""A client in a process of its own, to be killed: publishes a file to a session that exists.

`python -m tests.faults.client URL SESSION FILE`, with the session's grant in `FORECOURT_GRANT`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from signaling import stack
from signaling.publisher import Publisher, load_audio


@dataclass(frozen=True, slots=True)
class Unknown:
    """A node that nobody is signed in to."""

    url: str
    auth = httpx.Auth()


async def publish(url: str, session_id: str, audio: Path) -> None:
    stack.use_loopback(True)
    publisher = Publisher(Unknown(url), load_audio(audio), session_id=session_id)
    publisher.resume_token = os.environ["FORECOURT_GRANT"]
    await publisher.connect(resume=True)
    print("connected", flush=True)
    await publisher.play()
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
