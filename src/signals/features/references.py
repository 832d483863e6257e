"""Reference series (market, volatility index, sector) joined to a symbol's bars as of each of them."""

from __future__ import annotations

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, BarColumns

__all__ = ["join"]

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
    closes = calendar.closes
    age = np.searchsorted(closes, time, side="right") - np.searchsorted(closes, newest, side="right")
    known = (place >= 0) & (age <= 1) & (newest >= closes[0]) & (time <= closes[-1])
    return np.where(known, reference.values[np.maximum(place, 0), _CLOSE], np.nan)
