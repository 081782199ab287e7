"""`python -m benchmarks api`: how fast the API is, and what media notices of it.

10,000 calls lie in the store (SQLite). One process on one core serves the API and, in the same
loop, calls with whole sessions (recognizer off); the load comes from another core. Figures:

- `requests_per_s_list`, `p99_ms`: `GET /api/v1/sessions?limit=50` by `CLIENTS` signed-in clients
  that each ask again as soon as they are answered, without calls; latency as a client sees it;
- `overhead_ratio_vs_bare_starlette`: time per request over that of a bare Starlette route that
  reads the same page of the same store and dumps it, in turns with ours, in one run;
- `media_p99_ms_during_api_load`: packet sent -> Frame, with 20 calls live while the same clients
  ask for lists, people and single calls, and one signs in all the time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.accounts.vault import Vault
from api.auth import keys, refresh
from api.auth.passwords import Passwords
from api.auth.tokens import AccessTokens
from api.ids import new_id
from api.services import AUDIENCE, ISSUER
from api.store import open_database
from api.store.documents import (
    Dealership,
    RefreshToken,
    SessionMetrics,
    Team,
    TrainingSession,
    User,
)
from api.store.store import Store
from benchmarks.child import Child, cores
from benchmarks.receive import CHANNELS, Rig
from benchmarks.report import Report
from benchmarks.transcribed import clips

SESSIONS = 10_000
PEOPLE = 40
CLIENTS = 4
CALLS = 20
BATCH = 500
EMAIL, PASSWORD = "bench@example.org", secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class Seeded:
    dealership_id: str
    token: str
    session_ids: list[str]


class Client:
    """Asks one address after another over one connection, as HTTP/1.1 has it."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        self.times_ms: list[float] = []

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, path: str) -> None:
        """Raises `RuntimeError` for any answer but 200."""
        await self._ask(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def post(self, path: str, body: dict[str, str]) -> None:
        sent = json.dumps(body)
        about = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        await self._ask(f"POST {path} HTTP/1.1\r\n{self._head}{about}\r\n{sent}".encode())

    async def _ask(self, request: bytes) -> None:
        begun_s = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length))
        self.times_ms.append((time.perf_counter() - begun_s) * 1000)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{request[:60]!r}: {head[:30]!r} {body[:200]!r}")


async def seed(folder: Path) -> Seeded:
    """A dealership with people, a team and `SESSIONS` calls; the token of its admin."""
    now = datetime.now(UTC)
    kept, _ = keys.load_or_create(folder / keys.FILE_NAME, now)
    store, vault = Store(open_database(f"sqlite:///{folder / 'store.db'}")), Vault(kept.masters())
    await store.open()
    passwords = Passwords()
    try:
        own = new_id()
        check = kept.masters().check_value()
        await store.dealerships.add(
            Dealership.new(own, now, id=own, name="North Motors", key_check=check)
        )
        team = Team.new(own, now, name="Showroom")
        await store.teams.add(own, team)
        people = [
            User.new(
                own,
                now,
                email=EMAIL if number == 0 else f"{number}@example.org",
                role="salesperson" if number else "admin",
                status="active",
                team_ids=(team.id,),
                password_hash=await passwords.hash(PASSWORD) if number == 0 else None,
            )
            for number in range(PEOPLE)
        ]
        people = [each.model_copy(update={"data_key": vault.new_key(each)[1]}) for each in people]
        for each in people:
            await store.users.add(own, each)
        admin, family = people[0], new_id()
        await store.tokens.add(
            own,
            RefreshToken.new(
                own,
                now,
                user_id=admin.id,
                family=family,
                digest=refresh.digest_of(refresh.new_token()),
                issued_at=now,
                expires_at=now + timedelta(hours=1),
            ),
        )
        issued = AccessTokens(
            kept.signing(), issuer=ISSUER, audience=AUDIENCE, now=lambda: datetime.now(UTC)
        ).issue(user_id=admin.id, dealership_id=own, role="admin", family=family)
        ids = await _calls(store, vault, own, team.id, people, now)
    finally:
        passwords.close()
        await store.close()
    return Seeded(own, issued.token, ids)


async def _calls(
    store: Store, vault: Vault, own: str, team_id: str, people: list[User], now: datetime
) -> list[str]:
    ids: list[str] = []
    for begin in range(0, SESSIONS, BATCH):
        some = []
        for number in range(begin, begin + BATCH):
            started = now - timedelta(minutes=7 * (SESSIONS - number))
            call = TrainingSession.new(
                own,
                started,
                user_id=people[1 + number % (PEOPLE - 1)].id,
                team_id=team_id,
                session_type=("pitch", "objection", "closing")[number % 3],
                status="completed",
                start_time=started,
                end_time=started + timedelta(minutes=6),
                duration_ms=360_000 + number,
                metrics=SessionMetrics(
                    confidence=number % 101, clarity=70, pace=number % 97, volume=50
                ),
                feedback_counts={"too_fast": number % 5, "long_pause": number % 3},
                node="node1",
            )
            some.append(call.model_copy(update={"data_key": vault.new_key(call)[1]}))
        await asyncio.gather(*(store.sessions.add(own, call) for call in some))
        ids += [call.id for call in some]
    return ids


