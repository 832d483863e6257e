"""`vane train`: from bars to a judged, registered and, if it passed, promoted model."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signals.cli.common import AsJson, Calendar, DataPath, MarketPath, StampedOption, console, emit_json, tell
from signals.cli.inputs import Inputs, load_inputs, parse_time
from signals.cli.views import progress_bars, show_quality, show_verdict, show_windows

if TYPE_CHECKING:
    from signals.ml.recipe import Recipe
    from signals.ml.registry import ModelVersion
    from signals.ml.trainer import Progress, TrainingResult

__all__ = ["Trained", "read_inputs", "stage_progress", "train", "train_and_register"]

_STAGES = {"features": "features by symbol", "validate": "walk-forward windows", "fit": "final fit"}


@dataclass(frozen=True)
class Trained:
    """A judged model as registered, and whether it became the active one."""

    result: TrainingResult
    version: ModelVersion
    promoted: bool

    def to_json(self) -> dict[str, Any]:
        """Return verdict, figures and windows as JSON values."""
        return {
            "version_id": self.version.version_id,
            "path": str(self.version.path),
            "promoted": self.promoted,
            "verdict": self.result.verdict.to_json(),
            "windows": [window.to_json() for window in self.result.windows],
        }


def train(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    symbols: Annotated[int | None, typer.Option(min=1, help="Use only the N symbols with the most bars.")] = None,
    until: Annotated[str | None, typer.Option(help="Train on what was known by then; a date is 00:00 UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train on your bars, judge out of sample, register, and promote if the gate lets it pass.

    Example: vane train --data bars.csv --stamped session
    """
    from signals.recipes.direction import recipe

    asked = parse_time(until, "--until")
    inputs = read_inputs(data, stamped, calendar, market, symbols)
    if not as_json:
        show_quality(inputs)
    with stage_progress() as progress:
        end = asked or inputs.end
        trained = train_and_register(inputs, recipe(inputs.settings), end, actor="vane train", progress=progress)
    if as_json:
        emit_json({"data": inputs.table.report.to_json(), **trained.to_json()})
        return
    show_windows(trained.result.windows)
    show_verdict(trained.result.verdict, trained.result.evidence.figures)
    version = trained.version.version_id
    console.print(f"  registered {version} in {trained.version.path}", markup=False, soft_wrap=True)
    tell("promoted: it is the active model" if trained.promoted else "  not promoted: the active model stays")
    tell(f"next: vane models show {version}")


def read_inputs(path: Path, stamped: str, calendar: str, market: Path | None, limit: int | None) -> Inputs:
    """Read bars, set refused rows aside in ``var/quarantine``, and join the reference series."""
    from signals.config import load_settings
    from signals.data.parquet import read_bars

    aside = Path("var/quarantine") / f"{path.stem}.csv"
    table = read_bars(path, stamped=stamped, calendar=calendar, on_bad="quarantine", quarantine_to=aside)
    return load_inputs(
        table,
        load_settings(),
        calendar=calendar,
        stamped=stamped,
        market=market,
        limit=limit,
        quarantine=aside if table.report.quarantined else None,
    )


def train_and_register(
    inputs: Inputs,
    recipe: Recipe,
    until: datetime,
    *,
    actor: str,
    replace: bool = True,
    progress: Progress | None = None,
) -> Trained:
    """Train on what was known by `until`, judge, register, and promote if the gate let it pass.

    Parameters
    ----------
    replace
        Whether a model that is active already may be replaced.
    """
    from signals.data.records import to_micros
    from signals.events.log import EventLog
    from signals.feature_store import FeatureStore
    from signals.ml.artifact import save_bundle
    from signals.ml.registry import ModelRegistry
    from signals.ml.trainer import Trainer

    registry = ModelRegistry(inputs.settings.models.dir)
    history = registry.history(recipe.name)
    trainer = Trainer(FeatureStore(inputs.settings), inputs.settings)
    # A symbol that was not listed yet has nothing to teach.
    known = [name for name in inputs.universe if inputs.provider.columns(name).time[0] <= to_micros(until)]
    data = trainer.dataset(recipe, inputs.provider, known, until)
    result = trainer.run(recipe, data, until, progress)
    metrics = {name: value for name, value in result.evidence.figures.items() if not math.isnan(value)}
    with tempfile.TemporaryDirectory() as folder:
        bundle = save_bundle(result.bundle, Path(folder) / result.bundle.version_id)
        version = registry.register(result.bundle.version_id, bundle, metrics)
    promoted = result.verdict.passed and (replace or registry.get_active(recipe.name) is None)
    if promoted:
        number = history[-1].number if history else 0
        with EventLog(inputs.settings.events.path) as log:
            telling = ModelRegistry(registry.root, log=log)
            telling.promote(version.version_id, expected=number, actor=actor, reason="passed the gate")
    return Trained(result, version, promoted)


@contextmanager
def stage_progress() -> Iterator[Progress]:
    """Show one progress bar a stage while the block runs."""
    with progress_bars() as bars:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield advance
