"""`vane train`: from bars to a judged, registered and, if it passed, promoted model."""

from __future__ import annotations

import math
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signals.cli.common import (
    AsJson,
    Calendar,
    DataPath,
    MarketPath,
    StampedOption,
    Symbols,
    Zone,
    console,
    emit_json,
    tell,
)
from signals.cli.inputs import Inputs, Source, chosen_symbols, parse_time, read_inputs
from signals.cli.views import progress_bars, show_quality
from signals.cli.views_training import show_plan, show_verdict, show_windows
from signals.errors import TooFewRows
from signals.events.schema import Event, EventKind

if TYPE_CHECKING:
    from signals.ml.recipe import Recipe
    from signals.ml.registry import ModelVersion
    from signals.ml.trainer import Progress, TrainingResult

__all__ = ["Trained", "require_history", "stage_progress", "train", "train_and_register"]

_STAGES = {
    "features": "features by symbol",
    "trials": "trials",
    "validate": "walk-forward windows",
    "fit": "final fit",
}


@dataclass(frozen=True)
class Trained:
    """A judged model as registered, whether it became the active one, and which one was active before."""

    result: TrainingResult
    version: ModelVersion
    promoted: bool
    previous: ModelVersion | None

    def to_json(self) -> dict[str, Any]:
        """Return verdict, figures and windows as JSON values."""
        return {
            "version_id": self.version.version_id,
            "path": str(self.version.path),
            "promoted": self.promoted,
            "verdict": self.result.verdict.to_json(),
            "windows": [window.to_json() for window in self.result.windows],
        }

    def in_force(self) -> str:
        """Return in words which model is active now."""
        if self.promoted:
            return "promoted: it is the active model"
        if self.previous is None:
            return "not promoted: no model is active yet"
        return f"not promoted: {self.previous.version_id} stays active"


