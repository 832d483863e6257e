"""Walk-forward validation: what a model would have said, fitted at each window on nothing but its past."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from signals.data.records import F8, from_micros
from signals.errors import MisalignedTarget, OneClass, TooFewRows
from signals.ml.baselines import VOLATILITY, class_frequencies, volatility_table
from signals.ml.dataset import CLASSES, F4, Dataset, Labels, class_values, make_dataset, panel_index
from signals.ml.fitting import cores, fit_calibrated, require_classes, require_finite
from signals.ml.recipe import Recipe
from signals.ml.returns import Closes
from signals.ml.splits import Split, WalkForward
from signals.ml.target import label_ends
from signals.ml.windows import OutOfSample, WindowResult, pooled
from signals.ml.workers import Workers
from strategy.backtest.execution import Execution

__all__ = ["Choose", "Fit", "Model", "OutOfSample", "WalkForwardValidator", "WindowResult", "evaluate", "pooled"]

_COST_BPS = Execution().commission_bps + Execution().slippage_bps


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


class Choose(Protocol):
    """Says how each window is fitted.

    It is called for one window after another, oldest first and in this process, so that each may begin where the last
    one ended.
    """

    def __call__(self, data: Dataset, split: Split, /, *, threads: int, windows: int) -> Fit:
        """Return what fits the split's training rows, with so many threads; `windows` is how many there are."""
        ...


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the windows done and their total."""


class WalkForwardValidator:
    """Fits and tests a recipe window by window.

    Parameters
    ----------
    recipe
        Gives horizon, embargo, rolling or expanding windows and the fewest training rows; None: the recipe `direction`.
    fit
        What is fitted on each training range; None: the trainer's calibrated fit of the recipe. With more than one job
        it is pickled, and what it keeps of a call is lost.
    choose
        In place of `fit`, where it differs by window.
    confidence_threshold
        Above which a row counts as covered, and is traded.
    cost_bps
        What a trade costs, each side, in basis points of the traded value; None: as in a replay (`Execution`).
    threads
        Cores that all fits together may use; None: all that this process may.
    workers
        Where windows are fitted and tested. The results are the same bits anywhere.
    """

    def __init__(
        self,
        recipe: Recipe | None = None,
        fit: Fit | None = None,
        *,
        choose: Choose | None = None,
        confidence_threshold: float = 0.55,
        cost_bps: float | None = None,
        threads: int | None = None,
        workers: Workers | None = None,
    ) -> None:
        if recipe is None:
            from signals.recipes.direction import recipe as direction

            recipe = direction()
        self.recipe = recipe
        self.choose = choose or _always(recipe, fit)
        self.confidence_threshold = confidence_threshold
        self.cost_bps = _COST_BPS if cost_bps is None else cost_bps
        self.threads = threads
        self.workers = workers or Workers()

    def run(
        self,
        features: pd.DataFrame,
        target: pd.Series,
        train_months: int = 24,
        test_months: int = 6,
        step_months: int = 3,
        *,
        label_end: pd.Series | None = None,
        close: pd.Series | None = None,
        start: datetime | None = None,
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
        close
            Closing prices on the same index, for rank correlation with returns and the Sharpe ratio. None: the rank
            correlation is with the classes, and the Sharpe ratio is undefined.
        start
            Where the first window begins, aware UTC; None: on the day of the first row.

        Raises
        ------
        MisalignedTarget
            If the indexes differ.
        HolesInBars
            If label ends must be derived from an index in which a symbol misses dates.
        TooFewRows
            If the history is too short for one window.
        TrainingError
            If a feature is infinite somewhere, or a worker dies.

        Notes
        -----
        A window that cannot be fitted (too few rows, one class, no labelled bar to test on) is no error: it says why
        under ``skipped``. A feature without values, or with a single one, teaches nothing in that window and is named
        under ``constant``.
        """
        index = panel_index(features.index)
        if close is not None and not features.index.equals(close.index):
            raise MisalignedTarget(
                f"expected features and close on one index, were {len(features)} and {len(close)} rows that do not "
                "match; reindex close to the features"
            )
        ends = label_ends(index, self.recipe.target) if label_end is None else label_end
        if not features.index.equals(target.index) or len(ends) != len(index):
            raise MisalignedTarget(
                f"expected features, target and label_end on one index, were {len(features)}, {len(target)} and "
                f"{len(ends)} rows; reindex target and label_end to the features"
            )
        ends = ends.set_axis(panel_index(ends.index))
        labels = Labels(pd.Series(class_values(target), index, name="label"), ends)
        split = self.recipe.split
        months = train_months, test_months, step_months
        splitter = WalkForward(*months, self.recipe.embargo, split.expanding, start)
        closes = None if close is None else Closes.of_series(close)
        return self.run_dataset(make_dataset(features, labels, closes=closes), splitter, progress=progress)

    def run_dataset(
        self, data: Dataset, splitter: WalkForward, *, progress: Progress | None = None
    ) -> list[WindowResult]:
        """Validate on a dataset; see `run`."""
        require_finite(data)
        require_classes(self.recipe, data)
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
        threads = self.workers.threads(len(splits), self.threads or cores())
        tasks = self._tasks(data, splits, threads)
        window = partial(_window, recipe=self.recipe, threshold=self.confidence_threshold, cost_bps=self.cost_bps)
        found: dict[int, WindowResult] = {}
        made: Iterator[tuple[int, WindowResult]]
        if self.workers.here(len(splits)):
            made = enumerate(window(data, task) for task in tasks)
        else:
            made = self.workers.run(window, data, list(tasks))
        for place, result in made:
            found[place] = result
            if progress is not None:
                progress(len(found), len(splits))
        return [found[place] for place in range(len(splits))]

    def _tasks(self, data: Dataset, splits: Sequence[Split], threads: int) -> Iterator[tuple[Split, Fit]]:
        for split in splits:
            try:
                yield split, self.choose(data, split, threads=threads, windows=len(splits))
            except (OneClass, TooFewRows) as error:
                yield split, partial(_refuse, error)


