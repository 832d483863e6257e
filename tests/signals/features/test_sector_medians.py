from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.config import DataSettings, Settings
from signals.data.calendar import TradingCalendar
from signals.data.parquet import read_bars
from signals.data.provider import InMemoryProvider
from signals.data.records import (
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    Membership,
    SectorMedian,
    to_micros,
)
from signals.data.sec import read_company_facts
from signals.feature_store import FeatureStore
from signals.features.live import LiveFeatures
from signals.features.sector_medians import FEWEST, known_medians, sector_medians
from signals.features.symbol_facts import SortedFacts
from strategy.slices import Slice

START = datetime(2020, 1, 2, 21, tzinfo=UTC)
HELD = SortedFacts(TradingCalendar("XNYS"))
NAMES = ("A", "B", "C", "D", "E")
SETTINGS = Settings()
ROWS = 6


def on(day: float) -> datetime:
    return START + timedelta(days=day)


TIME = np.array([to_micros(on(day)) for day in range(ROWS)])


def bars(
    symbol: str, close: Sequence[float] = (10.0,) * ROWS, time: np.ndarray[tuple[int], np.dtype[np.int64]] = TIME
) -> BarColumns:
    values = np.column_stack([np.array(close)] * 4 + [np.full(len(close), 100.0)])
    return BarColumns(symbol, time, values)


def earned(symbol: str, value: float, *, known: float = -10, end: int = -30) -> Fundamental:
    last = START.date() + timedelta(days=end)
    return Fundamental(
        symbol, on(known), "EarningsPerShareDiluted", "USD/shares", last - timedelta(days=364), last, value
    )


def member(symbol: str, sector: str = "Energy", *, known: float = -100) -> Membership:
    return Membership(symbol, on(known), f"sector:{sector}", on(known))


def make(facts: Sequence[Fact], columns: Sequence[BarColumns] | None = None) -> InMemoryProvider:
    return InMemoryProvider(columns or [bars(name) for name in NAMES], facts, adjusted=Adjusted.NONE)


def pe(provider: InMemoryProvider, sector: str = "Energy", names: Sequence[str] = NAMES) -> list[float]:
    return [median.pe for median in sector_medians(provider, names, TIME, HELD) if median.symbol == sector]


def company(*values: float) -> list[Fact]:
    facts: list[Fact] = [member(name) for name in NAMES[: len(values)]]
    return facts + [earned(name, value) for name, value in zip(NAMES, values, strict=False)]


@pytest.mark.parametrize(("values", "median"), [((1.0, 2.0, 4.0), 5.0), ((1.0, 2.0, 4.0, 5.0), 3.75)])
def test_median_of_what_companies_cost(values: tuple[float, ...], median: float) -> None:
    assert pe(make(company(*values))) == [median] * ROWS


def test_fewer_companies_make_no_median() -> None:
    assert np.isnan(pe(make(company(*[1.0] * (FEWEST - 1))))).all()


def test_a_loss_is_no_ratio() -> None:
    assert pe(make(company(1.0, -1.0, 2.0, 4.0))) == [5.0] * ROWS


def test_a_filing_counts_from_when_it_was_known() -> None:
    facts = [*company(1.0, 2.0, 4.0), earned("B", 2.5, known=3, end=-1)]
    assert pe(make(facts)) == [5.0] * 3 + [4.0] * 3


def test_a_company_without_a_bar_is_not_counted() -> None:
    columns = [bars("A"), bars("B"), bars("C", [10.0] * 2, TIME[2:4])]
    np.testing.assert_array_equal(pe(make(company(1.0, 2.0, 4.0), columns)), [np.nan] * 2 + [5.0] * 2 + [np.nan] * 2)


def test_a_company_counts_in_its_sector_as_known_then() -> None:
    facts = [*company(1.0, 2.0, 4.0, 5.0), member("A", "Utilities", known=2)]
    assert pe(make(facts)) == [3.75] * 2 + [2.5] * 4
    assert np.isnan(pe(make(facts), "Utilities")).all()


