"""Training as a command does it: refuse early, validate, judge, register, and promote what passed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from signals.cli.inputs import Inputs
from signals.cli.models_mirror import mirror_of
from signals.cli.own import require_honest
from signals.errors import ConfigError, RegistryError, TooFewRows, VaneError
from signals.events.schema import Event, EventKind
from signals.ml.versions import finite

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.ml.artifact import ModelBundle
    from signals.ml.dataset import Dataset
    from signals.ml.recipe import Recipe
    from signals.ml.registry import ModelRegistry, ModelVersion
    from signals.ml.trainer import Progress, Trainer, TrainingResult

__all__ = ["Trained", "require_history", "require_ready", "train_and_register"]


@dataclass(frozen=True)
class Trained:
    """A judged model as registered, whether it is active now, the id of the one before, and the user's own features."""

    result: TrainingResult
    version: ModelVersion
    report: Path
    promoted: bool
    previous: str | None
    own: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return verdict, figures and windows as JSON values."""
        return {
            "version_id": self.version.version_id,
            "path": str(self.version.path),
            "report": str(self.report),
            "promoted": self.promoted,
            "verdict": self.result.verdict.to_json(),
            "windows": [window.to_json() for window in self.result.windows],
        }

    def in_force(self) -> str:
        """Return in words which model is active now."""
        if self.promoted:
            return "promoted: it is the active model"
        refused = "" if self.result.verdict.passed else "the gate refused it; "
        stays = "no model is active yet" if self.previous is None else f"{self.previous} stays active"
        return f"not promoted: {refused}{stays}"


def require_ready(settings: Settings) -> None:
    """Refuse, before anything is computed, what would refuse the model when it is there.

    Raises
    ------
    ConfigError
        There is no such device, or no model can be written to ``models.dir``.
    RegistryError
        The registry's store does not answer.
    """
    from signals.ml.device import require_device
    from signals.ml.opening import open_registry

    require_device(settings.training.device)
    folder = settings.models.dir.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"models.dir: expected a folder that models can be written to, was {folder}, and {there} cannot be; make "
            "it writable, or name another one: SA_MODELS__DIR=..."
        )
    open_registry(settings).pull()


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
    configurations: Sequence[Mapping[str, int | float]] = (),
    progress: Progress | None = None,
) -> Trained:
    """Train on what was known by `until`, judge, register, and promote if the gate let it pass.

    The verdict, and a promotion, become events.

    Parameters
    ----------
    replace
        Whether a model that is active already may be replaced.
    configurations
        Refitted in every window to count what choosing among them costs; none: it is not counted.

    Raises
    ------
    FeatureError
        If a feature of the user's own looks ahead.
    KeyboardInterrupt
        Saying so, if nothing was registered when it came.
    """
    from signals.data.atomic import replacing
    from signals.events.log import EventLog
    from signals.ml.artifact import save_bundle
    from signals.ml.opening import open_registry
    from signals.ml.report import training_report

    with EventLog(inputs.settings.events.path) as log:
        registry = open_registry(inputs.settings, log=log, mirror=mirror_of(inputs.settings))
        history = registry.history(recipe.name)
        previous = registry.in_force(recipe.name)
        try:
            own = require_honest(inputs, progress)
            trainer, data = _dataset(inputs, recipe, until)
            result = trainer.run(
                recipe,
                data,
                until,
                progress,
                active=None if previous is None else _readable(registry, previous),
                configurations=configurations,
                attempts=registry.attempts(recipe.name),
            )
        except KeyboardInterrupt:
            kept = (
                "; the trials that are finished are kept: the same command goes on from them" if recipe.search else ""
            )
            raise KeyboardInterrupt(f"nothing was registered{kept}") from None
        with tempfile.TemporaryDirectory() as folder:
            bundle = save_bundle(result.bundle, Path(folder) / result.bundle.version_id)
            version = _registered(registry, bundle, inputs.settings.events.path.parent, result.evidence.figures)
        log.append([_verdict(result, version)])
        report = version.path.with_name(f"{version.version_id}.report.html")
        with replacing(report) as temporary:
            temporary.write_text(training_report(result.bundle, result.windows, result.verdict), encoding="utf-8")
        promoted = result.verdict.passed and (replace or previous is None)
        if promoted:
            number = history[-1].number if history else 0
            registry.promote(version.version_id, expected=number, actor=actor, reason="passed the gate")
    return Trained(result, version, report, promoted, previous, own)


def _dataset(inputs: Inputs, recipe: Recipe, until: datetime) -> tuple[Trainer, Dataset]:
    from signals.data.records import to_micros
    from signals.feature_store import FeatureStore
    from signals.ml.trainer import Trainer
    from signals.ml.workers import Workers

    workers = Workers(inputs.settings.training.jobs, inputs.settings.training.dask)
    trainer = Trainer(FeatureStore(inputs.settings), inputs.settings, workers=workers)
    # A symbol that was not listed yet has nothing to teach.
    known = [name for name in inputs.universe if inputs.provider.columns(name).time[0] <= to_micros(until)]
    return trainer, trainer.dataset(recipe, inputs.provider, known, until)


def _registered(registry: ModelRegistry, bundle: Path, keep: Path, figures: Mapping[str, float]) -> ModelVersion:
    """Register a bundle's folder; where the store does not take it, keep it and say where."""
    from signals.ml.versions import write_figures

    try:
        return registry.register(bundle.name, bundle, finite(figures))
    except (RegistryError, OSError) as error:  # the folder's disk may be full, and another one not
        kept = keep / "unregistered" / bundle.name
        shutil.copytree(bundle, kept)
        write_figures(kept, figures)
        raise RegistryError(
            f"{error}; the trained model is kept, and can be taken in later: vane models register {kept}"
        ) from error


def _readable(registry: ModelRegistry, version_id: str) -> ModelBundle | None:
    """Return the active version's bundle, None where it is damaged: a new model is then needed all the more."""
    try:
        return registry.verify(version_id)
    except VaneError as error:  # its folder may be gone as well
        structlog.get_logger(__name__).warning("training.active", not_compared=version_id, reason=str(error))
        return None


def _verdict(result: TrainingResult, version: ModelVersion) -> Event:
    return Event(
        EventKind.VERDICT,
        version.created_at,
        {
            "version_id": version.version_id,
            "recipe": version.recipe,
            "passed": result.verdict.passed,
            "sentences": list(result.verdict.sentences),
            "figures": finite(result.verdict.figures),
        },
    )