def _refuse(error: Exception, _: Dataset) -> Model:
    raise error


def _window(
    data: Dataset, task: tuple[Split, Fit], *, recipe: Recipe, threshold: float, cost_bps: float
) -> WindowResult:
    split, fit = task
    return evaluate(fit, data, split, recipe, threshold, cost_bps)


def evaluate(
    fit: Fit, data: Dataset, split: Split, recipe: Recipe, confidence_threshold: float, cost_bps: float = _COST_BPS
) -> WindowResult:
    """Fit on a split's training rows and measure on its test rows: a function of its arguments alone."""
    train, test = data.take(split.train), data.take(split.test)
    said, model, skipped = OutOfSample.concatenated([]), None, _unfit(train, test, recipe.min_rows)
    horizon = recipe.target.horizon
    if skipped is None:
        try:
            model = fit(train)
            said = _said(model, train, test, horizon)
        except (OneClass, TooFewRows) as error:
            skipped = str(error)
    earned = said.net_returns(confidence_threshold, horizon, cost_bps * 1e-4)
    audit = split.audit.to_json()
    shares = np.bincount(test.y.astype(np.int64), minlength=len(CLASSES)) / max(len(test), 1)
    values = {
        **dict(zip(("start", "end"), _span(test), strict=True)),
        **dict(zip(("train_start", "train_end"), _span(train), strict=True)),
        **{name: audit[name] for name in ("train_rows", "train_dates", "purged", "embargoed", "overlaps")},
        **said.figures(confidence_threshold),
        "sharpe": earned.sharpe,
        "trade_dates": earned.trade_dates,
        "rows": audit["test_rows"],
        "dates": audit["test_dates"],
        "constant": _constant(train),
        "class_distribution": dict(zip(CLASSES, shares.tolist(), strict=True)),
        "params": dict(getattr(model, "params", {})),
        "model_sha256": getattr(model, "sha256", None),
        "horizon": horizon,
        "confidence_threshold": confidence_threshold,
        "cost_bps": cost_bps,
        "skipped": skipped,
    }
    return WindowResult(values, None if skipped else said)


def _always(recipe: Recipe, fit: Fit | None) -> Choose:
    def choose(_data: Dataset, _split: Split, /, *, threads: int, windows: int) -> Fit:  # noqa: ARG001 (the protocol's)
        return partial(fit_calibrated, recipe, seed=0, threads=threads) if fit is None else fit

    return choose


def _unfit(train: Dataset, test: Dataset, min_rows: int) -> str | None:
    if len(train) < min_rows:
        return f"expected {min_rows} training rows or more, were {len(train)}"
    if len(np.unique(train.y)) < 2:
        return "the training rows hold a single class"
    return None if len(test) else "no labelled bar in the test months"


def _said(model: Model, train: Dataset, test: Dataset, horizon: int) -> OutOfSample:
    table = volatility_table(train)
    volatility = (
        np.full((len(test), 3), math.nan) if table is None else table.predict(test.X[VOLATILITY].to_numpy(np.float64))
    )
    frequencies = class_frequencies(train).predict(len(test))
    closes, columns, forward = None, np.zeros(len(test), np.int64), np.full(len(test), math.nan)
    if test.closes is not None:
        closes = test.closes.between(int(test.timestamps[0]), int(test.timestamps[-1]), horizon)
        columns = closes.columns(test.X.index.get_level_values("symbol"))
        forward = test.closes.at(test.label_end, columns) / closes.at(test.timestamps, columns) - 1.0
    said = model.predict_raw(test.x), model.predict(test.x), frequencies, volatility
    return OutOfSample(test.timestamps, test.y, *said, columns, forward, closes)


def _constant(data: Dataset) -> list[str]:
    """Name the features that hold no two different values."""
    low, high = np.fmin.reduce(data.x, axis=0, initial=np.nan), np.fmax.reduce(data.x, axis=0, initial=np.nan)
    return [str(name) for name, varies in zip(data.X.columns, low < high, strict=True) if not varies]


def _span(data: Dataset) -> tuple[datetime | None, datetime | None]:
    return (from_micros(data.timestamps[0]), from_micros(data.timestamps[-1])) if len(data) else (None, None)
