"""A process with a lane in it, to be killed: ``python lane_process.py FOLDER STORE REDIS NAME``.

`REDIS` may be empty. It works until it is ended. Its work copies what it is given.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.jobs import lane as lanes
from api.jobs.lane import Crew, Lane
from api.jobs.shelf import UploadShelf
from api.store import open_database
from api.store.store import Store
from processing.queue import Queue
from tests.api.jobs.yard import COPY, uploading


def now() -> datetime:
    return datetime.now(UTC)


async def main(folder: Path, store_url: str, redis_url: str, name: str) -> None:
    # What a test waits for comes sooner; the order of things is the product's.
    lanes.LEASE, lanes.BACK_OFF = timedelta(seconds=3), timedelta(seconds=1)
    lanes.SWEEP_S, lanes.TICK_S = 1.0, 0.3
    store = Store(open_database(store_url), now)
    await store.open()
    shelf = UploadShelf(store, uploading(folder, store, now))
    crew = Crew(folder / f"work-{name}", 2, works=COPY)
    lane = Lane(store.jobs, dict.fromkeys(COPY, shelf), Queue(redis_url or None), crew, name, now)
    await lane.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    given, store_at, redis_at, called = sys.argv[1:]
    asyncio.run(main(Path(given), store_at, redis_at, called))
