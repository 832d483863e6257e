"""What every command shares: where it prints, how it prints JSON, and the options for bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from signals.data.parquet import STAMPS

__all__ = [
    "AsJson",
    "Calendar",
    "DataPath",
    "MarketPath",
    "StampedOption",
    "Symbols",
    "Zone",
    "console",
    "counted",
    "emit_json",
    "errors",
    "known_stamp",
    "tell",
]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def known_stamp(stamped: str | None) -> str | None:
    """Let through what `--stamped` may say; anything else is wrong usage."""
    if stamped is not None and stamped not in STAMPS:
        raise typer.BadParameter(f"expected {', '.join(STAMPS)}, was {stamped!r}", param_hint="--stamped")
    return stamped


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
DataPath = Annotated[Path, typer.Option("--data", help="Bars: a CSV or Parquet file, or a folder of them.")]
StampedOption = Annotated[
    str,
    typer.Option(
        "--stamped",
        callback=known_stamp,
        help="What a time in the file means: the bar's open, its close, or a session date.",
    ),
]
Calendar = Annotated[str, typer.Option("--calendar", help="Exchange calendar (exchange_calendars name, or 24/7).")]
Zone = Annotated[str | None, typer.Option("--tz", help="Zone of times that have none, such as America/New_York.")]
MarketPath = Annotated[
    Path | None,
    typer.Option(
        "--market",
        help="Bars of the market, volatility and sector series: looked at, not traded. Session dates are those of the "
        "setting data.market_calendar (XNYS).",
    ),
]
Symbols = Annotated[
    str | None,
    typer.Option(
        "--symbols", metavar="N|A,B", help="Use only the N symbols with the most bars, or these, separated by commas."
    ),
]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 decision``, ``1,000 decisions``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def emit_json(payload: Any) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(payload, indent=2, sort_keys=True, allow_nan=False))


def tell(markup: str, *, bullet: bool = False) -> None:
    """Print one indented paragraph; the lines that it wraps into stand under its first."""
    lead = "  · " if bullet else "  "
    for line in Text.from_markup(markup).wrap(console, max(20, console.width - len(lead))):
        line.rstrip()
        console.print(Text(lead) + line)
        lead = " " * len(lead)
