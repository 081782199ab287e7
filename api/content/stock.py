"""A dealership's vehicles: entered, corrected, taken from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.base import Duplicate
from api.store.content import Facts, Vehicle, VehicleKeys
from processing.vin import NotVin, read_vin

MAX_VEHICLES: Final = 5_000
"""Of a dealership."""


@dataclass(slots=True)
class Counts:
    """What a file changed, or would."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


class Stock:
    """Raises `Problem` for what cannot be done, and `StoreError`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._vehicles = services.store.vehicles

    async def every(self, dealership_id: str) -> list[Facts]:
        """What is known of all of them."""
        found: list[Vehicle] = []
        while some := await self._vehicles.every(dealership_id, found[-1].id if found else ""):
            found += some
        return [each.facts for each in found]

    async def add(self, by: Identity, facts: Facts, images: Sequence[str]) -> Vehicle:
        """Raises `Problem`: 422 for a VIN that is none, 409 for one that is there, or beyond
        `MAX_VEHICLES`."""
        _check_vin(facts)
        await self._check_room(by.dealership_id, 1)
        made = self._made(by, facts, images)
        try:
            await self._vehicles.add(by.dealership_id, made)
        except Duplicate as error:
            raise _taken(facts) from error
        return made

    async def change(
        self, by: Identity, found: Vehicle, facts: Facts, images: Sequence[str]
    ) -> Vehicle:
        """Raises `Problem`: 422 for a VIN that is none, 409 for another's; `Stale`."""
        _check_vin(facts)
        changed = self._changed(by, found, facts, images)
        try:
            await self._vehicles.save(by.dealership_id, changed)
        except Duplicate as error:
            raise _taken(facts) from error
        return changed

    async def take(self, by: Identity, given: Sequence[Facts], *, dry: bool) -> Counts:
        """Enter what is not there and correct what is; with `dry` only count. Raises `Problem`
        (409) beyond `MAX_VEHICLES`, before anything is taken."""
        counts, fresh, corrected = Counts(), list[Vehicle](), list[Vehicle]()
        for facts in given:
            known = await self._vehicles.of_vin(by.dealership_id, facts.vin)
            if known is None:
                fresh.append(self._made(by, facts, ()))
            elif known.facts == facts:
                counts.unchanged += 1
            else:
                corrected.append(self._changed(by, known, facts, known.images))
        counts.added, counts.changed = len(fresh), len(corrected)
        await self._check_room(by.dealership_id, len(fresh))
        if not dry:
            for each in fresh:
                await self._vehicles.add(by.dealership_id, each)
            for each in corrected:
                await self._vehicles.save(by.dealership_id, each)
        return counts

    async def _check_room(self, dealership_id: str, more: int) -> None:
        if await self._vehicles.count(dealership_id) + more > MAX_VEHICLES:
            detail = f"A dealership has {MAX_VEHICLES:,} vehicles at most: delete those sold."
            raise Problem(409, detail, code="too_many_vehicles")

    def _made(self, by: Identity, facts: Facts, images: Sequence[str]) -> Vehicle:
        return Vehicle.new(
            by.dealership_id,
            self._services.now(),
            user_id=by.user_id,
            vin=facts.vin,
            facts=facts,
            keys=VehicleKeys.of(facts),
            images=tuple(images),
        )

    def _changed(
        self, by: Identity, found: Vehicle, facts: Facts, images: Sequence[str]
    ) -> Vehicle:
        return found.changed(
            self._services.now(),
            user_id=by.user_id,
            vin=facts.vin,
            facts=facts,
            keys=VehicleKeys.of(facts),
            images=tuple(images),
        )


def _check_vin(facts: Facts) -> None:
    try:
        read_vin(facts.vin)
    except NotVin as error:
        errors = [{"field": "facts.vin", "message": str(error)}]
        raise Problem(422, str(error), errors=errors, code="no_vin") from error


def _taken(facts: Facts) -> Problem:
    detail = f"There is a vehicle with the VIN {facts.vin} already: correct that one."
    return Problem(409, detail, code="vin_taken")
