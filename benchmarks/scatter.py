"""The plot of `benchmarks.asr_peers`: what a recognizer costs, and how soon it commits a word.

A small SVG of our own, so that no plotting library is needed. Both axes are logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.report import Figure

LABELS = {
    "ours": "Forecourt",
    "whisperlivekit": "WhisperLiveKit (LocalAgreement)",
    "whisperlivekit_simul": "WhisperLiveKit (SimulStreaming)",
    "whisperlive": "WhisperLive",
    "moonshine": "Moonshine",
}
"""Systems by the beginning of their figures' names."""
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 60, 60
CORES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
OURS, THEIRS = "#c2410c", "#475569"


def drawn(figures: Mapping[str, Figure]) -> str:
    """SVG text with one point for each system whose median latency is finite.

    Raises `KeyError` for figures of another benchmark.
    """
    points: dict[str, tuple[float, float]] = {}
    absent: list[str] = []
    for system, label in LABELS.items():
        commit_ms = figures[f"{system}_commit_p50_ms"]
        if commit_ms is None:
            absent.append(label)
            continue
        cores = figures[f"{system}_cpu_per_speech_s"]
        assert cores is not None
        points[label] = (float(cores), commit_ms / 1000)
    xs = _ticks(CORES, [x for x, _ in points.values()])
    ys = _ticks(SECONDS, [y for _, y in points.values()])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#334155">',
        "<title>Streaming recognizers: CPU against time to a committed word</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="600" fill="#0f172a">'
        "One call on one core: cost and delay of a committed word</text>",
        f'<text x="{LEFT}" y="44">Lower left is better. Both axes are logarithmic.</text>',
    ]
    for tick in xs:
        x = _x(tick, xs)
        parts += [
            f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e2e8f0"/>',
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>',
        ]
    for tick in ys:
        y = _y(tick, ys)
        parts += [
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>',
        ]
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts += [
        f'<text x="{middle_x}" y="{HEIGHT - 18}" text-anchor="middle">'
        "CPU: cores per second of speech</text>",
        f'<text transform="translate(22 {middle_y}) rotate(-90)" text-anchor="middle">'
        "Committed after its end: median, s</text>",
    ]
    for label, (cores, commit_s) in points.items():
        x, y = _x(cores, xs), _y(commit_s, ys)
        colour = OURS if label == LABELS["ours"] else THEIRS
        # A label in the middle above a point at the right edge would leave the picture.
        anchor, at = ("end", x + 6) if x > WIDTH - 150 else ("middle", x)
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>',
            f'<text x="{at:.1f}" y="{y - 12:.1f}" text-anchor="{anchor}" font-weight="600" '
            f'fill="{colour}">{escape(label)}</text>',
        ]
    if absent:
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{TOP - 6}" text-anchor="end">'
            f"Commits less than half of the words: {escape(', '.join(absent))}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(ladder: Sequence[float], values: Sequence[float]) -> list[float]:
    """The rungs around `values`, and one more where a value has none on a side."""
    low = max((rung for rung in ladder if rung <= min(values)), default=ladder[0])
    high = min((rung for rung in ladder if rung >= max(values)), default=ladder[-1])
    return [rung for rung in ladder if low <= rung <= high]


def _x(value: float, ticks: Sequence[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * _share(value, ticks)


def _y(value: float, ticks: Sequence[float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(value, ticks)


def _share(value: float, ticks: Sequence[float]) -> float:
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    return min(1.0, max(0.0, (math.log(value) - low) / (high - low)))
