"""Replay: recorded bars through the same engine that runs live, one slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from strategy.backtest.broker import Broker
from strategy.backtest.buy_and_hold import BuyAndHold
from strategy.backtest.execution import BacktestError, Execution
from strategy.backtest.ledger import Ledger
from strategy.backtest.result import BacktestResult, Equity, Window
from strategy.bars import OHLCV, BarError, BarFault
from strategy.base import REFERENCE_PREFIX, BaseStrategy
from strategy.engine import StrategyEngine
from strategy.signal import Signal
from strategy.slices import Slice

__all__ = ["DEFAULT_EXECUTION", "Progress", "run_backtest"]

DEFAULT_EXECUTION = Execution()

Progress: TypeAlias = Callable[[int, int], None]
"""Called after each instant with how many are done, and how many there are."""


def run_backtest(
    strategy: BaseStrategy,
    data: Mapping[str, Sequence[OHLCV]],
    *,
    execution: Execution = DEFAULT_EXECUTION,
    start: datetime | None = None,
    end: datetime | None = None,
    shadow: bool = False,
    progress: Progress | None = None,
) -> BacktestResult:
    """Replay a strategy on recorded bars.

    Parameters
    ----------
    strategy
        Its references (``ref:SYMBOL``) are shown and not traded; every other symbol of `data` is the universe.
    data
        Bars of each symbol, oldest first.
    execution
        Fill rule, costs and capital.
    start, end
        First and last instant at which the strategy decides (aware; None: the data's). Bars before `start` are history
        without decisions; bars after `end` are never read by anyone.
    shadow
        Run the strategy without acting on it: no signals, no positions. What it decided is in its own sink.

    Returns
    -------
    BacktestResult
        The same, to the last bit, for the same strategy state, bars and arguments.

    Raises
    ------
    BacktestError
        If there is nothing to trade or to replay, or `start` or `end` has no time zone.
    BarError
        If a symbol's bars are not its own, not oldest first, or come twice.
    EngineError
        If the engine refuses the strategy.
    """
    _require_zone(start=start, end=end)
    engine = _engine_for(strategy, data, shadow)
    traded = {symbol for symbol in engine.universe if any(_within(bar.timestamp, start, end) for bar in data[symbol])}
    if not traded:
        raise BacktestError("expected bars of the universe between start and end, was none; widen the range")
    account = _Account(strategy, execution, engine.universe, len(traded))
    instants = _by_instant(data, engine.references, end)
    for done, (stamp, bars) in enumerate(instants, start=1):
        slices = [slice_ for bar in bars for slice_ in engine.synchroniser.push(bar)]
        for slice_ in [*slices, *engine.synchroniser.flush(stamp)]:
            if start is not None and stamp < start:
                engine.record(slice_)
            else:
                account.on_slice(slice_, engine)
        if progress is not None:
            progress(done, len(instants))
    return account.result(engine.failures, engine.absences)


class _Account:
    """Everything of one run that changes from slice to slice."""

    def __init__(self, strategy: BaseStrategy, execution: Execution, universe: frozenset[str], traded: int) -> None:
        self.name = strategy.name
        self.execution = execution
        self.universe = universe
        self.broker = Broker(Ledger(execution), strategy.min_hold_days)
        self.passive = BuyAndHold(execution, traded)
        self.signals: list[Signal] = []
        self.points: list[tuple[datetime, float, float, float]] = []

    def on_slice(self, slice_: Slice, engine: StrategyEngine) -> None:
        if self.universe.isdisjoint(slice_.bars):  # only references closed: nobody decides, nothing is worth more
            engine.record(slice_)
            return
        self.broker.fill(slice_.bars)
        signals = engine.on_slice(slice_)
        self.signals.extend(signals)
        self.broker.take(signals, slice_, self.universe)
        passive = self.passive.advance(bar for bar in slice_.bars.values() if bar.symbol in self.universe)
        self.points.append((slice_.timestamp, *self.broker.ledger.worth(), passive))

    def result(self, failures: Mapping[str, int], absences: Mapping[str, int]) -> BacktestResult:
        self.broker.close()
        stamps, values, gross, passive = zip(*self.points, strict=True)
        return BacktestResult(
            strategy=self.name,
            execution=self.execution,
            signals=tuple(self.signals),
            fills=tuple(self.broker.ledger.fills),
            trades=tuple(self.broker.ledger.trades),
            open_positions=self.broker.ledger.open_positions(),
            equity=Equity(stamps, values, gross, passive),
            windows=(Window(stamps[0], stamps[-1], None),),
            renewed=self.broker.renewed,
            not_done=self.broker.not_done,
            failures=failures,
            absences=absences,
        )


def _engine_for(strategy: BaseStrategy, data: Mapping[str, Sequence[OHLCV]], shadow: bool) -> StrategyEngine:
    named = (
        need.removeprefix(REFERENCE_PREFIX)
        for need in strategy.get_required_data()
        if need.startswith(REFERENCE_PREFIX)
    )
    universe = data.keys() - set(named)
    if not universe:
        raise BacktestError(f"expected bars of something to trade, was {', '.join(sorted(data)) or 'nothing'}")
    engine = StrategyEngine(universe)
    engine.register_strategy(strategy, shadow=shadow)
    return engine


def _by_instant(
    data: Mapping[str, Sequence[OHLCV]], references: frozenset[str], end: datetime | None
) -> list[tuple[datetime, list[OHLCV]]]:
    """Group bars by their close, oldest first; within an instant references come first, then symbols in order."""
    found: dict[datetime, list[OHLCV]] = {}
    for symbol in sorted(data, key=lambda name: (name not in references, name)):
        last: datetime | None = None
        for bar in data[symbol]:
            stamp = bar.timestamp
            if bar.symbol != symbol:
                raise BarError(BarFault.UNKNOWN_SYMBOL, bar.symbol, f"a bar of {symbol!r}", repr(bar.symbol))
            if last is not None and stamp <= last:
                fault = BarFault.DUPLICATE if stamp == last else BarFault.BACKWARDS
                raise BarError(fault, symbol, f"a bar after {last.isoformat()}", stamp.isoformat())
            last = stamp
            if end is not None and stamp > end:
                break
            found.setdefault(stamp, []).append(bar)
    return sorted(found.items())


def _within(stamp: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or start <= stamp) and (end is None or stamp <= end)


def _require_zone(**bounds: datetime | None) -> None:
    for name, bound in bounds.items():
        if bound is not None and bound.utcoffset() is None:
            raise BacktestError(f"{name}: expected an aware datetime, was {bound.isoformat()} without a zone")
