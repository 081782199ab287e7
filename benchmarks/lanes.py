"""`benchmarks lanes`: what live calls feel of a lane in which there is always more to do.

Each figure is taken twice in one run: with nothing in the lane, and with as many work processes as
a node has unless told otherwise, cutting vehicles out of real photos all the time; in the full run
a recorded call on one channel, told apart and transcribed, is among them.

Two rigs. The first is `benchmarks.receive`'s: rooms with their sessions in a process on one core,
40 calls from the other (half of them when quick); `media_p99_ms` counts from the stamp before a
packet is sent to its frame. The second is a whole node with its own lane, asked over HTTP, and live
calls over WebRTC: words as `benchmarks.latency` has them, `cause_to_event_p95_ms` (full run) as
`benchmarks.feedback` has it.
`lane_cpu_pct` is what the work processes had of one core meanwhile: what calls left them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import httpx

from api.account_client import Account
from api.child import NodeProcess
from api.settings import Settings
from benchmarks import admin, cpu, feedback, latency, outlines
from benchmarks.child import Child, cores
from benchmarks.feedback import Heard, script
from benchmarks.images import Workers, share_out
from benchmarks.reading import Reading, clips, joined, load, upto
from benchmarks.receive import CHANNELS, DRAIN_S, Rig, Run, middle
from benchmarks.report import Figure, Report
from signaling import stack
from signaling.publisher import Publisher

CALLS = 4
STAGGER_S = 0.2
WORKERS: int = Settings.model_fields["job_workers"].default
FULL_RUNS, QUICK_RUNS = 3, 1
MEDIA_CALLS, QUICK_MEDIA_CALLS = 40, 20
WINDOW_S, QUICK_WINDOW_S = 10.0, 2.5
QUICK_MS = 6_500
WARM_WITHIN_S = 60.0
POLL_S = 0.2
ENOUGH = 20
"""Jobs that are asked for at once: minutes of work."""
LIMITS = {
    "media_p99_ms": 5.0,
    "first_p50_ms": 450.0,
    "first_p95_ms": 1000.0,
    "commit_p50_ms": 900.0,
    "commit_p95_ms": 2000.0,
    "final_p95_ms": 800.0,
    "cause_to_event_p95_ms": 250.0,
}
"""The budgets of the project's design."""
NAMES = {
    "media_p99_ms": "Packet to frame, p99",
    "first_p50_ms": "Word first seen, p50",
    "first_p95_ms": "Word first seen, p95",
    "commit_p50_ms": "Word committed, p50",
    "commit_p95_ms": "Word committed, p95",
    "final_p95_ms": "Final words, p95",
    "cause_to_event_p95_ms": "Cause to cue, p95",
}


@dataclass(slots=True)
class Felt:
    """By calls, in ms; `lane_cpu_pct` of one core for the lane meanwhile."""

    media: list[Run] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)
    causes_ms: list[float] = field(default_factory=list)
    lane_cpu_pct: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        shares = {"first": self.first_ms, "commit": self.commit_ms}
        told = {"media_p99_ms": middle(self.media).p99_ms}
        for name, values in shares.items():
            for share in (0.5, 0.95):
                told[f"{name}_p{share * 100:.0f}_ms"] = latency.percentile(values, share)
        told["final_p95_ms"] = latency.percentile(self.final_ms, 0.95)
        if self.causes_ms:
            told["cause_to_event_p95_ms"] = latency.percentile(self.causes_ms, 0.95)
        return told


def run(quick: bool) -> Report:
    """Once, and some seconds of speech, when `quick`; three times the whole reading else."""
    stack.use_loopback(True)
    before = os.getloadavg()[0]
    idle, busy = Felt(), Felt()
    runs, window_s = (QUICK_RUNS, QUICK_WINDOW_S) if quick else (FULL_RUNS, WINDOW_S)
    media_calls = QUICK_MEDIA_CALLS if quick else MEDIA_CALLS
    asyncio.run(_media(idle, busy, media_calls, runs, window_s))
    readings = [load(name, path) for name, path in clips().items()]
    reading = upto(readings[0], QUICK_MS) if quick else joined(readings)
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        node = NodeProcess(Path(data), environment={"FORECOURT_JOB_WORKERS": str(WORKERS)})
        node.start()
        try:
            account = admin.of(node)
            asyncio.run(_words(node, account, reading, idle, busy, runs, cues=not quick))
        finally:
            node.stop()
    return report(idle, busy, before)


