"""`GET /metrics`: the node's state for Prometheus, read when it is asked for.

Session ids are labels: so it is told on the node's own machine, and elsewhere to whoever shows the
token of FORECOURT_METRICS_TOKEN.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.guard import bearer_of
from api.listeners import Forwarded
from api.problems import Problem
from api.recognizer import NodeRecognizer
from api.traffic import Traffic
from engine.asr.remote import RemoteRecognizer
from engine.embedding.embedder import Statistics
from engine.events import Link
from engine.session import TRAINEE
from signaling import stack
from signaling.room import Room

LINK: tuple[tuple[str, str, Callable[[Link], float]], ...] = (
    ("lost_ratio", "Packets lost of those due", lambda link: link.lost_pct / 100),
    ("recovered_ratio", "Media time rebuilt from FEC", lambda link: link.recovered_pct / 100),
    ("concealed_ratio", "Media time lost for good", lambda link: link.concealed_pct / 100),
    ("jitter_seconds", "Interarrival jitter (RFC 3550)", lambda link: link.jitter_ms / 1000),
    ("lag_seconds", "Delay behind the promptest packet", lambda link: link.lag_ms / 1000),
    (
        "bitrate_bytes_per_second",
        "Opus payload received",
        lambda link: link.bitrate_kbps * 1000 / 8,
    ),
)
"""(name, what it is, its value in base units) of each live track over its last second."""

PACKETS = {
    "received": "Audio packets taken",
    "lost": "Audio packets that did not come, or not in time",
    "late": "Audio packets that came after their time had been played",
    "duplicate": "Audio packets that had come before",
    "malformed": "Audio packets that Opus could not read",
    "ignored": "Audio packets that came while nobody listened",
    "excess": "Audio packets that came faster than time passes",
}
MEDIA = {"received": "played_ms", "fec": "fec_ms", "plc": "plc_ms", "absent": "absent_ms"}


class Snapshot(Collector):
    """A node's state at the time of one scrape. Made on the media loop, written out in a thread."""

    def __init__(self, state: State) -> None:
        rooms = [room for room in state.calls.rooms if not room.is_over]
        self._families = [
            _gauge("draining", "1 while no new calls are taken", state.calls.is_draining),
            _states(rooms),
            _gauge("listeners", "People who listen to calls", sum(len(r.audience) for r in rooms)),
            *_links(rooms),
            *_traffic(state.calls.traffic()),
            *_forwarded(state.calls.listeners.forwarded()),
            _refused(),
            *_recognizer(state.recognizer),
            *_sentences(state.playbooks.statistics()),
            _gauge("recorder_waiting_packets", "Packets waiting for disk", state.writer.depth()),
            _counter("recorder_dropped_packets", "Packets never recorded", state.writer.dropped),
        ]

    def collect(self) -> Iterable[Metric]:
        return self._families


def _states(rooms: list[Room]) -> Metric:
    family = GaugeMetricFamily("forecourt_calls", "Calls now, by state", labels=["state"])
    for state in ("created", "active", "paused", "interrupted"):
        family.add_metric([state], sum(room.session.state == state for room in rooms))
    return family


def _recognizer(recognizer: NodeRecognizer) -> Iterator[Metric]:
    statistics = recognizer.statistics()
    yield _gauge("recognizer_ready", "1 while the recognizer takes work", recognizer.ready)
    yield _gauge("recognizer_waiting_windows", "Windows that wait", statistics.waiting)
    yield _gauge("recognizer_oldest_seconds", "Age of the oldest of them", statistics.oldest_s)
    yield _counter("recognizer_decoded_windows", "Windows decoded", statistics.decoded)
    yield _counter("recognizer_dropped_windows", "Windows given up", statistics.dropped)
    yield _counter("recognizer_superseded_windows", "Replaced by newer", statistics.superseded)
    yield _counter("recognizer_restarts", "Lost, and back again", statistics.restarts)
    yield _gauge("recognizer_calls", "Calls that have been admitted", statistics.calls)
    yield _counter("recognizer_refused_calls", "Calls for which it had no room", statistics.refused)
    yield _gauge("recognizer_busy_ratio", "Share of its workers' time, last 2 s", statistics.busy)
    yield _gauge("recognizer_step_seconds", "Speech between two looks", statistics.step_s)
    pressure = statistics.pressure.value
    yield _gauge("recognizer_pressure", "1: looks are rare, 2: last words alone", pressure)
    if isinstance(recognizer, RemoteRecognizer):
        remote = recognizer.statistics()
        yield _gauge("recognizer_requests", "Requests to its server now", remote.requests)
        yield _counter("recognizer_failed_requests", "Requests without words", remote.failed)
        yield _counter("recognizer_retried_windows", "Final ones asked again", remote.retried)


