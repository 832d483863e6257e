"""Calibrated fits: out of fold, in time order, the same bytes on any number of cores."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from signals.errors import OneClass, TooFewRows, TrainingError
from signals.ml.dataset import Dataset, Labels
from signals.ml.fitting import FittedModel, fit_calibrated
from signals.ml.metrics import log_loss
from signals.ml.recipe import CalibrationSpec, Recipe, WeightSpec
from signals.ml.splits import TimeOrderedFolds


@pytest.fixture(scope="module")
def fitted(small_recipe: Recipe, planted_data: Dataset) -> FittedModel:
    return fit_calibrated(small_recipe, planted_data, threads=1)


def with_labels(data: Dataset, y: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Dataset:
    return Dataset(data.X, Labels(pd.Series(y, data.X.index), data.labels.end), data.weight, "")


def test_learns_what_was_planted(fitted: FittedModel, planted_data: Dataset) -> None:
    assert fitted.out_of_fold is not None
    rows = fitted.out_of_fold.positions
    right = fitted.out_of_fold.probabilities.argmax(axis=1) == planted_data.y[rows]
    assert right.mean() > 0.7


def test_out_of_fold_rows_come_in_time_order(fitted: FittedModel, planted_data: Dataset) -> None:
    assert fitted.out_of_fold is not None
    rows = fitted.out_of_fold.positions
    assert (np.diff(rows) > 0).all()
    assert len(rows) == pytest.approx(0.8 * len(planted_data), rel=0.05)


def test_out_of_fold_rows_were_not_seen(fitted: FittedModel, small_recipe: Recipe, planted_data: Dataset) -> None:
    """Each fold's predictions are those of a model that is fitted here on the purged past alone."""
    assert fitted.out_of_fold is not None
    assert small_recipe.calibration is not None
    bare = small_recipe.model_copy(update={"calibration": None, "min_rows": 1})
    parts = []
    for split in TimeOrderedFolds(small_recipe.calibration.folds, small_recipe.embargo).split(planted_data.labels):
        first = planted_data.timestamps[split.test].min()
        assert planted_data.label_end[split.train].max() <= first
        alone = fit_calibrated(bare, planted_data.take(split.train), threads=1)
        parts.append(alone.predict(planted_data.x[split.test]))
    assert (np.concatenate(parts) == fitted.out_of_fold.probabilities).all()


def test_cores_do_not_change_the_bytes(fitted: FittedModel, small_recipe: Recipe, planted_data: Dataset) -> None:
    for threads in (2, 16, None):
        again = fit_calibrated(small_recipe, planted_data, threads=threads)
        assert again.estimator.files() == fitted.estimator.files()
        assert again.calibrator.to_json() == fitted.calibrator.to_json()


def test_systems_that_count_no_allowed_cores(
    fitted: FittedModel, small_recipe: Recipe, planted_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS and Windows
    again = fit_calibrated(small_recipe, planted_data)
    assert again.estimator.files() == fitted.estimator.files()


def test_seed_is_used(fitted: FittedModel, small_recipe: Recipe, planted_data: Dataset) -> None:
    assert fit_calibrated(small_recipe, planted_data, seed=1).estimator.files() != fitted.estimator.files()


def test_calibration_undoes_balanced_weights(small_recipe: Recipe, planted_data: Dataset) -> None:
    """Where a class is rare, balanced weights overstate it; calibrated probabilities state its share."""
    rare = planted_data.take(np.flatnonzero((planted_data.y != 2) | (np.arange(len(planted_data)) % 8 == 0)))
    model = fit_calibrated(small_recipe, rare, threads=1)
    share = (rare.y == 2).mean()
    assert model.predict_raw(rare.x)[:, 2].mean() > share + 0.05
    assert model.predict(rare.x)[:, 2].mean() == pytest.approx(share, abs=0.04)


def test_calibration_lowers_the_loss_on_new_rows(small_recipe: Recipe, planted_data: Dataset) -> None:
    half = len(planted_data) // 2
    noisy = small_recipe.estimator.model_copy(
        update={"params": {**small_recipe.estimator.params, "n_estimators": 200, "learning_rate": 0.3}}
    )
    overfit = small_recipe.model_copy(update={"estimator": noisy})
    past, future = planted_data.take(np.arange(half)), planted_data.take(np.arange(half + 15, len(planted_data)))
    model = fit_calibrated(overfit, past, threads=1)
    raw, calibrated = (
        log_loss(p, future.y, future.timestamps) for p in (model.predict_raw(future.x), model.predict(future.x))
    )
    assert calibrated < raw - 0.05


def test_weights_none_fits_all_rows_alike(small_recipe: Recipe, planted_data: Dataset) -> None:
    rare = planted_data.take(np.flatnonzero((planted_data.y != 2) | (np.arange(len(planted_data)) % 8 == 0)))
    unweighted, balanced = (
        fit_calibrated(small_recipe.model_copy(update={"weights": WeightSpec(kind=kind)}), rare, threads=1)
        for kind in ("none", "balanced")
    )
    assert unweighted.predict_raw(rare.x)[:, 2].mean() < balanced.predict_raw(rare.x)[:, 2].mean() - 0.05


@pytest.mark.parametrize("calibration", [None, CalibrationSpec(method="none")])
def test_without_calibration_nothing_is_folded(
    small_recipe: Recipe, planted_data: Dataset, calibration: CalibrationSpec | None
) -> None:
    model = fit_calibrated(small_recipe.model_copy(update={"calibration": calibration}), planted_data, threads=1)
    assert model.out_of_fold is None
    assert (model.predict(planted_data.x) == model.predict_raw(planted_data.x)).all()


def test_too_few_rows_are_refused(small_recipe: Recipe, planted_data: Dataset) -> None:
    with pytest.raises(TooFewRows, match="expected 200 labelled rows or more, were 199; give more history"):
        fit_calibrated(small_recipe, planted_data.take(np.arange(199)))


def test_one_class_is_refused(small_recipe: Recipe, planted_data: Dataset) -> None:
    with pytest.raises(OneClass, match="rows are UP"):
        fit_calibrated(small_recipe, with_labels(planted_data, np.full(len(planted_data), 2.0)))


def test_fold_of_one_class_is_left_out(small_recipe: Recipe, planted_data: Dataset) -> None:
    y = planted_data.y.copy()
    y[: len(y) // 3] = 1.0  # the first fold's training part holds FLAT alone
    model = fit_calibrated(small_recipe, with_labels(planted_data, y), threads=1)
    assert model.out_of_fold is not None
    assert len(model.out_of_fold.positions) == pytest.approx(0.6 * len(y), rel=0.05)


def test_no_usable_fold_is_refused(small_recipe: Recipe, planted_data: Dataset) -> None:
    y = np.ones(len(planted_data))
    y[-1] = 2.0
    with pytest.raises(TooFewRows, match="none in 4 folds"):
        fit_calibrated(small_recipe, with_labels(planted_data, y))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_by_name(small_recipe: Recipe, planted_data: Dataset, value: float) -> None:
    x = planted_data.X.copy()
    x.iloc[7, 2] = value
    with pytest.raises(TrainingError, match="infinities in noise;"):
        fit_calibrated(small_recipe, Dataset(x, planted_data.labels, planted_data.weight, ""))
