from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.config import DataSettings
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import (
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    InsiderTransaction,
    Membership,
    ShortInterest,
    from_micros,
)
from signals.features.batch import F4, FACTS, compute
from signals.features.catalog import CATALOGUE
from signals.features.facts import inputs_of
from signals.features.known import KnownFacts
from signals.features.live import LiveFeatures, Rows
from signals.features.symbol_facts import SymbolFacts, SymbolStates
from strategy.bars import OHLCV
from strategy.slices import Slice

History = Callable[..., BarColumns]
Same = Callable[[F4, F4], bool]
SETTINGS = DataSettings(sector_etfs={"Energy": "XLE", "Utilities": "XLU"})


class Feed:
    """Replays columns as an engine would: growing lists, one slice an instant."""

    def __init__(self, columns: Iterable[BarColumns], members: Sequence[str] = ("AAA",)) -> None:
        self.bars = {column.symbol: column.bars() for column in columns}
        self.members = members

    def data(self, row: int) -> dict[str, list[OHLCV]]:
        now = self.bars["AAA"][row].timestamp
        return {symbol: [bar for bar in bars if bar.timestamp <= now] for symbol, bars in self.bars.items()}

    def slice(self, row: int) -> Slice:
        now = self.bars["AAA"][row].timestamp
        found = {s: bar for s in self.members for bar in self.bars[s] if bar.timestamp == now}
        return Slice(now, found)

    def update(self, live: LiveFeatures, row: int) -> Rows:
        return live.update(self.slice(row), self.data(row))


@pytest.fixture(scope="module")
def columns(history: History) -> tuple[BarColumns, ...]:
    vix = history(3, symbol="^VIX", delay=900_000_000)
    return history(1), history(2, symbol="SPY"), vix, history(4, symbol="XLE"), history(5, symbol="XLU")


@pytest.fixture(scope="module")
def feed(columns: tuple[BarColumns, ...]) -> Feed:
    return Feed(columns)


@pytest.fixture(scope="module")
def expected(columns: tuple[BarColumns, ...], calendar: TradingCalendar) -> F4:
    return compute(inputs_of(InMemoryProvider(columns), "AAA", SETTINGS), calendar)


def live(provider: InMemoryProvider | None = None, members: Sequence[str] = ("AAA",)) -> LiveFeatures:
    return LiveFeatures(members, SETTINGS, provider)


@settings(max_examples=6)
@given(start=st.integers(0, 640))
def test_stream_is_the_batch_bit_for_bit(feed: Feed, expected: F4, same: Same, start: int) -> None:
    view = live()
    rows = np.concatenate([feed.update(view, row).values for row in range(start, start + 50)])
    assert same(rows, expected[start : start + 50])
    assert view.rebuilds == 1


def test_stream_from_the_first_bar_is_the_batch(feed: Feed, expected: F4, same: Same) -> None:
    view = live()
    rows = [feed.update(view, row) for row in range(600)]
    assert same(np.concatenate([row.values for row in rows]), expected[:600])
    assert [row.ready[0] for row in rows] == [False] * 512 + [True] * 88


def test_only_the_last_bars_are_read(feed: Feed, expected: F4, same: Same) -> None:
    view = live()
    for row in (650, 651):
        tail = {symbol: bars[-513:] for symbol, bars in feed.data(row).items()}
        found = view.update(feed.slice(row), tail)
        assert same(found.values, expected[row : row + 1])
        assert found.ready.all()


def test_same_slice_again_gives_the_same_row(feed: Feed, same: Same) -> None:
    view = live()
    first = feed.update(view, 600)
    again = feed.update(view, 600)
    assert same(first.values, again.values)
    assert (first.rebuilt, again.rebuilt, view.rebuilds) == (("AAA",), (), 1)


def test_gap_rebuilds(feed: Feed, expected: F4, same: Same) -> None:
    view = live()
    feed.update(view, 600)
    found = feed.update(view, 603)
    assert found.rebuilt == ("AAA",)
    assert same(found.values, expected[603:604])


