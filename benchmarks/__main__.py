"""`python -m benchmarks NAME [--quick]`: a table for people, then one JSON line for machines."""

from __future__ import annotations

import json
from importlib import import_module

import click

from benchmarks.report import Report

NAMES = ("call", "impair", "forward")


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="End within 50 s; the full run is what counts.")
def main(name: str, quick: bool) -> None:
    """Run one benchmark."""
    report: Report = import_module(f"benchmarks.{name}").run(quick=quick)
    report.print()
    click.echo(json.dumps(report.figures))


if __name__ == "__main__":
    main()
