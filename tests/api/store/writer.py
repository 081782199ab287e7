"""A process that writes cars for ever and prints each id when it is acknowledged."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from api.store.base import Unavailable
from api.store.mongo import MongoDatabase
from api.store.sqlite import SqliteDatabase
from tests.api.store.cars import CARS, car

AT_ONCE = 20


async def main(place: str) -> None:
    is_mongo = place.startswith("mongodb:")
    database = MongoDatabase(place, [CARS]) if is_mongo else SqliteDatabase(Path(place), [CARS])
    await database.open()
    cars = database.collection(CARS)

    async def write(writer: int) -> None:
        number = 0
        while True:
            written = car(f"{writer}-{number}", manual="x" * 500)
            number += 1
            await cars.insert(written)
            print(written.id, flush=True)

    try:
        await asyncio.gather(*(write(writer) for writer in range(AT_ONCE)))
    except Unavailable:
        sys.exit(3)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
