"""``vane audit``: proof by trial that no feature looks ahead, on your bars and for your calculators too."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from signals.cli.common import (
    AsJson,
    Calendar,
    DataPath,
    MarketPath,
    StampedOption,
    Symbols,
    Zone,
    console,
    counted,
    emit_json,
    tell,
)
from signals.cli.inputs import Source, chosen_symbols, read_inputs
from signals.cli.progress import stage_progress
from signals.cli.views import show_quality

if TYPE_CHECKING:
    from signals.audit import AuditReport, Violation

__all__ = ["audit"]

_SHOWN, _NAMED = 20, 8
_MEANINGS = {
    "future bars": "bars after a cut: gone, noise, NaN, extremes, another course",
    "future facts": "facts known after a cut: removed, added, restated",
    "market-wide": "what is declared market-wide, symbol against symbol",
    "start": "history begins later",
    "stream": "bar by bar, live, against the whole history at once",
    "universe": "the other symbols are not there",
    "scale": "a share is another part of its company",
    "split": "a split, in bars and facts together",
    "error": "a calculator fails",
}


def audit(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = None,
    cuts: Annotated[int, typer.Option(min=1, help="At how many closes the future is changed.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Change what no feature may depend on, and compare bits; exit 1 if a single value differs.

    Also if a feature of your own has no value on these bars: nothing is proved by that.

    Market series that are not given are made up, and so are facts: splits, filings, insiders, short interest, sectors.
    """
    from signals.audit import audit as run

    inputs = read_inputs(Source(data, stamped, calendar, market, tz), chosen_symbols(symbols))
    if not as_json:
        show_quality(inputs)
    with stage_progress() as progress:
        report = run(inputs.provider, inputs.settings, symbols=inputs.universe, cuts=cuts, progress=progress)
    if as_json:
        emit_json(report.to_json())
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(1)


def _show(report: AuditReport) -> None:
    size = counted(len(report.features), "feature"), counted(len(report.symbols), "symbol"), counted(report.cuts, "cut")
    tell(", ".join(size))
    if report.generated:
        tell(f"[dim]made up, as it was not given: {escape(', '.join(report.generated))}[/]")
    table = Table("what was changed", "comparisons", "violations", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, count in report.counts.items():
        color = "red" if count.violations else "green"
        table.add_row(_MEANINGS[kind], f"{count.comparisons:,}", f"[{color}]{count.violations:,}[/]")
    console.print(table)
    if report.violations:
        _show_violations(report)
    if report.untested:
        _show_untested(report)
    total = report.total
    color = "green" if report.passed else "red"
    tell(f"[bold {color}]{counted(total.violations, 'violation')}[/] in {total.comparisons:,} comparisons")
    tell(f"[dim]of a feature's bars under one change each: {total.values:,} values[/]")


def _show_untested(report: AuditReport) -> None:
    """Name what had no value where it would have been compared, and what to do about it."""
    for wholly, says in ((True, "not tested, no value anywhere"), (False, "tested but for a part")):
        found = sorted((each for each in report.untested if each.wholly is wholly), key=lambda each: each.ours)
        if not found:
            continue
        names = ", ".join(each.feature for each in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        kinds = "" if wholly else f" ({', '.join(sorted({kind for each in found for kind in each.kinds}))})"
        tell(f"[yellow]{says}{kinds}:[/] {escape(names)}{more}")
    longest = max(each.lookback for each in report.untested)
    tell(f"[dim]they need more history (one looks back {counted(longest, 'bar')}), or data that was not given[/]")
    if any(each.wholly and not each.ours for each in report.untested):
        tell("[red]a feature of your own gave no finite value that could be compared: that is no proof[/]")


def _show_violations(report: AuditReport) -> None:
    """Print one paragraph a feature and kind: how often, and the example that differs first."""
    often = Counter((violation.feature, violation.kind) for violation in report.violations)
    first: dict[tuple[str, str], Violation] = {}
    for violation in sorted(report.violations, key=lambda each: each.bar):
        first.setdefault((violation.feature, violation.kind), violation)
    for (feature, kind), times in often.most_common(_SHOWN):
        example = first[feature, kind]
        was, became = f"{example.expected:.6g}", f"{example.found:.6g}"
        place = f"{example.symbol} {example.bar:%Y-%m-%d}"
        often_said = "once" if times == 1 else f"{times:,} times"
        tell(
            f"[red]{escape(feature)}[/] {kind}, {often_said}; first at {escape(place)}: "
            f"was {was}, became {became}, {escape(example.change)}"
        )
    if len(often) > _SHOWN:
        tell(f"[dim]and {counted(len(often) - _SHOWN, 'more line')}: see --json[/]")
