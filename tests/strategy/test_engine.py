"""The engine: who may register, what strategies are shown, whose failure is whose."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

import strategy.engine
from strategy import OHLCV, BarFault, BaseStrategy, EngineError, Signal, Slice, StrategyEngine, Trainable

MakeBar = Callable[..., OHLCV]
MakeStrategy = Callable[..., Any]
Day = Callable[[float], datetime]


class Failing(BaseStrategy):
    name = "failing"
    description = "always raises"
    min_hold_days = 2
    warmup_bars = 0

    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        data.clear()
        raise RuntimeError("no idea")


class Mute(Failing):
    name = "mute"

    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        return None  # type: ignore[return-value]  # what a forgotten return gives


def test_signals_come_with_the_last_bar(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A", "B"})
    engine.register_strategy(scripted({0: [("A", "LONG", 0.7)]}))
    assert engine.on_bar(bar("A")) == []
    (signal,) = engine.on_bar(bar("B"))
    assert (signal.symbol, signal.strength) == ("A", 0.7)


def test_flush_decides_without_the_missing(bar: MakeBar, day: Day, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A", "B"})
    made = scripted({0: [("A", "LONG", 0.7)]})
    engine.register_strategy(made)
    engine.on_bar(bar("A"))
    assert len(engine.flush(day(0))) == 1
    assert [list(seen) for seen in made.seen] == [["A"]]


def test_a_symbol_without_a_bar_is_not_shown(bar: MakeBar, day: Day, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A", "B"})
    made = scripted()
    engine.register_strategy(made)
    for symbol, number in [("A", 0), ("B", 0), ("B", 1)]:
        engine.on_bar(bar(symbol, number))
    engine.flush()
    assert [list(seen) for seen in made.seen] == [["A", "B"], ["B"]]


def test_minimum_hold_below_the_floor_is_refused(scripted: MakeStrategy) -> None:
    with pytest.raises(EngineError, match=r"expected min_hold_days of 2 or more .* was 1"):
        StrategyEngine({"A"}).register_strategy(scripted(min_hold_days=1))


def test_floor_can_be_lowered(scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"}, min_hold_floor=0)
    engine.register_strategy(scripted(min_hold_days=0))
    assert engine.list_strategies() == ["scripted"]


def test_duplicate_name_is_refused(scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    engine.register_strategy(scripted())
    with pytest.raises(EngineError, match="'scripted' is registered already"):
        engine.register_strategy(scripted())


def test_reference_in_the_universe_is_refused(scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A", "SPY"})
    with pytest.raises(EngineError, match="looks at SPY as reference"):
        engine.register_strategy(scripted(references=["SPY"]))
    assert engine.list_strategies() == []


@pytest.mark.parametrize("symbol", ["A", "B"])
def test_registering_after_a_bar_is_refused(bar: MakeBar, scripted: MakeStrategy, symbol: str) -> None:
    engine = StrategyEngine({"A", symbol})
    engine.register_strategy(scripted())
    engine.on_bar(bar("A"))
    with pytest.raises(EngineError, match="before the first bar"):
        engine.register_strategy(scripted(name="late"))


def test_get_strategy(scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted()
    engine.register_strategy(made)
    assert engine.get_strategy("scripted") is made
    with pytest.raises(EngineError, match="no strategy named 'x'; registered: scripted"):
        engine.get_strategy("x")


def entry_points_of(**values: str) -> Callable[..., EntryPoints]:
    return lambda group: EntryPoints(EntryPoint(name, value, group) for name, value in values.items())


def test_entry_point_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy.engine, "entry_points", entry_points_of(mine=f"{__name__}:Failing"))
    engine = StrategyEngine({"A"})
    engine.register_strategy("mine")
    assert isinstance(engine.get_strategy("failing"), Failing)


def test_unknown_entry_point_names_the_installed() -> None:
    with pytest.raises(EngineError, match=r"no entry point 'nobody' in vane.strategies; installed: .*ml_signal"):
        StrategyEngine({"A"}).register_strategy("nobody")


def test_entry_point_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy.engine, "entry_points", entry_points_of(mine="builtins:dict"))
    with pytest.raises(EngineError, match="'mine' made dict, expected a BaseStrategy"):
        StrategyEngine({"A"}).register_strategy("mine")


@pytest.mark.parametrize("broken", [Failing, Mute])
def test_one_failure_stops_no_other(
    bar: MakeBar, scripted: MakeStrategy, broken: type[BaseStrategy], caplog: pytest.LogCaptureFixture
) -> None:
    engine = StrategyEngine({"A"})
    engine.register_strategy(broken())
    engine.register_strategy(scripted({0: [("A", "LONG", 0.7)], 1: [("A", "LONG", 0.8)]}))
    made = [signal for number in (0, 1) for signal in engine.on_bar(bar("A", number))]
    assert [signal.strength for signal in made] == [0.7, 0.8]
    assert engine.failures == {broken.name: 2}
    assert f"strategy {broken.name} failed at" in caplog.text


def test_absent_symbols_are_counted_once_they_had_bars(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine(["A", "B", "C"])
    engine.register_strategy(scripted())
    for day, symbols in enumerate(["AB", "A", "A", "AB"]):
        for symbol in symbols:
            engine.on_bar(bar(symbol, day))
        engine.flush()
    assert engine.absences == {"B": 2}


def test_shadow_runs_and_is_not_returned(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted({0: [("A", "LONG", 0.7)]})
    engine.register_strategy(made, shadow=True)
    assert engine.on_bar(bar("A")) == []
    assert len(made.seen) == 1


def test_references_are_shown_and_delay_nobody(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted(references=["SPY"])
    engine.register_strategy(made)
    engine.on_bar(bar("A", 0))
    engine.on_bar(bar("SPY", 1))
    engine.on_bar(bar("A", 1))
    assert [list(seen) for seen in made.seen] == [["A"], ["A", "SPY"]]
    assert engine.references == {"SPY"}
    assert engine.universe == {"A"}


def test_reference_that_closes_later_comes_with_a_lag(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted(references=["VIX"])
    engine.register_strategy(made)
    for one in [bar("A", 0), bar("VIX", 0.01, close=20.0), bar("A", 1), bar("VIX", 1.01, close=30.0), bar("A", 2)]:
        engine.on_bar(one)
    assert [seen["VIX"].close if "VIX" in seen else None for seen in made.seen] == [None, 20.0, 30.0]


def test_nobody_decides_when_only_references_close(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted(references=["VIX"])
    engine.register_strategy(made)
    engine.on_bar(bar("VIX", 0))
    assert engine.flush() == []
    assert made.seen == []
    assert len(engine.history["VIX"]) == 1


def test_late_reference_is_dropped_and_logged_once(
    bar: MakeBar, scripted: MakeStrategy, caplog: pytest.LogCaptureFixture
) -> None:
    engine = StrategyEngine({"A"})
    engine.register_strategy(scripted(references=["SPY"]))
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            engine.on_bar(bar("A", number))
            engine.on_bar(bar("SPY", number))
    assert engine.synchroniser.counts == {BarFault.LATE: 3}
    assert "SPY" not in engine.history
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "push references before the universe" in caplog.text


def test_calendar_can_await_references(bar: MakeBar, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"}, expected=lambda _: {"A", "SPY"})
    made = scripted(references=["SPY"])
    engine.register_strategy(made)
    engine.on_bar(bar("A"))
    engine.on_bar(bar("SPY"))
    assert [list(seen) for seen in made.seen] == [["A", "SPY"]]


def test_recorded_slices_are_history_without_decisions(bar: MakeBar, day: Day, scripted: MakeStrategy) -> None:
    engine = StrategyEngine({"A"})
    made = scripted()
    engine.register_strategy(made)
    engine.record(Slice(day(0), {"A": bar("A", 0)}))
    engine.on_slice(Slice(day(1), {"A": bar("A", 1)}))
    assert len(made.seen) == 1
    assert len(engine.history["A"]) == 2


def test_slices_must_move_forward(bar: MakeBar, day: Day) -> None:
    engine = StrategyEngine({"A"})
    engine.on_slice(Slice(day(1), {"A": bar("A", 1)}))
    for number in (0, 1):
        with pytest.raises(EngineError, match="expected a slice after 2024-01-02"):
            engine.on_slice(Slice(day(number), {"A": bar("A", number)}))


def test_a_strategy_without_state_has_nothing_to_say_of_itself() -> None:
    made = Failing()
    made.reset()
    assert made.get_parameters() == {}
    assert made.get_required_data() == ["ohlcv"]
    assert not isinstance(made, Trainable)
