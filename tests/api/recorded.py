"""Recorded calls of days gone by, put into a running node's store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.settings import Settings
from api.store.blobs import open_blobs
from benchmarks.recorded_call import put
from engine.session import TRAINEE
from signaling.publisher import load_audio
from tests.api.seeds import Seeds


async def call_of(
    data: Path,
    speech: Path,
    *,
    dealership_id: str,
    user_id: str,
    team_id: str | None = None,
    seconds: int = 40,
    tracks: Sequence[str] = (TRAINEE,),
) -> str:
    """A finished call of the node whose folder is `data`; its id."""
    blobs = open_blobs(Settings(data=data).blobs_url)
    await blobs.open()
    async with Seeds(data) as seeds:
        return await put(
            seeds.store,
            blobs,
            seeds.vault,
            load_audio(speech),
            dealership_id=dealership_id,
            user_id=user_id,
            team_id=team_id,
            seconds=seconds,
            tracks=tracks,
        )
