"""How orders become fills, and what that costs: named in every result, for no figure means anything without it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias, get_args

from strategy.bars import OHLCV
from strategy.engine import EngineError

__all__ = ["BacktestError", "Execution", "Fill", "FillRule", "session_of"]

FillRule: TypeAlias = Literal["next_open", "next_close"]

_BASIS_POINT = 1e-4
_INSTANT = timedelta(microseconds=1)


class BacktestError(EngineError):
    """A replay that cannot be run as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The rules of trading in a replay.

    A signal is decided on a bar's close, so the earliest price that it can have is the **next** bar's: there is no
    rule that fills on the bar that was decided on.

    Parameters
    ----------
    fill
        ``next_open`` or ``next_close``: which price of the symbol's next bar is paid.
    commission_bps, slippage_bps
        Costs of each side in basis points (1/10,000) of the traded value. Slippage is booked as a cost, so that a
        fill's price stays the one that was quoted.
    capital
        Cash at the start, in the currency of the prices.
    max_positions
        Most positions at a time. Each is given ``capital / max_positions`` at entry, its costs included; gains are not
        compounded.

    Raises
    ------
    BacktestError
        If a value is impossible.
    """

    fill: FillRule = "next_open"
    commission_bps: float = 1.0
    slippage_bps: float = 2.0
    capital: float = 100_000.0
    max_positions: int = 20

    def __post_init__(self) -> None:
        if self.fill not in get_args(FillRule):
            raise BacktestError(f"fill: expected one of {', '.join(get_args(FillRule))}, was {self.fill!r}")
        for name in ("commission_bps", "slippage_bps"):
            if not 0 <= getattr(self, name) < 10_000:
                raise BacktestError(f"{name}: expected 0 or more and below 10000, was {getattr(self, name)!r}")
        if not 0 < self.capital < math.inf:
            raise BacktestError(f"capital: expected a finite amount above zero, was {self.capital!r}")
        if not isinstance(self.max_positions, int) or self.max_positions < 1:
            raise BacktestError(f"max_positions: expected a whole number of 1 or more, was {self.max_positions!r}")

    @property
    def slot(self) -> float:
        """Cash that one new position may use, costs included."""
        return self.capital / self.max_positions

    @property
    def cost_rate(self) -> float:
        """Costs of one side as a fraction of the traded value."""
        return (self.commission_bps + self.slippage_bps) * _BASIS_POINT

    def price(self, bar: OHLCV) -> float:
        """Return the price at which an order waiting for `bar` is filled."""
        return bar.open if self.fill == "next_open" else bar.close

    def trade(self, bar: OHLCV, quantity: float, signal_id: str, reason: str) -> Fill:
        """Return the fill of `quantity` units (below zero: sold) on `bar`."""
        price = self.price(bar)
        value = abs(quantity) * price * _BASIS_POINT
        commission, slippage = value * self.commission_bps, value * self.slippage_bps
        return Fill(signal_id, bar.symbol, bar.timestamp, quantity, price, commission, slippage, reason)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.

    Parameters
    ----------
    signal_id
        The signal that opened, reversed, or last stood for the position.
    timestamp
        Close (aware UTC) of the bar in which it was filled: under ``next_open`` the trade took place when that bar
        opened.
    quantity
        Units, fractions allowed; above zero bought, below zero sold.
    price
        As quoted, without costs.
    commission, slippage
        In the currency of the prices, zero or more.
    reason
        ``entry``, ``expiry`` or ``opposite``.
    """

    signal_id: str
    symbol: str
    timestamp: datetime
    quantity: float
    price: float
    commission: float
    slippage: float
    reason: str

    @property
    def value(self) -> float:
        """Traded value, zero or more."""
        return abs(self.quantity) * self.price

    @property
    def cost(self) -> float:
        """Commission and slippage."""
        return self.commission + self.slippage


def session_of(timestamp: datetime) -> date:
    """Return the UTC date of a bar; one that closes at midnight belongs to the day that ends then."""
    return (timestamp - _INSTANT).date()