def test_restated_last_bar_rebuilds(feed: Feed, same: Same) -> None:
    view, data = live(), feed.data(600)
    view.update(feed.slice(600), data)
    restated = replace(data["AAA"][-1], volume=1.0)
    data["AAA"][-1] = restated
    found = view.update(Slice(restated.timestamp, {"AAA": restated}), data)
    assert found.rebuilt == ("AAA",)
    assert same(found.values, live().update(Slice(restated.timestamp, {"AAA": restated}), data).values)


def test_restated_bar_before_the_newest_rebuilds(feed: Feed) -> None:
    view, data = live(), feed.data(601)
    feed.update(view, 600)
    data["AAA"][-2] = replace(data["AAA"][-2], volume=1.0)
    assert view.update(feed.slice(601), data).rebuilt == ("AAA",)


def test_equal_bars_of_another_host_take_a_step(columns: tuple[BarColumns, ...], feed: Feed) -> None:
    view = live()
    feed.update(view, 600)
    assert Feed(columns).update(view, 601).rebuilt == ()


def test_restated_reference_rebuilds(feed: Feed, same: Same) -> None:
    view, data = live(), feed.data(601)
    feed.update(view, 600)
    data["SPY"][-2] = replace(data["SPY"][-2], volume=1.0)
    assert view.update(feed.slice(601), data).rebuilt == ("AAA",)


def test_reference_that_came_late_rebuilds(feed: Feed, expected: F4, same: Same) -> None:
    view, early = live(), feed.data(600)
    del early["SPY"][-1]
    view.update(feed.slice(600), early)
    found = feed.update(view, 601)
    assert found.rebuilt == ("AAA",)
    assert same(found.values, expected[601:602])


def test_reset_forgets_one_symbol_or_all(feed: Feed) -> None:
    view = live()
    feed.update(view, 600)
    view.reset("OTHER")
    assert feed.update(view, 601).rebuilt == ()
    view.reset("AAA")
    assert feed.update(view, 602).rebuilt == ("AAA",)
    view.reset()
    assert feed.update(view, 603).rebuilt == ("AAA",)


def test_symbols_come_and_go(history: History, columns: tuple[BarColumns, ...], same: Same) -> None:
    young = history(7, symbol="BBB")
    keep = np.r_[550:590, 592:700]
    young = BarColumns("BBB", young.time[keep], young.values[keep])
    feed, view = Feed([*columns, young], ("AAA", "BBB", "SPY")), live(members=("AAA", "BBB"))
    seen = {row: feed.update(view, row) for row in range(548, 595)}
    assert seen[549].symbols == seen[590].symbols == ("AAA",)
    assert seen[550].symbols == ("AAA", "BBB")
    assert seen[550].rebuilt == ("BBB",)
    assert seen[592].rebuilt == ()
    assert seen[592].ready.tolist() == [True, False]
    fresh = live(members=("BBB",))
    assert same(feed.update(fresh, 594).values, seen[594].values[1:])


def test_admitted_symbols_disturb_nobody(history: History, columns: tuple[BarColumns, ...], same: Same) -> None:
    feed = Feed([*columns, history(7, symbol="BBB")], ("AAA", "BBB"))
    view, whole = live(), live(members=("AAA", "BBB"))
    assert [feed.update(view, row).rebuilt for row in (600, 601)] == [("AAA",), ()]
    view.admit(["BBB", "AAA"])
    rows = feed.update(view, 602)
    assert rows.rebuilt == ("BBB",)
    assert same(rows.values, feed.update(whole, 602).values)
    view.admit([])
    assert feed.update(view, 603).rebuilt == ()


def test_member_behind_the_slice_is_left_out(feed: Feed) -> None:
    data = feed.data(600)
    del data["AAA"][-1]
    found = live().update(feed.slice(600), data)
    assert found.symbols == ()
    assert found.values.shape[0] == 0


