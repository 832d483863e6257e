from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import Adjusted
from signals.features.point_in_time import NEVER, Duration
from signals.features.share_basis import ShareBasis
from signals.features.trailing import Period, Trailing, trailing

Y, N, H, Q = Duration.YEAR, Duration.NINE_MONTHS, Duration.HALF_YEAR, Duration.QUARTER
LENGTH = {Y: 365, N: 274, H: 182, Q: 91}
TIMES = np.arange(-1, 12)
EDGE = 10


def period(known: int, value: float, end: int, duration: Duration = Q, rank: int = 0, shift: int = 0) -> Period:
    return Period(known, rank, value, end - LENGTH[duration] + 1 + shift, end, duration)


QUARTERS = {Q: 1, H: 2, N: 3, Y: 4}
JITTER = st.sampled_from([0, 0, 0, 0, 5, -5, 10, -10, 11])


@st.composite
def histories(draw: st.DrawFn) -> list[Period]:
    """Draw a company of three years, with holes, restatements, ties and fiscal years that move by days."""
    facts = []
    for duration, year, number in itertools.product((Y, N, H, Q), range(3), range(4)):
        if number and duration is not Q:
            continue  # to date: one a year; quarters: four
        if not draw(st.sampled_from([True, True, True, False])):
            continue
        end = round(91.25 * (4 * year + number + QUARTERS[duration]))
        for _ in range(draw(st.sampled_from([1, 2, 3]))):
            known, value, rank = draw(st.sampled_from([1, 4, 8])), draw(st.integers(-50, 50)), draw(st.integers(-1, 0))
            facts.append(period(known, float(value), end + draw(JITTER), duration, rank, draw(JITTER)))
    return facts


HISTORY = histories()


def in_force(history: list[Period], time: int) -> list[Period]:
    """Keep the newest revision of every period that is visible, fact by fact."""
    kept: list[Period] = []
    for new in (fact for fact in history if fact.known <= time):
        same = [old for old in kept if (old.duration, old.end) == (new.duration, new.end)]
        if all((new.known, new.rank, new.value, new.start) > (o.known, o.rank, o.value, o.start) for o in same):
            kept = [old for old in kept if old not in same] + [new]
    return kept


def ended(facts: list[Period], duration: Duration, day: int) -> Period | None:
    found = [fact for fact in facts if fact.duration is duration and abs(fact.end - day) <= EDGE]
    return max(found, key=lambda fact: fact.end, default=None)


def total(facts: list[Period], end: int) -> float | None:
    """Twelve months up to a day: a year, or year + to date - to date a year before, or four quarters."""
    for fact in facts:
        if fact.duration is Y and fact.end == end:
            return fact.value
    for duration in (N, H, Q):
        for fact in facts:
            if fact.duration is duration and fact.end == end:
                last_year, year_ago = ended(facts, Y, fact.start - 1), ended(facts, duration, end - 365)
                if last_year and year_ago and abs(year_ago.start - last_year.start) <= EDGE:
                    return last_year.value + fact.value - year_ago.value
    quarters = [fact for fact in facts if fact.duration is Q and fact.end == end]
    for _ in range(3):
        quarters += [more for more in [ended(facts, Q, quarters[-1].start - 1)] if more] if quarters else []
    return sum(fact.value for fact in quarters) if len(quarters) == 4 else None


def oracle(history: list[Period], time: int) -> tuple[int, float, float]:
    """Return end and total of the newest twelve months, and the total of those a year before."""
    facts = in_force(history, time)
    totals = {fact.end: value for fact in facts if (value := total(facts, fact.end)) is not None}
    if not totals:
        return NEVER, np.nan, np.nan
    newest = max(totals)
    before = [end for end in totals if abs(newest - 365 - end) <= EDGE]
    return newest, totals[newest], totals[max(before)] if before else np.nan


