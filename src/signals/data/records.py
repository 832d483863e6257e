"""Facts, each with the instant from which it was known, and bars as columns.

Times inside columns are ``int64`` microseconds since 1970-01-01 UTC; everywhere else they are aware UTC datetimes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from signals.errors import NaiveTime, NotFinite, NotPositive, WrongType
from strategy.bars import OHLCV

__all__ = [
    "EPOCH",
    "F8",
    "I8",
    "ActionKind",
    "Adjusted",
    "BarColumns",
    "CorporateAction",
    "Fact",
    "Fundamental",
    "InsiderTransaction",
    "Membership",
    "SectorMedian",
    "ShortInterest",
    "from_micros",
    "to_micros",
]

F8: TypeAlias = NDArray[np.float64]
I8: TypeAlias = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(timestamp: datetime) -> int:
    """Return microseconds since the epoch of an aware datetime (exact integers)."""
    return (timestamp - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of `to_micros`."""
    return EPOCH + int(micros) * _MICROSECOND


class Adjusted(StrEnum):
    """What a loader's prices have been adjusted for, with hindsight."""

    SPLIT = "split"
    NONE = "none"


@runtime_checkable
class Fact(Protocol):
    """Anything that became known about a symbol at an instant."""

    @property
    def symbol(self) -> str:
        """Whom the fact is about."""
        ...

    @property
    def known_at(self) -> datetime:
        """The instant from which it was public, aware UTC."""
        ...


def _check(symbol: str, known_at: datetime, **numbers: float) -> None:
    if not symbol:
        raise WrongType("a non-empty symbol", repr(symbol))
    if known_at.tzinfo is None:
        raise NaiveTime("an aware known_at", known_at.isoformat(), symbol=symbol, hint="say tz= when loading")
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise NotFinite(f"a finite {name}", repr(value), symbol=symbol)


@dataclass(frozen=True, slots=True)
class Fundamental:
    """One reported figure. Its key is (concept, unit, start, end, known_at).

    Parameters
    ----------
    concept, unit
        What was measured and in what: ``("Revenues", "USD")``.
    start, end
        The period. `start` is None for an instant (a balance sheet), so that a quarter never stands in for a year.
    value
        In `unit`, finite.
    filed
        The date of the filing, where it is told: a filing counts as known from a later session's open on.
    """

    symbol: str
    known_at: datetime
    concept: str
    unit: str
    start: date | None
    end: date
    value: float
    filed: date | None = None

    def __post_init__(self) -> None:
        _check(self.symbol, self.known_at, value=self.value)
        if self.start is not None and self.start >= self.end:
            raise WrongType("a period that starts before its end", f"{self.start} to {self.end}", symbol=self.symbol)

    @property
    def days(self) -> int:
        """Length of the period in calendar days; 0 for an instant."""
        return 0 if self.start is None else (self.end - self.start).days + 1

    @property
    def reported(self) -> datetime:
        """On whose share basis the figure is: the end of the day of filing (UTC), `known_at` at the latest."""
        return min(self.known_at, datetime.combine(self.filed, time.max, UTC)) if self.filed else self.known_at


@dataclass(frozen=True, slots=True)
class InsiderTransaction:
    """One insider's purchase (`shares` above zero) or sale (below), known when filed.

    `value` is in the quote currency and has the sign of `shares`.
    """

    symbol: str
    known_at: datetime
    transacted: date
    shares: float
    value: float

    def __post_init__(self) -> None:
        _check(self.symbol, self.known_at, shares=self.shares, value=self.value)


@dataclass(frozen=True, slots=True)
class ShortInterest:
    """Shares sold short at a settlement date, known at publication.

    `days_to_cover` is in days of average volume, as published; NaN where it was not, or was cut off at a limit.
    """

    symbol: str
    known_at: datetime
    settled: date
    shares: float
    days_to_cover: float

    def __post_init__(self) -> None:
        cover = {} if math.isnan(self.days_to_cover) else {"days_to_cover": self.days_to_cover}
        _check(self.symbol, self.known_at, shares=self.shares, **cover)


class ActionKind(StrEnum):
    """What happened to the share."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    SPIN_OFF = "spin_off"
    SYMBOL_CHANGE = "symbol_change"
    DELISTING = "delisting"


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A corporate action, in force from the first bar that closes at or after `effective`.

    Parameters
    ----------
    effective
        Instant from which prices trade on the new basis, aware UTC.
    ratio
        New shares for one old share (splits: 2.0 halves the price); for a spin-off, old price over new price.
    amount
        Cash a share (dividends), in the quote currency.
    """

    symbol: str
    known_at: datetime
    kind: ActionKind
    effective: datetime
    ratio: float = 1.0
    amount: float = 0.0

    def __post_init__(self) -> None:
        _check(self.symbol, self.known_at, ratio=self.ratio, amount=self.amount)
        if self.effective.tzinfo is None:
            raise NaiveTime("an aware effective time", self.effective.isoformat(), symbol=self.symbol)
        if self.ratio <= 0:
            raise NotPositive("a ratio above zero", repr(self.ratio), symbol=self.symbol)


@dataclass(frozen=True, slots=True)
class Membership:
    """A symbol's membership of a group (a universe, a sector) from `since` until `until` (None: still)."""

    symbol: str
    known_at: datetime
    group: str
    since: datetime
    until: datetime | None = None

    def __post_init__(self) -> None:
        _check(self.symbol, self.known_at)
        for name, edge in (("since", self.since), ("until", self.until)):
            if edge is not None and edge.tzinfo is None:
                raise NaiveTime(f"an aware {name}", edge.isoformat(), symbol=self.symbol, hint="say tz= when loading")


@dataclass(frozen=True, slots=True)
class SectorMedian:
    """Median valuation of a sector as known at an instant; `symbol` is the sector's name. NaN where not known."""

    symbol: str
    known_at: datetime
    pe: float = math.nan
    pb: float = math.nan
    ps: float = math.nan
    ev_ebitda: float = math.nan

    def __post_init__(self) -> None:
        medians = {"pe": self.pe, "pb": self.pb, "ps": self.ps, "ev_ebitda": self.ev_ebitda}
        _check(self.symbol, self.known_at, **{name: value for name, value in medians.items() if not math.isnan(value)})


@dataclass(frozen=True, slots=True)
class BarColumns:
    """The bars of one symbol as arrays, oldest first.

    Parameters
    ----------
    time
        Closes, ``int64`` microseconds since the epoch, strictly rising, shape (n,).
    values
        ``float64`` of shape (n, 5): open, high, low, close, volume; C-contiguous.
    """

    symbol: str
    time: I8
    values: F8

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of(cls, symbol: str, bars: Sequence[OHLCV]) -> BarColumns:
        """Make columns from bars."""
        time = np.fromiter((to_micros(bar.timestamp) for bar in bars), np.int64, len(bars))
        values = np.array([(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars], np.float64)
        return cls(symbol, time, values.reshape(len(bars), 5))

    def bars(self) -> list[OHLCV]:
        """Make bars from columns; each is checked again by its own rules."""
        rows = zip(self.time.tolist(), self.values.tolist(), strict=True)
        return [OHLCV(self.symbol, from_micros(time), *row) for time, row in rows]

    def between(self, start: datetime | None, end: datetime | None) -> BarColumns:
        """Return the bars with ``start <= close <= end`` (None: open) as views."""
        low = 0 if start is None else int(np.searchsorted(self.time, to_micros(start), side="left"))
        high = len(self) if end is None else int(np.searchsorted(self.time, to_micros(end), side="right"))
        return BarColumns(self.symbol, self.time[low:high], self.values[low:high])
