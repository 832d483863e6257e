"""`vane backtest`: replay one registered model through the strategy engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from signals.cli.common import (
    AsJson,
    Calendar,
    DataPath,
    MarketPath,
    StampedOption,
    Symbols,
    Zone,
    emit_json,
    tell,
)
from signals.cli.inputs import Inputs, Source, chosen_symbols, parse_time, read_inputs
from signals.cli.progress import progress_bars
from signals.cli.replay import Replay, new_run, replay_model, runs_folder
from signals.cli.views import show_latest, show_quality
from signals.cli.views_replay import require_sound, show_replay
from signals.errors import RegistryError

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.ml.artifact import ModelBundle
    from signals.ml.registry import ModelRegistry

__all__ = ["backtest"]


def backtest(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = None,
    model: Annotated[str | None, typer.Option(help="Version to replay; default: the active one.")] = None,
    start: Annotated[str | None, typer.Option(help="First decision; default: where the model's training ends.")] = None,
    end: Annotated[str | None, typer.Option(help="Last decision; default: the last bar. A date is 00:00 UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay one model, bar by bar, on bars that it has not seen.

    Example: vane backtest --data bars.csv --stamped session --model 20240315_120000
    """
    first, last = parse_time(start, "--start"), parse_time(end, "--end")
    choice = chosen_symbols(symbols)
    inputs = read_inputs(Source(data, stamped, calendar, market, tz), choice)
    bundle, shadow = _model(inputs.settings, model)
    if not as_json:
        show_quality(inputs)
        _show_model(inputs, bundle, first, shadow=shadow)
    folder = new_run(runs_folder(inputs.settings), datetime.now(UTC))
    with progress_bars() as bars:
        task = bars.add_task("replay", total=None)
        replay = replay_model(
            inputs,
            bundle,
            folder,
            start=first or bundle.last_label_end,
            end=last,
            shadow=shadow,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    if as_json:
        emit_json({"data": inputs.table.report.to_json(), **replay.to_json()})
    else:
        _show(replay, inputs.settings.ml.confidence_threshold)
    require_sound(replay)


def _show_model(inputs: Inputs, bundle: ModelBundle, start: datetime | None, *, shadow: bool) -> None:
    marked = " in shadow: the gate refused it, so nothing is traded" if shadow else ""
    tell(f"model {bundle.version_id}{marked}")
    seen = bundle.last_label_end
    tell(f"it has seen everything until {seen:%Y-%m-%d %H:%M} UTC; what comes later is unseen")
    if start is not None and start < seen:
        tell(f"[yellow]warning[/] --start {start:%Y-%m-%d} is before that: until then it says nothing")
    if inputs.end <= seen:
        tell(
            f"[yellow]warning[/] the bars end on {inputs.end:%Y-%m-%d}, so nothing is unseen: give newer bars, or keep "
            "some for a replay with vane train --until"
        )


def _show(replay: Replay, threshold: float) -> None:
    show_replay(replay, threshold)
    if replay.decisions:
        tell(f"latest decision, {replay.decisions[-1].timestamp:%Y-%m-%d %H:%M} UTC")
        show_latest(replay.decisions[-1], threshold)
    tell(f"next: vane events --run {replay.folder.name}")


def _model(settings: Settings, version_id: str | None) -> tuple[ModelBundle, bool]:
    """Return the model to replay, and whether the gate refused it."""
    from signals.ml.opening import open_registry

    registry = open_registry(settings)
    if version_id is None:
        active = registry.get_active()
        if active is None:
            raise _none_active(registry)
        version_id = active.version_id
    bundle = registry.verify(version_id)
    return bundle, not bundle.manifest.verdict.get("passed", False)


def _none_active(registry: ModelRegistry) -> RegistryError:
    known = registry.list_versions()
    if not known:
        return RegistryError(f"no active model, and none in {registry.root}: train one (vane train)")
    newest = known[-1]
    slot = "" if newest.passed else " (refused by its gate: it replays in shadow)"
    return RegistryError(f"no active model: name one, the newest is --model {newest.version_id}{slot}")
