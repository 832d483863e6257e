"""Fixed configurations of a recipe, refitted in every window, so that what choosing among them costs can be counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.errors import OneClass, TooFewRows, TrainingError
from signals.ml.baselines import class_frequencies
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.curves import fold_matrices
from signals.ml.dataset import Dataset
from signals.ml.device import require_device
from signals.ml.estimators import native_params
from signals.ml.fitting import inner_folds, require_trainable
from signals.ml.metrics import by_date, log_loss_rows
from signals.ml.recipe import Recipe
from signals.ml.returns import MIN_TRADE_DATES, net_returns, sides_of
from signals.ml.selection import deflated_sharpe, effective_trials, pbo, sharpe
from signals.ml.splits import Split
from signals.ml.tuning import tuned
from signals.ml.windows import WindowResult, newest

__all__ = ["BLOCKS", "Tried", "refit", "selection_figures"]

BLOCKS = 16


@dataclass(frozen=True)
class Tried:
    """What the configurations said out of sample: every date once, by the models of the newest window.

    Parameters
    ----------
    rows
        Positions in the dataset, rising, shape (n,).
    skill
        Log loss of the class frequencies less the configuration's, in nats, a mean a date, shape (dates,
        configurations).
    sides
        1, -1 or 0 as in `sides_of`, shape (n, configurations).
    threshold
        Above which a probability is a signal.
    """

    rows: I8
    skill: F8
    sides: NDArray[np.int8]
    threshold: float


def refit(
    recipe: Recipe,
    configurations: Sequence[Mapping[str, int | float]],
    data: Dataset,
    splits: Sequence[Split],
    *,
    threshold: float,
    threads: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tried:
    """Fit and calibrate every configuration on each window's training rows, as the trainer would.

    A window's quantile matrices, those of the calibration's folds too, are made once and shared by all configurations.

    Parameters
    ----------
    configurations
        Parameters under scikit-learn's names, over those of the recipe; its search is left out.
    threads
        Fits of one configuration that run side by side; the result is the same with any number.
    progress
        Called with the fits that are done and their total, a configuration in a window being one.

    Raises
    ------
    TrainingError
        If there are fewer than two configurations, or no window could be fitted.
    """
    if len(configurations) < 2:
        raise TrainingError(f"selection: expected two configurations or more, was {len(configurations)}")
    chosen = [tuned(recipe, each) for each in configurations]
    total = len(splits) * len(chosen)
    parts: list[tuple[I8, F8, NDArray[np.int8]]] = []
    for window, split in enumerate(splits):
        train, test = data.take(split.train), data.take(split.test)
        saved = np.empty((len(test), len(chosen)))
        sides = np.empty(saved.shape, np.int8)
        try:
            require_trainable(recipe, train)
            fits = _WindowFits(recipe, data, split, train, threads, seed)
        except (OneClass, TooFewRows):
            continue
        prior = log_loss_rows(class_frequencies(train).predict(len(test)), test.y)
        for place, each in enumerate(chosen):
            said = fits.predict(each)
            saved[:, place], sides[:, place] = prior - log_loss_rows(said, test.y), sides_of(said, threshold)
            if progress is not None:
                progress(window * len(chosen) + place + 1, total)
        parts.append((split.test, saved, sides))
    return _pooled(data, parts, threshold)


def selection_figures(
    tried: Tried,
    windows: Sequence[WindowResult],
    data: Dataset,
    horizon: int,
    attempts: int,
) -> dict[str, float]:
    """Return what choosing costs: figures for the gate, NaN where one could not be computed.

    Parameters
    ----------
    windows
        Of the model that is judged, on the same dataset, which holds its closes.
    attempts
        Earlier verdicts on models of the recipe.

    Returns
    -------
    dict
        ``configurations``; ``pbo`` of their daily skill in 16 blocks; ``sharpe_daily`` of the judged model's signals,
        after the costs of `Execution`; ``sharpe_by_luck``, ``deflated_sharpe``; ``trials_effective``, clusters of
        the configurations' net returns; ``attempts``; ``trade_dates`` with a signal of the judged model.
    """
    from strategy.backtest.execution import Execution

    record = newest(windows)
    rows = np.flatnonzero(np.isin(data.timestamps, record.timestamps))
    closes = data.closes
    if closes is None:
        raise TrainingError("selection: expected rows with closes, were rows without; make them by Trainer.dataset")
    columns, cost = closes.columns(data.X.index.get_level_values("symbol")), Execution().cost_rate

    def earned(sides: NDArray[np.int8], where: I8) -> F8:
        return net_returns(sides, data.timestamps[where], columns[where], closes, horizon=horizon, cost=cost).values

    own = sides_of(record.calibrated, tried.threshold)
    trade_dates = len(np.unique(record.timestamps[own != 0]))
    spoke = [at for at, each in enumerate(tried.sides.T) if _dates(data, tried.rows[each != 0]) >= MIN_TRADE_DATES]
    figures = {
        "configurations": float(tried.skill.shape[1]),
        "pbo": pbo(tried.skill, BLOCKS) if len(tried.skill) >= BLOCKS * horizon else math.nan,
        **dict.fromkeys(("sharpe_daily", "sharpe_by_luck", "deflated_sharpe", "trials_effective"), math.nan),
        "attempts": float(attempts),
        "trade_dates": float(trade_dates),
    }
    if trade_dates < MIN_TRADE_DATES or len(spoke) < 2:
        return figures
    returns = np.column_stack([earned(tried.sides[:, at], tried.rows) for at in spoke])
    clusters = effective_trials(returns)
    spread = float(sharpe(returns).std(ddof=1))
    found = deflated_sharpe(earned(own, rows), spread, clusters + attempts)
    return figures | {
        "sharpe_daily": found.sharpe,
        "sharpe_by_luck": found.by_luck,
        "deflated_sharpe": found.probability,
        "trials_effective": float(clusters),
    }


class _WindowFits:
    """The matrices of one window: all training rows with the test rows, and the folds that calibration learns from."""

    def __init__(self, recipe: Recipe, data: Dataset, split: Split, train: Dataset, threads: int, seed: int) -> None:
        self._method = "none" if recipe.calibration is None else recipe.calibration.method
        folds = (
            []
            if recipe.calibration is None or self._method == "none"
            else inner_folds(recipe, train, recipe.calibration.folds)
        )
        # The largest first, so that no thread is left alone with it at the end.
        self._matrices = [
            fold_matrices(recipe, data, split),
            *(fold_matrices(recipe, train, fold) for fold in reversed(folds)),
        ]
        rows = np.concatenate([fold.test for fold in folds]) if folds else np.empty(0, np.int64)
        self._seen = train.take(rows) if len(rows) else None
        self._threads = min(threads, len(self._matrices))
        self._seed = seed

    def predict(self, recipe: Recipe) -> F8:
        """Return the calibrated probabilities of the test rows, shape (n, 3)."""
        rounds, params = native_params(recipe.estimator.params)
        native = {**params, "seed": self._seed, "nthread": 1}
        require_device(native["device"])
        with ThreadPoolExecutor(self._threads) as pool:
            raw, *earlier = pool.map(lambda pair: _predicted(native, rounds, *pair), self._matrices)
        calibrator = ConfidenceCalibrator(self._method)
        if self._seen is None:
            return calibrator.transform(raw)
        seen = self._seen
        calibrator.fit(np.concatenate(earlier[::-1]), seen.y, timestamps=seen.timestamps, label_end=seen.label_end)
        return calibrator.transform(raw)


def _predicted(params: Mapping[str, Any], rounds: int, fitted: Any, judged: Any) -> F8:
    import xgboost as xgb

    return np.asarray(xgb.train(dict(params), fitted, num_boost_round=rounds).predict(judged), np.float64)


def _pooled(data: Dataset, parts: Sequence[tuple[I8, F8, NDArray[np.int8]]], threshold: float) -> Tried:
    if not parts:
        raise TrainingError("selection: expected a window that can be fitted, was none; give more history")
    taken = np.empty(0, np.int64)
    kept = []
    for rows, saved, sides in reversed(parts):
        new = ~np.isin(data.timestamps[rows], taken)
        kept.append((rows[new], saved[new], sides[new]))
        taken = np.union1d(taken, data.timestamps[rows])
    rows, saved, sides = (np.concatenate(each) for each in zip(*kept[::-1], strict=True))
    skill = np.column_stack([by_date(column, data.timestamps[rows])[1] for column in saved.T])
    return Tried(rows, skill, sides, threshold)


def _dates(data: Dataset, rows: I8) -> int:
    return len(np.unique(data.timestamps[rows]))
