"""Bars, and the rules that decide which bars are refused and why.

One table of rules serves every producer of bars (files, feeds, foreign engines):

==================  ================================================================  ==============
fault               when                                                              what happens
==================  ================================================================  ==============
``WRONG_TYPE``      a field is not a number, or the symbol is not a non-empty text    error
``NAIVE_TIME``      the timestamp has no time zone                                    error
``NOT_UTC``         the timestamp's offset is not zero                                error
``NOT_FINITE``      a price or the volume is NaN or infinite                          error
``NOT_POSITIVE``    a price is zero or negative                                       error
``BROKEN_ORDER``    low <= open, close <= high does not hold                          error
``NEGATIVE_VOLUME`` the volume is below zero                                          error
``DUPLICATE``       the same symbol and instant arrives again while the slice is open counted, dropped
``LATE``            the bar's instant was already closed as a slice                   counted, dropped
``BACKWARDS``       the bar is older than one of the same symbol that already came    counted, dropped
``UNKNOWN_SYMBOL``  the symbol is not a member                                        counted, dropped
==================  ================================================================  ==============

An error is for code that builds a bar wrongly; a counted drop is for a feed that is at fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from numbers import Real

__all__ = ["OHLCV", "BarError", "BarFault", "require_utc"]

_NO_OFFSET = timedelta(0)


class BarFault(StrEnum):
    """Why a bar was refused or dropped; the table is in the module's docstring."""

    WRONG_TYPE = "wrong_type"
    NAIVE_TIME = "naive_time"
    NOT_UTC = "not_utc"
    NOT_FINITE = "not_finite"
    NOT_POSITIVE = "not_positive"
    BROKEN_ORDER = "broken_order"
    NEGATIVE_VOLUME = "negative_volume"
    DUPLICATE = "duplicate"
    LATE = "late"
    BACKWARDS = "backwards"
    UNKNOWN_SYMBOL = "unknown_symbol"


class BarError(ValueError):
    """A bar that cannot be a bar.

    Parameters
    ----------
    fault
        The rule that was broken.
    symbol
        The bar's symbol, as far as it is known.
    expected, got
        What the rule asks for and what came instead.
    """

    def __init__(self, fault: BarFault, symbol: str, expected: str, got: str) -> None:
        self.fault = fault
        self.symbol = symbol
        self.expected = expected
        self.got = got
        super().__init__(f"bar of {symbol!r} refused ({fault.value}): expected {expected}, was {got}")


def require_utc(timestamp: datetime, symbol: str) -> None:
    """Raise `BarError` unless `timestamp` is an aware datetime with a zero offset."""
    if not isinstance(timestamp, datetime):
        raise BarError(BarFault.WRONG_TYPE, symbol, "an aware UTC datetime", repr(timestamp))
    if timestamp.tzinfo is UTC:
        return
    offset = timestamp.utcoffset()
    if offset is None:
        raise BarError(BarFault.NAIVE_TIME, symbol, "an aware UTC timestamp", f"{timestamp.isoformat()} without a zone")
    if offset != _NO_OFFSET:
        raise BarError(BarFault.NOT_UTC, symbol, "a timestamp in UTC", timestamp.isoformat())


@dataclass(frozen=True, slots=True)
class OHLCV:
    """One bar of one symbol, stamped with its **close**.

    Parameters
    ----------
    symbol
        Non-empty name of the instrument.
    timestamp
        The instant at which the bar closed, aware, UTC.
    open, high, low, close
        Prices, finite and positive, with ``low <= open, close <= high``.
    volume
        Units traded during the bar, finite, zero or more.

    Raises
    ------
    BarError
        Where a rule of the module's table is broken; it carries the `BarFault`.
    """

    symbol: str
    timestamp: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        if not isinstance(self.symbol, str) or not self.symbol:
            raise BarError(BarFault.WRONG_TYPE, str(self.symbol), "a non-empty symbol", repr(self.symbol))
        require_utc(self.timestamp, self.symbol)
        # One comparison chain accepts every sound bar; the slow path only names what is wrong.
        # (NaN fails each comparison, so it never passes.)
        try:
            sound = (
                0.0 < self.low <= self.open <= self.high < math.inf
                and self.low <= self.close <= self.high
                and 0.0 <= self.volume < math.inf
            )
        except TypeError:
            sound = False
        if not sound:
            self._refuse()

    def _refuse(self) -> None:
        prices = {"open": self.open, "high": self.high, "low": self.low, "close": self.close}
        for name, value in {**prices, "volume": self.volume}.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise BarError(BarFault.WRONG_TYPE, self.symbol, f"{name} as a number", repr(value))
            if not math.isfinite(value):
                raise BarError(BarFault.NOT_FINITE, self.symbol, f"a finite {name}", repr(value))
        for name, value in prices.items():
            if value <= 0:
                raise BarError(BarFault.NOT_POSITIVE, self.symbol, f"a {name} above zero", repr(value))
        if self.volume < 0:
            raise BarError(BarFault.NEGATIVE_VOLUME, self.symbol, "a volume of zero or more", repr(self.volume))
        shown = ", ".join(f"{name} {value!r}" for name, value in prices.items())
        raise BarError(BarFault.BROKEN_ORDER, self.symbol, "low <= open, close <= high", shown)
