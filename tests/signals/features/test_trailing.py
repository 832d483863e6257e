from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import Adjusted
from signals.features.periods import Period
from signals.features.point_in_time import NEVER
from signals.features.share_basis import ShareBasis
from signals.features.trailing import Trailing, trailing

Y, N, H, Q = 365, 274, 182, 91
TIMES = np.arange(-1, 12)
EDGE = 10


def period(known: int, value: float, end: int, days: int = Q, name: int = 0, shift: int = 0) -> Period:
    return Period(known, known, name, value, end - days + 1 + shift, end)


JITTER = st.sampled_from([0, 0, 0, 0, 5, -5, 10, -10, 11])
CALENDARS = ((13, 13, 13, 13), (12, 12, 12, 16), (16, 12, 12, 12), (26, 26))


@st.composite
def histories(draw: st.DrawFn) -> list[Period]:
    """Draw a company of three years, with holes, restatements, ties and fiscal years that move by days."""
    facts, weeks = [], draw(st.sampled_from(CALENDARS))
    ends = [7 * done for done in itertools.accumulate(weeks)]
    quarters = [(end - 7 * length, end) for end, length in zip(ends, weeks, strict=True)]
    to_date = [(0, end) for end in ends[1:]]
    for year, (begun, ended) in itertools.product(range(3), [*quarters, *to_date]):
        if not draw(st.sampled_from([True, True, True, False])):
            continue
        end, value = 364 * year + ended + draw(JITTER), draw(st.integers(-50, 50))
        for _ in range(draw(st.sampled_from([1, 2, 3]))):
            known, name, off = (
                draw(st.sampled_from([1, 4, 8])),
                draw(NAMED),
                draw(st.sampled_from([0, 0, 0, 1 / 256, 9])),
            )
            end += draw(st.sampled_from([0, 0, 0, 1]))
            facts.append(period(known, value * (1.0 + off), end, ended - begun, name, draw(JITTER)))
    return facts


NAMED = st.sampled_from([0, 0, 1, 2])
HISTORY = histories()


def is_year(fact: Period) -> bool:
    return 350 <= fact.days <= 380


def in_force(history: list[Period], time: int) -> list[Period]:
    """Keep the newest revision of every period that is visible, fact by fact; starts may be put right by days."""
    kept: list[Period] = []
    visible = [fact for fact in history if fact.known <= time and 80 <= fact.days <= 380]
    for new in sorted(visible, key=lambda fact: (fact.known, -fact.name, fact.value, fact.start, fact.end)):
        kept = [
            old
            for old in kept
            if old.end != new.end
            or is_year(old) != is_year(new)
            or not (is_year(new) or abs(old.start - new.start) <= EDGE)
        ] + [new]
    return kept


def latest(facts: list[Period], end: int) -> int | None:
    return max((fact.end for fact in facts if abs(fact.end - end) <= EDGE), default=None)


Sum = tuple[float, set[int]]


def total(facts: list[Period], end: int) -> Sum | None:
    """Twelve months up to a day, and their names: a year, or year + to date - to date before, or four quarters."""
    years, parts = [fact for fact in facts if is_year(fact)], [fact for fact in facts if not is_year(fact)]
    for fact in years:
        if fact.end == end:
            return fact.value, {fact.name}
    for fact in sorted(parts, key=lambda part: -part.days):
        last = [year for year in years if year.end == latest(years, fact.start - 1)]
        if fact.end == end and last:
            begun = [old for old in parts if abs(old.start - last[0].start) <= EDGE]
            same = [old for old in begun if abs(old.end - (last[0].start + fact.days - 1)) <= EDGE]
            if same:
                past = max(same, key=lambda old: (old.end, old.days))
                return fact.value + last[0].value - past.value, {fact.name, last[0].name, past.name}
    quarters: list[Period] = []
    day: int | None = end
    while day is not None and len(quarters) < 4:
        ended = [part for part in parts if part.end == day]
        quarters += [min(ended, key=lambda part: part.days)] if ended else []
        day = latest(parts, quarters[-1].start - 1) if ended else None
    if len(quarters) < 4 or not 350 <= quarters[0].end - quarters[-1].start + 1 <= 380:
        return None
    return sum(quarter.value for quarter in quarters), {quarter.name for quarter in quarters}


def one_quantity(visible: dict[int, list[Period]], names: set[int]) -> bool:
    for first, second in itertools.product(names, names):
        common = [
            (old.end, old.days, abs(old.value - new.value) <= 0.01 * max(abs(old.value), abs(new.value)))
            for old, new in itertools.product(visible[first], visible[second])
            if (old.start, old.end) == (new.start, new.end)
        ]
        if not common or not max(common)[2]:
            return False
    return True


def oracle(history: list[Period], time: int) -> tuple[int, float, float]:
    """Return end and total of the newest twelve months, and the total of those a year before."""
    visible = {name: in_force([fact for fact in history if fact.name == name], time) for name in range(3)}
    together = in_force(history, time)

    def newest(ends: list[int], order: list[int], beside: set[int]) -> tuple[int, float, set[int]]:
        for end in sorted(ends, reverse=True):
            for facts in [*(visible[name] for name in order), together]:
                found = total(facts, end)
                if found and one_quantity(visible, found[1] | beside):
                    return end, *found
        return NEVER, np.nan, set()

    ends = list({fact.end for fact in together})
    end, value, names = newest(ends, [0, 1, 2], set())
    order = sorted(range(3), key=lambda name: name not in names)
    before = newest([day for day in ends if abs(end - 365 - day) <= EDGE], order, names)
    return end, value, before[1]


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


