"""What holds on any market: money is conserved, every signal has one fate, and the future changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy import OHLCV
from strategy.backtest import BacktestResult, Execution, run_backtest

MakeBar = Callable[..., OHLCV]
MakeStrategy = Callable[..., Any]
Day = Callable[[float], datetime]
Market: TypeAlias = dict[str, list[OHLCV]]
Script: TypeAlias = dict[int, list[tuple[str, str, float]]]

DAYS = 16
SYMBOLS = ("A", "B", "C")
PRICE = st.floats(min_value=1, max_value=1000)
CELL = st.tuples(st.booleans() | st.just(True), PRICE, PRICE, st.sampled_from(["", "", "LONG", "SHORT", "FLAT"]))
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=2, max_size=DAYS)
RULES = st.builds(
    Execution,
    fill=st.sampled_from(["next_open", "next_close"]),
    commission_bps=st.floats(0, 50),
    slippage_bps=st.floats(0, 50),
    capital=st.floats(100, 1e6),
    max_positions=st.integers(1, 4),
)
HORIZON = st.sampled_from([None, 1, 3, 5])


def market_of(rows: list[list[tuple[bool, float, float, str]]], bar: MakeBar) -> tuple[Market, Script]:
    data: Market = {"A": [bar("A", 0)], "B": [], "C": []}
    script: Script = {}
    for number, row in enumerate(rows, start=1):
        for symbol, (there, open_, close, said) in zip(SYMBOLS, row, strict=True):
            if there:
                data[symbol].append(bar(symbol, number, open=open_, close=close))
            if said:  # also for symbols that have no bar then
                script.setdefault(number, []).append((symbol, said, open_ / 1000))
    return data, script


def recomputed(result: BacktestResult, data: Mapping[str, list[OHLCV]]) -> list[float]:
    """Add up the account at every slice from nothing but the fills and the bars."""
    made = []
    for stamp in result.equity.timestamps:
        value = result.execution.capital
        for fill in result.fills:
            if fill.timestamp <= stamp:
                close = next(one.close for one in reversed(data[fill.symbol]) if one.timestamp <= stamp)
                value += fill.quantity * (close - fill.price) - fill.cost
        made.append(value)
    return made


@settings(max_examples=80)
@given(rows=ROWS, rules=RULES, horizon=HORIZON)
def test_money_is_conserved_at_every_slice(
    bar: MakeBar, scripted: MakeStrategy, rows: Any, rules: Execution, horizon: int | None
) -> None:
    data, script = market_of(rows, bar)
    result = run_backtest(scripted(script, horizon=horizon), data, execution=rules)
    assert result.equity.values == pytest.approx(recomputed(result, data), abs=1e-3, rel=1e-9)
    profit = sum(trade.profit for trade in result.trades) + sum(held.profit for held in result.open_positions)
    assert result.equity.values[-1] == pytest.approx(rules.capital + profit, abs=1e-3, rel=1e-9)


@settings(max_examples=80)
@given(rows=ROWS, rules=RULES, horizon=HORIZON)
def test_every_signal_has_one_fate(
    bar: MakeBar, scripted: MakeStrategy, rows: Any, rules: Execution, horizon: int | None
) -> None:
    data, script = market_of(rows, bar)
    result = run_backtest(scripted(script, horizon=horizon), data, execution=rules)
    asked = sum(signal.direction != "FLAT" for signal in result.signals)
    entries = sum(fill.reason == "entry" for fill in result.fills)
    assert asked == entries + result.renewed + sum(result.not_done.values())
    assert entries == len(result.trades) + len(result.open_positions)
    assert len(result.open_positions) <= rules.max_positions
    assert all(trade.sessions >= 2 for trade in result.trades)
    decided = {signal.id: signal.timestamp for signal in result.signals}
    assert all(decided[fill.signal_id] < fill.timestamp for fill in result.fills)


@settings(max_examples=40)
@given(rows=ROWS, rules=RULES, horizon=HORIZON, last=st.integers(1, DAYS))
def test_same_again_and_same_when_cut_after_the_range(
    bar: MakeBar, day: Day, scripted: MakeStrategy, rows: Any, rules: Execution, horizon: int | None, last: int
) -> None:
    data, script = market_of(rows, bar)
    cut = {symbol: [one for one in bars if one.timestamp <= day(last)] for symbol, bars in data.items()}
    shuffled = {symbol: bars for symbol, bars in reversed(cut.items()) if bars}

    def run(bars: Market, end: datetime | None) -> BacktestResult:
        return run_backtest(scripted(script, horizon=horizon), bars, execution=rules, end=end)

    first = run(data, day(last))
    assert run(data, day(last)) == first
    assert run(shuffled, None) == first


@settings(max_examples=40)
@given(rows=ROWS, rules=RULES, horizon=HORIZON)
def test_summary_is_finite_json(
    bar: MakeBar, scripted: MakeStrategy, rows: Any, rules: Execution, horizon: int | None
) -> None:
    data, script = market_of(rows, bar)
    summary = run_backtest(scripted(script, horizon=horizon), data, execution=rules).summary()
    read = json.loads(json.dumps(summary, allow_nan=False))
    for part in (read, read["buy_and_hold"]):
        assert {name for name, value in part.items() if value is None} == set(part["undefined"])
