"""What survives loss and jitter: the time line, the words, and how late; ours beside stock aiortc.

Both ends get the same packets (Opus with in-band FEC) at the same pace through relays of equal
seed, so both miss the same packets. Kept: media time of the reading that came out as audio
(received, recovered or concealed; not `absent` frames, which only keep the time line whole, nor
what stock drops). Delay: packet handed
to the socket -> the piece that holds its last sample is there; a lost packet counts from when it
would have come. Of the media time that did not come as its own packet, `recovered_pct` is what
in-band FEC brought back and `concealed_pct` what was extrapolated. Words are recognised afterwards
from what came out, by the product's own voice activity and recognizer.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from benchmarks.child import Child, cores
from benchmarks.ear import KINDS, SOURCES, Heard
from benchmarks.fec import Packets, encode
from benchmarks.impairment import Impairment, relay
from benchmarks.latency import percentile
from benchmarks.reading import Reading, clips, joined, load, upto
from benchmarks.recognition import Recognition
from benchmarks.report import Figure, Report
from benchmarks.wer import errors_by_utterance, interval
from engine.frames import Source
from signaling import opus, stack
from signaling.publisher import FRAME, RATE

CONDITIONS: dict[str, dict[str, float]] = {
    "clean": {},
    "l5_j50": {"loss": 0.05, "jitter_s": 0.05},
    "l10_j50": {"loss": 0.10, "jitter_s": 0.05},
    "bursty": {"loss": 0.05, "burst_packets": 3.0},
}
JUDGED = "l10_j50"
CALLS = 8
"""Calls of the full run per condition and kind: of the joined clips, 10 minutes."""
QUICK_MS = 17_100
"""The end of a sentence in two_cities."""
LEAD, TAIL = 25, 50
"""Packets of silence before and after the reading. The lead is not impaired: both ends must know
the first packet, from which they count."""
SETTLE_S = 0.5
CONNECT_WITHIN_S = 20.0
SEED = 2026
RECOGNIZERS = 2


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its condition, the receiving kind and the seed of its network."""

    condition: str
    kind: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.condition}-{self.kind}-{self.seed}"


@dataclass(slots=True)
class Outcome:
    """What came out of a call; shares are 0-1 of the reading's media time."""

    kept: float
    share: dict[Source, float]
    delay_ms: NDArray[np.float64]
    lost: float
    text: str = ""


