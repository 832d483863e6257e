"""Reference series (market, volatility index, sector) joined to a symbol's bars as of each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, BarColumns

__all__ = ["in_force", "join"]

_CLOSE = 3


def join(time: I8, reference: BarColumns | None, calendar: TradingCalendar) -> F8:
    """Return the reference's close as of each instant, shape (n,).

    The newest bar that had closed by then, if it is at most one session old, else NaN: a series that closes later than
    the symbol (the VIX, at 16:15 New York) comes with a session's lag.
    """
    if reference is None or not len(reference):
        return np.full(len(time), np.nan)
    place = np.searchsorted(reference.time, time, side="right") - 1
    newest = reference.time[np.maximum(place, 0)]
    known = (place >= 0) & in_force(time, newest, calendar)
    return np.where(known, reference.values[np.maximum(place, 0), _CLOSE], np.nan)


def in_force(time: I8 | int, newest: I8, calendar: TradingCalendar) -> NDArray[np.bool_]:
    """Return whether a reference's newest bar is at most one session old at each instant, shape (n,)."""
    age = calendar.closed_by(time) - calendar.closed_by(newest)
    inside = (newest >= calendar.closes[0]) & (time <= calendar.closes[-1])
    return np.asarray((age <= 1) & inside, np.bool_)
