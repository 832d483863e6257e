"""Reference series (market, volatility index, sector): joined to a symbol's bars, and what is the same for all symbols.

What is declared market-wide is computed from the reference's own bars, so that a symbol with holes sees what all others
see. A reference that splits goes on without a jump, if the split was known when it took effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, Adjusted, BarColumns, CorporateAction
from signals.features import basis

__all__ = ["MARKET_WIDE", "TAIL", "in_force", "join", "market_wide", "market_wide_now", "on_one_basis", "steps_in_time"]

MARKET_WIDE = ("market_return_20", "volatility_change_5", "volatility_regime_60")
"""What `market_wide` gives, by name."""
TAIL = 60
"""Newest bars of a reference that decide them."""

_CLOSE = 3
_MONTH, _WEEK = 20, 5


def join(time: I8, reference: BarColumns | None, calendar: TradingCalendar) -> F8:
    """Return the reference's close as of each instant, shape (n,).

    The newest bar that had closed by then, if it is at most one session old, else NaN: a series that closes later than
    the symbol (the VIX, at 16:15 New York) comes with a session's lag.
    """
    return _as_of(time, reference, calendar, None if reference is None else reference.values[:, _CLOSE])


def market_wide(time: I8, market: BarColumns | None, volatility: BarColumns | None, calendar: TradingCalendar) -> F8:
    """Return the features of `MARKET_WIDE` as of each instant, shape (n, 3): windows count the reference's own bars."""
    found = np.full((len(time), len(MARKET_WIDE)), np.nan)
    if market is not None:
        found[:, 0] = _as_of(time, market, calendar, _change(market.values[:, _CLOSE], _MONTH))
    if volatility is not None:
        level = volatility.values[:, _CLOSE]
        found[:, 1] = _as_of(time, volatility, calendar, _change(level, _WEEK))
        found[:, 2] = _as_of(time, volatility, calendar, _over_mean(level))
    return found


def market_wide_now(market: Sequence[float], volatility: Sequence[float]) -> tuple[float, float, float]:
    """Return the features of `MARKET_WIDE` after the last of some closes, the same bits as `market_wide`.

    `TAIL` closes suffice; NaN where there are too few. For one bar, arrays would cost twenty times as much.
    """
    month = market[-1] / market[-1 - _MONTH] - 1.0 if len(market) > _MONTH else math.nan
    week = volatility[-1] / volatility[-1 - _WEEK] - 1.0 if len(volatility) > _WEEK else math.nan
    regime = math.nan
    if len(volatility) >= TAIL:
        regime = volatility[-1] / (reduce(add, volatility[: -TAIL - 1 : -1]) / TAIL) - 1.0
    return month, week, regime


def in_force(time: I8 | int, newest: I8, calendar: TradingCalendar) -> NDArray[np.bool_]:
    """Return whether a reference's newest bar is at most one session old at each instant, shape (n,)."""
    age = calendar.closed_by(time) - calendar.closed_by(newest)
    inside = (newest >= calendar.closes[0]) & (time <= calendar.closes[-1])
    return np.asarray((age <= 1) & inside, np.bool_)


def steps_in_time(actions: Sequence[CorporateAction], adjusted: Adjusted) -> tuple[basis.Step, ...]:
    """Return a reference's jumps that were known when they took effect; one that came late is left as it was read."""
    known = [action for action in actions if action.known_at <= action.effective]
    return basis.applied(known, adjusted, int(np.iinfo(np.int64).max))


def on_one_basis(reference: BarColumns, steps: Sequence[basis.Step]) -> BarColumns:
    """Return a reference whose prices do not jump at `steps`; earlier bars stay as they are."""
    if not steps:
        return reference
    values = reference.values.copy()
    values[:, : _CLOSE + 1] *= basis.factors(steps, reference.time)[0][:, None]
    return BarColumns(reference.symbol, reference.time, values)


def _as_of(time: I8, reference: BarColumns | None, calendar: TradingCalendar, values: F8 | None) -> F8:
    if reference is None or values is None or not len(reference):
        return np.full(len(time), np.nan)
    place = np.searchsorted(reference.time, time, side="right") - 1
    newest = reference.time[np.maximum(place, 0)]
    known = (place >= 0) & in_force(time, newest, calendar)
    return np.where(known, values[np.maximum(place, 0)], np.nan)


def _change(level: F8, bars: int) -> F8:
    change = np.full(len(level), np.nan)
    change[bars:] = level[bars:] / level[:-bars] - 1.0
    return change


def _over_mean(level: F8) -> F8:
    """Return the level over its mean of `TAIL` bars, minus 1: summed newest first, the same bits from any start."""
    found, count = np.full(len(level), np.nan), len(level) - TAIL + 1
    if count > 0:
        newest_first = np.lib.stride_tricks.sliding_window_view(level, TAIL)[:, ::-1]
        total = np.add.accumulate(newest_first, axis=1)[:, -1]  # one after the other, unlike a sum
        found[TAIL - 1 :] = level[TAIL - 1 :] / (total / TAIL) - 1.0
    return found
