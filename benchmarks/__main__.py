"""`python -m benchmarks NAME [--quick] [...]`: a table for people, then a line for machines.

The last line is JSON: the figures by name.
"""

from __future__ import annotations

import json
from importlib import import_module

import click

from benchmarks.report import Report

NAMES = (
    "call",
    "api",
    "analyzers",
    "clarity",
    "feedback",
    "filled_pauses",
    "objections",
    "impair",
    "mouth",
    "soak",
    "forward",
    "receive",
    "shadow",
    "replay",
    "asr",
    "domain",
    "fillers",
    "diarize",
    "images",
    "lanes",
    "content",
)
OPTIONS = {"receive": ("peers",), "asr": ("peers", "live", "step", "noise")}
"""What a benchmark takes beside `--quick`."""
ALONE = ("peers", "live", "noise")
"""Each asks a question of its own."""


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="End within 50 s; the full run is what counts.")
@click.option("--peers", is_flag=True, help="Install and measure other projects beside ours.")
@click.option("--live", type=click.IntRange(1, 64), metavar="N", help="asr: N calls at once.")
@click.option("--step", type=click.Choice(["fixed", "adaptive"]), help="asr --live: the node's.")
@click.option("--noise", is_flag=True, help="asr: words invented where nobody speaks.")
def main(name: str, quick: bool, **options: bool | int | str | None) -> None:
    """Run one benchmark."""
    given = {option: value for option, value in options.items() if value}
    for option in given:
        if option not in OPTIONS.get(name, ()):
            fitting = ", ".join(one for one, taken in OPTIONS.items() if option in taken)
            raise click.UsageError(f"--{option} goes with {fitting}, not with {name}.")
    if sum(option in given for option in ALONE) > 1:
        raise click.UsageError("Only one of --peers, --live and --noise at a time.")
    if "step" in given and "live" not in given:
        raise click.UsageError("--step goes with --live.")
    report: Report = import_module(f"benchmarks.{name}").run(quick=quick, **given)
    report.print()
    click.echo(json.dumps(report.figures))


if __name__ == "__main__":
    main()