@dataclass(slots=True)
class Cell:
    """All calls of one condition and kind."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def kept_pct(self) -> float:
        return _pct(outcome.kept for outcome in self.outcomes)

    def share_pct(self, source: Source) -> float:
        return _pct(outcome.share[source] for outcome in self.outcomes)

    def of_the_missing_pct(self, source: Source) -> float | None:
        """Share of `source` in all that did not come as its own packet; None if all came."""
        missing = 100 - self.share_pct(Source.RECEIVED)
        return round(100 * self.share_pct(source) / missing, 1) if missing > 0.01 else None

    def delay_ms(self, share: float) -> float:
        return percentile([float(ms) for o in self.outcomes for ms in o.delay_ms], share)


def run(quick: bool) -> Report:
    """Every condition, ours and stock at once; 8 calls of each, or one short one when quick."""
    stack.use_loopback(True)
    readings = [load(name, path) for name, path in clips().items()]
    reading = upto(readings[0], QUICK_MS) if quick else joined(readings)
    silence = np.zeros(1, np.int16)
    payloads = encode(
        np.concatenate([silence.repeat(LEAD * FRAME), reading.audio, silence.repeat(TAIL * FRAME)])
    )
    cells = {(name, kind): Cell() for name in CONDITIONS for kind in KINDS}
    with _recognizers() as pool, tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        done = asyncio.run(_calls(_plan(quick), payloads, Path(folder)))
        paths = [Path(folder) / f"{call.name}.npz" for call in done]
        texts = pool.map(_text, paths)
        for (call, sent), path, text in zip(done.items(), paths, texts, strict=True):
            outcome = judged(Heard.load(path), sent, len(payloads))
            outcome.text = text
            cells[call.condition, call.kind].outcomes.append(outcome)
    fec = sum(map(opus.holds_fec, payloads)) / len(payloads)
    return _report(reading, cells, fec)


def _plan(quick: bool) -> list[list[Call]]:
    """Calls that run at once, batch after batch."""
    if quick:
        return [[Call(name, kind, SEED) for name in CONDITIONS for kind in KINDS]]
    seeds = range(SEED, SEED + CALLS)
    return [[Call(name, kind, seed) for seed in seeds for kind in KINDS] for name in CONDITIONS]


@dataclass(frozen=True, slots=True)
class Sent:
    """Monotonic second at which each packet left, and the share that the network lost."""

    at_s: NDArray[np.float64]
    lost: float


async def _calls(
    batches: Sequence[Sequence[Call]], payloads: Sequence[bytes], folder: Path
) -> dict[Call, Sent]:
    done: dict[Call, Sent] = {}
    core, _ = cores()
    async with AsyncExitStack() as processes:
        ears = {
            kind: await processes.enter_async_context(Child.module("benchmarks.ear", core, kind))
            for kind in KINDS
        }
        for batch in batches:
            sent = await asyncio.gather(
                *(
                    # Spread over a packet's time, as calls of different people are.
                    _call(call, ears[call.kind], payloads, folder, FRAME / RATE * at / len(batch))
                    for at, call in enumerate(batch)
                )
            )
            done |= zip(batch, sent, strict=True)
    return done


async def _call(
    call: Call, ear: Child, payloads: Sequence[bytes], folder: Path, phase_s: float
) -> Sent:
    """One call from the first packet to the last; what came out lies in `folder` afterwards."""
    condition = Impairment(**CONDITIONS[call.condition])  # type: ignore[arg-type]
    at_s = np.full(len(payloads), np.nan)
    numbers = itertools.count()
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    opened = asyncio.Event()
    pc.createDataChannel("events").on("open", opened.set)
    voice = Packets(payloads)
    sender = pc.addTransceiver(voice, direction="sendonly").sender
    async with relay(Impairment(), call.seed) as line:

        def stamp(sequence: int, timestamp: int) -> None:
            number = next(numbers)
            at_s[number] = time.monotonic()
            if number == LEAD:
                line.impairment = condition

        await pc.setLocalDescription(await pc.createOffer())
        offer = line.rewrite_offer(pc.localDescription.sdp)
        answer = line.rewrite_answer(
            (await ear.ask("answer", call=call.name, offer=offer))["answer"]
        )
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(opened.wait(), CONNECT_WITHIN_S)
        stack.on_rtp_sent(sender, stamp)
        await asyncio.sleep(phase_s)
        voice.go.set()
        await voice.finished.wait()
        await asyncio.sleep(SETTLE_S)
        await ear.ask("end", call=call.name, path=str(folder / f"{call.name}.npz"))
        await pc.close()
        return Sent(at_s, line.lost / max(1, line.media - LEAD))


def judged(heard: Heard, sent: Sent, packets: int) -> Outcome:
    """What of packets LEAD to `packets` - TAIL came out, each 20 ms counted once at most."""
    number = heard.rtp // FRAME
    inside = (number >= LEAD) & (number < packets - TAIL)
    _, first = np.unique(number[inside], return_index=True)
    source, at_s = heard.source[inside][first], heard.at_s[inside][first]
    expected = packets - TAIL - LEAD
    count = {kind: int(np.sum(source == index)) for index, kind in enumerate(SOURCES)}
    share = {kind: pieces / expected for kind, pieces in count.items()}
    kept = (count[Source.RECEIVED] + count[Source.FEC] + count[Source.PLC]) / expected
    # A piece that begins inside a packet ends in the next one.
    last = (heard.rtp[inside][first] + FRAME - 1) // FRAME
    return Outcome(kept, share, (at_s - sent.at_s[last]) * 1000, sent.lost)


_recognition: Recognition | None = None


def _load_recognition() -> None:
    global _recognition
    _recognition = Recognition()


def _text(path: Path) -> str:
    assert _recognition is not None
    return _recognition.text(Heard.load(path).frames())


def _recognizers() -> ProcessPoolExecutor:
    """Started at once, so that the models are loaded before the calls and not during them."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(RECOGNIZERS, context, _load_recognition)
    pool.submit(_load_nothing)
    return pool


