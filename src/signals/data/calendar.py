"""Exchange sessions: when they open and close, and how many lie between two instants.

A thin wrapper on `exchange_calendars`, imported on first use and kept for the life of the process. Instants are
``int64`` microseconds since 1970-01-01 UTC in arrays and aware UTC datetimes elsewhere; a date is the exchange's own
date of a session. ``24/7`` has a session a day that closes at 00:00 UTC of the following day.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from signals.data.records import I8, from_micros, to_micros
from signals.errors import ConfigError, DataError

__all__ = ["NO_SESSION", "TradingCalendar", "closing_delay"]

NO_SESSION = np.iinfo(np.int64).min
"""What `TradingCalendar.closes_of` gives for a date that is no session."""

_LATE = timedelta(minutes=15)
# fmt: off
_CBOE = frozenset((
    "VIX", "VIXCLS", "VIX9D", "VIX3M", "VIX6M", "VXV", "VXN", "VXNCLS", "VXD", "VXDCLS", "VXO", "RVX", "RVXCLS", "VVIX",
    "OVX", "GVZ", "SKEW",
))
# fmt: on
"""Indices that Cboe computes until 16:15 New York (13:15 on half days), 15 minutes after the shares close."""

_EPOCH_DAY = date(1970, 1, 1)
_FILED = ZoneInfo("America/New_York")
# The widest range first: some exchanges' holidays are not known that far back, or that far ahead.
_RANGES: tuple[dict[str, str], ...] = (
    {"start": "1960-01-01", "end": "2040-12-31"},
    {"start": "1990-01-01", "end": "2040-12-31"},
    {"start": "1997-01-01", "end": "2040-12-31"},
    {"start": "1990-01-01"},
    {"start": "1997-01-01"},
)


class TradingCalendar:
    """The sessions of one exchange; the first use of a name takes about a tenth of a second, later ones nothing.

    Parameters
    ----------
    name
        A name or alias that `exchange_calendars` knows: ``XNYS``, ``NYSE``, ``XLON``, ``24/7``.

    Attributes
    ----------
    name
        The canonical name: ``NYSE`` becomes ``XNYS``.
    days
        Session dates as days since 1970-01-01, shape (n,), rising.
    opens, closes
        Microseconds, shape (n,), rising.

    Raises
    ------
    ConfigError
        If no calendar has that name, or it cannot be built.
    """

    def __init__(self, name: str) -> None:
        self.name, self.days, self.opens, self.closes = _sessions(name)

    def session_close(self, day: date) -> datetime:
        """Return when the session of a date closes; `DataError` where the date is no session."""
        return from_micros(int(self.closes[self._position(day)]))

    def closes_of(self, days: I8) -> I8:
        """Return the closes of dates (days since 1970-01-01), `NO_SESSION` where a date is none; shape as given."""
        positions = np.minimum(np.searchsorted(self.days, days), len(self.days) - 1)
        return np.where(self.days[positions] == days, self.closes[positions], NO_SESSION)

    def sessions_of(self, micros: I8) -> I8:
        """Return the position of the session that a bar's close belongs to, shape as given.

        That which closes with it or next, or the one before if that is nearer: a daily bar stamped 16:00 on a half day.
        """
        session = np.minimum(np.searchsorted(self.closes, micros), len(self.closes) - 1)
        closed = self.closes[np.maximum(session - 1, 0)]
        nearer = (closed < micros) & (micros - closed < self.opens[session] - micros)
        return np.asarray(session - nearer, np.int64)

    def next_open_after(self, day: date, *, same_day: bool = False) -> datetime:
        """Return the first session open after the end of a date: when a fact dated without a time becomes known.

        The date ends in New York, where filings are dated: elsewhere a session of the next date may open before.

        With `same_day`, the open of the date's own session, if it is one.
        """
        return self.nth_session_open_after(day, 0 if same_day and self._is_session(day) else 1)

    def nth_session_open_after(self, day: date, n: int) -> datetime:
        """Return the open of the n-th session after a date (short interest: the 8th after settlement; 0: its own)."""
        if n == 0:
            position = int(np.searchsorted(self.days, _day_number(day)))
        else:
            ended = datetime.combine(day + timedelta(days=1), time(), _FILED)
            position = int(np.searchsorted(self.opens, to_micros(ended))) + n - 1
        return from_micros(int(self.opens[self._inside(position, day.isoformat())]))

    def close_after(self, timestamp: datetime, sessions: int) -> datetime:
        """Return the close that lies `sessions` after the newest one at or before `timestamp`."""
        position = int(self.session_index(np.array([to_micros(timestamp)]))[0]) + sessions
        return from_micros(int(self.closes[self._inside(position, timestamp.isoformat())]))

    def closed_by(self, micros: I8 | int) -> I8:
        """Return how many of the calendar's sessions had closed by each instant; any instant, shape as given."""
        return np.asarray(np.searchsorted(self.closes, micros, side="right"), np.int64)

    def session_index(self, micros: I8) -> I8:
        """Return the position of the newest session closed at each instant; `DataError` outside the calendar."""
        outside = (micros < self.closes[0]) | (micros > self.closes[-1])
        if outside.any():
            raise self._beyond(from_micros(int(micros[outside][0])).isoformat())
        return np.asarray(np.searchsorted(self.closes, micros, side="right") - 1, np.int64)

    def sessions_between(self, older: I8, newer: I8) -> I8:
        """Return how many sessions closed in (older, newer], element by element; negative if `newer` is older."""
        return self.session_index(newer) - self.session_index(older)

    def _is_session(self, day: date) -> bool:
        return bool(self.closes_of(np.array([_day_number(day)]))[0] != NO_SESSION)

    def _position(self, day: date) -> int:
        if not self._is_session(day):
            raise DataError(f"a session of {self.name}", day.isoformat(), hint="the exchange was closed that day")
        return int(np.searchsorted(self.days, _day_number(day)))

    def _inside(self, position: int, asked: str) -> int:
        if not 0 <= position < len(self.days):
            raise self._beyond(asked)
        return position

    def _beyond(self, asked: str) -> DataError:
        first, last = from_micros(int(self.closes[0])), from_micros(int(self.closes[-1]))
        return DataError(f"a time from {first:%Y-%m-%d} to {last:%Y-%m-%d}, the range of {self.name}", asked)


