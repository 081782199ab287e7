"""WhisperLive's own server with the faster-whisper backend, which decodes int8 on a CPU.

With its batches, for one model that all calls share: that decodes greedily and without retries,
which is what makes it faster; without, it takes a beam of five.

Run by the Python of its own environment with the model's folder; asked for its `url`, it serves
until the input ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading

from whisper_live.server import TranscriptionServer

from benchmarks import child


def free_port() -> int:
    """A port nobody listens on now; the server takes none of its own choice."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


async def main(arguments: list[str]) -> None:
    """Serve until the input ends."""
    (model,) = arguments
    port = free_port()
    settings = {
        "backend": "faster_whisper",
        "faster_whisper_custom_model_path": model,
        "batch_enabled": True,
        # Longer connections are cut.
        "max_connection_time": 3_600,
    }
    threading.Thread(
        target=TranscriptionServer().run,
        args=("127.0.0.1", port),
        kwargs=settings,
        daemon=True,
    ).start()
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            break

    async def url() -> child.Reply:
        return {"url": f"ws://127.0.0.1:{port}"}

    await child.serve({"url": url})


if __name__ == "__main__":
    arguments = child.pin()
    logging.disable(logging.INFO)
    asyncio.run(main(arguments))