async def _media(idle: Felt, busy: Felt, calls: int, runs: int, window_s: float) -> None:
    server_core, load_core = cores()
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-bench-")))
        server = Child.module("benchmarks.server", server_core, "full", str(folder))
        wav = str(clips()["two_cities"])
        generator = Child.module("benchmarks.generator", load_core, wav)
        await asyncio.gather(*(exits.enter_async_context(one) for one in (server, generator)))
        workers = Workers(WORKERS, folder)
        exits.push_async_callback(workers.end)
        # Their models are loaded before calls leave them little time for that.
        cuts, paths = workers.cuts("low"), outlines.found()
        await asyncio.gather(*(cut(paths[0]) for cut in cuts))
        rig = Rig(server, generator, CHANNELS["full"], folder)
        await rig.grow(calls)
        for _ in range(runs):
            idle.media.append(await rig.run(window_s, DRAIN_S))
        cutting = asyncio.create_task(share_out(cuts, itertools.cycle(paths)))
        try:
            for _ in range(runs):
                busy.media.append(await rig.run(window_s, DRAIN_S))
            if cutting.done():
                cutting.result()
        finally:
            cutting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cutting


async def _words(
    node: NodeProcess,
    account: Account,
    reading: Reading,
    idle: Felt,
    busy: Felt,
    runs: int,
    *,
    cues: bool,
) -> None:
    base_url = f"{node.url}/api/v1"
    async with httpx.AsyncClient(base_url=base_url, auth=account, timeout=60) as http:
        uploads = [await _uploaded(http, path) for path in outlines.found()]
        await _warm(http, uploads[0])
        for felt in (idle, busy):
            jobs: list[str] = []
            if felt is busy:
                jobs = await _filled(http, uploads, reading, with_call=cues)
                await _begun(http)
            for _ in range(runs):
                used_s, begun_s = _lane_s(node), time.monotonic()
                await _calls(account, reading, felt)
                if cues:
                    await _cues(account, reading, felt)
                took_s = time.monotonic() - begun_s
                felt.lane_cpu_pct.append(100 * (_lane_s(node) - used_s) / took_s)
            if jobs and not await _waiting(http):
                raise RuntimeError("the lane ran empty: ask for more")
            for job in jobs:
                await http.post(f"/jobs/{job}/cancel")


async def _uploaded(http: httpx.AsyncClient, path: Path) -> str:
    headers = {"Content-Type": "application/octet-stream"}
    made = await http.post(
        "/uploads", content=await asyncio.to_thread(path.read_bytes), headers=headers
    )
    return str(made.raise_for_status().json()["id"])


async def _filled(
    http: httpx.AsyncClient, photos: Sequence[str], reading: Reading, *, with_call: bool
) -> list[str]:
    """Ids of jobs that are more than will be done; a call on one channel first, if told."""
    asked: list[tuple[str, dict[str, object]]] = []
    if with_call and find_spec("pyannote") is not None:
        upload = await _uploaded(http, clips()["two_cities"])
        consent = {"attested": True, "textVersion": "benchmark"}
        asked.append(("/calls", {"uploadId": upload, "sessionType": "pitch", "consent": consent}))
    qualities = itertools.islice(itertools.cycle(("low", "high")), ENOUGH)
    asked += [("/jobs", _removal(photos, quality)) for quality in qualities]
    made = [await http.post(path, json=body) for path, body in asked]
    return [str(one.raise_for_status().json()["id"]) for one in made]


async def _warm(http: httpx.AsyncClient, photo: str) -> None:
    """A photo is cut out: work processes have their model."""
    made = await http.post("/jobs", json=_removal([photo], "low"))
    path = f"/jobs/{made.raise_for_status().json()['id']}"
    async with asyncio.timeout(WARM_WITHIN_S):
        while (await http.get(path)).json()["status"] != "completed":
            await asyncio.sleep(POLL_S)


