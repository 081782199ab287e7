"""`python -m benchmarks NAME [--quick] [--peers]`: a table for people, then a line for machines.

The last line is JSON: the figures by name.
"""

from __future__ import annotations

import json
from importlib import import_module

import click

from benchmarks.report import Report

NAMES = ("call", "impair", "mouth", "soak", "forward", "receive")
WITH_PEERS = ("receive",)


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="End within 50 s; the full run is what counts.")
@click.option("--peers", is_flag=True, help="Install and measure other projects beside ours.")
def main(name: str, quick: bool, peers: bool) -> None:
    """Run one benchmark."""
    if peers and name not in WITH_PEERS:
        raise click.UsageError(f"--peers goes with {', '.join(WITH_PEERS)}, not with {name}.")
    options = {"peers": True} if peers else {}
    report: Report = import_module(f"benchmarks.{name}").run(quick=quick, **options)
    report.print()
    click.echo(json.dumps(report.figures))


if __name__ == "__main__":
    main()