def test_each_is_known_at_its_bar() -> None:
    found = sector_medians(make(company(1.0, 2.0, 4.0)), NAMES, TIME, HELD)
    assert [median.known_at for median in found] == [on(day) for day in range(ROWS)]


EARNED = st.builds(
    earned,
    st.sampled_from(NAMES),
    st.sampled_from([-1.0, 0.5, 1.0, 2.0, 3.0]),
    known=st.integers(-3, ROWS),
    end=st.sampled_from([-400, -30, -5]),
)
MOVED = st.builds(member, st.sampled_from(NAMES), st.sampled_from(["Energy", "Utilities"]), known=st.integers(-3, ROWS))
SPLIT = st.builds(
    lambda name, day, ratio: CorporateAction(name, on(day), ActionKind.SPLIT, effective=on(day), ratio=ratio),
    st.sampled_from(NAMES),
    st.integers(-3, ROWS),
    st.sampled_from([0.5, 2.0]),
)
FACTS: st.SearchStrategy[list[Fact]] = st.lists(EARNED | MOVED | SPLIT, max_size=14)


def values(medians: list[SectorMedian], until: datetime) -> dict[tuple[str, datetime], bytes]:
    return {
        (median.symbol, median.known_at): np.array(astuple(median)[2:]).tobytes()
        for median in medians
        if median.known_at <= until and not np.isnan(astuple(median)[2:]).all()
    }


@settings(max_examples=60)
@given(FACTS, FACTS, st.integers(0, ROWS - 1))
def test_what_peers_report_later_changes_nothing(facts: list[Fact], poison: list[Fact], row: int) -> None:
    start = [member(name) for name in NAMES]
    past = [fact for fact in facts if fact.known_at <= on(row)]
    future = [_later(fact, row) for fact in poison]
    clean = sector_medians(make([*start, *past]), NAMES, TIME, HELD)
    wild = [bars(name, [10.0] * (row + 1) + [0.01] * (ROWS - row - 1)) for name in NAMES]
    poisoned = sector_medians(make([*start, *past, *future], wild), NAMES, TIME, HELD)
    assert values(poisoned, on(row)) == values(clean, on(row))


def _later(fact: Fact, row: int) -> Fact:
    assert isinstance(fact, Fundamental | Membership | CorporateAction)
    known = max(fact.known_at, on(row)) + timedelta(seconds=1)
    if isinstance(fact, CorporateAction):
        return replace(fact, known_at=known, effective=known)
    return replace(fact, known_at=known)


@settings(max_examples=40)
@given(FACTS, st.integers(0, ROWS - 1))
def test_one_instant_equals_many(facts: list[Fact], row: int) -> None:
    provider = make([*(member(name) for name in NAMES), *facts])
    many = [each for each in sector_medians(provider, NAMES, TIME, HELD) if each.known_at == on(row)]
    one = sector_medians(provider, NAMES, TIME[row : row + 1], HELD)
    assert values(one, on(row)) == values(many, on(row))


def test_features_are_relative_to_the_loaded_median(tmp_path: Path) -> None:
    provider = make(company(1.0, 2.0, 4.0))
    provider.load(facts=sector_medians(provider, NAMES, TIME, HELD))
    store = FeatureStore(Settings(data=DataSettings(features_dir=tmp_path)))
    frame = store.get_features(["A", "B"], None, None, provider)
    assert frame["pe_rel"].to_numpy()[:ROWS].tolist() == [2.0] * ROWS
    assert frame["pe_rel"].to_numpy()[ROWS:].tolist() == [1.0] * ROWS