def _sentences(statistics: Statistics) -> Iterator[Metric]:
    yield _gauge("objections_waiting_sentences", "Sentences that wait", statistics.waiting)
    yield _gauge("objections_oldest_seconds", "Age of the oldest of them", statistics.oldest_s)
    yield _counter("objections_judged_sentences", "Compared with others", statistics.embedded)
    yield _counter("objections_dropped_sentences", "Judged by phrases", statistics.dropped)
    yield _counter("objections_failed_sentences", "Ended the worker", statistics.failed)
    yield _counter("objections_restarts", "The worker lost, and back", statistics.restarts)


def _refused() -> Metric:
    family = CounterMetricFamily(
        "forecourt_datagrams_refused", "Datagrams that are no media of ours", labels=["reason"]
    )
    for reason, count in asdict(stack.refused).items():
        family.add_metric([reason], count)
    return family


def _links(rooms: list[Room]) -> Iterator[Metric]:
    for name, what, value in LINK:
        family = GaugeMetricFamily(
            f"forecourt_track_{name}", f"{what}, last second", labels=["session", "track"]
        )
        for room in rooms:
            if room.link is not None:
                family.add_metric([room.session.id, TRAINEE], value(room.link))
        yield family


def _traffic(traffic: Traffic) -> Iterator[Metric]:
    for name, what in PACKETS.items():
        yield _counter(f"packets_{name}", what, getattr(traffic.audio, name))
    yield _counter("payload_bytes", "Opus payload received", traffic.audio.payload_bytes)
    media = CounterMetricFamily(
        "forecourt_media_seconds", "Media time, by where it came from", labels=["source"]
    )
    for source, field in MEDIA.items():
        media.add_metric([source], getattr(traffic.audio, field) / 1000)
    yield media
    yield _counter("outbox_dropped_events", "Sent to slow clients never", traffic.dropped_events)
    yield _counter("commands_malformed", "Messages that made no sense", traffic.malformed_commands)
    yield _counter("commands_dropped", "Messages that came too fast", traffic.dropped_commands)
    yield _counter("journal_unwritten_records", "Records lost", traffic.unwritten_records)


def _forwarded(forwarded: Forwarded) -> Iterator[Metric]:
    yield _counter("forwarded_packets", "Sent to listeners", forwarded.packets)
    yield _counter(
        "forwarded_dropped_packets", "Sent to listeners never", forwarded.dropped_packets
    )
    yield _counter("listener_dropped_events", "Too many for a channel", forwarded.dropped_events)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"forecourt_{name}", what, value=float(value))


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"forecourt_{name}", what, value=float(value))


async def metrics(request: Request) -> Response:
    """Sums over all dealerships, without ids: for who runs the node."""
    if not _may_read(request):
        raise Problem(404, "There is nothing at this address.")
    registry = CollectorRegistry()
    registry.register(Snapshot(request.app.state))
    ProcessCollector(registry=registry)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = await run_in_threadpool(encode, registry)
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def _may_read(request: Request) -> bool:
    """Who asks on the node's own machine, past the proxy, or shows the token of the settings."""
    token: str = request.app.state.metrics_token
    shown = bearer_of(request)
    if token and shown is not None:
        return hmac.compare_digest(token.encode(), shown.encode())
    host = request.client.host if request.client else ""
    return host in ("127.0.0.1", "::1") and "x-forwarded-for" not in request.headers


routes = [Route("/metrics", metrics, methods=["GET"])]
