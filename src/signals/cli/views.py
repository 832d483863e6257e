"""Tables and sentences that several commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from signals.cli.common import console, counted, tell
from signals.events.schema import Abstention

if TYPE_CHECKING:
    from signals.cli.inputs import Inputs
    from signals.events.schema import Decision

__all__ = ["reason_in_words", "show_latest", "show_quality"]

_CLASSES = ("DOWN", "FLAT", "UP")
_SHOWN = 4

_REASONS = {
    Abstention.NO_MODEL: "no model in force",
    Abstention.MODEL_FROM_FUTURE: "the model knows labels from after the bar",
    Abstention.STALE_MODEL: "the model is stale",
    Abstention.NO_REFERENCE: "the model learnt from market series that are not given (--market)",
    Abstention.NO_BAR: "no bar at this instant",
    Abstention.WARMING_UP: "too little history yet",
    Abstention.BELOW_THRESHOLD: "confidence not above {threshold}",
    Abstention.PREDICTED_FLAT: "FLAT is the likeliest",
}


def reason_in_words(reason: Abstention, threshold: float | None = None) -> str:
    """Return why there was no signal; `threshold` is the confidence that was asked for, where it is known."""
    return _REASONS[reason].format(threshold="the threshold" if threshold is None else f"{threshold:g}")


def show_quality(inputs: Inputs) -> None:
    """Print what was read, what was refused and where that lies, which symbols are used, and what is odd in those."""
    report, used = inputs.table.report, inputs.universe
    tell(f"{counted(report.read, 'row')} read = {report.kept:,} kept + {report.quarantined:,} refused")
    for problem in report.problems:
        tell(f"[yellow]refused[/] {problem.rows:,} x {problem.kind}, for example {escape(problem.examples[0])}")
    if inputs.quarantine is not None:
        console.print(f"  refused rows and their reasons: {inputs.quarantine}", markup=False, soft_wrap=True)
    total = len(inputs.table.symbols)
    share = "" if len(used) == total else f" of {total}"
    names = ", ".join(used[:8]) + (f" and {len(used) - 8} more" if len(used) > 8 else "")
    tell(escape(f"{len(used)}{share} {'symbol' if total == 1 else 'symbols'}: {names}"))
    jumps = [jump for jump in report.jumps if jump.symbol in used]
    if jumps:
        shown = _some([f"{jump.symbol} {jump.time:%Y-%m-%d} (x{jump.ratio:.2f})" for jump in jumps])
        them = "it" if len(jumps) == 1 else "them"
        tell(f"[yellow]warning[/] {counted(len(jumps), 'split-like jump')}, no label across {them}: {shown}")
    short = [f"{symbol} ({bars})" for symbol, bars in report.short_histories.items() if symbol in used]
    if short:
        tell(f"[yellow]warning[/] fewer bars than the warm-up of 512, so never a signal: {_some(short)}")


def show_latest(decision: Decision, threshold: float) -> None:
    """Print the newest decision: three probabilities a symbol, and what follows."""
    table = Table("symbol", *(f"P({name})" for name in _CLASSES), "says", box=None)
    said = {signal.symbol: f"[bold]{signal.direction.value}[/]" for signal in decision.signals}
    for reason, symbols in decision.abstained.items():
        said.update(dict.fromkeys(symbols, reason_in_words(reason, threshold)))
    known = dict(zip(decision.symbols, decision.probabilities.tolist(), strict=True))
    for symbol in sorted(said)[:12]:
        cells = [f"{value:.1%}" for value in known[symbol]] if symbol in known else ["-"] * 3
        table.add_row(escape(symbol), *cells, said[symbol])
    console.print(table)
    if len(said) > 12:
        tell(f"[dim]and {counted(len(said) - 12, 'more symbol')}[/]")


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return escape(", ".join(items[:_SHOWN])) + more
