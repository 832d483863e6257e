from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.data.jumps import split_like_jumps
from signals.data.parquet import read_bars
from signals.data.records import F8, BarColumns, from_micros

KNOWN = {
    ("EBAY", "2015-07-20"),
    ("BAX", "2015-07-01"),
    ("NI", "2015-07-02"),
    ("DISCA", "2014-08-07"),
    ("DISCK", "2014-08-07"),
    ("BHGE", "2017-07-05"),
}


def market(n: int = 60, seed: int = 1) -> F8:
    """Bars of a quiet stock, shape (n, 5)."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    open_ = np.concatenate([[100.0], close[:-1]])
    volume = random.uniform(0.8e6, 1.2e6, n)
    return np.column_stack([open_, np.maximum(open_, close), np.minimum(open_, close), close, volume])


def rebased(values: F8, at: int, ratio: float, surge: float = 1.0) -> F8:
    """The bars with every price from `at` on times `ratio`, and volume for the same money times `surge`."""
    made = values.copy()
    made[at:, :4] *= ratio
    made[at:, 4] /= ratio
    made[at, 4] *= surge
    return made


def jumps(values: F8) -> list[int]:
    time = np.arange(len(values), dtype=np.int64)
    return [int(at) for at in split_like_jumps(BarColumns("A", time, np.ascontiguousarray(values)))]


@pytest.mark.parametrize("ratio", [0.1, 0.5, 2 / 3, 0.8, 1.5, 10])
def test_a_new_basis_is_found_where_it_begins(ratio: float) -> None:
    assert jumps(rebased(market(), 40, ratio)) == [40]


def test_an_ordinary_market_has_none() -> None:
    assert jumps(market(2000)) == []


def test_a_crash_brings_money() -> None:
    assert jumps(rebased(market(), 40, 0.6, surge=10)) == []


def test_a_bad_tick_comes_back() -> None:
    values = market()
    values[40, :4] *= 0.7
    assert jumps(values) == []


def test_a_wild_stock_jumps_by_itself() -> None:
    values = rebased(market(), 40, 0.8)
    values[20:40:2, 3] *= 1.1
    assert jumps(values) == []


@pytest.mark.parametrize(("ratio", "found"), [(0.5, [40]), (0.8, [])])
def test_without_volumes_only_a_wide_gap_counts(ratio: float, found: list[int]) -> None:
    values = rebased(market(), 40, ratio)
    values[:, 4] = 0
    assert jumps(values) == found


@pytest.mark.parametrize("at", [1, 2, 59])
def test_the_edges_of_history(at: int) -> None:
    assert jumps(rebased(market(), at, 0.5)) == [at]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_bars_for_a_jump(n: int) -> None:
    assert jumps(market(60)[:n]) == []


@given(st.integers(0, 30), st.sampled_from([0.5, 0.75, 3.0]), st.integers(2, 28))
def test_only_the_bar_after_the_jump_is_looked_at(seed: int, ratio: float, more: int) -> None:
    values = rebased(market(seed=seed), 30, ratio)
    values[32:] = market(seed=seed + 1)[32:]  # whatever comes later
    assert (30 in jumps(values)) == (30 in jumps(values[:32])) == (30 in jumps(values[: 32 + more]))


@pytest.mark.parametrize(
    ("symbol", "days"), [("AAPL", ["2000-06-21", "2005-02-28"]), ("MSFT", ["2003-02-18"]), ("IBM", []), ("GOOG", [])]
)
def test_real_splits_of_unadjusted_bars(symbol: str, days: list[str]) -> None:
    series = getattr(importlib.import_module("bokeh_sampledata.stocks"), symbol)
    values = np.column_stack([series[name] for name in ("open", "high", "low", "close", "volume")]).astype(float)
    time = np.array(series["date"], "datetime64[us]").astype(np.int64)
    found = split_like_jumps(BarColumns(symbol, time, values))
    assert [str(from_micros(int(each)).date()) for each in time[found]] == days


@pytest.mark.real_data
def test_known_jumps_of_five_years(real_data: Path) -> None:
    path = real_data / "stocks_daily_2013_2018.parquet"
    report = read_bars(path, stamped="session", on_bad="quarantine").report
    found = {(jump.symbol, str(jump.time.date())) for jump in report.jumps}
    assert found >= KNOWN
    assert len(found - KNOWN) <= 12  # spin-offs and special dividends
