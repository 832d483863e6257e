"""What must not change a window: where it runs, what comes after it, what came before, and what symbols are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from signals.config import MLSettings, Settings, XGBParams
from signals.ml.recipe import CalibrationSpec, Recipe
from signals.ml.validation import WalkForwardValidator, WindowResult
from signals.ml.workers import Workers
from signals.recipes.direction import recipe

HORIZON = 5
DAYS = 900
START = pd.Timestamp("2015-01-02", tz="UTC")

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """Features, target, label ends and closes on one index."""

    X: pd.DataFrame
    y: pd.Series
    end: pd.Series
    close: pd.Series

    def where(self, keep: Callable[[pd.DatetimeIndex], Any]) -> Panel:
        """Return the rows of some dates, as somebody would hold them who knows no bar after the last of these."""
        dates = pd.DatetimeIndex(self.X.index.get_level_values("date"))
        rows = keep(dates)
        known = self.end[rows] <= dates[rows].max()
        return Panel(self.X[rows], self.y[rows].where(known), self.end[rows].where(known), self.close[rows])


def panel(symbols: tuple[str, ...] = ("AA", "BB", "CC")) -> Panel:
    """Return a walk a symbol whose next five sessions one feature tells of."""
    random = np.random.default_rng(3)
    dates = pd.date_range("2014-06-02 21:00", periods=DAYS, freq="B", tz="UTC", unit="us")
    shape = (len(symbols), DAYS)
    ahead = np.repeat(random.normal(size=(len(symbols), DAYS // HORIZON + 1)), HORIZON, axis=1)[:, :DAYS]
    moves = 0.006 * (random.normal(size=shape) + 0.8 * np.roll(ahead, 1, axis=1))
    close = 50 * np.exp(np.cumsum(moves, axis=1))
    index = pd.MultiIndex.from_product([symbols, dates], names=["symbol", "date"])
    columns = {"ahead": ahead, "hist_vol_20": random.lognormal(size=shape), "noise": random.normal(size=shape)}
    forward = np.full(shape, np.nan)
    forward[:, :-HORIZON] = close[:, HORIZON:] / close[:, :-HORIZON] - 1
    y = np.where(np.isnan(forward), np.nan, 1.0 + (forward > 0.01) - (forward < -0.01))
    ends = dates[HORIZON:].append(pd.DatetimeIndex([pd.NaT] * HORIZON, tz="UTC").as_unit("us"))
    return Panel(
        pd.DataFrame({name: each.ravel() for name, each in columns.items()}, index),
        pd.Series(y.ravel(), index),
        pd.Series(ends.append([ends] * (len(symbols) - 1)), index),
        pd.Series(close.ravel(), index),
    )


@pytest.fixture(scope="module")
def direction() -> Recipe:
    settings = Settings(ml=MLSettings(min_training_samples=200, xgb_params=XGBParams(n_estimators=3, max_depth=2)))
    return recipe(settings).model_copy(update={"calibration": CalibrationSpec(folds=2)})


def told(results: list[WindowResult]) -> list[Json]:
    """Return everything that windows hold, the model's hash and every row said out of sample, in comparable form."""
    bodies = []
    for result in results:
        record = result.out_of_sample
        assert record is not None
        rows = [record.timestamps, record.y, record.calibrated, record.forward, record.columns]
        bodies.append({**result.to_json(), "out_of_sample": [each.tobytes() for each in rows]})
    return bodies


def validated(
    of: Panel, direction: Recipe, workers: Workers | None = None, start: pd.Timestamp | None = START
) -> list[Json]:
    validator = WalkForwardValidator(direction, confidence_threshold=0.35, threads=1, workers=workers)
    begin = None if start is None else start.to_pydatetime()
    return told(validator.run(of.X, of.y, 12, 6, 5, label_end=of.end, close=of.close, start=begin))


@pytest.fixture(scope="module")
def whole() -> Panel:
    return panel()


@pytest.fixture(scope="module")
def expected(whole: Panel, direction: Recipe) -> list[Json]:
    found = validated(whole, direction)
    assert len(found) == 4
    assert all(len(window["model_sha256"]) == 64 and window["trade_dates"] >= 30 for window in found)
    assert len({window["model_sha256"] for window in found}) == len(found)
    return found


def test_more_workers_change_no_bit(whole: Panel, direction: Recipe, expected: list[Json]) -> None:
    assert validated(whole, direction, Workers(2)) == expected


def test_the_future_changes_no_window(whole: Panel, direction: Recipe, expected: list[Json]) -> None:
    cut = pd.Timestamp(expected[1]["end"]) + pd.Timedelta(days=20)
    found = validated(whole.where(lambda dates: dates <= cut), direction)
    assert found == expected[:2]


def test_names_of_symbols_change_no_window(direction: Recipe, expected: list[Json]) -> None:
    assert validated(panel(("M", "N", "Z")), direction) == expected


def test_earlier_history_changes_no_window(whole: Panel, direction: Recipe, expected: list[Json]) -> None:
    later = whole.where(lambda dates: dates >= START)
    assert len(later.X) < len(whole.X)
    assert validated(later, direction) == validated(later, direction, start=None) == expected


def test_the_order_of_rows_changes_no_window(whole: Panel, direction: Recipe, expected: list[Json]) -> None:
    order = np.random.default_rng(0).permutation(len(whole.X))
    mixed = Panel(whole.X.iloc[order], whole.y.iloc[order], whole.end.iloc[order], whole.close.iloc[order])
    assert validated(mixed, direction) == expected
