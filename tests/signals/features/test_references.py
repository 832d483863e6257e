from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from signals.data.calendar import TradingCalendar
from signals.data.records import ActionKind, Adjusted, BarColumns, CorporateAction, from_micros
from signals.features.references import join, market_wide, on_one_basis, steps_in_time

History = Callable[..., BarColumns]


def drop(columns: BarColumns, *rows: int) -> BarColumns:
    return BarColumns(columns.symbol, np.delete(columns.time, rows), np.delete(columns.values, rows, axis=0))


def test_series_that_closes_at_the_same_instant_is_current(history: History, calendar: TradingCalendar) -> None:
    bars = history(count=20)
    np.testing.assert_array_equal(join(bars.time, bars, calendar), bars.values[:, 3])


def test_series_that_closes_later_lags_a_session(history: History, calendar: TradingCalendar) -> None:
    bars, later = history(count=20), history(1, count=20, delay=900_000_000)
    joined = join(bars.time, later, calendar)
    assert np.isnan(joined[0])
    np.testing.assert_array_equal(joined[1:], later.values[:-1, 3])


def test_one_session_old_will_do_two_will_not(history: History, calendar: TradingCalendar) -> None:
    bars = history(count=20)
    joined = join(bars.time, drop(bars, 10, 11), calendar)
    assert joined[10] == bars.values[9, 3]
    assert np.isnan(joined[11])
    assert joined[12] == bars.values[12, 3]


def test_without_series_there_is_nothing(history: History, calendar: TradingCalendar) -> None:
    bars = history(count=3)
    assert np.isnan(join(bars.time, None, calendar)).all()
    assert np.isnan(join(bars.time, drop(bars, 0, 1, 2), calendar)).all()


def test_outside_the_calendar_there_is_no_age(history: History, calendar: TradingCalendar) -> None:
    bars = history(count=3)
    ancient = BarColumns("SPY", bars.time - 200 * 365 * 86_400_000_000, bars.values)
    assert np.isnan(join(ancient.time, ancient, calendar)).all()


def test_what_is_market_wide_counts_the_references_own_bars(history: History, calendar: TradingCalendar) -> None:
    market, volatility = history(count=200), history(1, count=200)
    found = market_wide(market.time, market, volatility, calendar)
    level, close = pd.Series(volatility.values[:, 3]), pd.Series(market.values[:, 3])
    expected = np.column_stack(
        [close / close.shift(20) - 1, level / level.shift(5) - 1, level / level.rolling(60).mean() - 1]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    some = market.time[::3]
    np.testing.assert_array_equal(market_wide(some, market, volatility, calendar), found[::3])


@pytest.mark.parametrize("first", [0, 50, 139])
def test_what_is_market_wide_does_not_know_where_history_began(
    history: History, calendar: TradingCalendar, first: int
) -> None:
    market = history(count=200)
    late = drop(market, *range(first))
    whole, cut = (market_wide(market.time[-1:], each, each, calendar) for each in (market, late))
    np.testing.assert_array_equal(cut, whole)


def test_a_reference_that_is_not_there_says_nothing(history: History, calendar: TradingCalendar) -> None:
    market = history(count=100)
    assert np.isnan(market_wide(market.time, None, None, calendar)).all()
    assert np.isnan(market_wide(market.time, drop(market, *range(95, 100)), None, calendar)[97:]).all()


def split(market: BarColumns, row: int, *, known_before: timedelta) -> tuple[BarColumns, CorporateAction]:
    """The market with two for one from a row on, and the action that says so."""
    values = market.values.copy()
    values[row:, :4] /= 2
    effective = from_micros(int(market.time[row])) - timedelta(hours=5)
    action = CorporateAction("SPY", effective - known_before, ActionKind.SPLIT, effective, 2.0)
    return BarColumns("SPY", market.time, values), action


def test_a_split_known_in_time_is_no_crash(history: History) -> None:
    market = history(count=50)
    raw, action = split(market, 30, known_before=timedelta(days=9))
    steps = steps_in_time([action], Adjusted.NONE)
    np.testing.assert_allclose(on_one_basis(raw, steps).values[:, :4], market.values[:, :4], rtol=1e-12)


def test_a_split_that_became_known_late_restates_nothing(history: History) -> None:
    raw, action = split(history(count=50), 30, known_before=timedelta(days=-1))
    assert steps_in_time([action], Adjusted.NONE) == ()
    assert on_one_basis(raw, ()) is raw


def test_prices_that_were_adjusted_are_left_alone(history: History) -> None:
    _, action = split(history(count=50), 30, known_before=timedelta(days=9))
    assert steps_in_time([action], Adjusted.SPLIT) == ()
