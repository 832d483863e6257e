from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.features.point_in_time import (
    DAY,
    NEVER,
    Duration,
    Revisions,
    as_of,
    day_end,
    earlier,
    over,
    revisions,
    to_float32,
)

DAYS, TOLERANCE = 365, 10


@dataclass(frozen=True)
class Reported:
    known: int
    end: int
    value: float
    rank: int = 0
    filed: int = 0


# Few instants and few periods make ties, restatements and late amendments common; some ends lie after `known`.
REPORTED = st.builds(
    Reported,
    known=st.integers(0, 12),
    end=st.builds(lambda year, shift: 365 * year + shift, st.integers(-2, 2), st.integers(-12, 12)),
    value=st.integers(-5, 5).map(float),
    rank=st.integers(-1, 0),
    filed=st.integers(0, 1),
)
HISTORY = st.lists(REPORTED, max_size=25)
TIMES = np.arange(-1, 14)


def sort(history: list[Reported]) -> Revisions:
    return revisions(
        [fact.known for fact in history],
        [fact.end for fact in history],
        [fact.value for fact in history],
        [fact.rank for fact in history],
        [fact.filed for fact in history],
    )


def newest_revision(facts: list[Reported]) -> Reported | None:
    best = None
    for fact in facts:
        order = (fact.known, fact.filed, fact.rank, fact.value)
        if best is None or order > (best.known, best.filed, best.rank, best.value):
            best = fact
    return best


def in_force(history: list[Reported], time: int) -> Reported | None:
    """Answer one instant by looping over all facts, period first, then revision."""
    visible = [fact for fact in history if fact.known <= time]
    newest = max((fact.end for fact in visible), default=None)
    return newest_revision([fact for fact in visible if fact.end == newest])


def year_before(history: list[Reported], time: int) -> Reported | None:
    now = in_force(history, time)
    if now is None:
        return None
    low, high = now.end - DAYS - TOLERANCE, now.end - DAYS + TOLERANCE
    visible = [fact for fact in history if fact.known <= time and low <= fact.end <= high]
    last = max((fact.known for fact in visible), default=None)
    together = [fact for fact in visible if fact.known == last]
    end = max((fact.end for fact in together), default=None)
    return newest_revision([fact for fact in together if fact.end == end])


@given(HISTORY)
def test_as_of_equals_oracle(history: list[Reported]) -> None:
    line = as_of(sort(history))
    for time in TIMES:
        fact = in_force(history, int(time))
        one = np.array([time])
        np.testing.assert_array_equal(line.at(one), [np.nan if fact is None else fact.value])
        assert line.end_at(one)[0] == (NEVER if fact is None else fact.end)
        assert line.filed_at(one)[0] == (NEVER if fact is None else fact.filed)


@given(HISTORY)
def test_year_before_equals_oracle(history: list[Reported]) -> None:
    line = earlier(sort(history), days=DAYS, tolerance=TOLERANCE)
    for time in TIMES:
        fact = year_before(history, int(time))
        one = np.array([time])
        np.testing.assert_array_equal(line.at(one), [np.nan if fact is None else fact.value])
        assert line.end_at(one)[0] == (NEVER if fact is None else fact.end)
        assert line.filed_at(one)[0] == (NEVER if fact is None else fact.filed)


@given(HISTORY, st.lists(REPORTED, max_size=8), st.integers(-1, 13))
def test_future_facts_change_nothing(history: list[Reported], poison: list[Reported], time: int) -> None:
    past = [fact for fact in history if fact.known <= time]
    future = [Reported(time + 1 + fact.known, fact.end, fact.value, fact.rank) for fact in poison]
    until = np.arange(-1, time + 1)
    pairs = [
        (as_of(sort(past)), as_of(sort(past + future))),
        (
            earlier(sort(past), days=DAYS, tolerance=TOLERANCE),
            earlier(sort(past + future), days=DAYS, tolerance=TOLERANCE),
        ),
    ]
    for before, after in pairs:
        np.testing.assert_array_equal(before.at(until), after.at(until))
        np.testing.assert_array_equal(before.filed_at(until), after.filed_at(until))


@given(st.data(), HISTORY)
def test_order_of_source_is_no_matter(data: st.DataObject, history: list[Reported]) -> None:
    shuffled = data.draw(st.permutations(history))
    np.testing.assert_array_equal(as_of(sort(history)).at(TIMES), as_of(sort(shuffled)).at(TIMES))


def test_late_amendment_does_not_hide_newer_period() -> None:
    line = as_of(sort([Reported(1, 365, 10.0), Reported(2, 730, 20.0), Reported(3, 365, 11.0)]))
    assert line.at(np.array([1, 2, 3])).tolist() == [10.0, 20.0, 20.0]


def test_late_amendment_of_year_before_counts_from_then() -> None:
    facts = sort([Reported(1, 365, 10.0), Reported(2, 730, 20.0), Reported(3, 365, 11.0)])
    assert earlier(facts, days=365, tolerance=10).at(np.array([2, 3])).tolist() == [10.0, 11.0]


def test_figure_is_known_at_its_instant_not_before() -> None:
    line = as_of(sort([Reported(5, 0, 1.0)]))
    np.testing.assert_array_equal(line.at(np.array([4, 5])), [np.nan, 1.0])


@pytest.mark.parametrize(
    ("days", "duration"),
    [
        (0, Duration.INSTANT),
        *((7 * weeks, Duration.INTERIM) for weeks in (12, 13, 14, 16, 17, 24, 26, 28, 36, 39, 40)),
        (364, Duration.YEAR),
        (371, Duration.YEAR),
    ],
)
def test_duration_of_real_periods(days: int, duration: Duration) -> None:
    assert [kind for kind in Duration if kind.holds(days)] == [duration]


@pytest.mark.parametrize("days", [31, 62, 396])
def test_odd_periods_have_no_duration(days: int) -> None:
    assert not any(kind.holds(days) for kind in Duration)


def test_day_end_is_last_microsecond() -> None:
    assert day_end(np.array([0, NEVER])).tolist() == [DAY - 1, NEVER]


def test_over_needs_a_positive_denominator() -> None:
    ratio = over(np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, 0.0, -2.0, np.nan]))
    np.testing.assert_array_equal(ratio, [0.5, np.nan, np.nan, np.nan])


def test_what_float32_cannot_hold_is_missing() -> None:
    rows = to_float32([np.array([1e300, 1.0]), np.array([np.inf, 2.0])])
    np.testing.assert_array_equal(rows, np.array([[np.nan, np.nan], [1.0, 2.0]], np.float32))
