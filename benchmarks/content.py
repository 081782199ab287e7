"""`python -m benchmarks content`: how fast copy is written.

A project is what `POST /api/v1/content` makes of a vehicle: a text of the phrase bank, kept as a
draft with its version in SQLite, read again for all that is wrong with it (the law, its facts, its
platform), and answered. A node is on one core, `CLIENTS` that each ask again as soon as they are
answered on the other; types, tones and languages in turn, over 30 vehicles.

- `projects_per_s`, `p99_ms`: of all requests, as a client sees them;
- `write_ms`, `check_ms`: the two alone, in this process, medians.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, get_args

import httpx

from api.account_client import Account
from api.child import NodeProcess
from api.content import channels, claims, compliance, writer
from api.content.dealer import Dealer
from api.store.content import Brief, CopyLanguage, Facts, Finance, Platform, Tone
from api.store.documents import Contact
from benchmarks import admin
from benchmarks.child import cores
from benchmarks.latency import percentile
from benchmarks.report import Report
from processing.vin import check_digit

VEHICLES: Final = 30
CLIENTS: Final = 4
PROJECTS, QUICK_PROJECTS = 3_000, 400
KERNEL_ROUNDS, QUICK_KERNEL_ROUNDS = 5, 1
PLATFORMS: Final[tuple[Platform, ...]] = ("facebook", "newsletter", "flyer", "walkaround")
"""One of each type."""
DEALER: Final = Dealer(
    "North Motors",
    Contact(
        phone="(512) 555-0142",
        address="1200 River Road, Austin, TX 78704",
        website="https://north-motors.example",
    ),
)


def facts(number: int) -> Facts:
    """A made vehicle with all that copy can tell of, an offer included."""
    draft = f"2HGFE2F50NA{200_001 + number}"
    price_cents = 24_995_00 - 10_000 * number
    return Facts(
        vin=draft[:8] + check_digit(draft) + draft[9:],
        year=2022,
        make="Honda",
        model="Civic",
        trim="EX",
        mileage=21_000 + 1_371 * number,
        price_cents=price_cents,
        exterior="Rallye Red",
        interior="Black",
        body="Sedan",
        engine="2.0L I4",
        transmission="CVT",
        drivetrain="FWD",
        mpg_city=31,
        mpg_highway=40,
        features=(
            "Apple CarPlay",
            "Android Auto",
            "Backup camera",
            "Sunroof",
            "Heated front seats",
            "Blind-spot monitoring",
            "Remote start",
            "Alloy wheels",
        ),
        finance=Finance(
            monthly_cents=price_cents // 48,
            term_months=48,
            apr_bp=0,
            down_cents=0,
            expires_on=date.today() + timedelta(days=30),  # noqa: DTZ011
        ),
    )


def briefs() -> Iterator[Brief]:
    """Types, tones and languages in turn, without end."""
    each = itertools.product(PLATFORMS, get_args(Tone), get_args(CopyLanguage))
    for platform, tone, language in itertools.cycle(list(each)):
        yield Brief(platform=platform, tone=tone, language=language)


def checked(of: Facts, brief: Brief, written: writer.Written, today: date) -> int:
    """How many findings there are."""
    type_, language = channels.channel_of(brief.platform).type, brief.language
    return len(
        [
            *compliance.check(type_, written.text, of, language, DEALER, today),
            *claims.false_claims(written.text, of, DEALER, language),
            *channels.breaches(brief.platform, written.text),
        ]
    )


def run(quick: bool) -> Report:
    before = os.getloadavg()[0]
    server_core, load_core = cores()
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        node = NodeProcess(Path(data))
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {server_core})
        try:
            node.start()
            os.sched_setaffinity(0, {load_core})
            account = admin.of(node)
            count = QUICK_PROJECTS if quick else PROJECTS
            took_s, times_ms = asyncio.run(_made(node.url, account, count))
            write_ms, check_ms = _alone(QUICK_KERNEL_ROUNDS if quick else KERNEL_ROUNDS)
        finally:
            node.stop()
            os.sched_setaffinity(0, own)
    rate, p99_ms = len(times_ms) / took_s, percentile(times_ms, 0.99)
    figures = {
        "projects_per_s": round(rate, 1),
        "p99_ms": round(p99_ms, 1),
        "write_ms": round(write_ms, 2),
        "check_ms": round(check_ms, 2),
        "load_before": round(before, 2),
    }
    rows = [
        ("Projects made", f"{rate:.0f} a second", f"{len(times_ms):,} by {CLIENTS} clients"),
        ("An answer, median", f"{statistics.median(times_ms):.1f} ms", "as a client sees it"),
        ("An answer, p99", f"{p99_ms:.1f} ms", ""),
        ("Writing alone", f"{write_ms:.2f} ms", "median, in a process of its own"),
        ("Checking alone", f"{check_ms:.2f} ms", "the law, the facts, the platform"),
    ]
    return Report("Content projects, written, kept, checked, over HTTP", figures, rows)


async def _made(url: str, account: Account, count: int) -> tuple[float, list[float]]:
    """(how long it took in seconds, times of the answers in ms). Raises `RuntimeError` for any
    answer but 201."""
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=f"{url}/api/v1/", auth=account, timeout=30, limits=limits
    ) as http:
        ids = [await _entered(http, facts(number)) for number in range(VEHICLES)]
        asked = zip(itertools.cycle(ids), briefs(), range(count), strict=False)
        await _post(http, _body(ids[0], next(briefs())))
        times_ms: list[float] = []

        async def ask() -> None:
            for vehicle_id, brief, _ in asked:
                begun_s = time.perf_counter()
                await _post(http, _body(vehicle_id, brief))
                times_ms.append((time.perf_counter() - begun_s) * 1000)

        begun_s = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))
        return time.perf_counter() - begun_s, times_ms


def _body(vehicle_id: str, brief: Brief) -> dict[str, Any]:
    type_ = channels.channel_of(brief.platform).type
    settings = brief.model_dump(mode="json", by_alias=True)
    return {"vehicleId": vehicle_id, "type": type_, "settings": settings}


async def _entered(http: httpx.AsyncClient, of: Facts) -> str:
    body = {"facts": of.model_dump(mode="json", by_alias=True)}
    made: str = (await _post(http, body, "vehicles"))["id"]
    return made


async def _post(http: httpx.AsyncClient, body: dict[str, Any], path: str = "content") -> Any:
    answer = await http.post(path, json=body)
    if answer.status_code != 201:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def _alone(rounds: int) -> tuple[float, float]:
    """Medians of writing and of checking one project, in ms."""
    writing: list[float] = []
    checking: list[float] = []
    today = date.today()  # noqa: DTZ011
    fleet = [facts(number) for number in range(VEHICLES)]
    turns = itertools.islice(zip(itertools.cycle(fleet), briefs(), strict=False), 240 * rounds)
    for of, brief in turns:
        begun_s = time.perf_counter()
        written = writer.write(of, brief, DEALER, today)
        wrote_s = time.perf_counter()
        checked(of, brief, written, today)
        writing.append((wrote_s - begun_s) * 1000)
        checking.append((time.perf_counter() - wrote_s) * 1000)
    return statistics.median(writing), statistics.median(checking)
