"""Folders as `FORECOURT_TEST_DATA` names them: recordings and a `manifest.tsv`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECONDS = 2


def row(path: str, **fields: str) -> dict[str, str]:
    """A row of a reading; `fields` replace what it says."""
    return {
        "path": path,
        "kind": "read",
        "duration_s": f"{SECONDS:.3f}",
        "sample_rate": str(RATE),
        "transcript": "yes",
        "transcript_source": "corpus reference",
    } | fields


def write(folder: Path, rows: list[dict[str, str]]) -> None:
    """The manifest and, for each row, 2 s of a sound that grows."""
    with (folder / "manifest.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter="\t", quoting=csv.QUOTE_NONE)
        table.writeheader()
        table.writerows(rows)
    time_s = np.arange(SECONDS * RATE) / RATE
    for one in rows:
        soundfile.write(folder / one["path"], 0.1 * time_s * np.sin(2 * np.pi * 440 * time_s), RATE)
