"""A client in a process of its own, to be killed: publishes a file to a session that exists."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from signaling import stack
from signaling.publisher import Publisher, load_audio


async def publish(url: str, session_id: str, audio: Path) -> None:
    stack.use_loopback(True)
    publisher = Publisher(url, load_audio(audio), session_id=session_id)
    await publisher.connect()
    print("connected", flush=True)
    await publisher.play()
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