def _load_nothing() -> None:
    """Work for a pool that starts its processes only when there is some."""


def _pct(shares: Iterable[float]) -> float:
    values = list(shares)
    return 100 * sum(values) / len(values)


def _report(reading: Reading, cells: dict[tuple[str, str], Cell], fec: float) -> Report:
    figures: dict[str, Figure] = {}
    rows: list[tuple[str, str, str]] = []
    for name in CONDITIONS:
        ours, stock = cells[name, "ours"], cells[name, "stock"]
        wer, shown = _wer(reading, ours)
        stock_wer, stock_shown = _wer(reading, stock)
        figures |= {
            f"kept_pct_{name}": round(ours.kept_pct, 2),
            f"stock_kept_pct_{name}": round(stock.kept_pct, 2),
            f"wer_{name}": round(wer, 4),
            f"stock_wer_{name}": round(stock_wer, 4),
            f"delay_p50_ms_{name}": round(ours.delay_ms(0.5), 1),
            f"delay_p99_ms_{name}": round(ours.delay_ms(0.99), 1),
            f"stock_delay_p50_ms_{name}": round(stock.delay_ms(0.5), 1),
            f"stock_delay_p99_ms_{name}": round(stock.delay_ms(0.99), 1),
        }
        missing = [
            f"{kind.value} {ours.share_pct(kind):.2f} %"
            for kind in (Source.FEC, Source.PLC, Source.ABSENT)
        ]
        lost = _pct(outcome.lost for outcome in ours.outcomes)
        line_pct = sum(ours.share_pct(kind) for kind in SOURCES)
        kept = f"{ours.kept_pct:.1f} %, stock {stock.kept_pct:.1f} %"
        rows += [
            (
                f"{name}: kept",
                kept,
                f"{lost:.1f} % of packets lost; ours: time line {line_pct:.1f} %, "
                + ", ".join(missing),
            ),
            (f"{name}: delay", f"{_delay(ours)}, stock {_delay(stock)}", "p50 / p99"),
            (f"{name}: word error rate", f"{shown}, stock {stock_shown}", ""),
        ]
    worst = cells[JUDGED, "ours"]
    figures["recovered_pct"] = worst.of_the_missing_pct(Source.FEC)
    figures["concealed_pct"] = worst.of_the_missing_pct(Source.PLC)
    calls = len(worst.outcomes)
    minutes = calls * len(reading.audio) / RATE / 60
    note = f"{calls} calls, {calls * len(reading.words)} words, FEC in {100 * fec:.0f} % of packets"
    rows.append(("Each condition", f"{minutes:.1f} minutes", note))
    return Report("What survives loss and jitter", figures, rows)


def _delay(cell: Cell) -> str:
    return f"{cell.delay_ms(0.5):.1f} / {cell.delay_ms(0.99):.0f} ms"


def _wer(reading: Reading, cell: Cell) -> tuple[float, str]:
    """The word error rate (0-1) of all calls together, and how it is shown."""
    pairs = [
        pair
        for outcome in cell.outcomes
        for pair in errors_by_utterance(reading.utterances, outcome.text)
    ]
    wer = sum(errors for errors, _ in pairs) / sum(words for _, words in pairs)
    low, high = interval(pairs)
    return wer, f"{100 * wer:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
