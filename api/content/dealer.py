"""A dealership as its copy names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from api.store.documents import Contact, Dealership


@dataclass(frozen=True, slots=True)
class Dealer:
    name: str
    contact: Contact

    @classmethod
    def of(cls, dealership: Dealership) -> Self:
        return cls(dealership.name, dealership.contact)
