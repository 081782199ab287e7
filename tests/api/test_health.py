"""What the health page tells of the process itself."""

from __future__ import annotations

import httpx

from benchmarks import vitals
from tests.node import Node


def test_the_health_page_counts_tasks_threads_and_descriptors(node: Node) -> None:
    with httpx.Client(base_url=node.url) as http:
        process = http.get("/healthz").json()["process"]
        seen = vitals.of(node.pid)
    assert process["tasks"] >= 3
    assert 1 <= process["threads"] <= seen.threads
    # one more while they are counted: the folder itself is open
    assert abs(process["descriptors"] - seen.descriptors) <= 2


def test_a_call_that_was_only_created_holds_nothing(node: Node) -> None:
    with httpx.Client(base_url=node.url, auth=node.account) as http:
        http.get("/healthz")
        before = http.get("/healthz").json()["process"]
        for _ in range(20):
            http.post("/api/v1/sessions", json={"sessionType": "pitch"}).raise_for_status()
        after = http.get("/healthz").json()["process"]
    assert after["tasks"] <= before["tasks"] + 2
    assert after["descriptors"] is not None
    assert after["descriptors"] <= before["descriptors"] + 2
