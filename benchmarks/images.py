"""`benchmarks images`: pictures of vehicles cut out in a minute, in how much memory, how rightly?

Ours are jobs of one picture each in as many worker processes as this machine has cores, told to cut
out every picture; each is decoded, cut out at full size and written as PNG. Beside them stands
rembg's own HTTP server (`rembg s`), in an environment of its own, over loopback, with the same
weights and pictures and the same kind of PNG; it uses all cores for each picture.
They work in turn, never at once, and the median of the rounds counts. Workers run behind everything
else on the machine, the server does not: what else runs here is at our cost. A first run installs
rembg, which takes minutes.

- `mask_iou_min`: our raw mask against the server's of the same pixels, both thresholded; the worst
  of all pictures;
- `quality_iou_median_low`: our mask, after all that is done to it, against vehicles that were
  outlined by hand (`outlines`); the full run has `medium` and `high` too;
- `peak_rss_mb`: of all workers together, when each is at its most.

The full run cuts out 200 pictures in the same workers; `rss_mb_first` and `rss_mb_last` are the
most that they hold during the first and the last round of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import cpu, outlines, vitals
from benchmarks.outlines import Mask, Photo, overlap
from benchmarks.rembg_server import REMBG, RembgServer
from benchmarks.report import Report
from engine.models import ensure
from processing import cutout, pictures
from processing.cutout import Model
from processing.process import WorkerProcess

WORK = "processing.photos:work_removal"
WITHIN_S = 120.0
WATCH_S = 0.1
SERVER_AT_ONCE = 4
"""Requests: of 1, 2 and 4 at once, it is fastest with 4."""
U2NETP, ISNET = "u2netp", "isnet-general-use"
"""rembg's names of the networks that `low` and `high` use."""
MODELS: dict[str, Model] = {U2NETP: "u2netp", ISNET: "isnet"}
"""Ours of them."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many pictures are cut out, in how many rounds; `high` beside rembg's where told."""

    rounds: int
    low: int
    high: int
    is_high_compared: bool
    qualities: tuple[str, ...]


QUICK = Extent(1, 7, 2, is_high_compared=False, qualities=("low",))
FULL = Extent(5, 40, 8, is_high_compared=True, qualities=("low", "medium", "high"))

Cut = Callable[[Path], Awaitable[Any]]
Item = TypeVar("Item")


def _unheard(stage: str, percent: int) -> None:
    """How far a job is."""


class Workers:
    """Our worker processes, warm from round to round. `end` them."""

    def __init__(self, number: int, folder: Path) -> None:
        self._processes = [WorkerProcess() for _ in range(number)]
        self._folder = folder
        self.peak_mb = 0.0
        self.round_mb = 0.0
        """The most they held together since it was last set."""

    @property
    def _pids(self) -> list[int]:
        own = [process.pid for process in self._processes if process.pid is not None]
        return own + [child for pid in own for child in cpu.children(pid)]

    def cuts(self, quality: str) -> list[Cut]:
        """What each of them makes of a picture; of its next one, it is written over."""
        return [
            self._cut(process, self._folder / f"out-{number}", quality)
            for number, process in enumerate(self._processes)
        ]

    def _cut(self, process: WorkerProcess, outputs: Path, quality: str) -> Cut:
        settings = {"quality": quality, "format": "png", "options": {"shot": "exterior"}}
        outputs.mkdir(exist_ok=True)

        async def cut(path: Path) -> Path:
            (made,) = await process.work(WORK, [path], outputs, settings, _unheard, WITHIN_S)
            return made

        return cut

    async def mattes(self, photos: Sequence[Photo], quality: str) -> list[Mask]:
        """Where each photo is vehicle, in what they make of it."""
        mattes: dict[Photo, Mask] = {}

        def seen(number: int, cut: Cut) -> Callable[[Photo], Awaitable[None]]:
            path = self._folder / f"photo-{number}.png"

            async def see(photo: Photo) -> None:
                photo.image().save(path)
                with Image.open(await cut(path)) as made:
                    mattes[photo] = solid(np.asarray(made.convert("RGBA").getchannel("A")))

            return see

        await share_out([seen(*one) for one in enumerate(self.cuts(quality))], photos)
        return [mattes[photo] for photo in photos]

    async def watch(self) -> None:
        """Keep `peak_mb` and `round_mb` until cancelled."""
        while True:
            # One that ends while we look is replaced.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                pids = self._pids
                self.peak_mb = max(self.peak_mb, sum(map(vitals.peak_mb, pids)))
                self.round_mb = max(self.round_mb, vitals.of(*pids).rss_mb)
            await asyncio.sleep(WATCH_S)

    async def end(self) -> None:
        await asyncio.gather(*(process.end() for process in self._processes))