@settings(max_examples=400)
@given(HISTORY)
def test_twelve_months_equal_row_by_row_oracle(history: list[Period]) -> None:
    now, before = trailing(history)
    for time in (0, 1, 4, 7, 8):
        end, value, year_ago = oracle(history, int(time))
        one = np.array([time])
        assert now.end_at(one)[0] == end
        np.testing.assert_array_equal(now.at(one), [value])
        np.testing.assert_array_equal(before.at(one), [year_ago])


@given(HISTORY, HISTORY, st.integers(-1, 11))
def test_later_facts_change_nothing(history: list[Period], poison: list[Period], time: int) -> None:
    past = [fact for fact in history if fact.known <= time]
    future = [fact._replace(known=fact.known + time + 1) for fact in poison]
    until = np.arange(-1, time + 1)
    for clean, poisoned in zip(trailing(past), trailing([*future, *past]), strict=True):
        np.testing.assert_array_equal(poisoned.at(until), clean.at(until))
        np.testing.assert_array_equal(poisoned.end_at(until), clean.end_at(until))


@given(st.data(), HISTORY)
def test_order_of_source_is_no_matter(data: st.DataObject, history: list[Period]) -> None:
    shuffled = data.draw(st.permutations(history))
    np.testing.assert_array_equal(trailing(shuffled)[0].at(TIMES), trailing(history)[0].at(TIMES))


@given(HISTORY, st.lists(st.sampled_from(TIMES.tolist()), max_size=6))
def test_any_rows_equal_all_rows(history: list[Period], chosen: list[int]) -> None:
    line = trailing(history)[0]
    times = np.array(chosen, np.int64)
    assert line.at(times).tobytes() == line.at(TIMES)[times + 1].tobytes()


def now_at(history: list[Period], *times: int) -> list[float]:
    return [float(value) for value in trailing(history)[0].at(np.array(times))]


@pytest.mark.parametrize("duration", [Q, H, N])
def test_year_plus_to_date_less_to_date_before(duration: Duration) -> None:
    end = 365 + LENGTH[duration]
    history = [period(1, 100.0, 365, Y), period(2, 40.0, end, duration), period(2, 30.0, end - 365, duration)]
    assert now_at(history, 1, 2) == [100.0, 110.0]


def test_without_the_interim_a_year_before_the_year_stays() -> None:
    assert now_at([period(1, 100.0, 365, Y), period(2, 40.0, 456)], 2) == [100.0]


def test_interim_restated_later_counts_from_then() -> None:
    history = [period(1, 100.0, 365, Y), period(1, 30.0, 91), period(2, 40.0, 456), period(3, 25.0, 91)]
    assert now_at(history, 2, 3) == [110.0, 115.0]


def test_four_consecutive_quarters_are_summed() -> None:
    quarters = [period(1, value, round(91.25 * n)) for n, value in enumerate((1.0, 2.0, 4.0, 8.0), start=1)]
    assert now_at(quarters, 1) == [15.0]


@pytest.mark.parametrize("lost", range(4))
def test_a_quarter_short_of_four_is_nothing(lost: int) -> None:
    quarters = [period(1, 1.0, round(91.25 * n)) for n in range(4) if n != lost]
    assert np.isnan(now_at(quarters, 1)).all()


def test_to_date_of_another_fiscal_year_is_not_added() -> None:
    history = [period(1, 100.0, 365, Y), period(1, 9.0, 182), period(2, 40.0, 547)]  # a second quarter, not a first
    assert now_at(history, 2) == [100.0]


def test_parts_a_share_come_to_the_basis_of_the_instant() -> None:
    history = [period(1, 8.0, 365, Y), period(5, 3.0, 456), period(5, 1.0, 91)]
    halved = ShareBasis(np.array([3]), np.array([3]), np.array([2.0]), Adjusted.NONE)
    line: Trailing = trailing(history)[0]
    assert line.at(np.array([2, 4, 6]), halved).tolist() == [8.0, 4.0, 4.0 + 3.0 - 1.0]


def test_every_instant_of_change_is_one_step() -> None:
    history = [period(known, 1.0, 365, Y) for known in (1, 1, 2)]
    assert trailing(history)[0].since.tolist() == [1, 2]
