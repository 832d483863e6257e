"""Entry, exit, and everything that is not done: one rule a test, on bars that are easy to add up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from strategy import OHLCV, BarError, EngineError
from strategy.backtest import BacktestError, BacktestResult, Execution, run_backtest

MakeBar = Callable[..., OHLCV]
MakeStrategy = Callable[..., Any]
Day = Callable[[float], datetime]
MakeSeries = Callable[..., list[OHLCV]]

FREE = Execution(commission_bps=0, slippage_bps=0, capital=1000, max_positions=2)
LONG, SHORT, FLAT = [("A", "LONG", 0.6)], [("A", "SHORT", 0.6)], [("A", "FLAT", 0.6)]


@pytest.fixture(scope="module")
def series(bar: MakeBar) -> MakeSeries:
    """Bars of a symbol on some days; on day k open is 100 + k and close 100.5 + k."""

    def make(symbol: str = "A", days: Any = range(12)) -> list[OHLCV]:
        return [bar(symbol, number, open=100.0 + number, close=100.5 + number) for number in days]

    return make


def fills_of(result: BacktestResult) -> list[tuple[int, float, str]]:
    """Return day of the month less one, price and reason of each fill."""
    return [(fill.timestamp.day - 1, fill.price, fill.reason) for fill in result.fills]


@pytest.mark.parametrize(("rule", "price"), [("next_open", 103.0), ("next_close", 103.5)])
def test_entry_on_the_next_bar(series: MakeSeries, scripted: MakeStrategy, rule: Any, price: float) -> None:
    result = run_backtest(scripted({2: LONG}), {"A": series()}, execution=Execution(fill=rule))
    assert fills_of(result) == [(3, price, "entry")]
    assert result.summary()["fill"] == rule


def test_exit_at_the_first_open_after_expiry(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG}, horizon=5), {"A": series()}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (6, 106.0, "expiry")]
    (trade,) = result.trades
    assert (trade.sessions, trade.direction) == (5, "LONG")
    assert trade.profit == pytest.approx(500 / 101 * 5)


def test_short_gains_when_the_price_falls(bar: MakeBar, scripted: MakeStrategy) -> None:
    falling = [bar("A", number, close=100.0 - number) for number in range(8)]
    result = run_backtest(scripted({0: SHORT}, horizon=3), {"A": falling}, execution=FREE)
    assert [(fill.price, fill.quantity > 0) for fill in result.fills] == [(99.0, False), (96.0, True)]
    assert result.trades[0].direction == "SHORT"
    assert result.equity.values[-1] - 1000 == pytest.approx(500 / 99 * 3) == pytest.approx(result.trades[0].profit)


def test_expiry_moves_with_a_renewal(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG, 3: LONG, 6: LONG}, horizon=3), {"A": series()}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (10, 110.0, "expiry")]
    assert result.renewed == 2
    assert result.fills[1].signal_id == result.signals[-1].id


def test_a_missing_bar_at_the_expiry_delays_nothing(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG}, horizon=5), {"A": series("A", [0, 1, 2, 3, 4, 6, 7])}, execution=FREE)
    assert fills_of(result)[-1] == (6, 106.0, "expiry")


def test_horizon_in_bars_without_an_expiry(series: MakeSeries, scripted: MakeStrategy) -> None:
    made = scripted({0: LONG, 2: LONG}, metadata={"horizon_bars": 3})
    result = run_backtest(made, {"A": series("A", [0, 1, 2, 4, 5, 8, 9])}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (9, 109.0, "expiry")]


def test_without_a_horizon_held_until_an_opposite_signal(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG, 8: SHORT}), {"A": series()}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (9, 109.0, "opposite"), (9, 109.0, "entry")]
    assert result.fills[2].quantity < 0
    assert result.fills[1].signal_id == result.fills[2].signal_id == result.signals[1].id


@pytest.mark.parametrize(("opposite", "done"), [(2, False), (3, True)])
def test_opposite_signal_waits_for_the_minimum_hold(
    series: MakeSeries, scripted: MakeStrategy, opposite: int, done: bool
) -> None:
    made = scripted({0: LONG, opposite: SHORT}, min_hold_days=3)
    result = run_backtest(made, {"A": series()}, execution=FREE)
    assert len(result.trades) == done
    assert result.not_done == ({} if done else {"min_hold": 1})
    assert all(trade.sessions == 3 for trade in result.trades)


def test_expiry_waits_for_the_minimum_hold(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG}, horizon=1, min_hold_days=3), {"A": series()}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (4, 104.0, "expiry")]


def test_minimum_hold_counts_sessions_not_bars(bar: MakeBar, scripted: MakeStrategy) -> None:
    hourly = [bar("A", day + hour / 24) for day in range(4) for hour in range(-6, 1)]
    result = run_backtest(scripted({0: LONG}, horizon=0.8, min_hold_days=2), {"A": hourly}, execution=FREE)
    (trade,) = result.trades
    assert trade.exit.timestamp.date() - trade.entry.timestamp.date() == timedelta(days=2)
    assert trade.exit.timestamp.hour == 15


@pytest.mark.parametrize("later", [{}, {3: FLAT, 4: FLAT}])
def test_flat_and_silence_never_close_early(series: MakeSeries, scripted: MakeStrategy, later: Any) -> None:
    result = run_backtest(scripted({0: LONG, **later}, horizon=6), {"A": series()}, execution=FREE)
    assert fills_of(result) == [(1, 101.0, "entry"), (7, 107.0, "expiry")]
    assert result.not_done == {}


def test_a_symbol_without_a_bar_is_filled_on_its_next(series: MakeSeries, scripted: MakeStrategy) -> None:
    data = {"A": series("A", [0, 3, 4]), "B": series("B")}
    result = run_backtest(scripted({0: LONG}), data, execution=FREE)
    assert fills_of(result) == [(3, 103.0, "entry")]


def test_an_order_that_expired_on_the_way_is_not_filled(series: MakeSeries, scripted: MakeStrategy) -> None:
    data = {"A": series("A", [0, 3, 4]), "B": series("B")}
    result = run_backtest(scripted({0: LONG}, horizon=2), data, execution=FREE)
    assert result.fills == ()
    assert result.not_done == {"expired": 1}


def test_no_next_bar(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({11: LONG}), {"A": series()}, execution=FREE)
    assert result.not_done == {"no_next_bar": 1}


def test_strongest_signals_get_the_slots(series: MakeSeries, scripted: MakeStrategy) -> None:
    said = [("A", "LONG", 0.6), ("B", "LONG", 0.9), ("C", "SHORT", 0.7)]
    data = {symbol: series(symbol) for symbol in "ABC"}
    result = run_backtest(scripted({0: said}), data, execution=FREE)
    assert [fill.symbol for fill in result.fills] == ["B", "C"]
    assert result.not_done == {"max_positions": 1}


def test_equal_strength_goes_by_symbol(series: MakeSeries, scripted: MakeStrategy) -> None:
    said = [(symbol, "LONG", 0.6) for symbol in "CBA"]
    result = run_backtest(scripted({0: said}), {symbol: series(symbol) for symbol in "ABC"}, execution=FREE)
    assert [fill.symbol for fill in result.fills] == ["A", "B"]


def test_exits_make_room_for_entries_at_the_same_open(series: MakeSeries, scripted: MakeStrategy) -> None:
    one = Execution(commission_bps=0, slippage_bps=0, capital=1000, max_positions=1)
    data = {"A": series("A"), "B": series("B")}
    result = run_backtest(scripted({0: [("B", "LONG", 0.6)], 3: LONG}, horizon=3), data, execution=one)
    assert [(fill.symbol, fill.reason, fill.timestamp.day) for fill in result.fills[1:3]] == [
        ("B", "expiry", 5),
        ("A", "entry", 5),
    ]


def test_lost_money_cannot_be_spent_again(bar: MakeBar, scripted: MakeStrategy) -> None:
    falling = [bar("A", number, close=100.0 - 10 * number) for number in range(8)]
    one = Execution(capital=1000, max_positions=1)
    result = run_backtest(scripted({0: LONG, 5: LONG}, horizon=2), {"A": falling}, execution=one)
    assert result.not_done == {"capital": 1}


def test_a_short_uses_up_a_slot_of_money(bar: MakeBar, scripted: MakeStrategy) -> None:
    data = {symbol: [bar(symbol, number) for number in range(9)] for symbol in "BCD"}
    data["A"] = [bar("A", number, close=100.0 if number < 3 else 10.0) for number in range(9)]
    said = {0: LONG, 5: [("B", "SHORT", 0.9), ("C", "LONG", 0.8), ("D", "LONG", 0.7)]}
    three = Execution(commission_bps=0, slippage_bps=0, capital=900, max_positions=3)
    result = run_backtest(scripted(said, horizon=3), data, execution=three)
    assert [fill.symbol for fill in result.fills if fill.reason == "entry"] == ["A", "B", "C"]
    assert result.not_done == {"capital": 1}


def test_a_closed_short_gives_its_money_back(bar: MakeBar, scripted: MakeStrategy) -> None:
    flat = [bar("A", number) for number in range(9)]
    one = Execution(commission_bps=0, slippage_bps=0, capital=1000, max_positions=1)
    result = run_backtest(scripted({0: SHORT, 5: LONG}, horizon=2), {"A": flat}, execution=one)
    assert [fill.reason for fill in result.fills] == ["entry", "expiry", "entry", "expiry"]


def test_costs_fit_into_the_slots(series: MakeSeries, scripted: MakeStrategy) -> None:
    three = Execution(commission_bps=30, slippage_bps=20, capital=1000, max_positions=3)
    said = [("A", "LONG", 0.6), ("B", "SHORT", 0.6), ("C", "LONG", 0.6)]
    result = run_backtest(scripted({0: said}), {symbol: series(symbol) for symbol in "ABC"}, execution=three)
    assert [fill.value + fill.cost for fill in result.fills] == pytest.approx([1000 / 3] * 3)
    assert result.not_done == {}


def test_second_signal_for_a_symbol_is_a_duplicate(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: [*LONG, *SHORT]}), {"A": series()}, execution=FREE)
    assert [fill.quantity > 0 for fill in result.fills] == [True]
    assert result.not_done == {"duplicate": 1}


@pytest.mark.parametrize("symbol", ["X", "B", "SPY"])
def test_signal_for_what_cannot_be_traded_now(series: MakeSeries, scripted: MakeStrategy, symbol: str) -> None:
    data = {"A": series("A"), "B": series("B", [5, 6]), "SPY": series("SPY")}
    result = run_backtest(scripted({0: [(symbol, "LONG", 0.6)]}, references=["SPY"]), data, execution=FREE)
    assert result.fills == ()
    assert result.not_done == {"not_in_slice": 1}


def test_signal_of_another_instant_is_not_traded(series: MakeSeries, scripted: MakeStrategy) -> None:
    made = scripted({3: LONG})
    decide = made.generate_signals
    made.generate_signals = lambda data: decide(
        {symbol: bars[:-1] for symbol, bars in data.items() if bars[:-1]} or data
    )
    result = run_backtest(made, {"A": series()}, execution=FREE)
    assert result.signals[0].timestamp.day == 4
    assert result.not_done == {"not_in_slice": 1}


def test_open_positions_are_marked_and_are_not_trades(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({0: LONG}), {"A": series()}, execution=FREE)
    (held,) = result.open_positions
    assert result.trades == ()
    assert (held.mark, held.sessions) == (111.5, 10)
    assert held.profit == pytest.approx(500 / 101 * 10.5) == pytest.approx(result.equity.values[-1] - 1000)


def test_bars_before_the_start_are_history(series: MakeSeries, scripted: MakeStrategy, day: Day) -> None:
    made = scripted({0: LONG, 4: LONG})
    result = run_backtest(made, {"A": series()}, execution=FREE, start=day(4))
    assert made.seen[0]["A"].timestamp == day(4)
    assert result.equity.timestamps[0] == day(4)
    assert fills_of(result) == [(5, 105.0, "entry")]
    assert (result.windows[0].start, result.windows[0].end) == (day(4), day(11))


def test_bars_after_the_end_are_never_shown(series: MakeSeries, scripted: MakeStrategy, day: Day) -> None:
    made = scripted({4: LONG})
    result = run_backtest(made, {"A": series()}, execution=FREE, end=day(4))
    assert made.seen[-1]["A"].timestamp == day(4)
    assert result.not_done == {"no_next_bar": 1}


def test_references_come_first_and_are_not_traded(series: MakeSeries, scripted: MakeStrategy) -> None:
    made = scripted(references=["SPY", "absent"])
    result = run_backtest(made, {"A": series("A"), "SPY": series("SPY")}, execution=FREE)
    assert all(seen["A"].timestamp == seen["SPY"].timestamp for seen in made.seen)
    assert result.equity.buy_and_hold[-1] == pytest.approx(1000 * 111.5 / 101)


def test_a_later_closing_reference_lags(bar: MakeBar, series: MakeSeries, scripted: MakeStrategy, day: Day) -> None:
    made = scripted(references=["VIX"])
    late = [bar("VIX", number + 0.01) for number in range(12)]
    result = run_backtest(made, {"A": series(), "VIX": late}, execution=FREE)
    assert [seen["VIX"].timestamp for seen in made.seen if "VIX" in seen] == [day(n + 0.01) for n in range(11)]
    assert len(result.equity.timestamps) == len(made.seen) == 12


def test_shadow_runs_and_does_nothing(series: MakeSeries, scripted: MakeStrategy) -> None:
    made = scripted({0: LONG})
    result = run_backtest(made, {"A": series()}, execution=FREE, shadow=True)
    assert len(made.seen) == 12
    assert (result.signals, result.fills, result.not_done) == ((), (), {})
    assert set(result.equity.values) == {1000.0}


def test_failures_are_in_the_result(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({3: [("A", "LONG", 7.0)]}), {"A": series()}, execution=FREE)
    assert result.failures == {"scripted": 1}


def test_progress_counts_instants(series: MakeSeries, scripted: MakeStrategy, day: Day) -> None:
    seen: list[tuple[int, int]] = []
    run_backtest(scripted(), {"A": series()}, end=day(2), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_trade_is_refused(series: MakeSeries, scripted: MakeStrategy) -> None:
    with pytest.raises(BacktestError, match="something to trade, was SPY"):
        run_backtest(scripted(references=["SPY"]), {"SPY": series("SPY")})


def test_nothing_to_replay_is_refused(series: MakeSeries, scripted: MakeStrategy, day: Day) -> None:
    with pytest.raises(BacktestError, match="bars of the universe between start and end, was none"):
        run_backtest(scripted(), {"A": series()}, start=day(50))


@pytest.mark.parametrize("bound", ["start", "end"])
def test_naive_bound_is_refused(series: MakeSeries, scripted: MakeStrategy, bound: str, day: Day) -> None:
    bounds: dict[str, Any] = {bound: day(1).replace(tzinfo=None)}
    with pytest.raises(BacktestError, match=f"^{bound}: expected an aware datetime"):
        run_backtest(scripted(), {"A": series()}, **bounds)


@pytest.mark.parametrize(
    ("symbol", "days", "fault"), [("B", [0], "unknown_symbol"), ("A", [0, 0], "duplicate"), ("A", [1, 0], "backwards")]
)
def test_disordered_bars_are_refused(
    series: MakeSeries, scripted: MakeStrategy, symbol: str, days: list[int], fault: str
) -> None:
    with pytest.raises(BarError, match=fault):
        run_backtest(scripted(), {"A": series(symbol, days)})


def test_house_rule_holds_in_replays(series: MakeSeries, scripted: MakeStrategy) -> None:
    with pytest.raises(EngineError, match="min_hold_days of 2 or more"):
        run_backtest(scripted(min_hold_days=1), {"A": series()})


def test_result_cannot_change(series: MakeSeries, scripted: MakeStrategy) -> None:
    result = run_backtest(scripted({11: LONG}), {"A": series()})
    with pytest.raises(TypeError):
        result.not_done["min_hold"] = 7  # type: ignore[index]  # the point of the test