@dataclass(slots=True)
class Rates:
    """Pictures a minute of each round."""

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    server_low: list[float] = field(default_factory=list)
    server_high: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """What was measured. Overlaps are intersections over unions, 0 to 1."""

    rates: Rates = field(default_factory=Rates)
    rss_mb: list[float] = field(default_factory=list)
    """The most that the workers held during each round of `low`."""
    peak_mb: float = 0.0
    server_peak_mb: float = 0.0
    agreements: list[float] = field(default_factory=list)
    """Of our raw mask and rembg's, a picture each."""
    overlaps: dict[str, list[float]] = field(default_factory=dict)
    """With what was outlined by hand, by quality."""


def run(quick: bool) -> Report:
    """Some of it when `quick`; the full run takes a quarter of an hour."""
    paths = outlines.found()
    photos = outlines.photos(paths)
    load = os.getloadavg()[0]
    found = asyncio.run(_measured(paths, photos, QUICK if quick else FULL))
    return report(found, photos, load)


async def _measured(paths: list[Path], photos: list[Photo], extent: Extent) -> Found:
    found = Found()
    weights = {name: _weights(model) for name, model in MODELS.items()}
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        workers = Workers(len(os.sched_getaffinity(0)), Path(folder))
        watching = asyncio.create_task(workers.watch())
        try:
            async with RembgServer(weights) as server:
                await _rounds(found, workers, server, paths, extent)
                found.server_peak_mb = vitals.peak_mb(server.pid)
                found.agreements = [await agreement(server, path) for path in paths]
            found.peak_mb = workers.peak_mb
            for quality in extent.qualities:
                mattes = await workers.mattes(photos, quality)
                pairs = zip(photos, mattes, strict=True)
                found.overlaps[quality] = [overlap(photo.mask(), matte) for photo, matte in pairs]
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await workers.end()
    return found


async def _rounds(
    found: Found, workers: Workers, server: RembgServer, paths: list[Path], extent: Extent
) -> None:
    """Ours, then theirs, so often; each has its model loaded before."""

    def theirs(model: str) -> list[Cut]:
        async def cut(path: Path) -> None:
            await server.cut(contents[path], model)

        return [cut] * SERVER_AT_ONCE

    contents = {path: path.read_bytes() for path in paths}
    low, high = workers.cuts("low"), workers.cuts("high")
    turns = [(found.rates.low, low, extent.low)]
    turns.append((found.rates.server_low, theirs(U2NETP), extent.low))
    turns.append((found.rates.high, high, extent.high))
    if extent.is_high_compared:
        turns.append((found.rates.server_high, theirs(ISNET), extent.high))
    for _, cuts, _ in turns:
        await asyncio.gather(*(cut(paths[0]) for cut in cuts))
    for _ in range(extent.rounds):
        for rates, cuts, count in turns:
            round_of = list(itertools.islice(itertools.cycle(paths), count))
            workers.round_mb = 0.0
            rates.append(await per_minute(cuts, round_of))
            if cuts is low:
                found.rss_mb.append(workers.round_mb)