@pytest.mark.parametrize("days", [Q, H, N, 7 * 12, 7 * 16, 7 * 24, 7 * 28, 7 * 36, 7 * 40])
def test_year_plus_to_date_less_to_date_before(days: int) -> None:
    end = 365 + days
    history = [period(1, 100.0, 365, Y), period(2, 40.0, end, days), period(2, 30.0, end - 365, days)]
    assert now_at(history, 1, 2) == [100.0, 110.0]


@pytest.mark.parametrize("weeks", [(12, 12, 12, 16), (16, 12, 12, 12), (13, 13, 13, 13), (13, 13, 13, 14)])
def test_growing_filer_of_any_quarters_is_never_behind(weeks: tuple[int, ...]) -> None:
    """Each quarter files itself and the year to date: one a week in the first two years, two in the third."""
    done = list(itertools.accumulate(weeks))
    history = []
    for year, quarter in itertools.product(range(3), range(4)):
        begun, rate = 7 * done[-1] * year, 1.0 + (year == 2)
        known, end = 4 * year + quarter, begun + 7 * done[quarter]
        history.append(period(known, rate * done[quarter], end, 7 * done[quarter]))
        history.append(period(known, rate * weeks[quarter], end, 7 * weeks[quarter]))
    now, before = trailing(history)
    times = np.arange(8, 12)
    assert now.at(times).tolist() == [done[-1] + week for week in done]
    assert before.at(times).tolist() == [done[-1]] * 4
    assert now.end_at(times).tolist() == [7 * (2 * done[-1] + week) for week in done]


def test_longer_first_quarter_is_compared_with_the_shorter_one() -> None:
    history = [period(1, 52.0, 364, 364), period(1, 13.0, 91), period(2, 14.0, 364 + 98, 98)]
    assert now_at(history, 2) == [52.0 + 14.0 - 13.0]


def test_to_date_of_another_length_is_not_compared() -> None:
    history = [period(1, 52.0, 364, 364), period(1, 12.0, 84, 84), period(2, 16.0, 364 + 112, 112)]
    assert now_at(history, 2) == [52.0]


def test_interims_go_with_the_year_of_their_own_name() -> None:
    whole = [period(1, 101.0, 365, Y, name=1), period(1, 29.0, 91, name=1), period(2, 27.0, 456, name=1)]
    assert now_at([*whole, period(1, 82.0, 365, Y, name=0)], 1, 2) == [82.0, 101.0 + 27.0 - 29.0]


@pytest.mark.parametrize(("note", "value"), [(29.0, 99.0), (29.2, 98.8), (20.0, 101.0), (30.0, 101.0)])
def test_another_name_is_the_same_quantity_where_it_gave_the_same_figure(note: float, value: float) -> None:
    renamed = [period(2, 27.0, 456, name=1), period(2, note, 91, name=1)]
    assert now_at([period(1, 101.0, 365, Y), period(1, 29.0, 91), *renamed], 2) == [pytest.approx(value)]


def test_names_without_a_common_period_are_not_put_together() -> None:
    assert now_at([period(1, 101.0, 365, Y), period(2, 27.0, 456, name=1), period(2, 29.0, 91, name=1)], 2) == [101.0]


def test_of_names_with_the_same_end_the_preferred_one_counts() -> None:
    both = [period(1, 8.0, 365, Y, name=1), period(1, 10.0, 365, Y), period(2, 9.0, 365, Y, name=1)]
    assert now_at(both, 1, 2) == [10.0, 10.0]


def test_newer_twelve_months_win_over_the_preferred_name() -> None:
    assert now_at([period(1, 10.0, 365, Y), period(2, 9.0, 730, Y, name=1)], 2) == [9.0]


def test_growth_is_of_one_quantity() -> None:
    years = [period(1, 10.0, 365, Y), period(2, 9.0, 730, Y, name=1)]
    assert np.isnan(trailing(years)[1].at(np.array([2]))).all()
    same = [*years, period(2, 6.0, 365, Y, name=1)]
    assert trailing(same)[1].at(np.array([2])).tolist() == [6.0]


def test_start_put_right_is_a_revision() -> None:
    history = [period(1, 100.0, 365, Y), period(1, 30.0, 91), period(2, 40.0, 456), period(3, 50.0, 456, shift=1)]
    assert now_at(history, 2, 3) == [110.0, 120.0]


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


def test_what_was_filed_before_a_split_is_on_the_old_basis() -> None:
    eve = Period(3, 2, 0, 8.0, 1, 365)
    halved = ShareBasis(np.array([3]), np.array([3]), np.array([2.0]), Adjusted.NONE)
    assert trailing([eve])[0].at(np.array([3]), halved).tolist() == [4.0]


def test_every_instant_of_change_is_one_step() -> None:
    history = [period(known, 1.0, 365, Y) for known in (1, 1, 2)]
    assert trailing(history)[0].since.tolist() == [1, 2]