def closing_delay(calendar: str, symbol: str, late: Collection[str] = ()) -> timedelta:
    """Return how long after the session's close a daily series closes.

    15 minutes for Cboe's volatility indices, by their names with or without ``^``, and for those named in `late`; zero
    for all others, and where a session ends at midnight.
    """
    waits = symbol in late or symbol.lstrip("^.$") in _CBOE
    return _LATE if waits and calendar != "24/7" else timedelta(0)


def _day_number(day: date) -> int:
    return (day - _EPOCH_DAY).days


@cache
def _sessions(name: str) -> tuple[str, I8, I8, I8]:
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        canonical = str(exchange_calendars.resolve_alias(name))
    except InvalidCalendarName:
        raise ConfigError(
            f"calendar: expected a name that exchange_calendars knows, such as XNYS, XLON or 24/7, was {name!r}"
        ) from None
    with warnings.catch_warnings():
        # exchange_calendars uses what pandas 3.1 will drop; not a matter for our callers.
        warnings.simplefilter("ignore")
        schedule = _build(canonical).schedule
        opens, closes = (schedule[column].dt.tz_convert("UTC").dt.tz_localize(None) for column in ("open", "close"))
        micros = [column.to_numpy().astype("datetime64[us]").astype(np.int64) for column in (opens, closes)]
        days = schedule.index.to_numpy().astype("datetime64[D]").astype(np.int64)
    for array in (days, *micros):
        array.setflags(write=False)
    return canonical, days, micros[0], micros[1]


def _build(name: str):  # type: ignore[no-untyped-def]  # exchange_calendars has no types
    import exchange_calendars

    for bounds in _RANGES:
        try:
            return exchange_calendars.get_calendar(name, **bounds)
        except (ValueError, NotImplementedError):
            continue
    try:
        return exchange_calendars.get_calendar(name)
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(f"calendar: exchange_calendars cannot build {name} with this pandas: {error}") from None