async def agreement(server: RembgServer, path: Path) -> float:
    """Of our raw mask and rembg's, of the same pixels: only we heed colour profiles."""
    image = pictures.read(path)
    decoded = io.BytesIO()
    image.save(decoded, "PNG")
    theirs = await server.cut(decoded.getvalue(), U2NETP, only_mask=True)
    with Image.open(io.BytesIO(theirs)) as mask:
        return overlap(solid(cutout.raw_mask(image, MODELS[U2NETP])), solid(np.asarray(mask)))


async def per_minute(cuts: Sequence[Cut], paths: Sequence[Path]) -> float:
    """Of `paths`, when `cuts` share them out."""
    begun_s = time.perf_counter()
    await share_out(cuts, paths)
    return 60 * len(paths) / (time.perf_counter() - begun_s)


async def share_out(
    takers: Sequence[Callable[[Item], Awaitable[object]]], items: Iterable[Item]
) -> None:
    """Each of `takers` takes the next item as soon as it is done with one."""
    left = iter(items)

    async def take(taker: Callable[[Item], Awaitable[object]]) -> None:
        for item in left:
            await taker(item)

    async with asyncio.TaskGroup() as group:
        for taker in takers:
            group.create_task(take(taker))


def _weights(model: Model) -> Path:
    return ensure(model) / f"{model}.onnx"


def solid(mask: NDArray[np.uint8]) -> Mask:
    """Where a mask is vehicle rather than not."""
    return mask >= 128


def report(found: Found, photos: Sequence[Photo], load: float) -> Report:
    """The table and the figures by name."""
    rates = found.rates
    low, server_low = median(rates.low), median(rates.server_low)
    figures: dict[str, float | int | None] = {
        "images_per_min_low": round(low, 1),
        "images_per_min_high": round(median(rates.high), 1),
        "peak_rss_mb": round(found.peak_mb),
        "rembg_server_images_per_min": round(server_low, 1),
        "rembg_server_peak_rss_mb": round(found.server_peak_mb),
        "mask_iou_min": round(min(found.agreements), 4),
        "outlined_photos": len(photos),
        "outlined_pictures": len({photo.picture for photo in photos}),
    }
    rows = [
        ("Low, pictures a minute", f"{low:.1f}", f"{len(rates.low)} rounds; u2netp"),
        (
            f"{REMBG.version}, its server",
            f"{server_low:.1f}",
            f"{low / server_low:.2f} x; u2netp, holds {found.server_peak_mb:.0f} MB at its most",
        ),
        ("High, pictures a minute", f"{median(rates.high):.1f}", "ISNet, edges refined"),
    ]
    if rates.server_high:
        server_high = median(rates.server_high)
        figures["rembg_server_images_per_min_high"] = round(server_high, 1)
        rows.append((f"{REMBG.version}, its server", f"{server_high:.1f}", "ISNet, not refined"))
    figures["rss_mb_first"] = round(found.rss_mb[0])
    figures["rss_mb_last"] = round(found.rss_mb[-1])
    rows += [
        (
            "Memory of our workers",
            f"{found.peak_mb:.0f} MB at their most",
            f"{found.rss_mb[0]:.0f} in the first round, {found.rss_mb[-1]:.0f} in the last",
        ),
        (
            "Our raw mask and theirs",
            f"IoU >= {min(found.agreements):.4f}",
            f"{len(found.agreements)} pictures, the same weights",
        ),
    ]
    for quality, each in found.overlaps.items():
        figures[f"quality_iou_median_{quality}"] = round(median(each), 4)
        figures[f"quality_iou_min_{quality}"] = round(min(each), 4)
        rows.append(
            (
                f"Outlined by hand, {quality}",
                f"IoU {median(each):.3f}, worst {min(each):.3f}",
                f"{len(each)} photos in {figures['outlined_pictures']} pictures",
            )
        )
    rows.append(("Machine before", f"load {load:.1f}", "other work slows ours more than theirs"))
    return Report("Pictures cut out", dict(figures), rows)
