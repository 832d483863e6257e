"""Walk-forward validation: what a model would have said, fitted at each window on nothing but its past."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from signals.data.records import F8, from_micros
from signals.errors import MisalignedTarget, OneClass, TooFewRows
from signals.ml.baselines import VOLATILITY, class_frequencies, volatility_table
from signals.ml.dataset import CLASSES, F4, Dataset, Labels, class_values, make_dataset, panel_index
from signals.ml.recipe import Recipe
from signals.ml.splits import Split, WalkForward
from signals.ml.target import label_ends
from signals.ml.windows import OutOfSample, WindowResult, pooled

__all__ = ["Fit", "Model", "OutOfSample", "WalkForwardValidator", "WindowResult", "evaluate", "pooled"]


class Model(Protocol):
    """A fitted model."""

    def predict_raw(self, X: F4, /) -> F8:
        """Return probabilities before calibration, shape (n, 3), DOWN, FLAT, UP."""
        ...

    def predict(self, X: F4, /) -> F8:
        """Return calibrated probabilities, shape (n, 3)."""
        ...


Fit: TypeAlias = Callable[[Dataset], Model]
"""Fits on a training range: everything that learns, calibration included, happens inside."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the windows done and their total."""


class WalkForwardValidator:
    """Fits and tests a recipe window by window.

    Parameters
    ----------
    recipe
        Gives horizon, embargo, rolling or expanding windows and the fewest training rows; None: the recipe `direction`.
    fit
        What is fitted on each training range; None: the trainer's calibrated fit of the recipe.
    confidence_threshold
        Above which a row counts as covered.
    """

    def __init__(
        self, recipe: Recipe | None = None, fit: Fit | None = None, *, confidence_threshold: float = 0.55
    ) -> None:
        if recipe is None:
            from signals.recipes.direction import recipe as direction

            recipe = direction()
        self.recipe = recipe
        self.fit = fit or _calibrated_fit(recipe)
        self.confidence_threshold = confidence_threshold

    def run(
        self,
        features: pd.DataFrame,
        target: pd.Series,
        train_months: int = 24,
        test_months: int = 6,
        step_months: int = 3,
        *,
        label_end: pd.Series | None = None,
        progress: Progress | None = None,
    ) -> list[WindowResult]:
        """Validate on features and the classes that `prepare_target` gives.

        Parameters
        ----------
        features
            Index ("symbol", "date") or one symbol's dates; every column goes to the model.
        target
            0, 1, 2 or NaN on the same index.
        label_end
            When each label is known. None: `horizon` dates later in the index, which must then hold every bar.

        Raises
        ------
        MisalignedTarget
            If the indexes differ.
        HolesInBars
            If label ends must be derived from an index in which a symbol misses dates.
        TooFewRows
            If the history is too short for one window.
        """
        index = panel_index(features.index)
        ends = label_ends(index, self.recipe.target.horizon) if label_end is None else label_end
        if not features.index.equals(target.index) or len(ends) != len(index):
            raise MisalignedTarget(
                f"expected features, target and label_end on one index, were {len(features)}, {len(target)} and "
                f"{len(ends)} rows; reindex target and label_end to the features"
            )
        ends = ends.set_axis(panel_index(ends.index))
        labels = Labels(pd.Series(class_values(target), index, name="label"), ends)
        split = self.recipe.split
        splitter = WalkForward(train_months, test_months, step_months, self.recipe.embargo, split.expanding)
        return self.run_dataset(make_dataset(features, labels), splitter, progress=progress)

    def run_dataset(
        self, data: Dataset, splitter: WalkForward, *, progress: Progress | None = None
    ) -> list[WindowResult]:
        """Validate on a dataset; see `run`."""
        splits = list(splitter.split(data.labels))
        if not splits:
            months = splitter.train_months + splitter.test_months
            span = (
                f"{data.labels.value.index[0][1]:%Y-%m-%d} to {data.labels.end.max():%Y-%m-%d}" if len(data) else "none"
            )
            raise TooFewRows(
                f"walk-forward: expected {months} months of labelled bars or more, were {len(data)} rows ({span}); "
                "give more history or shorter windows"
            )
        results = []
        for done, split in enumerate(splits, start=1):
            results.append(evaluate(self.fit, data, split, self.recipe, self.confidence_threshold))
            if progress is not None:
                progress(done, len(splits))
        return results


def evaluate(fit: Fit, data: Dataset, split: Split, recipe: Recipe, confidence_threshold: float) -> WindowResult:
    """Fit on a split's training rows and measure on its test rows: a function of its arguments alone."""
    train, test = data.take(split.train), data.take(split.test)
    said, params, skipped = None, {}, _unfit(train, test, recipe.min_rows)
    if skipped is None:
        try:
            model = fit(train)
            said, params = _said(model, train, test), dict(getattr(model, "params", {}))
        except (OneClass, TooFewRows) as error:
            skipped = str(error)
    audit = split.audit.to_json()
    shares = np.bincount(test.y.astype(np.int64), minlength=len(CLASSES)) / max(len(test), 1)
    values = {
        **dict(zip(("start", "end"), _span(test), strict=True)),
        **dict(zip(("train_start", "train_end"), _span(train), strict=True)),
        **{name: audit[name] for name in ("train_rows", "train_dates", "purged", "embargoed", "overlaps")},
        **(said or OutOfSample.concatenated([])).figures(confidence_threshold),
        "rows": audit["test_rows"],
        "dates": audit["test_dates"],
        "class_distribution": dict(zip(CLASSES, shares.tolist(), strict=True)),
        "params": params,
        "horizon": recipe.target.horizon,
        "confidence_threshold": confidence_threshold,
        "skipped": skipped,
    }
    return WindowResult(values, said)


def _calibrated_fit(recipe: Recipe) -> Fit:
    def fit(data: Dataset) -> Model:
        from signals.ml.trainer import fit_calibrated

        return fit_calibrated(recipe, data, seed=0, threads=None)

    return fit


def _unfit(train: Dataset, test: Dataset, min_rows: int) -> str | None:
    if len(train) < min_rows:
        return f"expected {min_rows} training rows or more, were {len(train)}"
    if len(np.unique(train.y)) < 2:
        return "the training rows hold a single class"
    return None if len(test) else "no labelled bar in the test months"


def _said(model: Model, train: Dataset, test: Dataset) -> OutOfSample:
    table = volatility_table(train)
    volatility = (
        np.full((len(test), 3), math.nan) if table is None else table.predict(test.X[VOLATILITY].to_numpy(np.float64))
    )
    frequencies = class_frequencies(train).predict(len(test))
    return OutOfSample(
        test.timestamps, test.y, model.predict_raw(test.x), model.predict(test.x), frequencies, volatility
    )


def _span(data: Dataset) -> tuple[datetime | None, datetime | None]:
    return (from_micros(data.timestamps[0]), from_micros(data.timestamps[-1])) if len(data) else (None, None)
