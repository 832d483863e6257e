"""What a replay gives back: frozen, comparable, and with a summary that never says NaN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from strategy.backtest.execution import Execution, Fill
from strategy.backtest.performance import account_figures, curve_figures
from strategy.signal import JSON, Signal, SignalDirection

__all__ = ["BacktestResult", "Equity", "OpenPosition", "Trade", "Window"]


@dataclass(frozen=True, slots=True)
class Trade:
    """A position that was opened and closed.

    Parameters
    ----------
    entry, exit
        Both fills; the exit's reason says why.
    sessions
        Sessions of the symbol between the fills.
    """

    entry: Fill
    exit: Fill
    sessions: int

    @property
    def direction(self) -> SignalDirection:
        """LONG or SHORT."""
        return SignalDirection.LONG if self.entry.quantity > 0 else SignalDirection.SHORT

    @property
    def profit(self) -> float:
        """Gain or loss after the costs of both sides."""
        return self.entry.quantity * (self.exit.price - self.entry.price) - self.entry.cost - self.exit.cost


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position still held at the end, valued at the symbol's last close: not a trade."""

    entry: Fill
    mark: float
    sessions: int

    @property
    def profit(self) -> float:
        """Unrealised gain or loss after the entry's costs."""
        return self.entry.quantity * (self.mark - self.entry.price) - self.entry.cost


@dataclass(frozen=True, slots=True)
class Equity:
    """The account at the close of every slice, as columns of one length.

    Parameters
    ----------
    timestamps
        Aware UTC.
    values
        Cash and positions at their last close.
    gross
        Value of longs and shorts together.
    buy_and_hold
        The same capital spread equally over the symbols that trade within the range, each part bought (same fill rule,
        same costs) at the first bar after the symbol's first slice, and kept; cash until then.
    """

    timestamps: tuple[datetime, ...]
    values: tuple[float, ...]
    gross: tuple[float, ...]
    buy_and_hold: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A span that was replayed with one fitted version (None: nothing was fitted on the way)."""

    start: datetime
    end: datetime
    version_id: str | None


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Everything that a replay did and did not do.

    Parameters
    ----------
    strategy
        Its name.
    execution
        The rules that were used, the fill rule among them.
    signals
        What the strategy said, in order; empty for a shadow.
    fills, trades, open_positions
        Executions, closed positions, and what is held at the end.
    renewed
        Signals that let an open position stand longer.
    not_done
        Signals that were not acted on, by reason: ``no_next_bar`` (the data end), ``expired`` (no bar before
        expires_at), ``max_positions``, ``capital``, ``min_hold`` (opposite, too early), ``duplicate`` (a second one for
        the same symbol and slice), ``not_in_slice`` (no tradable bar at the signal's instant). Every signal that is not
        FLAT opened a position, renewed one, or is counted here.
    failures
        Exceptions, by strategy.
    absences
        Decided instants at which a symbol that had bars before had none, by symbol.
    """

    strategy: str
    execution: Execution
    signals: tuple[Signal, ...]
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    open_positions: tuple[OpenPosition, ...]
    equity: Equity
    windows: tuple[Window, ...]
    renewed: int
    not_done: Mapping[str, int]
    failures: Mapping[str, int]
    absences: Mapping[str, int]

    def __post_init__(self) -> None:
        for name in ("not_done", "failures", "absences"):
            counts = {key: count for key, count in sorted(getattr(self, name).items()) if count}
            object.__setattr__(self, name, MappingProxyType(counts))

    def summary(self) -> dict[str, JSON]:
        """Return the figures as JSON values; one that cannot be computed is None, its reason under ``undefined``.

        Returns
        -------
        dict
            Figures of the account (see `account_figures`, `curve_figures`), the fill rule, counts, and under
            ``buy_and_hold`` the same curve figures of the universe held in equal parts.
        """
        capital = self.execution.capital
        own = curve_figures(self.equity.timestamps, self.equity.values, capital)
        account = account_figures(
            [trade.profit for trade in self.trades], self.fills, self.equity.values, self.equity.gross, capital
        )
        held = curve_figures(self.equity.timestamps, self.equity.buy_and_hold, capital)
        return {
            "strategy": self.strategy,
            "fill": self.execution.fill,
            "start": self.windows[0].start.isoformat(),
            "end": self.windows[-1].end.isoformat(),
            "slices": len(self.equity.timestamps),
            **own.values,
            **account.values,
            "signals": len(self.signals),
            "renewed": self.renewed,
            "open_positions": len(self.open_positions),
            "not_done": dict(self.not_done),
            "failures": dict(self.failures),
            "absences": sum(self.absences.values()),
            "undefined": {**own.undefined, **account.undefined},
            "buy_and_hold": {**held.values, "undefined": dict(held.undefined)},
        }
