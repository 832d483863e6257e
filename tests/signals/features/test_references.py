from __future__ import annotations

from collections.abc import Callable

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import BarColumns
from signals.features.references import join

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
