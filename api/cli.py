"""The `forecourt` command."""

from __future__ import annotations

import click

from api.commands.demo import demo
from api.commands.models import models
from api.commands.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="forecourt")
def main() -> None:
    """Real-time voice coaching for car-sales teams."""


main.add_command(serve)
main.add_command(demo)
main.add_command(models)

if __name__ == "__main__":
    main()
