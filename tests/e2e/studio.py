"""The studio page, with a vehicle that the node knows."""

from __future__ import annotations

from typing import Any, Final

from playwright.sync_api import Locator, Page, expect

from tests.api.test_batches import new_vin
from tests.e2e.node import Node

OFFER: Final = {
    "monthlyCents": 36_996,
    "termMonths": 60,
    "aprBp": 590,
    "downCents": 281_300,
    "lender": "First Bank",
    "expiresOn": "2099-01-31",
}


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def entered(node: Node, **facts: Any) -> dict[str, Any]:
    """A vehicle that the node knows."""
    own = {
        "vin": new_vin(),
        "year": 2022,
        "make": "Honda",
        "model": "Civic",
        "trim": "EX",
        "mileage": 36_120,
        "priceCents": 2_199_500,
        "features": ["Apple CarPlay", "Heated front seats", "Sunroof"],
    }
    with node.client() as api:
        made = api.post("/vehicles", json={"facts": own | facts})
        vehicle: dict[str, Any] = made.raise_for_status().json()
    return vehicle


def written(page: Page, vehicle: dict[str, Any]) -> Page:
    """The page, once its four channels are there."""
    page.get_by_label("Vehicle", exact=True).select_option(vehicle["id"])
    button(page, "Write for four channels").click()
    expect(page.locator(".channel")).to_have_count(4)
    return page
