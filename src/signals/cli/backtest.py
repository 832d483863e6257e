"""`vane backtest`: replay one registered model through the strategy engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signals.cli.common import AsJson, Calendar, DataPath, MarketPath, StampedOption, emit_json, tell
from signals.cli.inputs import parse_time
from signals.cli.replay import new_run, replay_model
from signals.cli.train import read_inputs
from signals.cli.views import progress_bars, show_latest, show_quality, show_replay
from signals.errors import RegistryError

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.ml.artifact import ModelBundle

__all__ = ["backtest"]


def backtest(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    model: Annotated[str | None, typer.Option(help="Version to replay; default: the active one.")] = None,
    start: Annotated[str | None, typer.Option(help="First decision; default: where the model's training ends.")] = None,
    end: Annotated[str | None, typer.Option(help="Last decision; default: the last bar. A date is 00:00 UTC.")] = None,
    symbols: Annotated[int | None, typer.Option(min=1, help="Use only the N symbols with the most bars.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay one model, bar by bar, on bars that it has not seen.

    Example: vane backtest --data bars.csv --stamped session --model 20240315_120000
    """
    asked, last = parse_time(start, "--start"), parse_time(end, "--end")
    inputs = read_inputs(data, stamped, calendar, market, symbols)
    bundle, shadow = _model(inputs.settings, model)
    folder = new_run(Path("var/runs"), datetime.now(UTC))
    with progress_bars() as bars:
        task = bars.add_task("replay", total=None)
        replay = replay_model(
            inputs,
            bundle,
            folder,
            start=asked or bundle.last_label_end,
            end=last,
            shadow=shadow,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    if as_json:
        emit_json({"data": inputs.table.report.to_json(), **replay.to_json()})
        return
    show_quality(inputs)
    marked = " in shadow: the gate refused it, so nothing is traded" if shadow else ""
    tell(f"model {bundle.version_id}{marked}")
    show_replay(replay, inputs.settings.ml.confidence_threshold)
    if replay.decisions:
        tell(f"latest decision, {replay.decisions[-1].timestamp:%Y-%m-%d %H:%M} UTC")
        show_latest(replay.decisions[-1])
    tell(f"next: vane events --run {folder.name}")


def _model(settings: Settings, version_id: str | None) -> tuple[ModelBundle, bool]:
    """Return the model to replay, and whether the gate refused it."""
    from signals.ml.registry import ModelRegistry

    registry = ModelRegistry(settings.models.dir)
    if version_id is None:
        active = registry.get_active()
        if active is None:
            raise RegistryError(
                "no active model: train one (vane train), or name a refused one with --model (vane models list)"
            )
        version_id = active.version_id
    bundle = registry.verify(version_id)
    return bundle, not bundle.manifest.verdict.get("passed", False)
