"""Tuning: parameters chosen by Optuna on inner, purged, time-ordered folds of the training rows, and nothing else.

A study can be resumed: it is named for the recipe and the rows, kept in a journal file, and what it suggests next
follows from the seed and the trials that are finished. So a study that was killed ends where an unbroken one does. A
time budget breaks that promise, and says so.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signals.errors import TrainingError
from signals.ml.curves import STEP, FoldCurves
from signals.ml.dataset import Dataset
from signals.ml.fitting import inner_folds, require_trainable
from signals.ml.recipe import Recipe, SearchSpec

if TYPE_CHECKING:
    import optuna

__all__ = ["Tuned", "search", "tuned"]

Progress = Callable[[int, int], None]
"""Called with the trials that are finished and their total."""

_UNTRIED = 3
_WARMUP = 20
"""Random trials before the pruner speaks, and trees before it looks at one."""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    params
        Under scikit-learn's names, the number of trees among them.
    loss
        Mean over the inner folds of the date-averaged log loss, in nats, before calibration: the best of many, so it
        flatters.
    trials, pruned
        How many parameter sets were tried, and how many of them were given up early.
    repeatable
        False where a time budget ended the search: another run, or another machine, may choose otherwise.
    """

    params: Mapping[str, int | float]
    loss: float
    trials: int
    pruned: int
    repeatable: bool


def search(
    recipe: Recipe,
    data: Dataset,
    *,
    start: Mapping[str, int | float] | None = None,
    journal: Path | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Choose parameters for a recipe on a training range.

    Parameters
    ----------
    data
        Training rows only: inner folds are made of them, and nobody sees any other.
    start
        Tried first: the parameters that were best on the range before; without any, those of the recipe's search.
    journal
        A file in which every trial is kept; a search of the same recipe, rows and seed goes on from it. None: memory.
    threads
        Folds that are fitted side by side. The choice is the same with any number.

    Raises
    ------
    TrainingError
        If the recipe has no search, or the rows do not suffice for the folds.
    """
    import optuna

    spec = recipe.search
    if spec is None:
        raise TrainingError(f"recipe {recipe.name!r}: expected a search, was none; give it a SearchSpec")
    require_trainable(recipe, data)
    curves = FoldCurves(recipe, data, inner_folds(recipe, data, spec.folds), threads=threads, seed=seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(recipe, data, seed, journal)
    first = {name: value for name, value in (start or spec.start).items() if name in spec.space}
    if first and not study.trials:
        study.enqueue_trial(first)
    began = time.monotonic()
    done = _finished(study)
    while done < spec.trials and not (spec.seconds is not None and done and time.monotonic() - began > spec.seconds):
        # Seeded by what is finished: a resumed study suggests what an unbroken one would have.
        study.sampler = optuna.samplers.TPESampler(seed=_number(f"{seed} {done}"))
        study.optimize(lambda trial: _objective(trial, spec, curves), n_trials=1)
        done = _finished(study)
        if progress is not None:
            progress(done, spec.trials)
    return _best(study, spec)


def tuned(recipe: Recipe, found: Mapping[str, int | float | str]) -> Recipe:
    """Return the recipe with these parameters, found: it searches no more."""
    estimator = recipe.estimator.model_copy(update={"params": {**recipe.estimator.params, **found}})
    return recipe.model_copy(update={"estimator": estimator, "search": None})


def _objective(trial: optuna.Trial, spec: SearchSpec, curves: FoldCurves) -> float:
    import optuna

    params = {name: _suggested(trial, name, spec) for name in sorted(spec.space)}
    complete = trial.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    best = min((done.value for done in complete if done.value is not None), default=math.inf)

    def told(trees: int, loss: float, since: int) -> None:
        trial.report(loss, trees)
        # A curve that is above the best one and rises will not win by the trees that it still has to grow.
        if trial.should_prune() or (since >= STEP and loss > best):
            raise optuna.TrialPruned

    curve = curves.run(params, rounds=spec.most_trees, patience=spec.patience, fewest=spec.fewest_trees, told=told)
    trees, loss = curve.best(spec.fewest_trees)
    trial.set_user_attr("n_estimators", trees)
    return loss


def _suggested(trial: optuna.Trial, name: str, spec: SearchSpec) -> int | float:
    span = spec.space[name]
    if span.whole:
        return trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(name, span.low, span.high, log=span.log)


def _study(recipe: Recipe, data: Dataset, seed: int, journal: Path | None) -> optuna.Study:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    storage: Any = None
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(journal)))
    name = hashlib.sha256(f"{recipe.sha256()} {data.fingerprint} {seed}".encode()).hexdigest()[:32]
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNTRIED, n_warmup_steps=_WARMUP)
    study = optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # of a run that was killed
        if trial.params:
            study.enqueue_trial(trial.params)
    return study


def _finished(study: optuna.Study) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _best(study: optuna.Study, spec: SearchSpec) -> Tuned:
    from optuna.trial import TrialState

    best = study.best_trial
    done = _finished(study)
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    params = {**best.params, "n_estimators": int(best.user_attrs["n_estimators"])}
    return Tuned(params, float(study.best_value), done, pruned, spec.seconds is None)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
