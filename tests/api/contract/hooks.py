"""What schemathesis sends beside JSON: bodies, good ones among junk, and who it is.

The environment names the node's folder (`CONTRACT_DATA`) and the role (`CONTRACT_ROLE`).
"""

from __future__ import annotations

import asyncio
import io
import os
import wave
from pathlib import Path

import schemathesis
from hypothesis import strategies as st

from tests.api.seeds import Seeds
from tests.signaling.offers import CHROMIUM


def _wav() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000))
    return made.getvalue()


JUNK = st.binary(max_size=2_000)
CANDIDATE = b"a=mid:0\r\na=candidate:1 1 UDP 2130706431 127.0.0.1 40000 typ host\r\n"

schemathesis.openapi.media_type("application/sdp", JUNK | st.just(CHROMIUM.encode()))
schemathesis.openapi.media_type("application/trickle-ice-sdpfrag", JUNK | st.just(CANDIDATE))
schemathesis.openapi.media_type("audio/wav", JUNK | st.just(_wav()))


async def _token() -> str:
    """Of somebody new in a dealership of their own: what was sent before may have shut out the last
    one, whose token would then hide everything behind a 401."""
    role = os.environ["CONTRACT_ROLE"]
    async with Seeds(Path(os.environ["CONTRACT_DATA"])) as seeds:
        dealership_id = await seeds.dealership("Contract")
        team_id = await seeds.team(dealership_id, "One")
        person = await seeds.person(dealership_id, role, team_id)  # type: ignore[arg-type]
        mate = await seeds.person(dealership_id, "salesperson", team_id)
        for each in (person, mate):
            await seeds.session(each, team_id)
        return person.token


@schemathesis.auth(refresh_interval=3)
class Somebody:
    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return asyncio.run(_token())

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
