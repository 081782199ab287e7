"""`forecourt demo`: sample people, a practice call live in the terminal, then the browser app."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import click
import httpx
import numpy as np
from numpy.typing import NDArray

from api.account_client import Account, NotSignedIn
from api.child import NodeProcess, NodeStartError
from api.commands.screen import Screen
from api.demo import bundled, people
from api.demo.people import PeopleError
from engine.models import ModelError, ensure
from signaling import stack
from signaling.publisher import Publisher, PublishError, load_audio

OWN = {
    f"FORECOURT_{name}": ""
    for name in ("STORE", "BLOBS", "REDIS", "SMTP_HOST", "PUBLIC_URL", "METRICS_TOKEN")
} | {"FORECOURT_HOST": "127.0.0.1"}
"""Settings of a real node that are not the demo's: its people stay in its folder."""
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
    help="Keep people and calls here instead of in a temporary folder.",
)
def demo(
    once: bool, audio: Path | None, json_path: Path | None, port: int, data: Path | None
) -> None:
    """Run a node with sample people, hold a call as one of them, and show what it hears."""
    try:
        ensure("whisper-tiny.en")
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="forecourt-demo-") as temporary:
        folder = data or Path(temporary)
        node = NodeProcess(folder, port=port, environment=OWN)
        try:
            people.check(folder)
            node.start()
            staff = people.settle(node, folder)
            caller = people.of_role(staff, "salesperson")
            account = Account.sign_in(node.url, caller.email, caller.password)
            figures = asyncio.run(_call(account, audio))
            if json_path is not None:
                json_path.write_text(json.dumps(figures, indent=2) + "\n")
            click.echo(f"\nThe browser app: {node.url}")
            if not once or data is not None:
                click.echo(f"Who can sign in, and with what:\n{people.table(staff)}")
                click.echo(f"The call was {caller.first_name} {caller.last_name}'s.")
            if not once:
                click.echo("Speak into it yourself; Ctrl-C stops the node.")
                node.wait()
        except (NodeStartError, NotSignedIn, PeopleError) as error:
            raise click.ClickException(str(error)) from error
        except (PublishError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            raise click.ClickException(f"The call failed: {why}.") from error
        except KeyboardInterrupt:
            click.echo("\nStopping.")
        finally:
            node.stop()


async def _call(account: Account, audio: Path | None) -> dict[str, Any]:
    """The call itself, as a client in this process; the node is another one."""
    stack.use_loopback(True)
    path = audio or bundled.CALL
    pcm = load_audio(path)
    publisher = Publisher(account, pcm, session_type="pitch" if audio else "objection")
    publisher.baseline = await _baseline(account, pcm, (0, CHECK_MS) if audio else _opening_ms())
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
    account: Account, pcm: NDArray[np.int16], span_ms: tuple[int, int]
) -> dict[str, float] | None:
    """The speaker's own level, by the same microphone check that the browser does."""
    start_ms, end_ms = span_ms
    body = bundled.wav_of(pcm[start_ms * 48 : end_ms * 48])
    async with httpx.AsyncClient(base_url=account.url, auth=account, timeout=30) as http:
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
