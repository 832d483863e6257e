"""The command `vane`: groups are added here, errors become one line and an exit code."""

from __future__ import annotations

import logging
import sys
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from signals.cli import config, data, features, models
from signals.cli.audit import audit
from signals.cli.backtest import backtest
from signals.cli.common import errors
from signals.cli.demo import demo
from signals.cli.events import events
from signals.cli.train import train
from signals.errors import VaneError
from strategy.bars import BarError
from strategy.engine import EngineError

__all__ = ["app", "main"]


class _Interruptible(TyperGroup):
    """The commands; one that is interrupted says in a line what became of it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            errors.print(f"interrupted: {interrupt}" if interrupt.args else "interrupted; run it again")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="vane",
    cls=_Interruptible,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Calibrated trading signals that are point-in-time, gated and watched.",
    epilog="First run: [bold]vane demo[/bold]. Your bars: [bold]vane demo --data FILE --stamped session[/bold].",
)


@app.callback()
def _quiet_logs() -> None:
    # Standard output is for results: only errors are logged, to standard error; commands say the rest themselves.
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


app.command()(demo)
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.command()(audit)
app.command()(train)
app.add_typer(models.app, name="models")
app.command()(backtest)
app.command()(events)


def main() -> None:
    """Run the command line; exit 0, 1 (refused input, failed check), 2 (usage) or 130 (interrupted)."""
    try:
        app()
    except (VaneError, BarError, EngineError, OSError) as error:  # OSError: no right to write, a full disk
        errors.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("interrupted; run it again")
        sys.exit(130)
