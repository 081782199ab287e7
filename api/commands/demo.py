"""`forecourt demo` (being written)."""
import click
@click.command()
def demo() -> None:
    """A practice call, live in the terminal."""
