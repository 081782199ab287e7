"""What a benchmark hands back: figures by name, and the rows that explain them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

Figure = float | int | None


@dataclass(slots=True)
class Report:
    """`figures` becomes the JSON line; `rows` (what, value, note) the table."""

    title: str
    figures: dict[str, Figure]
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def print(self) -> None:
        table = Table(title=self.title, title_justify="left", show_header=False)
        for row in self.rows:
            table.add_row(*row)
        Console().print(table)
