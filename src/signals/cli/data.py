"""``vane data``: look at bars before anything is made of them, and write clean ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from signals.cli.common import AsJson, Calendar, StampedOption, Zone, console, counted, emit_json
from signals.config import load_settings
from signals.data.export import write_bars
from signals.data.parquet import read_bars
from signals.data.quality import WARMUP_BARS, QualityReport

__all__ = ["app"]

app = typer.Typer(help="Check bars, and import clean ones.", no_args_is_help=True)

_SHOWN = 12

Bars = Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of them.")]
Symbols = Annotated[str | None, typer.Option("--symbols", help="Only these, separated by commas.")]


@app.command()
def check(
    path: Bars,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    tz: Zone = None,
    symbols: Symbols = None,
    as_json: AsJson = False,
) -> None:
    """Read every row and report what would be refused (exit 1 if anything would) and what looks odd.

    Example: vane data check bars.csv --stamped close --tz America/New_York
    """
    chosen = _chosen(symbols)
    late = {load_settings().data.volatility}
    table = read_bars(path, stamped=stamped, calendar=calendar, tz=tz, on_bad="quarantine", symbols=chosen, late=late)
    report = table.report
    if as_json:
        emit_json(report.to_json())
    else:
        _show(report)
    if report.quarantined:
        raise typer.Exit(1)


@app.command(name="import")
def import_(
    path: Bars,
    stamped: StampedOption,
    to: Annotated[Path, typer.Option("--to", help="Folder for one Parquet file a symbol.")],
    calendar: Calendar = "XNYS",
    tz: Zone = None,
    symbols: Symbols = None,
    on_bad: Annotated[
        str, typer.Option("--on-bad", help="raise: stop at the first bad row; quarantine: set bad rows aside.")
    ] = "raise",
    as_json: AsJson = False,
) -> None:
    """Write clean bars, stamped with their closes in UTC: read them with --stamped close.

    Example: vane data import bars.csv --stamped session --to clean --on-bad quarantine
    """
    if on_bad not in ("raise", "quarantine"):
        raise typer.BadParameter(f"expected raise or quarantine, was {on_bad!r}", param_hint="--on-bad")
    # Beside the folder, not in it: a reader of the folder must not take refused rows for bars.
    aside = Path(f"{to.resolve()}.quarantine.csv") if on_bad == "quarantine" else None
    table = read_bars(
        path,
        stamped=stamped,
        calendar=calendar,
        tz=tz,
        on_bad=on_bad,
        quarantine_to=aside,
        symbols=_chosen(symbols),
        late={load_settings().data.volatility},
    )
    written = write_bars(table, to)
    report = table.report
    if as_json:
        places = {"folder": str(to), "files_written": len(written), "quarantine": None if aside is None else str(aside)}
        emit_json({**report.to_json(), **places, "fingerprint": table.fingerprint})
        return
    console.print(_balance(report))
    them = "it" if len(written) == 1 else "them"
    files = f"{counted(len(written), 'file')} in {to}; read {them} with --stamped close"
    console.print(files, markup=False, soft_wrap=True)
    if report.quarantined:
        console.print(f"refused rows and their reasons: {aside}", markup=False, soft_wrap=True)


def _chosen(symbols: str | None) -> list[str] | None:
    return None if symbols is None else [name.strip() for name in symbols.split(",") if name.strip()]


def _show(report: QualityReport) -> None:
    span = "" if report.first is None else f", closes {report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC"
    console.print(f"{counted(report.symbols, 'symbol')}{span}", soft_wrap=True)
    console.print(_balance(report))
    if report.bar_seconds:
        console.print(f"bar length inferred from the opens: {', '.join(f'{each:g} s' for each in report.bar_seconds)}")
    if report.problems:
        console.print(_refused(report))
    odd = Table("what", "count", "which", title="Worth a look (not refused)", title_justify="left")
    for what, items in _oddities(report).items():
        if items:
            more = f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
            odd.add_row(what, f"{len(items):,}", Text(", ".join(items[:_SHOWN]) + more, overflow="fold"))
    if odd.row_count:
        console.print(odd)
    elif not report.problems:
        console.print("nothing odd")


def _balance(report: QualityReport) -> str:
    return f"{counted(report.read, 'row')} read = {report.kept:,} kept + {report.quarantined:,} refused"


def _refused(report: QualityReport) -> Table:
    table = Table(Column("refused because", no_wrap=True), "rows", "in", "for example", title="Refused rows")
    table.title_justify = "left"
    for each in report.problems:
        fields = ", ".join(f"{name} {n}" for name, n in each.fields.items())
        table.add_row(each.kind, f"{each.rows:,}", fields, Text(_without_folder(each.examples[0], report.files)))
    table.columns[-1].overflow = "fold"
    return table


def _without_folder(example: str, files: tuple[str, ...]) -> str:
    """Shorten the path that an example begins with to the file's name: what is wrong stands after it."""
    named = next((file for file in files if example.startswith(f"{file},")), "")
    return f"{Path(named).name}{example.removeprefix(named)}"


def _oddities(report: QualityReport) -> dict[str, list[str]]:
    off = report.off_session.items()
    return {
        "split-like jumps": [f"{each.symbol} {each.time:%Y-%m-%d} x{each.ratio:g}" for each in report.jumps],
        "missing sessions": [f"{name} {day}" for name, days in report.missing_sessions.items() for day in days],
        "late starters": [f"{name} {day}" for name, day in report.late_starters.items()],
        "symbols without a row in every session": list(report.incomplete),
        "bars that close at no session's close": [
            f"{name} ({counted(each.bars, 'bar')}, from {each.first:%Y-%m-%d %H:%M} UTC)" for name, each in off
        ],
        "symbols with zero volumes": [f"{name} ({counted(n, 'row')})" for name, n in report.zero_volumes.items()],
        f"fewer bars than the warm-up of {WARMUP_BARS}": [
            f"{name} ({n})" for name, n in report.short_histories.items()
        ],
    }
