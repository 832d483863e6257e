"""What signals earned after costs: closing prices beside the rows, and daily net returns of a plain portfolio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8, BarColumns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MIN_TRADE_DATES", "SESSIONS_A_YEAR", "Closes", "DailyReturns", "net_returns", "sides_of"]

MIN_TRADE_DATES = 30
"""Dates with a signal under which a Sharpe ratio is undefined."""

SESSIONS_A_YEAR = 252

_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Closes:
    """Closing prices of every symbol on every session.

    Parameters
    ----------
    sessions
        Bar closes, microseconds since the epoch, rising, shape (sessions,).
    symbols
        Names of the columns.
    values
        Prices, shape (sessions, symbols); NaN where the symbol has no bar or no price above zero.
    """

    sessions: I8
    symbols: tuple[str, ...]
    values: F8

    @classmethod
    def of(cls, bars: Sequence[BarColumns]) -> Self:
        """Return the closes of bars; their sessions are all times at which any symbol has a bar."""
        sessions = np.unique(np.concatenate([np.empty(0, np.int64), *(each.time for each in bars)]))
        values = np.full((len(sessions), len(bars)), np.nan)
        for place, each in enumerate(bars):
            values[np.searchsorted(sessions, each.time), place] = _priced(each.values[:, 3])
        return cls(sessions, tuple(each.symbol for each in bars), values)

    @classmethod
    def of_series(cls, close: pd.Series) -> Self:
        """Return the closes of a series of numbers on an index ("symbol", "date"), or of one symbol's dates."""
        import pandas as pd

        from signals.ml.dataset import micros, panel_index

        index = panel_index(close.index)
        codes, names = pd.factorize(index.get_level_values("symbol"), sort=True)
        sessions, slot = np.unique(micros(index.get_level_values("date")), return_inverse=True)
        values = np.full((len(sessions), len(names)), np.nan)
        values[slot, codes] = _priced(close.to_numpy(np.float64, na_value=np.nan))
        return cls(sessions, tuple(map(str, names)), values)

    def columns(self, symbols: pd.Index) -> I8:
        """Return the column of each name, shape (n,)."""
        import pandas as pd

        return np.asarray(pd.Index(self.symbols).get_indexer(symbols.astype(str)), np.int64)

    def at(self, times: I8, columns: I8) -> F8:
        """Return the price of a symbol at each time, NaN where there is none, shape (n,)."""
        if not len(self.sessions):
            return np.full(len(times), np.nan)
        slot = np.minimum(np.searchsorted(self.sessions, times), len(self.sessions) - 1)
        return np.where(self.sessions[slot] == times, self.values[slot, columns], np.nan)

    def between(self, first: int, last: int, beyond: int) -> Closes:
        """Return the sessions from `first` to `last`, both included, and `beyond` more."""
        begin, end = np.searchsorted(self.sessions, [first, last + 1])
        part = slice(int(begin), int(end) + beyond)
        return Closes(self.sessions[part], self.symbols, self.values[part])

    @staticmethod
    def joined(parts: Sequence[Closes]) -> Closes | None:
        """Return all sessions of parts of one whole, each once; None of no part."""
        if not parts:
            return None
        sessions, place = np.unique(np.concatenate([part.sessions for part in parts]), return_index=True)
        return Closes(sessions, parts[0].symbols, np.concatenate([part.values for part in parts])[place])


@dataclass(frozen=True, eq=False)
class DailyReturns:
    """Net returns of a portfolio, day by day, days without a position among them.

    Parameters
    ----------
    days
        UTC dates of the closes, days since 1970-01-01, rising, shape (days,).
    values
        Fractions of the capital, shape (days,).
    trade_dates
        Dates with a signal.
    """

    days: I8
    values: F8
    trade_dates: int

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation (n - 1) of a day, times sqrt(252); NaN under 30 trade dates."""
        if self.trade_dates < MIN_TRADE_DATES:
            return math.nan
        deviation = float(self.values.std(ddof=1))
        return float(self.values.mean()) / deviation * math.sqrt(SESSIONS_A_YEAR) if deviation > 0 else math.nan


def sides_of(probabilities: F8, threshold: float) -> NDArray[np.int8]:
    """Return 1 for a buy, -1 for a sale, 0 for none: UP or DOWN is most probable, and above `threshold`; shape (n,)."""
    top = probabilities.argmax(axis=1)
    return np.where(probabilities.max(axis=1) > threshold, top - 1, 0).astype(np.int8)


def net_returns(
    sides: NDArray[np.int8], timestamps: I8, columns: I8, closes: Closes, *, horizon: int, cost: float
) -> DailyReturns:
    """Return what holding every signal for `horizon` sessions earned.

    Each session's signals get one part in `horizon` of the capital in equal weights, long or short, entered at the
    close they were decided on and left `horizon` closes later; the rest is cash without interest. Positions of one
    symbol are netted, so that a renewed signal is not traded anew.

    Parameters
    ----------
    sides
        1, -1 or 0 of each row, shape (n,).
    timestamps, columns
        Of the rows: bar closes in microseconds since the epoch, and columns of `closes`, shape (n,).
    closes
        Over the rows' sessions and `horizon` more; a session without a price is one without a move, and the next one
        has it all.
    cost
        Of each side, as a fraction of the traded value.

    Returns
    -------
    DailyReturns
        From the session after the first row's to `horizon` behind the last row's: the move to a close less the costs of
        what was traded at the close before; the last bears the costs of leaving. Of intraday bars the sum over a day.
    """
    trade_dates = len(np.unique(_days(timestamps[sides != 0])))
    if not len(timestamps):
        return DailyReturns(np.empty(0, np.int64), np.empty(0), 0)
    span = closes.between(int(timestamps.min()), int(timestamps.max()), horizon)
    weight = np.zeros(span.values.shape)
    weight[np.searchsorted(span.sessions, timestamps), columns] = sides
    weight /= np.maximum(np.abs(weight).sum(axis=1, keepdims=True), 1.0) * horizon
    held = np.array([weight[max(0, at - horizon + 1) : at + 1].sum(axis=0) for at in range(len(weight))])
    held[-1] = 0.0
    costs = cost * np.abs(np.diff(held, axis=0, prepend=0.0)).sum(axis=1)
    earned = (held[:-1] * _moves(span.values)).sum(axis=1) - costs[:-1]
    earned[-1:] -= costs[-1]
    days, inverse = np.unique(_days(span.sessions[1:]), return_inverse=True)
    return DailyReturns(days, np.bincount(inverse, earned, minlength=len(days)).astype(np.float64), trade_dates)


def _priced(prices: F8) -> F8:
    return np.where(np.isfinite(prices) & (prices > 0), prices, np.nan)


def _moves(prices: F8) -> F8:
    """Return price over the last known price, less one, 0 where there is none, shape (sessions - 1, symbols)."""
    known = np.maximum.accumulate(np.where(np.isnan(prices), -1, np.arange(len(prices))[:, None]), axis=0)
    last = np.where(known >= 0, np.take_along_axis(prices, np.maximum(known, 0), axis=0), np.nan)
    return np.nan_to_num(last[1:] / last[:-1] - 1.0)


def _days(times: I8) -> I8:
    # A bar that closes at midnight belongs to the day that ends then.
    return np.asarray((times - 1) // _DAY, np.int64)
