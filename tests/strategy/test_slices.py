"""Slices: complete, missing, late, duplicate, backwards, unknown; and the order of arrival does not matter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy import OHLCV, BarFault, Slice, SliceSynchroniser

MakeBar = Callable[..., OHLCV]
Day = Callable[[float], datetime]


def shape(slices: Collection[Slice]) -> list[tuple[datetime, list[str], list[str]]]:
    return [(slice_.timestamp, list(slice_.bars), sorted(slice_.missing)) for slice_ in slices]


def test_instant_closes_on_its_last_bar(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    assert synchroniser.push(bar("B")) == []
    assert shape(synchroniser.push(bar("A"))) == [(day(0), ["A", "B"], [])]


def test_slice_is_read_only(bar: MakeBar) -> None:
    (slice_,) = SliceSynchroniser({"A"}).push(bar("A"))
    with pytest.raises(TypeError):
        slice_.bars["B"] = bar("B")  # type: ignore[index]  # the point of the test


def test_older_instants_close_first_and_name_the_missing(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    synchroniser.push(bar("A", 0))
    synchroniser.push(bar("A", 1))
    assert shape(synchroniser.push(bar("B", 1))) == [(day(0), ["A"], ["B"]), (day(1), ["A", "B"], [])]


def test_flush_closes_up_to_an_instant(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    synchroniser.push(bar("A", 0))
    synchroniser.push(bar("A", 1))
    assert shape(synchroniser.flush(day(0))) == [(day(0), ["A"], ["B"])]
    assert shape(synchroniser.flush()) == [(day(1), ["A"], ["B"])]
    assert synchroniser.flush() == []


@pytest.mark.parametrize(
    ("fault", "pushed"),
    [
        (BarFault.DUPLICATE, [("A", 0), ("A", 0)]),
        (BarFault.DUPLICATE, [("A", 0), ("A", 1), ("A", 0)]),
        (BarFault.LATE, [("A", 0), ("B", 0), ("A", 0)]),
        (BarFault.LATE, [("A", 1), ("B", 1), ("B", 0)]),
        (BarFault.BACKWARDS, [("A", 1), ("A", 0)]),
        (BarFault.UNKNOWN_SYMBOL, [("X", 0)]),
    ],
)
def test_faulty_bar_is_counted_and_dropped(fault: BarFault, pushed: list[tuple[str, int]], bar: MakeBar) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    for symbol, number in pushed[:-1]:
        synchroniser.push(bar(symbol, number))
    assert not synchroniser.counts
    assert synchroniser.push(bar(*pushed[-1], close=999.0)) == []
    assert synchroniser.counts == {fault: 1}
    left = [closed for slice_ in synchroniser.flush() for closed in slice_.bars.values()]
    assert all(closed.close == 100.0 for closed in left)


def test_first_of_two_duplicates_stays(bar: MakeBar) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    synchroniser.push(bar("A", close=1.0))
    synchroniser.push(bar("A", close=2.0))
    assert synchroniser.flush()[0].bars["A"].close == 1.0


def test_counts_are_read_only(bar: MakeBar) -> None:
    with pytest.raises(TypeError):
        SliceSynchroniser({"A"}).counts[BarFault.LATE] = 1  # type: ignore[index]  # the point of the test


def test_a_closed_market_delays_nobody(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A", "B"}, expected=lambda stamp: ["A"] if stamp == day(0) else ["A", "B"])
    assert shape(synchroniser.push(bar("A", 0))) == [(day(0), ["A"], [])]


def test_calendar_may_name_strangers(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A"}, expected=lambda _: ["A", "X"])
    assert shape(synchroniser.push(bar("A"))) == [(day(0), ["A"], [])]


def test_unexpected_bar_waits_for_a_later_instant(bar: MakeBar, day: Day) -> None:
    synchroniser = SliceSynchroniser({"A", "B"}, expected=lambda stamp: [] if stamp == day(0) else ["A"])
    assert synchroniser.push(bar("A", 0)) == []
    assert synchroniser.push(bar("B", 0)) == []
    assert shape(synchroniser.push(bar("A", 1))) == [(day(0), ["A", "B"], []), (day(1), ["A"], [])]


def test_calendar_is_asked_once_an_instant(bar: MakeBar, day: Day) -> None:
    asked: list[datetime] = []

    def expected(stamp: datetime) -> list[str]:
        asked.append(stamp)
        return ["A", "B", "C"]

    synchroniser = SliceSynchroniser({"A", "B", "C"}, expected=expected)
    for symbol in "ABC":
        synchroniser.push(bar(symbol))
    assert asked == [day(0)]


def test_started_after_the_first_accepted_bar(bar: MakeBar) -> None:
    synchroniser = SliceSynchroniser({"A"})
    synchroniser.push(bar("X"))
    assert not synchroniser.started
    synchroniser.push(bar("A"))
    assert synchroniser.started


@given(st.data())
def test_order_within_an_instant_does_not_matter(bar: MakeBar, day: Day, data: st.DataObject) -> None:
    symbols = ["A", "B", "C", "D"]
    instants = data.draw(st.lists(st.sets(st.sampled_from(symbols), min_size=1), min_size=1, max_size=6))

    def run(orders: list[list[str]]) -> list[Slice]:
        synchroniser = SliceSynchroniser(symbols)
        made: list[Slice] = []
        for number, order in enumerate(orders):
            for symbol in order:
                made += synchroniser.push(bar(symbol, number))
            made += synchroniser.flush(day(number))
        assert not synchroniser.counts
        return made

    sorted_ = run([sorted(names) for names in instants])
    assert run([data.draw(st.permutations(sorted(names))) for names in instants]) == sorted_
    assert shape(sorted_) == [
        (day(number), sorted(names), sorted(set(symbols) - names)) for number, names in enumerate(instants)
    ]


@given(st.lists(st.tuples(st.sampled_from("ABX"), st.integers(0, 4)), max_size=30))
def test_every_bar_is_in_one_slice_or_counted(bar: MakeBar, pushed: list[tuple[str, int]]) -> None:
    synchroniser = SliceSynchroniser({"A", "B"})
    made = [slice_ for symbol, number in pushed for slice_ in synchroniser.push(bar(symbol, number))]
    made += synchroniser.flush()
    assert sum(len(slice_.bars) for slice_ in made) + sum(synchroniser.counts.values()) == len(pushed)
    stamps = [slice_.timestamp for slice_ in made]
    assert stamps == sorted(set(stamps))
