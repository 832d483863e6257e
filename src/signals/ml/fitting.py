"""Fit an estimator, and a calibrator on predictions for rows that the estimator had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8
from signals.errors import OneClass, TooFewRows, TrainingError
from signals.events.schema import F4
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.dataset import Dataset, class_weights
from signals.ml.estimators import Estimator, make
from signals.ml.recipe import Recipe
from signals.ml.splits import TimeOrderedFolds

__all__ = ["FittedModel", "OutOfFold", "fit_calibrated"]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for rows that the predicting model had not seen, oldest first.

    Parameters
    ----------
    positions
        Rows of the dataset, shape (n,).
    probabilities
        Uncalibrated, shape (n, 3).
    """

    positions: I8
    probabilities: F8


@dataclass(frozen=True)
class FittedModel:
    """An estimator fitted on all rows, a calibrator fitted on out-of-fold rows, and those (None: not calibrated)."""

    estimator: Estimator
    calibrator: ConfidenceCalibrator
    out_of_fold: OutOfFold | None

    def predict_raw(self, X: F4) -> F8:
        """Return uncalibrated probabilities DOWN, FLAT, UP, shape (n, 3)."""
        return self.estimator.predict(X)

    def predict(self, X: F4) -> F8:
        """Return calibrated probabilities DOWN, FLAT, UP, shape (n, 3)."""
        return self.calibrator.transform(self.predict_raw(X))


def fit_calibrated(recipe: Recipe, data: Dataset, *, seed: int = 0, threads: int | None = None) -> FittedModel:
    """Fit the recipe's estimator on all rows, and its calibrator on purged, time-ordered out-of-fold predictions.

    Parameters
    ----------
    threads
        Threads of each fit; None: all cores. The result is the same bytes with any number.

    Raises
    ------
    TooFewRows
        If there are fewer rows than the recipe's `min_rows`, or no fold can be fitted.
    OneClass
        If all labels are alike.
    TrainingError
        If a feature holds an infinity; the message names it.
    """
    _require_trainable(recipe, data)
    out_of_fold = None
    calibrator = ConfidenceCalibrator("none")
    if recipe.calibration is not None and recipe.calibration.method != "none":
        out_of_fold = _out_of_fold(recipe, data, recipe.calibration.folds, seed, threads)
        rows = out_of_fold.positions
        calibrator = ConfidenceCalibrator(recipe.calibration.method).fit(
            out_of_fold.probabilities, data.y[rows], timestamps=data.timestamps[rows], label_end=data.label_end[rows]
        )
    return FittedModel(_fit(recipe, data, seed, threads), calibrator, out_of_fold)


def _out_of_fold(recipe: Recipe, data: Dataset, folds: int, seed: int, threads: int | None) -> OutOfFold:
    positions, probabilities = [], []
    for split in TimeOrderedFolds(folds, recipe.embargo).split(data.labels):
        if len(split.test) and len(np.unique(data.y[split.train])) > 1:
            model = _fit(recipe, data.take(split.train), seed, threads)
            positions.append(split.test)
            probabilities.append(model.predict(data.x[split.test]))
    if not positions:
        raise TooFewRows(
            f"calibration: expected a fold whose training part holds two classes, was none in {folds} folds of "
            f"{len(data)} rows; give more history"
        )
    return OutOfFold(np.concatenate(positions), np.concatenate(probabilities))


def _fit(recipe: Recipe, data: Dataset, seed: int, threads: int | None) -> Estimator:
    estimator = make(recipe.estimator, threads=threads)
    weight = data.weight.to_numpy(np.float64) * class_weights(data.y, recipe.weights.kind)
    estimator.fit(data.x, data.y, weight, groups=data.groups, valid=None, seed=seed)
    return estimator


def _require_trainable(recipe: Recipe, data: Dataset) -> None:
    if len(data) < recipe.min_rows:
        raise TooFewRows(
            f"recipe {recipe.name!r}: expected {recipe.min_rows} labelled rows or more, were {len(data)}; give more "
            f"history or symbols, or lower min_training_samples"
        )
    if len(np.unique(data.y)) == 1:
        raise OneClass(
            f"recipe {recipe.name!r}: expected two classes or more, were {len(data)} rows of class {int(data.y[0])}; "
            f"look at the thresholds, or give more history"
        )
    infinite = [str(name) for name, column in zip(data.X.columns, data.x.T, strict=True) if np.isinf(column).any()]
    if infinite:
        names = ", ".join(infinite)
        raise TrainingError(f"expected finite features (NaN where missing), were infinities in {names}; mend the input")
