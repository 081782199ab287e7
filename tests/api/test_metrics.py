"""`/metrics`: what an operator's Prometheus reads of a node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.impairment import Impairment, relay
from signaling import stack
from signaling.publisher import RATE, Publisher
from tests.node import Node

Families = dict[str, Metric]
LINK = ("lost_ratio", "recovered_ratio", "concealed_ratio", "jitter_seconds", "lag_seconds")


@pytest.fixture(scope="module", autouse=True)
def loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


def read(node: Node) -> Families:
    answer = httpx.get(f"{node.url}/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: Families, name: str, **labels: str) -> float:
    """The one sample of `name` with these labels."""
    family = families[name.removesuffix("_total")]
    (sample,) = [s for s in family.samples if s.name == name and labels.items() <= s.labels.items()]
    return sample.value


async def lossy_call(node: Node) -> tuple[str, list[Families]]:
    """5 s of sound over a link that loses a fifth: what is read during the call and after it."""
    tone = np.asarray(3_000 * np.sin(np.arange(5 * RATE) * 0.02), np.int16)
    async with relay(Impairment(loss=0.2)) as line:
        publisher = Publisher(node.account, tone)
        publisher.rewrite_offer, publisher.rewrite_answer = line.rewrite_offer, line.rewrite_answer
        await publisher.create()
        await publisher.connect()
        await publisher.play()
        during = await asyncio.to_thread(read, node)
        await publisher.end()
        return publisher.session_id, [during, await asyncio.to_thread(read, node)]


@pytest.fixture(scope="module")
def call(node: Node) -> tuple[str, Families, Families, Families]:
    before = read(node)
    session_id, (during, after) = asyncio.run(lossy_call(node))
    return session_id, before, during, after


def test_names_and_units_are_as_prometheus_wants_them(node: Node) -> None:
    families = read(node)
    assert len(families) > 20
    for name, family in families.items():
        assert name.startswith(("forecourt_", "process_"))
        assert not name.endswith(("_ms", "_pct", "_kbps"))
        assert family.documentation
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{name}_total"}
    assert "process_resident_memory_bytes" in families


def test_open_metrics_are_spoken_to_who_asks_for_them(node: Node) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = httpx.get(f"{node.url}/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in open_metrics_families(answer.text)}
    assert "forecourt_packets_received" in names


def test_a_live_track_shows_its_link(call: tuple[str, Families, Families, Families]) -> None:
    session_id, _, during, _ = call
    shares = {
        name: value(during, f"forecourt_track_{name}", session=session_id, track="trainee")
        for name in (*LINK, "bitrate_bytes_per_second")
    }
    assert 0.05 < shares["lost_ratio"] < 0.5
    assert shares["concealed_ratio"] + shares["recovered_ratio"] > 0.05
    assert 0 <= shares["jitter_seconds"] < 1
    assert 500 < shares["bitrate_bytes_per_second"] < 50_000
    assert value(during, "forecourt_calls", state="active") >= 1


def test_a_call_that_is_over_leaves_no_series_behind(
    call: tuple[str, Families, Families, Families],
) -> None:
    session_id, _, _, after = call
    labels = [s.labels.get("session") for family in after.values() for s in family.samples]
    assert session_id not in labels


def test_what_it_took_in_and_lost_stays_in_the_totals(
    call: tuple[str, Families, Families, Families],
) -> None:
    _, before, during, after = call

    def came(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    due = came("forecourt_packets_received_total") + came("forecourt_packets_lost_total")
    assert due == pytest.approx(275, abs=40)
    assert 0.1 < came("forecourt_packets_lost_total") / due < 0.35
    media = {
        source: came("forecourt_media_seconds_total", source=source)
        for source in ("received", "fec", "plc", "absent")
    }
    assert sum(media.values()) == pytest.approx(due * 0.02, abs=0.3)
    assert media["fec"] + media["plc"] > 0.3
    assert came("forecourt_payload_bytes_total") > 2_000
    for name in ("received_total", "lost_total"):
        full = f"forecourt_packets_{name}"
        assert value(before, full) <= value(during, full) <= value(after, full)


def test_the_recognizer_and_the_recorder_are_told_as_in_the_nodes_health(node: Node) -> None:
    families, health = read(node), httpx.get(f"{node.url}/healthz").json()
    assert value(families, "forecourt_recognizer_ready") == 1
    assert value(families, "forecourt_recognizer_restarts_total") == 0
    decoded = value(families, "forecourt_recognizer_decoded_windows_total")
    assert decoded <= health["recognizer"]["decoded"]
    assert value(families, "forecourt_recorder_dropped_packets_total") == 0
    assert value(families, "forecourt_draining") == 0


def test_only_reading_is_allowed(node: Node) -> None:
    answer = httpx.post(f"{node.url}/metrics")
    assert answer.status_code == 405