def facts(columns: BarColumns) -> list[Fact]:
    known = [from_micros(int(columns.time[row])) - timedelta(minutes=1) for row in range(len(columns))]
    return [
        Fundamental("AAA", known[560], "StockholdersEquity", "USD", None, date(2015, 1, 1), 5e8),
        Fundamental("AAA", known[560], "EntityCommonStockSharesOutstanding", "shares", None, date(2015, 1, 1), 1e7),
        InsiderTransaction("AAA", known[575], known[574].date(), 1000.0, 80_000.0),
        ShortInterest("AAA", known[570], known[565].date(), 1e6, 2.0),
        Membership("AAA", known[0], "sector:Energy", known[0]),
        Membership("AAA", known[585], "sector:Utilities", known[585]),
        CorporateAction("AAA", known[500], ActionKind.SPLIT, known[566], 3.0),
        CorporateAction("AAA", known[595], ActionKind.SPLIT, known[590], 2.0),  # known late
    ]


def test_facts_sectors_and_actions_stream_like_the_batch(
    columns: tuple[BarColumns, ...], feed: Feed, calendar: TradingCalendar, same: Same
) -> None:
    provider = InMemoryProvider(columns, facts(columns[0]), adjusted=Adjusted.NONE)
    expected = compute(inputs_of(provider, "AAA", SETTINGS), calendar)
    view = live(provider)
    rebuilt = {}
    for row in range(552, 605):
        found = feed.update(view, row)
        assert same(found.values, expected[row : row + 1]), row
        rebuilt[row] = found.rebuilt
    assert [row for row, symbols in rebuilt.items() if symbols] == [552, 585, 595]
    assert not np.isnan(expected[604, FACTS]).all()


def test_a_sector_announced_ahead_takes_effect_in_its_time(
    columns: tuple[BarColumns, ...], feed: Feed, calendar: TradingCalendar, same: Same
) -> None:
    known = [from_micros(int(time)) for time in columns[0].time]
    provider = InMemoryProvider(columns, [Membership("AAA", known[0], "sector:Energy", known[0])])
    view = live(provider)
    feed.update(view, 600)
    provider.load(facts=[Membership("AAA", known[601], "sector:Utilities", known[603])])
    expected = compute(inputs_of(provider, "AAA", SETTINGS), calendar)
    for row in range(601, 606):
        assert same(feed.update(view, row).values, expected[row : row + 1]), row


def test_facts_loaded_later_are_seen(columns: tuple[BarColumns, ...], feed: Feed) -> None:
    provider = InMemoryProvider(columns, adjusted=Adjusted.NONE)
    view = live(provider)
    assert np.isnan(feed.update(view, 600).values[0, FACTS]).all()
    provider.load(facts=facts(columns[0]))
    assert not np.isnan(feed.update(view, 601).values[0, FACTS]).all()


def test_a_split_that_came_between_two_looks_at_one_slice_rebuilds(
    columns: tuple[BarColumns, ...], feed: Feed, same: Same
) -> None:
    provider = InMemoryProvider(columns, adjusted=Adjusted.NONE)
    view = live(provider)
    feed.update(view, 600)
    at = from_micros(int(columns[0].time[550]))
    provider.load(facts=[CorporateAction("AAA", at, ActionKind.SPLIT, at, 2.0)])
    feed.update(view, 600)
    found = feed.update(view, 601)
    assert found.rebuilt == ("AAA",)
    assert same(found.values, feed.update(live(provider), 601).values)


def test_facts_that_move_no_basis_are_no_change(columns: tuple[BarColumns, ...], feed: Feed) -> None:
    provider = InMemoryProvider(columns, facts(columns[0]), adjusted=Adjusted.NONE)
    known = KnownFacts(provider, TradingCalendar("XNYS"))
    known.admit(["AAA"])
    slots = np.zeros(1, np.int64)
    known.follow(["AAA"], slots, int(columns[0].time[600]))
    before = known.changed
    provider.load(facts=[ShortInterest("AAA", from_micros(0), date(1970, 1, 1), 1.0, 1.0)])
    known.follow(["AAA"], slots, int(columns[0].time[600]))
    assert known.changed == before


def test_facts_are_sorted_once_until_they_change(
    columns: tuple[BarColumns, ...], feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SymbolFacts] = []

    class Counted(SymbolStates):
        def __init__(self, facts: SymbolFacts, calendar: TradingCalendar) -> None:
            made.append(facts)
            super().__init__(facts, calendar)

    monkeypatch.setattr("signals.features.known.SymbolStates", Counted)
    provider = InMemoryProvider(columns, facts(columns[0]), adjusted=Adjusted.NONE)
    view = live(provider)
    for row in range(586, 590):
        feed.update(view, row)
    provider.load(facts=[replace(fact, symbol="BBB") for fact in provider.facts(ShortInterest, "AAA")])
    feed.update(view, 590)
    assert len(made) == 1
    provider.load(facts=[ShortInterest("AAA", from_micros(0), date(1970, 1, 1), 1.0, 1.0)])
    feed.update(view, 591)
    assert len(made) == 2


