"""WhisperLiveKit's own server, on PCM over a WebSocket, by either of its policies.

`localagreement` decodes with faster-whisper; of its settings only those are changed that make it
faster. `simulstreaming`, its default, encodes with faster-whisper and decodes with PyTorch, so our
weights are written for it in that form.

Run by the Python of its own environment with the model's folder, a WAV to warm up with and the
policy; asked for its `url`, it serves until the input ends.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
import sys
from pathlib import Path

import uvicorn

from benchmarks import child
from benchmarks.pytorch_weights import write


def options(model: Path, warm_up: str, policy: str) -> list[str]:
    """What its command line is given; the rest stays as it comes."""
    shared = [
        *("--model", "tiny.en"),
        *("--language", "en"),
        *("--backend", "faster-whisper"),
        *("--backend-policy", policy),
        *("--warmup-file", warm_up),
        "--pcm-input",
    ]
    if policy == "localagreement":
        return [*shared, "--model_dir", str(model), "--confidence-validation"]
    return [
        *shared,
        *("--encoder-model-path", str(model)),
        *("--decoder-model-path", str(decoder_of(model))),
        *("--custom-alignment-heads", alignment_heads()),
    ]


def decoder_of(model: Path) -> Path:
    """The model's weights for PyTorch, written once; the file's name says that it is English."""
    checkpoint = Path(sys.prefix) / model.name / "tiny.en.pt"
    if not checkpoint.is_file():
        checkpoint.parent.mkdir(exist_ok=True)
        unfinished = checkpoint.with_suffix(".part")
        write(model, unfinished)
        unfinished.replace(checkpoint)
    return checkpoint


def alignment_heads() -> str:
    """Those it has itself for tiny.en, but does not use for a model that it is given by path."""
    known: dict[str, bytes] = vars(importlib.import_module("whisperlivekit.whisper"))[
        "_ALIGNMENT_HEADS"
    ]
    return known["tiny.en"].decode()


async def main(arguments: list[str]) -> None:
    """Serve until the input ends."""
    model, warm_up, policy = arguments
    sys.argv = ["whisperlivekit-server", *options(Path(model), warm_up, policy)]
    app = importlib.import_module("whisperlivekit.basic_server").app
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        if serving.done():
            raise RuntimeError("WhisperLiveKit did not start; its messages are above")
        await asyncio.sleep(0.1)

    async def url() -> child.Reply:
        return {"url": f"ws://127.0.0.1:{listening.getsockname()[1]}/asr"}

    await child.serve({"url": url})


if __name__ == "__main__":
    arguments = child.pin()
    logging.disable(logging.INFO)
    asyncio.run(main(arguments))
