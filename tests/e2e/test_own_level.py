"""Where a device was never checked, one's own last calls with it say what is quiet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import CHECKED_DEVICE, PracticePage

pytestmark = pytest.mark.slow

LEVELS = "localStorage['forecourt.levels']"


def unchecked(browser: Browser, node: Node, calls: list[dict[str, Any]]) -> PracticePage:
    """A tab that knows `calls` and no check."""
    script = f"if (!{LEVELS}) {LEVELS} = JSON.stringify({json.dumps(calls)})"
    return PracticePage(signed_in(browser, node), node, script=script)


def call_of(level_dbfs: float, label: str = CHECKED_DEVICE) -> dict[str, Any]:
    level = {"speechLevelDbfs": level_dbfs, "noiseFloorDbfs": level_dbfs - 40}
    return {"label": label, **level, "echoCancellation": True}


def test_volume_is_compared_with_the_median_of_the_last_calls(browser: Browser, node: Node) -> None:
    calls = [call_of(-24), call_of(-40), call_of(-26), call_of(-90, "another")]
    practice = unchecked(browser, node, calls)
    practice.open()
    practice.agree(recording=False)
    expect(practice.view("ready")).to_be_visible()
    expect(practice.id("ready-volume")).to_have_text("On, compared with your own last calls")
    with practice.page.expect_request("**/api/v1/sessions") as created:
        practice.start()
        practice.expect_connected()
    body = created.value.post_data_json
    assert body["baseline"] == {"speechLevelDbfs": -26, "noiseFloorDbfs": -66}
    practice.page.context.close()


def test_a_call_is_kept_when_enough_was_said_and_nobody_changed_the_device(
    browser: Browser, node: Node
) -> None:
    practice = unchecked(browser, node, [call_of(-24), call_of(-26)])
    practice.open()
    practice.agree(recording=False)
    expect(practice.view("ready")).to_be_visible()
    practice.start()
    practice.expect_connected()
    practice.receive(
        {
            "v": 1,
            "seq": 500,
            "t": 1_000,
            "track": "trainee",
            "type": "metrics",
            "data": {
                "scores": {"confidence": None, "clarity": None, "pace": None, "volume": None},
                "quantities": {"speechS": 31.0, "activeLevelDbfs": -21.5, "snrDb": 35.5},
            },
        }
    )
    practice.end()
    kept = json.loads(practice.page.evaluate(LEVELS))
    levels = {"speechLevelDbfs": -21.5, "noiseFloorDbfs": -57}
    assert kept[0] == {"label": CHECKED_DEVICE, **levels, "echoCancellation": True}
    assert len(kept) == 3
    practice.page.context.close()


def test_levels_found_without_echo_cancellation_are_not_compared(
    browser: Browser, node: Node
) -> None:
    before = [call_of(-24) | {"echoCancellation": False}, call_of(-26)]
    practice = unchecked(browser, node, before)
    practice.open()
    practice.agree(recording=False)
    expect(practice.view("check")).to_be_visible()
    practice.page.context.close()


def test_one_call_is_not_enough(browser: Browser, node: Node) -> None:
    practice = unchecked(browser, node, [call_of(-24)])
    practice.open()
    practice.agree(recording=False)
    expect(practice.view("check")).to_be_visible()
    practice.page.context.close()
