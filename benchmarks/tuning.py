"""Tuning of one real window: the same space, folds and number of trials, ours against fits of XGBClassifier."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.data import training_rows
from benchmarks.timer import OURS, Result, Row, absent
from signals.data.records import I8, from_micros
from signals.ml import metrics, tuning
from signals.ml.dataset import Dataset, class_weights
from signals.ml.fitting import cores, fit_calibrated, inner_folds
from signals.ml.recipe import Recipe
from signals.recipes.direction import DOCUMENTED, recipe

__all__ = ["run"]

_PEER = "XGBClassifier in optuna.optimize"
_SYMBOLS, _SESSIONS, _TRIALS, _FOLDS = 100, 378, 20, 3
_CASE = f"{_SESSIONS} sessions of {_SYMBOLS} symbols, {_TRIALS} trials"
_FIRST, _WINDOWS, _STEP, _TEST, _GAP = 252, 6, 110, 63, 5
"""With `--full`: the first window's first session, windows, sessions from one to the next, those that each is judged
on, and those between: the horizon."""

Params = Mapping[str, int | float]
Search = Callable[[Recipe, Dataset, Params], tuple[float, Params]]

_NOTES = (
    f"{_CASE} each window; {_FOLDS} inner purged folds; both on {cores()} cores; TPE with the same seed, in the "
    "documented space",
    "ours: matrices shared by all trials, 32 bins, trees read from one curve, pruning, folds side by side; "
    "the first window starts from the recipe's careful parameters (depth 3, rate 0.02), the others from what was best "
    "in the one before",
    "the peer: a fit for each fold of each trial, its number of trees searched as well",
    "inner_log_loss is the least mean loss of the inner folds before calibration: the best of many, so it flatters "
    "both; what a choice is worth out of sample one window cannot say",
    f"log_loss_delta (--full): ours less the peer's, calibrated alike on the window's own folds, mean of the {_TEST} "
    "sessions after each of six windows",
)


def run(*, full: bool = False) -> Result:
    """Search the documented space on the newest window; `full`: on six, each judged on what follows it."""
    chosen = _recipe()
    data = training_rows(chosen, _SYMBOLS)
    if data is None:
        return Result([absent(OURS, _CASE), absent(_PEER, _CASE)], {}, {}, ("no real data beside it",))
    dates = np.unique(data.timestamps)
    starts = [_FIRST + number * _STEP for number in range(_WINDOWS)] if full else [len(dates) - _SESSIONS]
    searches: dict[str, Search] = {OURS: _ours, _PEER: _usual}
    seconds, losses = dict.fromkeys(searches, 0.0), dict[str, list[float]]({name: [] for name in searches})
    best: dict[str, Params] = {}
    rows: list[Row] = []
    for start in starts:
        train, test = _between(data, dates, start, start + _SESSIONS), _following(data, dates, start + _SESSIONS)
        for system, search in searches.items():
            began = time.perf_counter()
            inner, best[system] = search(chosen, train, best.get(system, {}))
            took = time.perf_counter() - began
            seconds[system] += took
            row: Row = {"system": system, "case": f"from {from_micros(int(dates[start])):%Y-%m-%d}", "seconds": took}
            row["inner_log_loss"] = inner
            if full:
                losses[system].append(_judged(tuning.tuned(chosen, best[system]), train, test))
                row["test_log_loss"] = losses[system][-1]
            rows.append(row)
    ratios, reach = {"speedup": seconds[_PEER] / seconds[OURS]}, {"speedup": "≥ 10"}
    if full:
        ratios["log_loss_delta"] = float(np.mean(losses[OURS]) - np.mean(losses[_PEER]))
        reach["log_loss_delta"] = "≤ 0.001"
    return Result(rows, ratios, reach, _NOTES)


def _recipe() -> Recipe:
    return recipe().model_copy(update={"search": DOCUMENTED.model_copy(update={"trials": _TRIALS, "folds": _FOLDS})})


def _between(data: Dataset, dates: I8, start: int, stop: int) -> Dataset:
    return data.take(np.flatnonzero((data.timestamps >= dates[start]) & (data.timestamps <= dates[stop - 1])))


def _following(data: Dataset, dates: I8, start: int) -> Dataset:
    """Return the rows of the sessions after a window, whose labels were all known by then."""
    behind = dates[min(start + _GAP, len(dates) - 1) :][:_TEST]
    return data.take(np.flatnonzero(np.isin(data.timestamps, behind)))


def _judged(chosen: Recipe, train: Dataset, test: Dataset) -> float:
    model = fit_calibrated(chosen, train, threads=cores())
    return metrics.log_loss(model.predict(test.x), test.y, test.timestamps)


def _ours(chosen: Recipe, data: Dataset, start: Params) -> tuple[float, Params]:
    found = tuning.search(chosen, data, start=start, threads=cores())
    return found.loss, found.params


def _usual(chosen: Recipe, data: Dataset, _: Params) -> tuple[float, Params]:
    import optuna
    import xgboost as xgb

    assert chosen.search is not None
    space = chosen.search.space
    folds = inner_folds(chosen, data, _FOLDS)

    def objective(trial: optuna.Trial) -> float:
        params: dict[str, int | float] = {"n_estimators": trial.suggest_int("n_estimators", 100, 500)}
        for name, span in space.items():
            whole = int(span.low), int(span.high)
            params[name] = (
                trial.suggest_int(name, *whole) if span.whole else trial.suggest_float(name, span.low, span.high)
            )
        losses = []
        for fold in folds:
            train, test = data.take(fold.train), data.take(fold.test)
            model = xgb.XGBClassifier(**params, objective="multi:softprob", n_jobs=cores(), random_state=0)
            model.fit(train.x, train.y.astype(np.int64), sample_weight=class_weights(train.y, chosen.weights.kind))
            losses.append(metrics.log_loss(model.predict_proba(test.x).astype(float), test.y, test.timestamps))
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=_TRIALS)
    return float(study.best_value), study.best_params
