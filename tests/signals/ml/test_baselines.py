from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from signals.data.records import F8
from signals.ml.baselines import class_frequencies, volatility_table
from signals.ml.dataset import Dataset, Labels, make_dataset
from signals.ml.metrics import log_loss


def dataset(y: F8, volatility: F8 | None, symbols: int = 1) -> Dataset:
    dates = pd.date_range("2020-01-01", periods=len(y) // symbols, tz="UTC", unit="us")
    index = pd.MultiIndex.from_product([[f"S{at:03}" for at in range(symbols)], dates], names=["symbol", "date"])
    columns = {"other": np.zeros(len(y))} if volatility is None else {"hist_vol_20": volatility}
    labels = Labels(pd.Series(y, index), pd.Series(index.get_level_values("date"), index))
    return make_dataset(pd.DataFrame(columns, index), labels)


def test_frequencies_are_shares_with_one_date_of_equal_ones() -> None:
    shares = class_frequencies(dataset(np.array([0.0, 0.0, 2.0]), None)).shares
    assert shares.tolist() == pytest.approx([(2 + 1 / 3) / 4, (1 / 3) / 4, (1 + 1 / 3) / 4])


def test_dates_count_alike_in_the_frequencies() -> None:
    index = pd.MultiIndex.from_tuples(
        [(symbol, pd.Timestamp("2020-01-01", tz="UTC")) for symbol in "ABC"]
        + [("A", pd.Timestamp("2020-01-02", tz="UTC"))],
        names=["symbol", "date"],
    )
    labels = Labels(pd.Series([0.0, 0, 0, 2], index), pd.Series(index.get_level_values("date"), index))
    data = make_dataset(pd.DataFrame({"f": np.zeros(4)}, index), labels)
    shares = class_frequencies(data).shares
    assert shares[0] == pytest.approx(shares[2])


def test_frequencies_answer_every_row_alike() -> None:
    p = class_frequencies(dataset(np.array([0.0, 1.0, 2.0]), None)).predict(4)
    assert p.shape == (4, 3)
    assert p == pytest.approx(1 / 3)


def test_table_equals_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    volatility, y = rng.lognormal(size=2000).astype(np.float32).astype(float), rng.integers(0, 3, 2000).astype(float)
    volatility[::17] = np.nan
    data = dataset(y, volatility, symbols=4)
    table = volatility_table(data)
    assert table is not None
    volatility, y = data.X["hist_vol_20"].to_numpy(np.float64), data.y
    inner = np.quantile(volatility[np.isfinite(volatility)], np.arange(1, 20) / 20)
    overall = class_frequencies(data).shares
    mass = np.zeros((20, 3))
    for row in range(2000):
        if np.isfinite(volatility[row]):
            mass[sum(volatility[row] >= edge for edge in inner), int(y[row])] += 0.25
    for cell in range(20):
        near = sum(np.exp(-0.5 * ((cell - other) / 1.5) ** 2) * mass[other] for other in range(20)) + 5 * overall
        inside = np.flatnonzero([np.isfinite(v) and sum(v >= edge for edge in inner) == cell for v in volatility])
        assert table.predict(volatility[inside[:3]])[0] == pytest.approx(near / near.sum())


def test_table_is_no_worse_than_the_frequencies_for_one_symbol() -> None:
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(20):
        train, test = (dataset(rng.integers(0, 3, 500).astype(float), rng.lognormal(size=500)) for _ in range(2))
        table = volatility_table(train)
        assert table is not None
        said = table.predict(test.X["hist_vol_20"].to_numpy(np.float64))
        constant = class_frequencies(train).predict(500)
        losses.append([log_loss(each, test.y, test.timestamps) for each in (said, constant)])
    by_table, by_frequencies = np.mean(losses, axis=0)
    assert by_table < by_frequencies + 0.01


def test_table_sees_that_calm_bars_are_flat() -> None:
    volatility = np.linspace(0.1, 1.0, 400)
    y = np.where(volatility < 0.5, 1.0, np.tile([0.0, 2.0], 200))
    table = volatility_table(dataset(y, volatility))
    assert table is not None
    calm, wild = table.predict(np.array([0.2, 0.9]))
    assert calm[1] > 0.8
    assert wild[1] < 0.15


def test_missing_volatility_gets_the_frequencies() -> None:
    data = dataset(np.array([0.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0, np.nan]))
    table = volatility_table(data)
    assert table is not None
    assert table.predict(np.array([np.nan]))[0] == pytest.approx(class_frequencies(data).shares)


def test_all_missing_volatility_gets_the_frequencies() -> None:
    data = dataset(np.array([0.0, 1.0, 2.0, 2.0]), np.full(4, np.nan))
    table = volatility_table(data)
    assert table is not None
    for given in (np.nan, 0.3):
        assert table.predict(np.array([given]))[0] == pytest.approx(class_frequencies(data).shares)


def test_no_column_no_table() -> None:
    assert volatility_table(dataset(np.array([0.0, 1.0]), None)) is None
