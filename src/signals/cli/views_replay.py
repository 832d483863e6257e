"""What a replay shows: confidence, signals and what came of them, abstentions, drift, the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from signals.cli.common import console, counted, errors, tell
from signals.cli.views import reason_in_words
from signals.events.schema import Abstention

if TYPE_CHECKING:
    from signals.cli.replay import Replay

__all__ = ["require_sound", "show_replay"]


def show_replay(replay: Replay, threshold: float) -> None:
    """Print confidence, signals, outcomes, abstentions, drift and, if it traded, the account."""
    body = replay.to_json()
    _show_confidence(body["confidence"], body["rows"], threshold)
    share = f" ({body['signal_share']:.2%} of rows)" if body["rows"] else ""
    kind = "shadow signal" if replay.shadow else "signal"
    made = counted(body["signals"], kind)
    tell(f"{counted(body['decisions'], 'decision')}, {counted(body['rows'], 'row')}, [bold]{made}[/]{share}")
    if not body["rows"]:
        tell("Not one row got a prediction, so nothing can be said about this model here:")
    elif not body["signals"]:
        tell("Nothing was sure enough. [bold]Silence is the right answer[/] when nothing is known.")
    for reason, count in body["abstained"].items():
        tell(f"no signal {counted(count, 'time')}: {reason_in_words(Abstention(reason), threshold)}", bullet=True)
    if body["signals"]:
        _show_outcomes(body["outcomes"])
    _show_drift(body["drift"], replay.folder.name)
    if not replay.shadow and body["signals"]:
        _show_account(body["backtest"])


def require_sound(replay: Replay) -> None:
    """Exit with 1 and one line where the strategy raised: what was shown is then not the whole story."""
    failures = replay.result.failures
    if not failures:
        return
    for name, count in failures.items():
        slices = len(replay.result.equity.timestamps)
        errors.print(
            f"[bold red]error:[/] {name} failed at {count:,} of {counted(slices, 'slice')} and decided nothing there; "
            "the first error is in the log above",
            soft_wrap=True,
        )
    raise typer.Exit(1)


def _show_confidence(confidence: Mapping[str, Any], rows: int, threshold: float) -> None:
    buckets = [bucket for bucket in confidence["buckets"] if bucket[2]]
    if not buckets:
        return
    most = max(count for _, _, count in buckets)
    tell(
        f"confidence (largest of the three probabilities; a third is ignorance, a signal needs more than {threshold:g})"
    )
    for low, high, count in buckets:
        bar = "█" * max(1, round(30 * count / most))
        mark = "[green]" if low >= threshold else "[blue]"
        console.print(f"    {low:.2f} to {high:.2f} {mark}{bar}[/] {count:,} ({count / rows:.1%})")


def _show_outcomes(outcomes: Mapping[str, Any]) -> None:
    if not outcomes["matured"]:
        tell("outcomes: no signal has matured yet")
        return
    tell(
        f"outcomes: {counted(outcomes['matured'], 'signal')} matured on {counted(outcomes['dates'], 'date')}, "
        f"{outcomes['right']:.1%} came true (that class came in {outcomes['base_rate']:.1%} of all rows), "
        f"mean return in the signal's direction {outcomes['mean_return']:+.2%}"
    )


def _show_drift(drift: Sequence[Mapping[str, Any]], run: str) -> None:
    if not drift:
        tell("no drift events")
        return
    tell(counted(len(drift), "drift event"))
    for event in drift[:6]:
        tell(f"{event['at'][:10]} {event['state']}: {_drifted(event)}", bullet=True)
    if len(drift) > 6:
        console.print(f"    [dim]and {len(drift) - 6} more: vane events --run {run} --kind drift[/]")


def _drifted(event: Mapping[str, Any]) -> str:
    value, bound = event["value"], event["threshold"]
    if event["detector"] == "stale":
        return f"the model is stale, {value:.0f} days old where {bound:.0f} are allowed"
    feature = f" of {event['feature']}" if event.get("feature") else ""
    return f"{event['detector']}{feature}, {_number(value)} against {_number(bound)}"


def _show_account(summary: Mapping[str, Any]) -> None:
    held, drawdown = summary["buy_and_hold"], summary["max_drawdown"]
    tell(
        f"account: {_share(summary['total_return'])} after costs (fills: {summary['fill']}), drawdown "
        f"{_share(None if drawdown is None else 0.0 - drawdown)}, {counted(summary['trades'], 'trade')}; "
        f"buy and hold {_share(held['total_return'])}"
    )


def _share(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1%}"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
