"""`vane events`: what happened, from the event log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signals.cli.common import AsJson, console, emit_json
from signals.cli.views import reason_in_words
from signals.errors import EventLogError
from signals.events.schema import Abstention, Event, EventKind

if TYPE_CHECKING:
    from strategy.signal import JSON

__all__ = ["events", "sentence"]

_STAMP = len("20240315_120000")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def events(
    path: Annotated[Path | None, typer.Option("--path", help="An event log; without it, the one of live.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="The log of a replay, by the id that it printed.")] = None,
    kind: Annotated[
        list[EventKind] | None,
        typer.Option("--kind", help="Only this kind; may be repeated. Default: all but abstentions."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Market time, UTC.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest ones, so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest events, oldest first; abstentions only with --kind abstentions.

    Example: vane events --kind drift --since 2024-03-01
    """
    from signals.events.log import EventLog

    if path is not None and run is not None:
        raise typer.BadParameter("name a log with --path or --run, not with both")
    where = _log_path(path, run)
    if not where.exists() and (path is not None or run is not None):
        raise EventLogError(f"{where}: expected an event log, was not there")
    with EventLog(where) as log:
        kinds = kind or [each for each in EventKind if each is not EventKind.ABSTENTIONS]
        found = log.latest(limit, kinds=kinds, since=None if since is None else since.replace(tzinfo=UTC))
        empty = not found and not log.latest(1)
    if as_json:
        emit_json([_document(event) for event in found])
        return
    if not found:
        _show_none(where, empty=empty, unasked=kind is None)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("market time (UTC)", "kind", "what happened", box=None)
    for event in found:
        table.add_row(f"{event.at:%Y-%m-%d %H:%M}", event.kind.value, Text(sentence(event)))
    console.print(table)


def sentence(event: Event) -> str:
    """Return an event's body in words; bodies of a kind without words of its own are listed by key."""
    body: Mapping[str, Any] = event.body
    try:
        return _WORDS[event.kind](body) if event.kind in _WORDS else _listed(body)
    except (LookupError, TypeError, ValueError):  # a body of another version of the schema
        return _listed(body)


def _show_none(where: Path, *, empty: bool, unasked: bool) -> None:
    if not empty:
        rest = "; abstentions are shown with --kind abstentions" if unasked else ""
        console.print(f"No such events in {where}{rest}.", markup=False, soft_wrap=True)
        return
    console.print(
        f"No events yet in {where}: verdicts of trainings, activations and what live decides will be here.",
        markup=False,
        soft_wrap=True,
    )
    runs = [log.parent.name for log in (where.parent / "runs").glob("*/events.db")]
    if runs:
        newest = max(runs, key=lambda name: (name[:_STAMP], len(name), name))
        console.print(f"The newest replay: vane events --run {newest}", markup=False, soft_wrap=True)


def _signal(body: Mapping[str, Any]) -> str:
    stale = " (stale model)" if body["metadata"].get("stale") else ""
    until = "" if body["expires_at"] is None else f" until {body['expires_at'][:16].replace('T', ' ')}"
    return f"{body['symbol']} {body['direction']} {body['strength']:.3f}{until}{stale}"


def _drift(body: Mapping[str, Any]) -> str:
    if body["detector"] == "stale":
        return (
            f"model {body['model_version']} is stale: {body['value']:.0f} days behind, at most "
            f"{body['threshold']:.0f}; train again"
        )
    what = f"{body['feature']}: {body['detector']}" if body["feature"] else body["detector"]
    return (
        f"{body['state']}: {what} {body['value']:.3f}, threshold {body['threshold']:.3f}, last {body['window']} slices"
    )


def _outcome(body: Mapping[str, Any]) -> str:
    what = f"{body['symbol']} {body['direction']}" if "symbol" in body else f"signal {body['signal_id'][:8]}"
    return f"{what} came out {body['label']} ({body['realised_return']:+.2%})"


def _activation(body: Mapping[str, Any]) -> str:
    reason = f": {body['reason']}" if body["reason"] else ""
    return f"{body['version_id']} in force as {body['slot']}, before it {body['previous'] or 'nothing'}{reason}"


def _verdict(body: Mapping[str, Any]) -> str:
    return f"{body['version_id']}: {body['sentences'][0]}"


def _abstentions(body: Mapping[str, Any]) -> str:
    counts = body["counts"].items()
    return "no signal: " + ", ".join(f"{count} x {reason_in_words(Abstention(reason))}" for reason, count in counts)


def _listed(body: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in body.items())


_WORDS = {
    EventKind.SIGNAL: _signal,
    EventKind.SHADOW_SIGNAL: _signal,
    EventKind.DRIFT: _drift,
    EventKind.OUTCOME: _outcome,
    EventKind.ACTIVATION: _activation,
    EventKind.VERDICT: _verdict,
    EventKind.ABSTENTIONS: _abstentions,
}


def _document(event: Event) -> dict[str, JSON]:
    return {
        "id": event.id,
        "kind": event.kind.value,
        "version": event.version,
        "at": event.at.isoformat(),
        "body": dict(event.body),
    }


def _log_path(path: Path | None, run: str | None) -> Path:
    from signals.config import load_settings

    if path is not None:
        return path
    live = load_settings().events.path
    if run is None:
        return live
    if not _RUN.fullmatch(run):
        raise typer.BadParameter(f"expected the id of a run, was {run!r}", param_hint="--run")
    return live.parent / "runs" / run / "events.db"
