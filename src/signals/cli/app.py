"""The command `vane`: groups are added here, errors become one line and an exit code."""

from __future__ import annotations

import sys

import typer

from signals.cli.common import errors
from signals.errors import VaneError
from strategy.bars import BarError
from strategy.engine import EngineError

__all__ = ["app", "main"]

app = typer.Typer(
    name="vane",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Calibrated trading signals that are point-in-time, gated and watched.",
    epilog="First run: [bold]vane demo[/bold]. Your bars: [bold]vane demo --data FILE --stamped session[/bold].",
)


def main() -> None:
    """Run the command line; exit 0, 1 (refused input, failed check) or 2 (usage)."""
    try:
        app()
    except (VaneError, BarError, EngineError) as error:
        errors.print(f"[bold red]error:[/] {error}", soft_wrap=True, markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)
