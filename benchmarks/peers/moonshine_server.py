"""Moonshine Voice's streaming interface, with the weights that its package ships.

Moonshine is a library without a server: this is the least one that can be, PCM in and changed lines
out of one WebSocket a call. Run by the Python of its own environment; asked for its `url`, it
serves until the input ends. An empty message ends a call.
"""

from __future__ import annotations

import asyncio
import json

import numpy as np
from moonshine_voice import ModelArch, Transcriber, get_assets_path
from moonshine_voice.transcriber import LineCompleted, LineTextChanged, TranscriptEvent
from websockets.asyncio.server import ServerConnection, serve

from benchmarks import child


class Server:
    """One model, a stream a call."""

    def __init__(self) -> None:
        # Else every update turns the audio of each line into Python numbers.
        options = {"return_audio_data": "false"}
        self._model = Transcriber(get_assets_path() / "tiny-en", ModelArch.TINY, options=options)

    async def call(self, connection: ServerConnection) -> None:
        """Audio until an empty message; then what is left of the text, and the end."""
        lines: list[dict[str, object]] = []

        def changed(event: TranscriptEvent) -> None:
            if isinstance(event, LineTextChanged | LineCompleted):
                line = event.line
                lines.append({"id": line.line_id, "text": line.text, "done": line.is_complete})

        with self._model.create_stream() as stream:
            stream.add_listener(changed)
            stream.start()
            await connection.send(json.dumps("ready"))
            async for message in connection:
                if message:
                    samples = np.frombuffer(message, np.int16).astype(np.float32) / 32768
                    await asyncio.to_thread(stream.add_audio, samples.tolist())
                else:
                    await asyncio.to_thread(stream.stop)
                if lines:
                    await connection.send(json.dumps(lines))
                    lines.clear()
                if not message:
                    break


async def main() -> None:
    """Serve until the input ends."""
    server = await serve(Server().call, "127.0.0.1", 0, compression=None)
    port = server.sockets[0].getsockname()[1]

    async def url() -> child.Reply:
        return {"url": f"ws://127.0.0.1:{port}"}

    await child.serve({"url": url})


if __name__ == "__main__":
    child.pin()
    asyncio.run(main())
