"""Sessions for which a symbol has no row, and bars that lie in none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.cells import B1, NO_TIME
from signals.data.records import I8, from_micros
from signals.data.stamps import delays

__all__ = ["OffSession", "SessionGaps", "session_gaps"]

_EPOCH_DAY = date(1970, 1, 1)


class OffSession(NamedTuple):
    """How many bars of a symbol close at no session's close, and when the first of them does."""

    bars: int
    first: datetime


class SessionGaps(NamedTuple):
    """Missing sessions, late first sessions and bars off session by symbol; symbols that lack a session of the range.

    A bar that closes between two sessions belongs to the nearer one: a daily bar stamped 16:00 on a day that closed
    early is no missing session. It is off session where no other bar of its symbol closes within that session.
    """

    missing: Mapping[str, tuple[date, ...]]
    late: Mapping[str, date]
    incomplete: tuple[str, ...]
    off: Mapping[str, OffSession]


def session_gaps(
    time: I8, code: I8, symbols: list[str], calendar: TradingCalendar, late_closing: Collection[str] = ()
) -> SessionGaps:
    """Find the sessions without a row, of closes in microseconds (`NO_TIME` is passed over) and symbol codes."""
    timed = np.flatnonzero(time != NO_TIME)
    if not len(timed):
        return SessionGaps({}, {}, (), {})
    session, off = _sessions(time[timed] - delays(symbols, calendar, late_closing)[code[timed]], code[timed], calendar)
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
    return SessionGaps(missing, late, tuple(incomplete), _off_session(time[timed[off]], code[timed[off]], symbols))


def _sessions(time: I8, code: I8, calendar: TradingCalendar) -> tuple[I8, B1]:
    """Return the session that each bar belongs to, and which bars are off session."""
    session = calendar.sessions_of(time)
    between = calendar.closes[session] < time
    key = code * len(calendar.closes) + session
    return session, between & ~np.isin(key, key[~between])


def _off_session(time: I8, code: I8, symbols: list[str]) -> dict[str, OffSession]:
    return {
        symbols[each]: OffSession(int((code == each).sum()), from_micros(int(time[code == each].min())))
        for each in np.unique(code)
    }


def _day(calendar: TradingCalendar, position: int) -> date:
    return _EPOCH_DAY + timedelta(days=int(calendar.days[position]))
