"""The `forecourt` command."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = (
    "audit",
    "backup",
    "dealership",
    "demo",
    "keys",
    "models",
    "reanalyse",
    "replay",
    "restore",
    "serve",
    "store",
    "worker",
)


class Lazy(click.Group):
    """Imports a command when it is called: `forecourt models` need not load the media stack."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"api.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="forecourt")
def main() -> None:
    """Real-time voice coaching for car-sales teams."""


if __name__ == "__main__":
    main()
