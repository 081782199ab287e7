"""A kind of document with a field of every type that can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from api.store.base import Index, Kind
from api.store.documents import Document, Moment, Part

NOW = datetime(2026, 11, 23, 9, 30, 0, 123_000, tzinfo=UTC)
DEALER = "5f0000000000000000000001"
OTHER_DEALER = "5f0000000000000000000002"


class Engine(Part):
    power_kw: float | None = None


class CarHead(Document):
    plate: str
    colour: str | None = None
    doors: int = 5
    is_new: bool = False
    sold_at: Moment | None = None
    keepers: tuple[str, ...] = ()
    engine: Engine = Engine()
    faults: dict[str, int] = Field(default_factory=dict)


class Car(CarHead):
    manual: str | None = None


CARS = Kind(
    "cars",
    Car,
    CarHead,
    fields=("plate", "colour", "doors", "isNew", "soldAt", "keepers", "engine.powerKw"),
    arrays=("keepers",),
    counts=("faults",),
    indexes=(Index(("plate",), unique=True), Index(("dealershipId", "soldAt"))),
)


def car(plate: str, dealership_id: str = DEALER, **fields: Any) -> Car:
    return Car.new(dealership_id, NOW, plate=plate, **fields)


def day(days: int) -> datetime:
    return NOW + timedelta(days=days)
