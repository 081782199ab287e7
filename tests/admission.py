"""Calls on a machine that is busy with other things, so that its node lets nobody in at times."""

from __future__ import annotations

import asyncio

from signaling.publisher import Publisher, PublishError

ASKS_AGAIN_S = 2.5
"""A session may be published to thirty times a minute."""


async def begun(publisher: Publisher) -> None:
    """Create the session and publish as soon as the node takes the call."""
    await publisher.create()
    while True:
        try:
            await publisher.connect(resume=True)
        except PublishError as refusal:
            await publisher.close()
            if "503: This node recognizes as many calls as it can." not in str(refusal):
                raise
            await asyncio.sleep(ASKS_AGAIN_S)
        else:
            return
