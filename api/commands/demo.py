"""`forecourt demo`: a practice call, live in the terminal, then the browser app."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
from numpy.typing import NDArray

from api.commands.screen import Screen
from api.demo import bundled
from engine.models import ModelError, ensure
from signaling import stack
from signaling.publisher import PublishError, Publisher, load_audio

READY_WITHIN_S = 90.0
CHECK_MS = 10_000
"""How much of a file that is not ours is taken as its microphone check."""


@click.command()
@click.option("--once", is_flag=True, help="Exit after the call instead of staying up.")
@click.option(
    "--audio",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Publish this file instead of the bundled call.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the call's figures to this file.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The node's port.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Keep journals and recordings here instead of in a temporary folder.",
)
def demo(
    once: bool, audio: Path | None, json_path: Path | None, port: int, data: Path | None
) -> None:
    """Run a node, publish recorded speech to it as a browser would, and show what it hears."""
    try:
        ensure("whisper-tiny.en")
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="forecourt-demo-") as temporary:
        node = _Node(port, data or Path(temporary))
        try:
            node.wait_until_ready()
            figures = asyncio.run(_call(node.url, audio))
            if json_path is not None:
                json_path.write_text(json.dumps(figures, indent=2) + "\n")
            click.echo(f"\nThe browser app: {node.url}")
            if not once:
                click.echo("Speak into it yourself; Ctrl-C stops the node.")
                node.wait()
        except (PublishError, TimeoutError) as error:
            raise click.ClickException(f"The call failed: {error or 'no answer in time'}") from error
        except KeyboardInterrupt:
            click.echo("\nStopping.")
        finally:
            node.stop()


class _Node:
    """A `forecourt serve` of our own, in a child process."""

    def __init__(self, port: int, data: Path) -> None:
        environment = os.environ | {
            "FORECOURT_ICE_LOOPBACK": "1",
            "FORECOURT_LOG_LEVEL": os.environ.get("FORECOURT_LOG_LEVEL", "warning"),
        }
        command = [sys.executable, "-m", "api.cli", "serve"]
        command += ["--port", str(port), "--data", str(data)]
        self._process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.url = ""

    def wait_until_ready(self) -> None:
        assert self._process.stderr is not None
        marker = "Forecourt listens on "
        for line in self._process.stderr:
            if line.startswith(marker):
                self.url = line.removeprefix(marker).strip()
                break
            sys.stderr.write(line)
        else:
            raise click.ClickException("The node did not start; its messages are above.")
        self._pass_on_messages()
        try:
            asyncio.run(self._healthy())
        except TimeoutError as error:
            raise click.ClickException(
                f"The node was not ready within {READY_WITHIN_S:.0f} s."
            ) from error

    async def _healthy(self) -> None:
        async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/healthz")).is_success:
                        return
                except httpx.TransportError:
                    if self._process.poll() is not None:
                        raise click.ClickException(
                            "The node ended while starting; its messages are above."
                        ) from None
                await asyncio.sleep(0.1)

    def _pass_on_messages(self) -> None:
        def copy() -> None:
            assert self._process.stderr is not None
            for line in self._process.stderr:
                sys.stderr.write(line)

        threading.Thread(target=copy, name="node-messages", daemon=True).start()

    def wait(self) -> None:
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


async def _call(url: str, audio: Path | None) -> dict[str, Any]:
    """The call itself, as a client in this process; the node is another one."""
    stack.use_loopback(True)
    path = audio or bundled.CALL
    pcm = load_audio(path)
    publisher = Publisher(url, pcm, session_type="pitch" if audio else "objection")
    publisher.baseline = await _baseline(url, pcm, (0, CHECK_MS) if audio else _opening_ms())
    with Screen(path.name, publisher) as screen:
        publisher.on_event = screen.on_event
        publisher.on_meters = screen.on_meters
        await publisher.run()
    figures = screen.figures()
    screen.summary()
    return figures


def _opening_ms() -> tuple[int, int]:
    opening = bundled.passages()[0]
    return 0, opening.end_ms


async def _baseline(
    url: str, pcm: NDArray[np.int16], span_ms: tuple[int, int]
) -> dict[str, float] | None:
    """The speaker's own level, by the same microphone check that the browser does."""
    start_ms, end_ms = span_ms
    body = bundled.wav_of(pcm[start_ms * 48 : end_ms * 48])
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        response = await http.post(
            "/api/v1/microphone-checks", content=body, headers={"Content-Type": "audio/wav"}
        )
    if not response.is_success or response.json()["verdict"] == "no_speech":
        return None
    check = response.json()
    return {
        "speechLevelDbfs": check["speechLevelDbfs"],
        "noiseFloorDbfs": check["noiseFloorDbfs"],
    }
