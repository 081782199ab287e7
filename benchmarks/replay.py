"""`python -m benchmarks replay`: how soon a call of an hour can be heard and read again.

A whole node and Chromium beside each other on this machine, over loopback. The call has two people,
900 utterances of 9,000 words, 90 tips; its time line is drawn beforehand, as it is when a call is
put away. Nothing is in the browser's cache.

- `open_ms`: from the navigation to the page that has its words, its waveforms and lanes, and both
  recordings ready to play; median of the loads;
- `seek_p50_ms`, `seek_p95_ms`: from moving the position, to anywhere in the hour, to both
  recordings having sound to play there.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx
from playwright.async_api import Browser, Page, async_playwright

from api.account_client import Account
from api.accounts.vault import Vault
from api.auth import keys
from api.child import NodeProcess
from api.settings import Settings
from api.store import open_database
from api.store.blobs import open_blobs
from api.store.store import Store
from benchmarks import admin, chromium, recorded_call
from benchmarks.latency import percentile
from benchmarks.reading import clips
from benchmarks.report import Report
from signaling.publisher import load_audio

CALL_S = 3600
LOADS, QUICK_LOADS = 9, 3
SEEKS, QUICK_SEEKS = 200, 40
WITHIN_MS = 60_000
DRAWN_WITHIN_S = 300.0
SEED = 2026
OPEN = """() => document.querySelector('#replay[data-ready=true]')
  && document.querySelectorAll('#reading .line').length > 800
  && [...document.querySelectorAll('.wave')].length === 2
  && [...document.querySelectorAll('audio')].every((audio) => audio.readyState >= 2)"""
SEEK = """(toMs) => new Promise((resolve) => {
  const audios = [...document.querySelectorAll('audio')];
  const seek = document.getElementById('seek');
  const begun = performance.now();
  let left = audios.length;
  for (const audio of audios) {
    const look = () => {
      if (audio.seeking || audio.readyState < 2) return;
      for (const name of ['seeked', 'canplay']) audio.removeEventListener(name, look);
      left -= 1;
      if (left === 0) resolve(performance.now() - begun);
    };
    for (const name of ['seeked', 'canplay']) audio.addEventListener(name, look);
  }
  seek.value = toMs;
  seek.dispatchEvent(new Event('input'));
})"""


def run(*, quick: bool = False) -> Report:
    """Measure."""
    return asyncio.run(_run(quick=quick))


async def _run(*, quick: bool) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        node = NodeProcess(data, environment={"FORECOURT_ASR_ADMISSION": "off"})
        await asyncio.to_thread(node.start)
        try:
            account = await asyncio.to_thread(admin.of, node)
            session_id = await _seeded(data, account)
            drawn_s = await _drawn(account, session_id)
            opens_ms, seeks_ms = await _measured(account, session_id, quick=quick)
        finally:
            await asyncio.to_thread(node.stop)
    figures = {
        "open_ms": round(median(opens_ms)),
        "seek_p50_ms": round(percentile(seeks_ms, 0.5), 1),
        "seek_p95_ms": round(percentile(seeks_ms, 0.95), 1),
    }
    rows = [
        (
            "opens within",
            f"{figures['open_ms']} ms",
            f"worst of {len(opens_ms)}: {max(opens_ms):.0f}",
        ),
        ("seeks within, p50", f"{figures['seek_p50_ms']} ms", f"{len(seeks_ms)} seeks"),
        ("seeks within, p95", f"{figures['seek_p95_ms']} ms", f"worst: {max(seeks_ms):.0f} ms"),
        ("its time line is drawn in", f"{drawn_s:.1f} s", "once, at the lowest priority"),
    ]
    return Report("Replay of a call of 60 minutes", dict(figures), rows)


async def _seeded(data: Path, account: Account) -> str:
    settings = Settings(data=data)
    vault = Vault(keys.load(data / keys.FILE_NAME).masters())
    store, blobs = Store(open_database(settings.store_url)), open_blobs(settings.blobs_url)
    await blobs.open()
    await store.database.open()
    try:
        user = await store.users.by_email(account.email)
        assert user is not None
        return await recorded_call.put(
            store,
            blobs,
            vault,
            load_audio(clips()["two_cities"]),
            dealership_id=user.dealership_id,
            user_id=user.id,
            seconds=CALL_S,
            tracks=recorded_call.TWO,
        )
    finally:
        await store.close()


async def _drawn(account: Account, session_id: str) -> float:
    begun_s = time.monotonic()
    path = f"{account.url}/api/v1/sessions/{session_id}/timeline"

    def ask() -> None:
        httpx.get(path, auth=account, timeout=DRAWN_WITHIN_S).raise_for_status()

    await asyncio.to_thread(ask)
    return time.monotonic() - begun_s


async def _measured(
    account: Account, session_id: str, *, quick: bool
) -> tuple[list[float], list[float]]:
    source = random.Random(SEED)
    opens_ms: list[float] = []
    seeks_ms: list[float] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable(), args=chromium.FLAGS
        )
        try:
            for _ in range(QUICK_LOADS if quick else LOADS):
                page = await _page(browser, account)
                begun_s = time.perf_counter()
                await page.goto(f"/replay#{session_id}", wait_until="commit")
                await page.wait_for_function(OPEN, polling=10, timeout=WITHIN_MS)
                opens_ms.append((time.perf_counter() - begun_s) * 1000)
                if len(opens_ms) < (QUICK_LOADS if quick else LOADS):
                    await page.context.close()
            for _ in range(QUICK_SEEKS if quick else SEEKS):
                to_ms = source.randrange(0, CALL_S * 1000 - 5000, 1000)
                seeks_ms.append(await page.evaluate(SEEK, to_ms))
        finally:
            await browser.close()
    return opens_ms, seeks_ms


async def _page(browser: Browser, account: Account) -> Page:
    """In a profile that has an empty cache."""
    own = await asyncio.to_thread(Account.sign_in, account.url, account.email, account.password)
    context = await browser.new_context(
        base_url=account.url, viewport={"width": 1280, "height": 900}
    )
    await context.add_cookies([own.cookie()])  # type: ignore[list-item]
    return await context.new_page()
