from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.calendar import TradingCalendar
from signals.data.records import (
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fundamental,
    InsiderTransaction,
    from_micros,
)
from signals.features.batch import F4, FACTS, KERNEL, SymbolInputs, compute
from signals.features.catalog import CATALOGUE, names
from signals.features.symbol_facts import SymbolFacts

History = Callable[..., BarColumns]
Same = Callable[[F4, F4], bool]


def cut(columns: BarColumns | None, end: int) -> BarColumns | None:
    return columns and BarColumns(columns.symbol, columns.time[:end], columns.values[:end])


def split_at(columns: BarColumns, row: int, ratio: float) -> BarColumns:
    """The same history as it traded: prices divided and volumes multiplied from a row on."""
    values = columns.values.copy()
    values[row:, :4] /= ratio
    values[row:, 4] *= ratio
    return BarColumns(columns.symbol, columns.time, values)


def split(columns: BarColumns, row: int, ratio: float, *, late: int = 0) -> CorporateAction:
    effective = from_micros(int(columns.time[row])) - timedelta(hours=6)
    known = from_micros(int(columns.time[row + late])) - timedelta(hours=1) if late else effective - timedelta(days=9)
    return CorporateAction(columns.symbol, known, ActionKind.SPLIT, effective, ratio)


def as_traded(whole: SymbolInputs, row: int, ratio: float, *, late: int = 0) -> SymbolInputs:
    action = split(whole.columns, row, ratio, late=late)
    facts = SymbolFacts(actions=(action,), adjusted=Adjusted.NONE)
    return replace(whole, columns=split_at(whole.columns, row, ratio), facts=facts)


@settings(max_examples=12)
@given(end=st.integers(1, 699))
def test_cutting_the_future_off_changes_no_bit(
    whole: SymbolInputs, calendar: TradingCalendar, same: Same, end: int
) -> None:
    sector = ((0, cut(whole.sector_series[0][1], end)),)
    columns = cut(whole.columns, end)
    assert columns is not None
    past = SymbolInputs(columns, cut(whole.market, end), cut(whole.volatility, end), sector)
    assert same(compute(past, calendar), compute(whole, calendar)[:end])


def test_split_by_two_changes_no_bit(whole: SymbolInputs, calendar: TradingCalendar, same: Same) -> None:
    assert same(compute(as_traded(whole, 400, 2.0), calendar), compute(whole, calendar))


@settings(max_examples=8)
@given(row=st.integers(1, 699), ratio=st.sampled_from([3.0, 7.0, 0.1, 1.5]))
def test_splits_do_not_show(whole: SymbolInputs, calendar: TradingCalendar, row: int, ratio: float) -> None:
    plain, traded = compute(whole, calendar), compute(as_traded(whole, row, ratio), calendar)
    scale = np.fmax(np.nanmax(np.abs(plain[:, KERNEL]), axis=0), 1e-30)
    np.testing.assert_allclose(traded[:, KERNEL] / scale, plain[:, KERNEL] / scale, rtol=2e-7, atol=1e-9)


def test_unknown_split_shows(whole: SymbolInputs, calendar: TradingCalendar) -> None:
    blind = replace(whole, columns=split_at(whole.columns, 400, 7.0), facts=SymbolFacts(adjusted=Adjusted.NONE))
    assert compute(blind, calendar)[400, names().index("return_1")] < -0.5


def test_split_that_became_known_late_restates_history_from_then_on(
    whole: SymbolInputs, calendar: TradingCalendar, same: Same
) -> None:
    plain, late = compute(whole, calendar), compute(as_traded(whole, 400, 2.0, late=5), calendar)
    unknown = replace(as_traded(whole, 400, 2.0), facts=SymbolFacts(adjusted=Adjusted.NONE))
    assert same(late[:405], compute(unknown, calendar)[:405])
    assert same(late[405:], plain[405:])


def test_sector_series_changes_with_the_sector(
    whole: SymbolInputs, history: History, calendar: TradingCalendar, same: Same
) -> None:
    one, other = whole.sector_series[0][1], history(9, symbol="XLF")
    moved = compute(replace(whole, sector_series=((0, one), (500, other))), calendar)
    before, after = (compute(replace(whole, sector_series=((0, s),)), calendar) for s in (one, other))
    assert same(moved[:500], before[:500])
    assert same(moved[500:], after[500:])


def test_fact_features_are_missing_without_facts(whole: SymbolInputs, calendar: TradingCalendar) -> None:
    assert np.isnan(compute(whole, calendar)[:, FACTS]).all()


def test_insider_volume_is_on_the_bars_own_basis(whole: SymbolInputs, calendar: TradingCalendar) -> None:
    columns = whole.columns
    known = from_micros(int(columns.time[450]))
    bought = InsiderTransaction("AAA", known, known.date(), 1000.0, 50_000.0)
    traded = as_traded(whole, 445, 4.0)
    found = compute(replace(traded, facts=replace(traded.facts, insider=(bought,))), calendar)[450]
    mean = (split_at(columns, 445, 4.0).values[431:451, 4] * np.where(np.arange(431, 451) < 445, 4, 1)).mean()
    assert found[names().index("insider_net_shares_90d")] == pytest.approx(1000 / mean, rel=1e-6)


def test_every_value_is_finite_or_missing(whole: SymbolInputs, calendar: TradingCalendar) -> None:
    assert not np.isinf(compute(whole, calendar)).any()


def test_history_of_one_bar(whole: SymbolInputs, calendar: TradingCalendar) -> None:
    columns = cut(whole.columns, 1)
    assert columns is not None
    found = compute(replace(whole, columns=columns), calendar)
    assert found.shape == (1, len(CATALOGUE))
    assert found[0, names().index("day_of_week")] == 3


def test_empty_history(calendar: TradingCalendar) -> None:
    assert compute(SymbolInputs(BarColumns.of("AAA", [])), calendar).shape == (0, len(CATALOGUE))


def test_split_after_the_last_bar_counts_where_prices_were_adjusted_for_it(
    whole: SymbolInputs, calendar: TradingCalendar, same: Same
) -> None:
    # A longer file cut here is on the basis of the later split: the rows must not know where it was cut.
    known = from_micros(int(whole.columns.time[300]))
    facts = SymbolFacts(
        (
            Fundamental("AAA", known, "StockholdersEquity", "USD", None, date(2013, 1, 1), 5e8),
            Fundamental("AAA", known, "EntityCommonStockSharesOutstanding", "shares", None, date(2013, 1, 1), 1e7),
        ),
        actions=(split(whole.columns, 600, 7.0),),
        adjusted=Adjusted.SPLIT,
    )
    shorter = BarColumns("AAA", whole.columns.time[:400], whole.columns.values[:400])
    rows = compute(replace(whole, facts=facts), calendar)[:400]
    assert same(compute(replace(whole, facts=facts, columns=shorter), calendar), rows)
    book = whole.columns.values[399, 3] * 7e7 / 5e8
    assert rows[399, names().index("pb")] == pytest.approx(book, rel=1e-6)
