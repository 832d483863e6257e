"""What signals earned: by hand, and against a portfolio kept position by position."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.data.records import F8, BarColumns
from signals.ml.returns import Closes, DailyReturns, net_returns, sides_of

DAY = 86_400_000_000
HOUR = DAY // 24


def bars(symbol: str, close: list[float], skip: tuple[int, ...] = ()) -> BarColumns:
    kept = [at for at in range(len(close)) if at not in skip]
    return BarColumns(symbol, np.array(kept) * DAY + 21 * HOUR, np.repeat(np.array(close)[kept, None], 5, axis=1))


def earned(sides: list[int], days: list[int], columns: list[int], held: list[BarColumns], cost: float = 0.0) -> F8:
    times = np.array(days) * DAY + 21 * HOUR
    signs = np.array(sides, np.int8)
    return net_returns(signs, times, np.array(columns), Closes.of(held), horizon=2, cost=cost).values


def test_sides_are_those_above_the_threshold() -> None:
    said = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.25, 0.55]])
    assert sides_of(said, 0.55).tolist() == [1, -1, 0, 0]


def test_a_signal_earns_the_moves_of_its_horizon_with_its_part_of_the_capital() -> None:
    found = earned([1, 0], [0, 1], [0, 0], [bars("A", [100, 110, 99, 50])])
    assert found.tolist() == pytest.approx([0.5 * 0.10, 0.5 * -0.10, 0.0])


def test_a_sale_earns_what_falls() -> None:
    assert earned([-1], [0], [0], [bars("A", [100, 90, 90])]).tolist() == pytest.approx([0.05, 0.0])


def test_signals_of_a_date_share_its_part() -> None:
    held = [bars("A", [100, 110, 110]), bars("B", [100, 100, 130]), bars("C", [1, 9, 1])]
    assert earned([1, 1, 0], [0, 0, 0], [0, 1, 2], held).tolist() == pytest.approx([0.25 * 0.1, 0.25 * 0.3])


def test_costs_are_paid_on_entry_and_exit() -> None:
    found = earned([1], [0], [0], [bars("A", [100, 100, 100])], cost=0.01)
    assert found.tolist() == pytest.approx([-0.5 * 0.01, -0.5 * 0.01])


def test_a_renewed_signal_is_not_traded_anew() -> None:
    found = earned([1, 1, 1, 1], [0, 1, 2, 3], [0] * 4, [bars("A", [100] * 6)], cost=0.01)
    assert found.tolist() == pytest.approx([-0.005, -0.005, 0.0, 0.0, -0.01])
    turned = earned([1, -1], [0, 1], [0] * 2, [bars("A", [100] * 4)], cost=0.01)
    assert turned.tolist() == pytest.approx([-0.005, -0.005, -0.01])


def test_a_session_without_a_bar_has_no_move_and_the_next_has_it_all() -> None:
    held = [bars("A", [100, 0, 120], skip=(1,)), bars("B", [100, 100, 100])]
    assert earned([1], [0], [0], held).tolist() == pytest.approx([0.0, 0.5 * 0.2])


def test_what_comes_before_the_first_row_and_after_the_last_horizon_is_not_counted() -> None:
    assert len(earned([1], [3], [0], [bars("A", [100.0] * 9)])) == 2


def test_intraday_returns_are_summed_by_day_and_midnight_ends_one() -> None:
    time = np.array([12, 18, 24, 30]) * HOUR
    closes = Closes(time, ("A",), np.array([[100.0], [110.0], [99.0], [99.0]]))
    found = net_returns(np.array([1, 1, 0, 0], np.int8), time, np.zeros(4, np.int64), closes, horizon=1, cost=0.0)
    assert found.days.tolist() == [0, 1]
    assert found.values.tolist() == pytest.approx([0.1 - 0.1, 0.0])
    assert found.trade_dates == 1


def test_no_rows_earn_nothing() -> None:
    found = net_returns(
        np.empty(0, np.int8), np.empty(0, np.int64), np.empty(0, np.int64), Closes.of([]), horizon=2, cost=0.0
    )
    assert (len(found.values), found.trade_dates) == (0, 0)
    assert math.isnan(found.sharpe)


@given(st.data())
def test_a_portfolio_kept_position_by_position_earns_the_same(data: st.DataObject) -> None:
    """The oracle trades every signal by itself, so it agrees where nothing is netted: without costs."""
    horizon = data.draw(st.integers(1, 4))
    symbols = data.draw(st.integers(1, 3))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    days = data.draw(st.integers(1, 8))
    prices = 100 * np.exp(np.cumsum(0.05 * random.normal(size=(days + horizon, symbols)), axis=0))
    sides = random.integers(-1, 2, (days, symbols))
    expected = np.zeros(days + horizon - 1)
    for day in range(days):
        alike = np.abs(sides[day]).sum()
        for symbol in np.flatnonzero(sides[day]):
            for later in range(day, day + horizon):
                move = prices[later + 1, symbol] / prices[later, symbol] - 1
                expected[later] += sides[day, symbol] * move / alike / horizon
    time = np.arange(days + horizon) * DAY + HOUR
    closes = Closes(time, tuple(map(str, range(symbols))), prices)
    columns = np.tile(np.arange(symbols), days)
    rows = np.repeat(time[:days], symbols)
    found = net_returns(sides.ravel().astype(np.int8), rows, columns, closes, horizon=horizon, cost=0.0)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.trade_dates == int(np.abs(sides).any(axis=1).sum())


def test_sharpe_is_annual_and_undefined_under_thirty_trade_dates() -> None:
    values = np.array([0.01, -0.005, 0.02, 0.0])
    days = np.arange(4)
    expected = np.mean(values) / np.std(values, ddof=1) * np.sqrt(252)
    assert DailyReturns(days, values, 30).sharpe == pytest.approx(expected)
    assert math.isnan(DailyReturns(days, values, 29).sharpe)
    assert math.isnan(DailyReturns(days, np.zeros(4), 30).sharpe)


def test_closes_of_a_series_are_those_of_bars() -> None:
    held = [bars("A", [100, 101, 102]), bars("B", [7, 8, 9], skip=(1,))]
    index = [(each.symbol, pd.Timestamp(int(at), unit="us", tz="UTC")) for each in held for at in each.time]
    series = pd.Series(
        np.concatenate([each.values[:, 3] for each in held]), pd.MultiIndex.from_tuples(index, names=["symbol", "date"])
    )
    made, of_bars = Closes.of_series(series.iloc[::-1]), Closes.of(held)
    assert made.symbols == of_bars.symbols == ("A", "B")
    np.testing.assert_array_equal(made.sessions, of_bars.sessions)
    np.testing.assert_array_equal(made.values, of_bars.values)


def test_a_price_is_found_on_its_own_session_only() -> None:
    closes = Closes.of([bars("A", [100, 101]), bars("B", [7, 8], skip=(1,))])
    times = np.array([0, 0, 1, 1, 2, -1]) * DAY + 21 * HOUR
    found = closes.at(times, np.array([0, 1, 0, 1, 0, 0]))
    np.testing.assert_array_equal(found, [100, 7, 101, np.nan, np.nan, np.nan])


def test_prices_that_are_none_are_missing() -> None:
    series = pd.Series([0.0, -1.0, np.inf, 5.0], pd.date_range("2020-01-01", periods=4, tz="UTC"))
    np.testing.assert_array_equal(Closes.of_series(series).values[:, 0], [np.nan, np.nan, np.nan, 5.0])


def test_parts_join_to_the_whole() -> None:
    whole = Closes.of([bars("A", [100, 101, 102, 103, 104])])
    first = whole.between(21 * HOUR, DAY + 21 * HOUR, 2)
    last = whole.between(2 * DAY + 21 * HOUR, 4 * DAY + 21 * HOUR, 2)
    assert len(first.sessions) == 4
    joined = Closes.joined([first, last])
    assert joined is not None
    np.testing.assert_array_equal(joined.sessions, whole.sessions)
    np.testing.assert_array_equal(joined.values, whole.values)
