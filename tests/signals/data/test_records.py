from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.data.records import (
    ActionKind,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    InsiderTransaction,
    Membership,
    SectorMedian,
    ShortInterest,
    from_micros,
    to_micros,
)
from signals.errors import NaiveTime, NotFinite, NotPositive, WrongType
from strategy.bars import OHLCV, BarError

AT = datetime(2024, 1, 2, 21, tzinfo=UTC)
NAIVE = AT.replace(tzinfo=None)


def bar(day: int, close: float = 10.0) -> OHLCV:
    return OHLCV("A", AT + timedelta(days=day), close, close + 1, close - 1, close, 5.0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_micros_are_exact(timestamp: datetime) -> None:
    assert from_micros(to_micros(timestamp)) == timestamp


def test_micros_know_zones() -> None:
    assert to_micros(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0


FACTS: list[Fact] = [
    Fundamental("A", AT, "Assets", "USD", None, date(2023, 12, 31), 1.0),
    InsiderTransaction("A", AT, date(2023, 12, 29), -10.0, -100.0),
    ShortInterest("A", AT, date(2023, 12, 15), 10.0, 1.5),
    CorporateAction("A", AT, ActionKind.SPLIT, AT, ratio=2.0),
    Membership("A", AT, "sector:Tech", AT),
    SectorMedian("Tech", AT),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_every_record_is_a_frozen_fact(fact: Fact) -> None:
    assert isinstance(fact, Fact)
    with pytest.raises((FrozenInstanceError, AttributeError)):
        fact.symbol = "B"  # type: ignore[misc]  # it must fail


def test_a_fact_needs_a_symbol() -> None:
    with pytest.raises(WrongType, match="a non-empty symbol"):
        Membership("", AT, "universe", AT)


def test_a_fact_needs_an_aware_time() -> None:
    with pytest.raises(NaiveTime, match="symbol A: expected an aware known_at"):
        Membership("A", NAIVE, "universe", AT)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_figures_are_finite(value: float) -> None:
    with pytest.raises(NotFinite, match="a finite value"):
        Fundamental("A", AT, "Assets", "USD", None, date(2023, 12, 31), value)


def test_a_period_starts_before_its_end() -> None:
    with pytest.raises(WrongType, match="starts before its end"):
        Fundamental("A", AT, "Revenues", "USD", date(2023, 12, 31), date(2023, 12, 31), 1.0)


def test_days_tells_a_quarter_from_a_year() -> None:
    quarter = Fundamental("A", AT, "Revenues", "USD", date(2023, 10, 1), date(2023, 12, 31), 1.0)
    year = Fundamental("A", AT, "Revenues", "USD", date(2023, 1, 1), date(2023, 12, 31), 1.0)
    instant = Fundamental("A", AT, "Assets", "USD", None, date(2023, 12, 31), 1.0)
    assert (quarter.days, year.days, instant.days) == (92, 365, 0)


def test_an_action_is_aware_and_positive() -> None:
    with pytest.raises(NaiveTime, match="effective"):
        CorporateAction("A", AT, ActionKind.SPLIT, NAIVE)
    with pytest.raises(NotPositive, match="a ratio above zero"):
        CorporateAction("A", AT, ActionKind.SPLIT, AT, ratio=0.0)


def test_columns_and_bars_are_the_same() -> None:
    bars = [bar(0), bar(1, 11.0)]
    columns = BarColumns.of("A", bars)
    assert columns.values.shape == (2, 5)
    assert columns.values.flags.c_contiguous
    assert columns.bars() == bars


def test_columns_of_nothing() -> None:
    columns = BarColumns.of("A", [])
    assert (len(columns), columns.values.shape, columns.bars()) == (0, (0, 5), [])


def test_bars_of_columns_are_checked_again() -> None:
    with pytest.raises(BarError):
        BarColumns("A", np.array([0]), np.array([[1.0, 0.5, 1.0, 1.0, 1.0]])).bars()


@pytest.mark.parametrize(
    ("start", "end", "held"),
    [(None, None, [0, 1, 2]), (1, None, [1, 2]), (None, 1, [0, 1]), (1, 1, [1]), (2, 0, []), (5, None, [])],
)
def test_between_holds_both_ends(start: int | None, end: int | None, held: list[int]) -> None:
    columns = BarColumns.of("A", [bar(day) for day in range(3)])
    low, high = (None if day is None else AT + timedelta(days=day) for day in (start, end))
    assert [each.timestamp for each in columns.between(low, high).bars()] == [AT + timedelta(days=d) for d in held]


def test_a_membership_is_aware() -> None:
    with pytest.raises(NaiveTime, match="an aware since"):
        Membership("A", AT, "sector:Energy", NAIVE)
    with pytest.raises(NaiveTime, match="an aware until"):
        Membership("A", AT, "sector:Energy", AT, NAIVE)


def test_a_median_may_be_missing_but_not_infinite() -> None:
    SectorMedian("Energy", AT, pe=10.0)
    with pytest.raises(NotFinite, match="a finite pb"):
        SectorMedian("Energy", AT, pe=10.0, pb=float("inf"))


def test_a_figure_is_on_the_share_basis_of_its_filing() -> None:
    untold = Fundamental("A", AT, "Assets", "USD", None, date(2023, 12, 31), 1.0)
    assert untold.reported == AT
    assert replace(untold, filed=date(2024, 1, 1)).reported.date() == date(2024, 1, 1)
    assert replace(untold, filed=date(2024, 1, 2)).reported == AT  # known before that day was over
