"""What the demo shows: transcript, meters and feedback as they come, with their latencies."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.asr.agreement import normalised
from signaling.publisher import Publisher, Received

LINES = 6
FLOOR_DBFS = -60.0
COLOURS = {"praise": "green", "suggestion": "yellow", "correction": "red"}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of `values`; None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


class Screen:
    """Collects one call's events. Latencies are from the moment a word's last packet left to the
    moment the word was received, by our own word times (a benchmark uses outside ones)."""

    def __init__(self, title: str, publisher: Publisher) -> None:
        self._title = title
        self._publisher = publisher
        self._console = Console()
        self._finals: list[tuple[int, str]] = []
        self._committed = self._tentative = ""
        self._meters: dict[str, Any] = {}
        self._scores: dict[str, Any] = {}
        self._quantities: dict[str, Any] = {}
        self._t_ms = 0
        self._cues: list[Received] = []
        self._partials: dict[int, list[tuple[float, list[str], int]]] = {}
        self._first_ms: list[float] = []
        self._commit_ms: list[float] = []
        self._final_ms: list[float] = []
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        # Without a terminal nothing is redrawn: finals and cues are printed as lines instead.
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def on_event(self, received: Received) -> None:
        event = received.event
        self._t_ms = event.t
        data = event.data
        if event.type == "transcript.partial":
            self._on_partial(received)
        elif event.type == "transcript.final":
            self._on_final(received)
        elif event.type == "feedback":
            self._cues.append(received)
            self._line(self._cue_text(received))
        elif event.type == "metrics":
            self._scores, self._quantities = data["scores"], data["quantities"]
        self._refresh()

    def on_meters(self, at_s: float, envelope: dict[str, Any]) -> None:
        self._meters = envelope["data"]
        self._t_ms = envelope["t"]
        self._refresh()

    def figures(self) -> dict[str, Any]:
        """The call's figures, for ``--json``."""
        return {
            "sessionId": self._publisher.session_id,
            "durationMs": self._t_ms,
            "transcript": " ".join(text for _, text in self._finals),
            "feedback": [
                {
                    "code": cue.event.data["code"],
                    "tMs": cue.event.t,
                    "latencyMs": self._age_ms(cue),
                }
                for cue in self._cues
            ],
            "scores": self._scores,
            "quantities": self._quantities,
            "words": len(self._first_ms),
            "firstP50Ms": _rounded(percentile(self._first_ms, 0.5)),
            "firstP95Ms": _rounded(percentile(self._first_ms, 0.95)),
            "commitP50Ms": _rounded(percentile(self._commit_ms, 0.5)),
            "commitP95Ms": _rounded(percentile(self._commit_ms, 0.95)),
            "finalP95Ms": _rounded(percentile(self._final_ms, 0.95)),
        }

    def summary(self) -> None:
        """Print scores, cues and latencies of the whole call."""
        table = Table(title="Summary", title_justify="left", show_header=False, box=None)
        for name, value in self._scores.items():
            table.add_row(name.capitalize(), "-" if value is None else f"{value} of 100")
        quantities = self._quantities
        if quantities:
            table.add_row("Words", str(quantities["words"]))
            table.add_row("Pace", f"{quantities['rateWpm']} words a minute")
            table.add_row("Fillers and hedges", f"{quantities['fillers']} + {quantities['hedges']}")
        for label, values in (
            ("Word seen", self._first_ms),
            ("Word committed", self._commit_ms),
            ("Final words", self._final_ms),
        ):
            if values:
                median, p95 = statistics.median(values), percentile(values, 0.95)
                table.add_row(label, f"{median:.0f} ms median, {p95:.0f} ms p95")
        self._console.print(table)
        for cue in self._cues:
            self._console.print(self._cue_text(cue))

    def _on_partial(self, received: Received) -> None:
        data = received.event.data
        self._committed, self._tentative = data["committed"], data["tentative"]
        committed = [normalised(word) for word in self._committed.split()]
        tentative = [normalised(word) for word in self._tentative.split()]
        history = self._partials.setdefault(data["utterance"], [])
        history.append((received.at_s, committed + tentative, len(committed)))

    def _on_final(self, received: Received) -> None:
        data = received.event.data
        self._committed = self._tentative = ""
        words = data["words"]
        history = self._partials.pop(data["utterance"], [])
        if not words:
            return
        text = " ".join(word[0] for word in words)
        self._finals.append((data["startMs"], text))
        self._line(Text(f"{_clock(data['startMs'])}  {text}"))
        history.append((received.at_s, [normalised(w[0]) for w in words], len(words)))
        for index, word in enumerate(words):
            spoken_s = self._sent_at(word[2])
            seen = [h for h in history if len(h[1]) > index and h[1][index] == normalised(word[0])]
            self._first_ms.append((seen[0][0] - spoken_s) * 1000)
            sure = next(h for h in seen if h[2] > index)
            self._commit_ms.append((sure[0] - spoken_s) * 1000)
        self._final_ms.append((received.at_s - self._sent_at(words[-1][2])) * 1000)

    def _sent_at(self, session_ms: int) -> float:
        # Session time begins with the first packet, which is the first of the lead.
        return self._publisher.sent_at(session_ms - self._publisher.lead_s * 1000)

    def _age_ms(self, received: Received) -> int:
        """From the newest sample that the event knew of to its receipt."""
        return round((received.at_s - self._sent_at(max(0, received.event.t - 20))) * 1000)

    def _cue_text(self, cue: Received) -> Text:
        data = cue.event.data
        text = Text(f"{_clock(cue.event.t)}  ")
        text.append(f"{data['message']}", style=f"bold {COLOURS[data['kind']]}")
        text.append(f"  {data['evidence']} ({self._age_ms(cue)} ms)", style="dim")
        return text

    def _line(self, text: Text) -> None:
        if not self._console.is_terminal:
            self._console.print(text)

    def _refresh(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._render())

    def _render(self) -> Group:
        meters = self._meters
        level = meters.get("levelDbfs", FLOOR_DBFS)
        filled = round(30 * max(0.0, 1 - level / FLOOR_DBFS))
        gauges = Text(f"{_clock(self._t_ms)}  ")
        gauges.append("speaking " if meters.get("speaking") else "silent   ", style="bold")
        gauges.append("█" * filled + "░" * (30 - filled))
        for key, unit in (("levelDbfs", "dBFS"), ("syllablesPerS", "syll/s"), ("pitchHz", "Hz")):
            value = meters.get(key)
            gauges.append(f"  {'-' if value is None else f'{value:.1f}'} {unit}")
        transcript = Text()
        for start_ms, words in self._finals[-LINES:]:
            transcript.append(f"{_clock(start_ms)}  {words}\n")
        transcript.append(self._committed)
        transcript.append(f" {self._tentative}", style="dim italic")
        cues = Text("\n").join(self._cue_text(cue) for cue in self._cues[-LINES:])
        return Group(
            Panel(gauges, title=f"Practice call: {self._title}"),
            Panel(transcript, title="Transcript"),
            Panel(cues, title="Feedback"),
        )


def _clock(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}.{ms // 100 % 10}"


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
