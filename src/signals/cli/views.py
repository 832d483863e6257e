"""Tables and sentences that several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from signals.cli.common import console, errors, tell
from signals.events.schema import Abstention

if TYPE_CHECKING:
    from signals.cli.inputs import Inputs
    from signals.cli.replay import Replay
    from signals.events.schema import Decision
    from signals.ml.gate import Verdict
    from signals.ml.windows import WindowResult

__all__ = ["progress_bars", "show_latest", "show_quality", "show_replay", "show_verdict", "show_windows"]

_CLASSES = ("DOWN", "FLAT", "UP")

_REASONS = {
    Abstention.NO_MODEL: "no model in force",
    Abstention.MODEL_FROM_FUTURE: "the model knows labels from after the bar",
    Abstention.STALE_MODEL: "the model is stale",
    Abstention.NO_BAR: "no bar at this instant",
    Abstention.WARMING_UP: "too little history yet",
    Abstention.BELOW_THRESHOLD: "confidence not above the threshold",
    Abstention.PREDICTED_FLAT: "FLAT is the likeliest",
}


def progress_bars() -> Progress:
    """Return progress bars on standard error, so that standard output stays clean; they vanish when done."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def show_quality(inputs: Inputs) -> None:
    """Print what was read, what was refused and where that lies, in a few lines."""
    report = inputs.table.report
    tell(f"{report.read:,} rows read = {report.kept:,} kept + {report.quarantined:,} refused")
    for problem in report.problems:
        tell(f"[yellow]refused[/] {problem.rows:,} x {problem.kind}, for example {escape(problem.examples[0])}")
    if inputs.quarantine is not None:
        console.print(f"  refused rows and their reasons: {inputs.quarantine}", markup=False, soft_wrap=True)
    jumps = report.jumps
    if jumps:
        shown = ", ".join(f"{jump.symbol} {jump.time:%Y-%m-%d} (x{jump.ratio:.2f})" for jump in jumps[:4])
        more = f" and {len(jumps) - 4} more" if len(jumps) > 4 else ""
        tell(f"[yellow]warning[/] {len(jumps)} split-like jumps, no label across them: {escape(shown)}{more}")
    if report.short_histories:
        shown = ", ".join(f"{symbol} ({bars})" for symbol, bars in list(report.short_histories.items())[:4])
        more = f" and {len(report.short_histories) - 4} more" if len(report.short_histories) > 4 else ""
        tell(f"[yellow]warning[/] fewer bars than the warm-up of 512, so never a signal: {escape(shown)}{more}")


