"""Tuning of one real window: the same space, folds and number of trials, ours against fits of XGBClassifier."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.data import REAL
from benchmarks.timer import OURS, Result, Row, absent
from signals.config import DataSettings, Settings
from signals.data.records import from_micros
from signals.ml import metrics, tuning
from signals.ml.dataset import Dataset, class_weights
from signals.ml.fitting import cores, inner_folds
from signals.ml.recipe import Recipe
from signals.recipes.direction import DOCUMENTED, recipe

__all__ = ["run"]

_PEER = "XGBClassifier in optuna.optimize"
_SYMBOLS, _SESSIONS, _TRIALS, _FOLDS = 100, 378, 12, 3
_SEEDS = (0,)


def run() -> Result:
    """Search the documented space on 378 sessions of 100 symbols."""
    stocks = REAL / "stocks_daily_2013_2018.parquet"
    case = f"{_SESSIONS} sessions of {_SYMBOLS} symbols, {_TRIALS} trials"
    if not stocks.exists():
        return Result([absent(OURS, case), absent(_PEER, case)], {}, {}, ("no real data beside it",))
    chosen = _recipe()
    data = _window(stocks, chosen)
    rows: list[Row] = []
    seconds: dict[str, list[float]] = {OURS: [], _PEER: []}
    for seed in _SEEDS:
        for system, search in ((OURS, _ours), (_PEER, _usual)):
            began = time.perf_counter()
            loss = search(chosen, data, seed)
            seconds[system].append(time.perf_counter() - began)
            rows.append({"system": system, "case": f"seed {seed}", "seconds": seconds[system][-1], "log_loss": loss})
    notes = (
        f"{len(data):,} real rows of {data.x.shape[1]} features, {_FOLDS} inner purged folds; both on {cores()} cores; "
        "TPE with the same seed, in the documented space",
        "ours: quantile matrices shared by all trials, 32 bins, trees read from one curve, pruning, folds side by side",
        "the peer: a fit for each fold of each trial, its number of trees searched as well",
        "log_loss is the least mean loss of the inner folds before calibration: the best of many, so it flatters both; "
        "what a choice is worth out of sample one window cannot say",
    )
    return Result(rows, {"speedup": sum(seconds[_PEER]) / sum(seconds[OURS])}, {"speedup": "≥ 10"}, notes)


def _recipe() -> Recipe:
    return recipe().model_copy(update={"search": DOCUMENTED.model_copy(update={"trials": _TRIALS, "folds": _FOLDS})})


def _window(path: Path, chosen: Recipe) -> Dataset:
    from signals.data.parquet import read_bars
    from signals.feature_store import FeatureStore
    from signals.ml.trainer import Trainer

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=DataSettings(market="^GSPC", features_dir=Path(folder)))
        table = read_bars(path, stamped="session", on_bad="quarantine")
        market = read_bars(REAL / "market_daily_2006_2021.parquet", stamped="session", symbols=["^GSPC", "^VIX"])
        provider = table.provider()
        provider.load(market.columns.values())
        symbols = sorted(table.columns, key=lambda name: (-len(table.columns[name]), name))[:_SYMBOLS]
        time_ = table.columns[symbols[0]].time
        until = from_micros(int(time_[len(time_) // 2]))
        data = Trainer(FeatureStore(settings, calculators=()), settings).dataset(chosen, provider, symbols, until)
    first = np.unique(data.timestamps)[-_SESSIONS]
    return data.take(np.flatnonzero(data.timestamps >= first))


def _ours(chosen: Recipe, data: Dataset, seed: int) -> float:
    return tuning.search(chosen, data, threads=cores(), seed=seed).loss


def _usual(chosen: Recipe, data: Dataset, seed: int) -> float:
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
            model = xgb.XGBClassifier(**params, objective="multi:softprob", n_jobs=cores(), random_state=seed)
            model.fit(train.x, train.y.astype(np.int64), sample_weight=class_weights(train.y, "balanced"))
            losses.append(metrics.log_loss(model.predict_proba(test.x).astype(float), test.y, test.timestamps))
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=_TRIALS)
    return float(study.best_value)