def train(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = None,
    until: Annotated[str | None, typer.Option(help="Train on what was known by then; a date is 00:00 UTC.")] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Parameter sets to try in each window, on inner folds of its training rows.")
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Windows fitted at a time, one a process.", show_default="one a core")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Fit them on the workers of a dask scheduler, tcp://host:8786.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train on your bars, judge out of sample, register, and promote if the gate lets it pass.

    Example: vane train --data bars.csv --stamped session
    """
    from signals.recipes.direction import CONSERVATIVE, recipe

    asked, choice = parse_time(until, "--until"), chosen_symbols(symbols)
    source = Source(data, stamped, calendar, market, tz)
    inputs = read_inputs(source, choice)
    if jobs or dask:
        training = inputs.settings.training.model_copy(update={"jobs": jobs, "dask": dask})
        inputs = replace(inputs, settings=inputs.settings.model_copy(update={"training": training}))
    chosen, end = recipe(inputs.settings), asked or inputs.end
    if trials:
        chosen = chosen.model_copy(update={"search": CONSERVATIVE.model_copy(update={"trials": trials})})
    if not as_json:
        show_quality(inputs)
    require_history(inputs, chosen, end)
    if not as_json:
        show_plan(chosen)
    with stage_progress() as progress:
        trained = train_and_register(inputs, chosen, end, actor="vane train", progress=progress)
    if as_json:
        emit_json({"data": inputs.table.report.to_json(), **trained.to_json()})
        return
    show_windows(trained.result.windows)
    show_verdict(trained.result.verdict, trained.result.evidence.figures, inputs.settings.ml.confidence_threshold)
    version = trained.version.version_id
    console.print(f"  registered {version} in {trained.version.path}", markup=False, soft_wrap=True)
    tell(trained.in_force())
    replayed = "" if trained.version.passed else ", in shadow"
    later = "" if end < inputs.end else f", on bars that come after {end:%Y-%m-%d}"
    console.print(f"  next: vane models show {version}", markup=False, soft_wrap=True)
    same = "" if symbols is None else f" --symbols {shlex.quote(symbols)}"
    command = f"{source.command('backtest')}{same} --model {version}"
    console.print(f"  then: {command} (replays it{replayed}{later})", markup=False, soft_wrap=True)


def require_history(inputs: Inputs, recipe: Recipe, until: datetime, *, replay_months: int = 0) -> None:
    """Refuse bars that do not reach over one walk-forward window, before anything is computed.

    Parameters
    ----------
    until
        Where training ends, aware UTC.
    replay_months
        Months behind `until` that are kept for a replay; they are part of what is asked for.

    Raises
    ------
    TooFewRows
        Saying how many months there are, and how many are needed.
    """
    import pandas as pd

    from signals.ml.splits import SLACK

    split = recipe.split
    needed = split.train_months + split.test_months
    first, last = pd.Timestamp(inputs.start), pd.Timestamp(until)
    if first.normalize() + pd.DateOffset(months=needed) - SLACK <= last:
        return
    end = max(pd.Timestamp(inputs.end) if replay_months else last, first)
    months = (end.year - first.year) * 12 + end.month - first.month - (end.day < first.day)
    kept = f" and {replay_months} of the last year, kept for the replay" if replay_months else ""
    by = "" if replay_months or until >= inputs.end else f" until {until:%Y-%m-%d}"
    raise TooFewRows(
        f"expected {needed + replay_months} months of bars ({split.train_months} to train, {split.test_months} to "
        f"test{kept}), were {months}{by}: the bars begin on {first:%Y-%m-%d} and end on {inputs.end:%Y-%m-%d}; "
        "give more history"
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

    The verdict, and a promotion, become events.

    Parameters
    ----------
    replace
        Whether a model that is active already may be replaced.

    Raises
    ------
    KeyboardInterrupt
        Saying so, if nothing was registered when it came.
    """
    from signals.events.log import EventLog
    from signals.ml.artifact import save_bundle
    from signals.ml.registry import ModelRegistry

    with EventLog(inputs.settings.events.path) as log:
        registry = ModelRegistry(inputs.settings.models.dir, log=log)
        history = registry.history(recipe.name)
        previous = registry.get_active(recipe.name)
        try:
            result = _trained(inputs, recipe, until, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing was registered") from None
        with tempfile.TemporaryDirectory() as folder:
            bundle = save_bundle(result.bundle, Path(folder) / result.bundle.version_id)
            version = registry.register(result.bundle.version_id, bundle, _finite(result.evidence.figures))
        log.append([_verdict(result, version)])
        promoted = result.verdict.passed and (replace or previous is None)
        if promoted:
            number = history[-1].number if history else 0
            registry.promote(version.version_id, expected=number, actor=actor, reason="passed the gate")
    return Trained(result, version, promoted, previous)


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


def _trained(inputs: Inputs, recipe: Recipe, until: datetime, progress: Progress | None) -> TrainingResult:
    from signals.data.records import to_micros
    from signals.feature_store import FeatureStore
    from signals.ml.trainer import Trainer
    from signals.ml.workers import Workers

    workers = Workers(inputs.settings.training.jobs, inputs.settings.training.dask)
    trainer = Trainer(FeatureStore(inputs.settings), inputs.settings, workers=workers)
    # A symbol that was not listed yet has nothing to teach.
    known = [name for name in inputs.universe if inputs.provider.columns(name).time[0] <= to_micros(until)]
    return trainer.run(recipe, trainer.dataset(recipe, inputs.provider, known, until), until, progress)


def _verdict(result: TrainingResult, version: ModelVersion) -> Event:
    return Event(
        EventKind.VERDICT,
        version.created_at,
        {
            "version_id": version.version_id,
            "recipe": version.recipe,
            "passed": result.verdict.passed,
            "sentences": list(result.verdict.sentences),
            "figures": dict(_finite(result.verdict.figures)),
        },
    )


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