def show_windows(windows: Sequence[WindowResult]) -> None:
    """Print one line a walk-forward window: log loss against both baselines."""
    table = Table("tested from", "rows", "log loss", "frequencies", "volatility", "skill", "accuracy", "ECE", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for window in windows:
        span = f"{window['start']:%Y-%m-%d}" if window["start"] else "no rows"
        if window["skipped"]:
            table.add_row(span, f"{window['rows']:.0f}", f"[yellow]skipped:[/] {escape(window['skipped'])}")
            continue
        best = min(window["log_loss_frequencies"], window["log_loss_volatility"])
        color = "green" if window["log_loss"] < best else "red"
        table.add_row(
            span,
            f"{window['rows']:.0f}",
            f"[{color}]{window['log_loss']:.4f}[/]",
            f"{window['log_loss_frequencies']:.4f}",
            f"{window['log_loss_volatility']:.4f}",
            f"{window['skill_volatility']:+.2%}",
            f"{window['accuracy']:.1%}",
            f"{window['ece']:.3f}",
        )
    console.print(table)
    tell("[dim]log loss out of sample; green beats both baselines; skill is over the volatility table[/]")


def show_verdict(verdict: Verdict, figures: Mapping[str, float]) -> None:
    """Print calibration before and after, and the gate's verdict in sentences."""
    before, after = figures["log_loss_raw"], figures["log_loss"]
    tell(f"log loss {before:.4f} before calibration, {after:.4f} after")
    tell(f"calibration error {figures['ece_raw']:.1%} before, {figures['ece']:.1%} after")
    color = "green" if verdict.passed else "yellow"
    first, *rest = verdict.sentences
    tell(f"[bold {color}]{escape(first)}[/]")
    for sentence in rest:
        tell(escape(sentence), bullet=True)


def show_replay(replay: Replay, threshold: float) -> None:
    """Print confidence, signals, abstentions, drift and, if it traded, the account."""
    body = replay.to_json()
    _show_confidence(body["confidence"], body["rows"], threshold)
    share = f" ({body['signal_share']:.2%} of rows)" if body["rows"] else ""
    kind = "shadow signals" if replay.shadow else "signals"
    tell(f"{body['decisions']:,} decisions, {body['rows']:,} rows, [bold]{body['signals']:,} {kind}[/]{share}")
    if not body["rows"]:
        tell("Not one row got a prediction, so nothing can be said about this model here:")
    elif not body["signals"]:
        tell("Nothing was sure enough. [bold]Silence is the right answer[/] when nothing is known.")
    for reason, count in body["abstained"].items():
        tell(f"no signal {count:,} times: {_REASONS[Abstention(reason)]}", bullet=True)
    _show_drift(body["drift"], replay.folder.name)
    if body["backtest"]["failures"]:
        tell(f"[bold red]strategy failures[/]: {body['backtest']['failures']}")
    if not replay.shadow and body["signals"]:
        _show_account(body["backtest"])


def show_latest(decision: Decision) -> None:
    """Print the newest decision: three probabilities a symbol, and what follows."""
    table = Table("symbol", *(f"P({name})" for name in _CLASSES), "says", box=None)
    said = {signal.symbol: f"[bold]{signal.direction.value}[/]" for signal in decision.signals}
    for reason, symbols in decision.abstained.items():
        said.update(dict.fromkeys(symbols, _REASONS[reason]))
    known = dict(zip(decision.symbols, decision.probabilities.tolist(), strict=True))
    for symbol in sorted(said)[:12]:
        cells = [f"{value:.1%}" for value in known[symbol]] if symbol in known else ["-"] * 3
        table.add_row(escape(symbol), *cells, said[symbol])
    console.print(table)
    if len(said) > 12:
        tell(f"[dim]and {len(said) - 12} more symbols[/]")


def _show_confidence(confidence: Mapping[str, Any], rows: int, threshold: float) -> None:
    buckets = [bucket for bucket in confidence["buckets"] if bucket[2]]
    if not buckets:
        return
    most = max(count for _, _, count in buckets)
    tell("confidence (largest of the three probabilities; a third is ignorance)")
    for low, high, count in buckets:
        bar = "█" * max(1, round(30 * count / most))
        mark = "[green]" if low >= threshold else "[blue]"
        console.print(f"    {low:.2f} to {high:.2f} {mark}{bar}[/] {count:,} ({count / rows:.1%})")


def _show_drift(drift: Sequence[Mapping[str, Any]], run: str) -> None:
    if not drift:
        tell("no drift events")
        return
    tell(f"{len(drift)} drift events")
    for event in drift[:6]:
        feature = f" of {event['feature']}" if event.get("feature") else ""
        value, bound = _number(event["value"]), _number(event["threshold"])
        state = f"{event['state']}: {event['detector']}{feature}"
        tell(f"{event['at'][:10]} {state}, {value} against {bound}", bullet=True)
    if len(drift) > 6:
        console.print(f"    [dim]and {len(drift) - 6} more: vane events --run {run} --kind drift[/]")


def _show_account(summary: Mapping[str, Any]) -> None:
    held = summary["buy_and_hold"]
    tell(
        f"account: {_share(summary['total_return'])} after costs (fills: {summary['fill']}), drawdown "
        f"{_share(summary['max_drawdown'])}, {summary['trades']} trades; buy and hold {_share(held['total_return'])}"
    )


def _share(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1%}"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
