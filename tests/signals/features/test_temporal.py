from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from signals.data.calendar import TradingCalendar
from signals.data.records import to_micros
from signals.features import temporal


def row(calendar: TradingCalendar, *when: int) -> list[float]:
    time = np.array([to_micros(datetime(*when, tzinfo=UTC))])  # type: ignore[misc, arg-type]  # year to minute
    return [float(value) for value in temporal.compute(time, calendar)[0]]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((2024, 3, 15, 20, 0), [5, 3, 1, 74, 0]),
        ((2024, 3, 28, 20, 0), [4, 3, 1, 87, 1]),  # Good Friday follows: the quarter's last session
        ((2024, 11, 29, 18, 0), [5, 11, 4, 333, 1]),  # half day
        ((2024, 1, 2, 21, 0), [2, 1, 1, 1, 0]),
        ((2023, 12, 29, 16, 0), [5, 12, 4, 362, 1]),  # a bar within the session
        ((2014, 11, 28, 21, 0), [5, 11, 4, 331, 1]),  # stamped at the usual hour of a half day
    ],
)
def test_new_york(calendar: TradingCalendar, when: tuple[int, ...], expected: list[float]) -> None:
    assert row(calendar, *when) == expected


def test_close_at_midnight_belongs_to_the_day_before() -> None:
    assert row(TradingCalendar("24/7"), 2024, 3, 1, 0, 0) == [4, 2, 1, 59, 1]


def test_one_instant_is_the_same_as_many(calendar: TradingCalendar) -> None:
    times = np.concatenate([calendar.closes[::97], calendar.closes[::89] - 3_600_000_000, calendar.closes[[0, -1]]])
    many = temporal.compute(times, calendar)
    one = np.stack([temporal.compute_now(time, calendar) for time in times.tolist()])
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((1950, 1, 31, 21, 0), [2, 1, 1, 30, 1]),
        ((1950, 3, 31, 21, 0), [5, 3, 1, 89, 1]),
        ((2050, 3, 30, 20, 0), [3, 3, 1, 88, 0]),
    ],
)
def test_outside_the_calendar_weekdays_count(
    calendar: TradingCalendar, when: tuple[int, ...], expected: list[float]
) -> None:
    assert row(calendar, *when) == expected
