"""Fit an estimator, and a calibrator on predictions for rows that the estimator had not seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8
from signals.errors import OneClass, TooFewRows, TrainingError
from signals.events.schema import F4
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.dataset import CLASSES, Dataset
from signals.ml.estimators import Estimator, make
from signals.ml.recipe import Recipe
from signals.ml.splits import Split, TimeOrderedFolds
from signals.ml.weights import sample_weights
from strategy.signal import canonical_json

__all__ = ["FittedModel", "OutOfFold", "cores", "fit_calibrated", "inner_folds", "require_finite", "require_trainable"]


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
    """An estimator fitted on all rows, a calibrator fitted on out-of-fold rows, and those (None: not calibrated).

    `params` are the estimator's, under scikit-learn's names.
    """

    estimator: Estimator
    calibrator: ConfidenceCalibrator
    out_of_fold: OutOfFold | None
    params: Mapping[str, int | float | str]

    @property
    def sha256(self) -> str:
        """Hash (hex) of the estimator's files and the calibrator's parameters: equal for the same model."""
        digest = hashlib.sha256(canonical_json(self.calibrator.to_json()).encode())
        for name, content in sorted(self.estimator.files().items()):
            digest.update(name.encode() + b"\0" + content)
        return digest.hexdigest()

    def predict_raw(self, X: F4) -> F8:
        """Return uncalibrated probabilities DOWN, FLAT, UP, shape (n, 3)."""
        return self.estimator.predict(X)

    def predict(self, X: F4) -> F8:
        """Return calibrated probabilities DOWN, FLAT, UP, shape (n, 3)."""
        return self.calibrator.transform(self.predict_raw(X))


def fit_calibrated(recipe: Recipe, data: Dataset, *, seed: int = 0, threads: int | None = None) -> FittedModel:
    """Fit the recipe's estimator on all rows, and its calibrator on purged, time-ordered out-of-fold predictions.

    The fits are independent of each other and run side by side.

    Parameters
    ----------
    threads
        Cores to use; None: all that this process may. The result is the same bytes with any number.

    Raises
    ------
    TooFewRows
        If there are fewer rows than the recipe's `min_rows`, or no fold can be fitted.
    OneClass
        If all labels are alike.
    TrainingError
        If a feature holds an infinity; the message names it.
    """
    require_trainable(recipe, data)
    method = "none" if recipe.calibration is None else recipe.calibration.method
    calibrator = ConfidenceCalibrator(method)
    folds = (
        [] if recipe.calibration is None or method == "none" else inner_folds(recipe, data, recipe.calibration.folds)
    )
    # The largest first, so that no core is left alone with it at the end.
    estimator, *earlier = _fit_all(recipe, [data, *(data.take(fold.train) for fold in reversed(folds))], seed, threads)
    if not folds:
        return FittedModel(estimator, calibrator, None, recipe.estimator.params)
    predicted = [model.predict(data.x[fold.test]) for model, fold in zip(reversed(earlier), folds, strict=True)]
    rows = np.concatenate([fold.test for fold in folds])
    out_of_fold = OutOfFold(rows, np.concatenate(predicted))
    seen = [np.full(len(fold.test), data.label_end[fold.train].max()) for fold in folds]
    calibrator.fit(
        out_of_fold.probabilities,
        data.y[rows],
        timestamps=data.timestamps[rows],
        label_end=data.label_end[rows],
        trained_until=np.concatenate(seen),
    )
    return FittedModel(estimator, calibrator, out_of_fold, recipe.estimator.params)


def inner_folds(recipe: Recipe, data: Dataset, count: int) -> list[Split]:
    """Return up to `count` purged, time-ordered folds whose training part holds two classes.

    Raises
    ------
    TooFewRows
        If there is none.
    """
    splits = TimeOrderedFolds(count, recipe.embargo).split(data.labels)
    usable = [split for split in splits if len(split.test) and len(np.unique(data.y[split.train])) > 1]
    if not usable:
        raise TooFewRows(
            f"expected a fold whose training part holds two classes, was none in {count} folds of "
            f"{len(data)} rows; give more history"
        )
    return usable


def _fit_all(recipe: Recipe, parts: Sequence[Dataset], seed: int, threads: int | None) -> list[Estimator]:
    available = threads or cores()

    def fit(data: Dataset) -> Estimator:
        estimator = make(recipe.estimator, threads=max(1, available // len(parts)))
        weight = sample_weights(data, recipe.weights)
        estimator.fit(data.x, data.y, weight, groups=data.groups, valid=None, seed=seed)
        return estimator

    with ThreadPoolExecutor(min(available, len(parts))) as pool:  # XGBoost lets go of the interpreter's lock
        return list(pool.map(fit, parts))


def cores() -> int:
    """Count the cores that this process may use; where the system does not say (macOS, Windows), those there are."""
    allowed = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if allowed is None else len(allowed(0))


def require_trainable(recipe: Recipe, data: Dataset) -> None:
    """Refuse rows that no model can be fitted on, saying why; see `fit_calibrated`."""
    require_classes(recipe, data)
    if len(data) < recipe.min_rows:
        raise TooFewRows(
            f"recipe {recipe.name!r}: expected {recipe.min_rows} labelled rows or more, were {len(data)}; give more "
            f"history or symbols, or lower min_training_samples"
        )
    if len(np.unique(data.y)) == 1:
        raise OneClass(
            f"recipe {recipe.name!r}: expected two classes or more, but all {len(data):,} rows are "
            f"{CLASSES[int(data.y[0])]}; look at the thresholds, or give more history"
        )
    require_finite(data)


def require_classes(recipe: Recipe, data: Dataset) -> None:
    """Refuse labels that are not those of DOWN, FLAT and UP, which is all that estimators are for so far."""
    kind = recipe.target.kind
    if kind != "three_class":
        raise TrainingError(f"recipe {recipe.name!r}: expected a target of kind three_class, was {kind!r}")
    strange = sorted(set(np.unique(data.y).tolist()) - {0.0, 1.0, 2.0})
    if strange:
        raise TrainingError(
            f"expected classes 0, 1, 2 or NaN, were {', '.join(f'{value:g}' for value in strange[:5])} among the "
            "labels; see prepare_target"
        )


def require_finite(data: Dataset) -> None:
    """Refuse rows without features, or with an infinite one; NaN is a missing value and allowed."""
    if not data.X.shape[1]:
        raise TrainingError("expected a feature or more, was none; give the frame its columns")
    infinite = [str(name) for name, column in data.X.items() if np.isinf(column.to_numpy()).any()]
    if infinite:
        names = ", ".join(infinite)
        raise TrainingError(f"expected finite features (NaN where missing), were infinities in {names}; mend the input")
