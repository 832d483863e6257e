"""Money and positions of a replay: every amount moves here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from strategy.backtest.execution import Execution, Fill, session_of
from strategy.backtest.result import OpenPosition, Trade
from strategy.bars import OHLCV
from strategy.signal import Signal

__all__ = ["Ledger", "Position"]

_ENOUGH = 1 - 1e-9  # twenty slots of a twentieth each must fit, whatever rounding says


@dataclass(slots=True)
class Position:
    """An open position and the signal that stands for it.

    Attributes
    ----------
    entry
        The fill that opened it; its quantity is the position's.
    signal
        The newest signal of this direction.
    bars
        Bars of the symbol since `signal`.
    sessions
        Sessions of the symbol since the fill (dates on which it had a bar).
    mark
        The newest close.
    """

    entry: Fill
    signal: Signal
    mark: float
    session: date
    bars: int = 1
    sessions: int = 0

    def advance(self, timestamp: datetime) -> None:
        """Count one more bar of the symbol."""
        self.bars += 1
        session = session_of(timestamp)
        if session != self.session:
            self.session = session
            self.sessions += 1

    def renew(self, signal: Signal) -> None:
        """Let a later signal of the same direction stand for the position."""
        self.signal = signal
        self.bars = 0

    def expired(self, timestamp: datetime) -> bool:
        """Return whether the signal had run out before the bar that closes at `timestamp` began."""
        if self.signal.expires_at is not None:
            return timestamp > self.signal.expires_at
        horizon = self.signal.metadata.get("horizon_bars")
        return isinstance(horizon, int) and self.bars > horizon


@dataclass(slots=True)
class Ledger:
    """Cash, positions, fills and trades; ``cash + positions at mark = capital + profit - costs`` after every call.

    Selling short brings the proceeds into `cash`; as much again is set aside until the position is closed, so that a
    short uses up a slot of buying power as a long does.
    """

    execution: Execution
    cash: float = 0.0
    set_aside: float = 0.0
    positions: dict[str, Position] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cash = self.execution.capital

    def refusal(self) -> str | None:
        """Return why no position can be opened now; None: one can."""
        if len(self.positions) >= self.execution.max_positions:
            return "max_positions"
        return None if self.cash - self.set_aside >= self.execution.slot * _ENOUGH else "capital"

    def enter(self, signal: Signal, side: int, bar: OHLCV) -> None:
        """Open a position of one slot on `bar`, long (`side` 1) or short (-1)."""
        value = self.execution.slot / (1 + self.execution.cost_rate)
        fill = self.execution.trade(bar, side * value / self.execution.price(bar), signal.id, "entry")
        self._book(fill)
        self.set_aside += _collateral(fill)
        self.positions[bar.symbol] = Position(fill, signal, bar.close, session_of(bar.timestamp))

    def leave(self, symbol: str, bar: OHLCV, signal_id: str, reason: str) -> None:
        """Close a position on `bar`."""
        position = self.positions.pop(symbol)
        fill = self.execution.trade(bar, -position.entry.quantity, signal_id, reason)
        self._book(fill)
        self.set_aside -= _collateral(position.entry)
        self.trades.append(Trade(position.entry, fill, position.sessions))

    def mark(self, bars: Mapping[str, OHLCV]) -> None:
        """Value every position at its newest close; a symbol without a bar keeps its last."""
        for symbol, position in self.positions.items():
            bar = bars.get(symbol)
            if bar is not None:
                position.mark = bar.close

    def worth(self) -> tuple[float, float]:
        """Return equity (cash and positions at mark) and the positions' gross value."""
        net = gross = 0.0
        for position in self.positions.values():
            value = position.entry.quantity * position.mark
            net += value
            gross += abs(value)
        return self.cash + net, gross

    def open_positions(self) -> tuple[OpenPosition, ...]:
        """Return what is still held, by symbol."""
        held = sorted(self.positions.items())
        return tuple(OpenPosition(position.entry, position.mark, position.sessions) for _, position in held)

    def _book(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.cash -= fill.quantity * fill.price + fill.cost


def _collateral(entry: Fill) -> float:
    return 2 * entry.value if entry.quantity < 0 else 0.0