async def asked(port: int, token: str, path: str, window_s: float) -> tuple[float, list[float]]:
    """(requests per second, latencies in ms) of `CLIENTS` that ask for `path`."""
    async with AsyncExitStack() as exits:
        clients = [await exits.enter_async_context(Client(port, token)) for _ in range(CLIENTS)]
        until_s = time.perf_counter() + window_s

        async def ask(client: Client) -> None:
            while time.perf_counter() < until_s:
                await client.get(path)

        begun_s = time.perf_counter()
        await asyncio.gather(*(ask(client) for client in clients))
        took_s = time.perf_counter() - begun_s
    times_ms = [ms for client in clients for ms in client.times_ms]
    return len(times_ms) / took_s, times_ms


async def mixed(port: int, seeded: Seeded, stop: asyncio.Event) -> list[float]:
    """What pages ask all day, and somebody who signs in again and again; latencies in ms."""
    paths = itertools.cycle(
        [
            "/api/v1/sessions?limit=50",
            "/api/v1/users?limit=40",
            *(f"/api/v1/sessions/{one}" for one in seeded.session_ids[:6]),
            "/api/v1/sessions?sort=-metrics.pace&limit=50",
            "/api/v1/notifications",
        ]
    )
    times_ms: list[float] = []
    async with AsyncExitStack() as exits:
        clients = [
            await exits.enter_async_context(Client(port, seeded.token)) for _ in range(CLIENTS)
        ]
        signing = await exits.enter_async_context(Client(port, seeded.token))

        async def ask(client: Client) -> None:
            while not stop.is_set():
                await client.get(next(paths))

        async def sign_in() -> None:
            while not stop.is_set():
                await signing.post("/api/v1/auth/sign-in", {"email": EMAIL, "password": PASSWORD})
                await asyncio.sleep(1)

        await asyncio.gather(sign_in(), *(ask(client) for client in clients))
        for client in clients:
            times_ms += client.times_ms
    return times_ms


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000)[round(share * 1000) - 1]


async def measure(rounds: int, window_s: float, media_s: float) -> Report:
    server_core, load_core = cores()
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-bench-")))
        seeded = await seed(folder)
        os.sched_setaffinity(0, {load_core})
        server = Child.module(
            "benchmarks.api_server", server_core, str(folder), seeded.dealership_id
        )
        wav = str(clips()["two_cities"])
        generator = Child.module("benchmarks.generator", load_core, wav)
        await asyncio.gather(*(exits.enter_async_context(one) for one in (server, generator)))
        ports = await server.ask("ports")
        ours: list[float] = []
        others: list[float] = []
        times_ms: list[float] = []
        for _ in range(rounds):
            rate, some_ms = await asked(
                ports["api"], seeded.token, "/api/v1/sessions?limit=50", window_s
            )
            ours.append(rate)
            times_ms += some_ms
            others.append((await asked(ports["bare"], "", "/sessions", window_s))[0])
        rig = Rig(server, generator, CHANNELS["full"], folder)
        await rig.grow(CALLS)
        alone = await rig.run(media_s, 0.5)
        stop = asyncio.Event()
        load = asyncio.create_task(mixed(ports["api"], seeded, stop))
        await asyncio.sleep(1)
        loaded = await rig.run(media_s, 0.5)
        stop.set()
        mixed_ms = await load
    ratio = statistics.median(other / own for own, other in zip(ours, others, strict=True))
    rate = statistics.median(ours)
    return Report(
        f"The API over {SESSIONS} stored calls",
        {
            "requests_per_s_list": round(rate, 1),
            "p99_ms": round(percentile(times_ms, 0.99), 2),
            "overhead_ratio_vs_bare_starlette": round(ratio, 2),
            "media_p99_ms_during_api_load": round(loaded.p99_ms, 2),
            "media_p99_ms_alone": round(alone.p99_ms, 2),
        },
        [
            (
                "lists of 50",
                f"{rate:.0f} /s",
                f"{CLIENTS} clients, p50 "
                f"{percentile(times_ms, 0.5):.1f}, p99 {percentile(times_ms, 0.99):.1f} ms",
            ),
            ("bare Starlette", f"{statistics.median(others):.0f} /s", "same page, same store"),
            ("overhead", f"{ratio:.2f}", "time per request over the bare route's"),
            ("media alone", f"p99 {alone.p99_ms:.1f} ms", f"{CALLS} calls, sessions attached"),
            (
                "media under load",
                f"p99 {loaded.p99_ms:.1f} ms",
                f"{len(mixed_ms) / (media_s + 2.6):.0f} requests/s beside it",
            ),
        ],
    )


def run(quick: bool) -> Report:
    if quick:
        return asyncio.run(measure(3, 2.0, 6.0))
    return asyncio.run(measure(7, 5.0, 30.0))
