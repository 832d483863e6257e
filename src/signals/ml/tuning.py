"""Tuning: parameters chosen by Optuna on inner, purged, time-ordered folds of the training rows, and nothing else.

A study can be resumed: it is named for the recipe and the rows, kept in a journal file, and what it suggests next
follows from the seed and the trials that are finished. So a study that was killed ends where an unbroken one does, and
so do two at once, which take turns. A time budget breaks that promise, and says so.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from signals.errors import TrainingError
from signals.ml.curves import STEP, FoldCurves
from signals.ml.dataset import Dataset
from signals.ml.fitting import inner_folds, require_trainable
from signals.ml.recipe import Recipe, SearchSpec

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

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
        If the recipe has no search, the rows do not suffice for the folds, or the journal cannot be read or written.
    """
    import optuna

    spec = recipe.search
    if spec is None:
        raise TrainingError(f"recipe {recipe.name!r}: expected a search, was none; give it a SearchSpec")
    require_trainable(recipe, data)
    curves = FoldCurves(recipe, data, inner_folds(recipe, data, spec.folds), threads=threads, seed=seed)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    first = {name: value for name, value in (start or spec.start).items() if name in spec.space}
    # The columns too: a rival is fitted on some of the candidate's.
    named = f"{recipe.sha256()} {list(data.X.columns)} {data.fingerprint} {seed}"
    with nullcontext() if journal is None else _journal(journal) as kept:
        study = _study(hashlib.sha256(named.encode()).hexdigest()[:32], kept, first)
        return _run(study, spec, curves, seed, progress)


def _run(study: optuna.Study, spec: SearchSpec, curves: FoldCurves, seed: int, progress: Progress | None) -> Tuned:
    import optuna

    began = time.monotonic()
    done = _finished(study)
    while done < spec.trials and not (spec.seconds is not None and done and time.monotonic() - began > spec.seconds):
        # Seeded by what is finished: a resumed study suggests what an unbroken one would have.
        study.sampler = optuna.samplers.TPESampler(seed=_number(f"{seed} {done}"))
        try:
            study.optimize(lambda trial: _objective(trial, spec, curves), n_trials=1)
        except AssertionError as error:
            # Optuna's own, over what its storage raised.
            if isinstance(error.__context__, TrainingError):
                raise error.__context__ from None
            raise
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

    def told(trees: int, loss: float, since: int, least: float) -> None:
        trial.report(loss, trees)
        if least < best:
            return  # it has won already; its patience ends it
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


def _journal(path: Path) -> AbstractContextManager[BaseStorage]:
    from signals.ml.journal import journal_storage

    return journal_storage(path)


def _study(name: str, kept: BaseStorage | None, first: Mapping[str, int | float]) -> optuna.Study:
    import optuna
    from optuna.trial import TrialState

    pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNTRIED, n_warmup_steps=_WARMUP)
    study = optuna.create_study(storage=kept, study_name=name, pruner=pruner, load_if_exists=True)
    # Of a run that was killed. What it was trying is suggested again, as it follows from what is finished.
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    waits = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if first and not waits and not _finished(study):
        study.enqueue_trial(dict(first))
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
