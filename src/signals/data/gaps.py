"""Sessions for which a symbol has no row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.cells import NO_TIME
from signals.data.records import I8
from signals.data.stamps import delays

__all__ = ["SessionGaps", "session_gaps"]

_EPOCH_DAY = date(1970, 1, 1)


class SessionGaps(NamedTuple):
    """Missing sessions and late first sessions by symbol, and the symbols that lack any session of the whole range."""

    missing: Mapping[str, tuple[date, ...]]
    late: Mapping[str, date]
    incomplete: tuple[str, ...]


def session_gaps(time: I8, code: I8, symbols: list[str], calendar: TradingCalendar) -> SessionGaps:
    """Find the sessions without a row, of closes in microseconds (`NO_TIME` is passed over) and symbol codes."""
    timed = np.flatnonzero(time != NO_TIME)
    if not len(timed):
        return SessionGaps({}, {}, ())
    # The session a bar belongs to is the one that closes with it or next.
    session = np.searchsorted(calendar.closes, time[timed] - delays(symbols, calendar)[code[timed]])
    session = np.minimum(session, len(calendar.closes) - 1)
    earliest, latest = int(session.min()), int(session.max())
    pairs = np.unique(np.column_stack([code[timed], session]), axis=0)
    missing, late, incomplete = {}, {}, []
    for own in np.split(pairs, np.flatnonzero(np.diff(pairs[:, 0])) + 1):
        name, held = symbols[own[0, 0]], own[:, 1]
        holes = np.setdiff1d(np.arange(held[0], held[-1]), held, assume_unique=True)
        if len(holes):
            missing[name] = tuple(_day(calendar, int(each)) for each in holes)
        if held[0] > earliest:
            late[name] = _day(calendar, int(held[0]))
        if len(held) < latest - earliest + 1:
            incomplete.append(name)
    return SessionGaps(missing, late, tuple(incomplete))


def _day(calendar: TradingCalendar, position: int) -> date:
    return _EPOCH_DAY + timedelta(days=int(calendar.days[position]))