def _removal(photos: Sequence[str], quality: str) -> dict[str, object]:
    settings = {"quality": quality, "format": "png", "options": {"shot": "exterior"}}
    return {"jobType": "background_removal", "inputFiles": list(photos), "settings": settings}


async def _begun(http: httpx.AsyncClient) -> None:
    """Until every work process is at it, its model loaded."""
    async with asyncio.timeout(WARM_WITHIN_S):
        while True:
            page = await http.get("/jobs", params={"status": "processing"})
            under_way = [job for job in page.raise_for_status().json()["items"] if job["stage"]]
            if len(under_way) >= WORKERS:
                return
            await asyncio.sleep(POLL_S)


async def _waiting(http: httpx.AsyncClient) -> bool:
    page = await http.get("/jobs", params={"status": "pending", "limit": 1})
    return bool(page.raise_for_status().json()["total"])


async def _calls(account: Account, reading: Reading, felt: Felt) -> None:
    publishers = [Publisher(account, reading.audio) for _ in range(CALLS)]

    async def call(number: int, publisher: Publisher) -> None:
        await asyncio.sleep(STAGGER_S * number)
        await publisher.run()

    await asyncio.gather(*(call(number, one) for number, one in enumerate(publishers)))
    for publisher in publishers:
        events = [(item.at_s, item.event.type, item.event.data) for item in publisher.received]
        seen = [one for event in events if (one := latency.observed(*event))]
        scored = latency.score(reading.words, publisher.sent_at, seen)
        felt.first_ms += scored.first_ms
        felt.commit_ms += scored.commit_ms
        felt.final_ms += scored.final_ms


async def _cues(account: Account, reading: Reading, felt: Felt) -> None:
    heard = Heard()
    scripts = [script(reading.audio, feedback.APART_S * call) for call in range(CALLS)]
    await feedback.calls(account, reading.audio, scripts, heard)
    felt.causes_ms += heard.causes_ms


def _lane_s(node: NodeProcess) -> float:
    """What the work processes of `node` have used, with what they started."""
    lane = [
        child
        for child in cpu.children(node.pid)
        if b"processing.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return sum(map(cpu.tree_s, lane))


def report(idle: Felt, busy: Felt, before: float) -> Report:
    """The table and the figures: each as it was, and ``busy_`` with the lane full."""
    figures: dict[str, Figure] = {}
    rows: list[tuple[str, str, str]] = []
    saturated = busy.figures()
    for name, was in idle.figures().items():
        now = saturated[name]
        figures[name], figures[f"busy_{name}"] = _rounded(was), _rounded(now)
        held = "within" if now <= LIMITS[name] else "OVER"
        note = f"{held} the budget of {LIMITS[name]:.0f} ms"
        rows.append((NAMES[name], f"{was:.1f} ms, lane full {now:.1f} ms", note))
    lost = sum(one.lost for one in (*idle.media, *busy.media))
    late_ms = max(one.late_p99_ms for one in (*idle.media, *busy.media))
    figures["media_calls"] = busy.media[0].calls
    figures["lost_frames"] = lost
    figures["generator_late_p99_ms"] = _rounded(late_ms)
    figures["lane_cpu_pct"] = round(median(busy.lane_cpu_pct))
    missed = sum(map(math.isinf, busy.first_ms))
    rows += [
        (
            "Frames lost",
            f"{lost}",
            f"{busy.media[0].calls} calls; generator late p99 {late_ms:.2f} ms",
        ),
        (
            "Words",
            f"{len(busy.first_ms)} in {CALLS} calls at once",
            f"{missed} never seen count as infinite, {sum(map(math.isinf, idle.first_ms))} idle",
        ),
        ("The lane", f"{figures['lane_cpu_pct']} % of a core", "what the calls left it"),
        ("Machine before", f"load {before:.1f}", "other work makes delays longer"),
    ]
    return Report("Live calls beside a full lane", figures, rows)


def _rounded(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