def test_medians_are_of_the_providers_universe_whoever_is_asked_for(tmp_path: Path) -> None:
    provider, settings_ = make(company(1.0, 2.0, 4.0)), Settings(data=DataSettings(features_dir=tmp_path))
    alone = FeatureStore(settings_).get_features(["A"], None, None, provider)["pe_rel"]
    assert alone.to_numpy().tolist() == [2.0] * ROWS
    provider.load(facts=[earned("A", 4.0, known=2.5, end=-1)])
    assert FeatureStore(settings_).get_features(["A"], None, None, provider)["pe_rel"].iloc[-1] == 1.0


def test_a_median_that_was_given_is_not_taken_anew() -> None:
    provider = make([*company(1.0, 2.0, 4.0), SectorMedian("Energy", on(3), pe=4.0)])
    assert [median.pe for median in known_medians(provider, HELD)["Energy"]] == [4.0]


@settings(max_examples=25)
@given(FACTS, st.lists(st.sampled_from(NAMES), max_size=3), st.integers(0, ROWS - 1), st.booleans())
def test_live_takes_them_over_the_slice(facts: list[Fact], absent: list[str], row: int, given_: bool) -> None:
    """Bars that did not come, and one that came late, move their peers as they do in batch."""
    columns = [bars(name) if name not in absent else _without(bars(name), row) for name in NAMES]
    medians = [SectorMedian("Energy", on(2), pe=9.0)] if given_ else []
    provider = make([*(member(name) for name in NAMES), *facts, *medians], columns)
    store, live = FeatureStore(SETTINGS), LiveFeatures(NAMES, SETTINGS.data, provider)
    whole = {name: store.history(name, provider) for name in NAMES}
    for now in range(ROWS):
        held = {one.symbol: one.between(None, on(now)).bars() for one in columns}
        there = {name: each[-1] for name, each in held.items() if each and each[-1].timestamp == on(now)}
        early = dict(list(there.items())[1:])
        live.update(Slice(on(now), early), held)
        found = live.update(Slice(on(now), there), held)
        for name, values in zip(found.symbols, found.values, strict=True):
            assert values.tobytes() == whole[name].loc[on(now)].to_numpy(np.float32).tobytes()


def _without(columns: BarColumns, row: int) -> BarColumns:
    return BarColumns(columns.symbol, np.delete(columns.time, row), np.delete(columns.values, row, axis=0))


@pytest.mark.real_data
def test_real_companies(real_data: Path) -> None:
    names = ["AAPL", "GOOGL", "NVDA"]
    table = read_bars(real_data / "stocks_daily_2013_2018.parquet", stamped="session", symbols=names)
    facts: list[Fact] = list(read_company_facts(real_data / "sec_companyfacts.parquet", symbols=names).facts)
    whole = [CorporateAction("NVDA", on(-3000), ActionKind.SPLIT, effective=on(-3000))]
    whole += [
        CorporateAction(
            "AAPL", on(-3000), ActionKind.SPLIT, effective=datetime(2014, 6, 9, 13, 30, tzinfo=UTC), ratio=7
        )
    ]
    whole += [
        CorporateAction("GOOGL", on(-3000), ActionKind.SPLIT, effective=datetime(2014, 4, 3, 13, tzinfo=UTC), ratio=2)
    ]
    since = datetime(2010, 1, 1, tzinfo=UTC)
    members = [Membership(name, since, "sector:Tech", since) for name in names]
    provider = table.provider([*facts, *whole, *members])
    time = table.columns["AAPL"].time[::50]
    medians = sector_medians(provider, names, time, HELD)
    store = FeatureStore(Settings())
    for median in medians[-5:]:
        one = [
            float(
                store.compute_features(
                    name,
                    table.columns[name].between(None, median.known_at),
                    fundamentals=[
                        fact for fact in provider.facts(Fundamental, name) if fact.known_at <= median.known_at
                    ],
                    actions=provider.facts(CorporateAction, name),
                )["ps"].iloc[-1]
            )
            for name in names
        ]
        assert median.ps == pytest.approx(statistics.median(one), rel=1e-6)
