"""DNSMOS P.835's marks of recordings. Run by the Python of its own environment."""

from __future__ import annotations

import asyncio

import numpy as np
from speechmos import dnsmos

from benchmarks import child


async def mark(path: str, rate: int) -> child.Reply:
    """Overall, voice and background, 1 to 5, of int16 samples in the file `path`."""
    marks = dnsmos.run(np.load(path) / 32768.0, rate)
    return {name: float(marks[f"{name}_mos"]) for name in ("ovrl", "sig", "bak")}


if __name__ == "__main__":
    child.pin()
    asyncio.run(child.serve({"mark": mark}))