def test_an_update_that_failed_is_made_anew(
    feed: Feed, expected: F4, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = live()
    feed.update(view, 600)
    with monkeypatch.context() as patch:
        patch.setattr("signals.features.temporal.compute_now", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            feed.update(view, 601)
    for row in (601, 602):
        assert same(feed.update(view, row).values, expected[row : row + 1])


def test_a_symbol_that_seldom_trades_restarts_like_the_batch(
    columns: tuple[BarColumns, ...], calendar: TradingCalendar, same: Same
) -> None:
    """Its last 513 bars reach further back in time than as many bars of the market."""
    bars, market, *_ = columns
    sparse = BarColumns("AAA", bars.time[::5], bars.values[::5])
    row = len(sparse) - 1
    batch = compute(inputs_of(InMemoryProvider([sparse, market]), "AAA", SETTINGS), calendar)
    now, data = sparse.bars()[row], {"AAA": sparse.bars(), "SPY": market.bars()}
    view = live()
    view._warmup = 60
    assert same(view.update(Slice(now.timestamp, {"AAA": now}), data).values, batch[row:])


@pytest.mark.parametrize("loaded", [True, False])
def test_a_reference_that_splits_is_the_batch(
    columns: tuple[BarColumns, ...], calendar: TradingCalendar, same: Same, loaded: bool
) -> None:
    values = columns[1].values.copy()
    values[620:, :4] /= 2
    market = BarColumns("SPY", columns[1].time, values)
    effective = from_micros(int(market.time[620])) - timedelta(hours=5)
    action = CorporateAction("SPY", effective - timedelta(days=9), ActionKind.SPLIT, effective, 2.0)
    whole = [columns[0], market, *columns[2:]]
    provider = InMemoryProvider(whole, [action], adjusted=Adjusted.NONE)
    batch = compute(inputs_of(provider, "AAA", SETTINGS), calendar)
    given = provider if loaded else InMemoryProvider(whole, adjusted=Adjusted.NONE)
    view, feed = live(given), Feed(whole)
    for row in range(600, 640):
        if row == 610 and not loaded:
            given.load([], [action])
        found = feed.update(view, row).values
        assert same(found[0], batch[row])


def test_closes_do_not_jump_at_a_split(columns: tuple[BarColumns, ...]) -> None:
    values = columns[0].values.copy()
    values[620:, :4] /= 2
    bars = BarColumns("AAA", columns[0].time, values)
    effective = from_micros(int(bars.time[620])) - timedelta(hours=5)
    action = CorporateAction("AAA", effective - timedelta(days=9), ActionKind.SPLIT, effective, 2.0)
    view = live(InMemoryProvider([bars], [action], adjusted=Adjusted.NONE))
    found = [view.closes(Slice(bar.timestamp, {"AAA": bar})).item() for bar in bars.bars()[618:622]]
    assert found == columns[0].values[618:622, 3].tolist()


def test_holes_of_a_symbol_change_nothing_that_is_market_wide(
    columns: tuple[BarColumns, ...], calendar: TradingCalendar, same: Same
) -> None:
    gone = [605, 610, 611, 622]
    holed = BarColumns("AAA", np.delete(columns[0].time, gone), np.delete(columns[0].values, gone, axis=0))
    whole, some = (
        compute(inputs_of(InMemoryProvider([own, *columns[1:]]), "AAA", SETTINGS), calendar)
        for own in (columns[0], holed)
    )
    wide = [place for place, feature in enumerate(CATALOGUE) if feature.market_wide]
    assert same(some[:, wide], np.delete(whole, gone, axis=0)[:, wide])
    view, feed = live(), Feed([holed, *columns[1:]])
    for row in range(600, 630):
        assert same(feed.update(view, row).values[0], some[row])
