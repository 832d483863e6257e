"""Slices: every symbol that closed at one instant, and the one place that forms them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from strategy.bars import OHLCV, BarFault

__all__ = ["Expected", "Slice", "SliceSynchroniser"]

Expected: TypeAlias = Callable[[datetime], Collection[str]]
"""Answers which members have a bar closing at an instant, by calendar."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One instant: the bars that closed then.

    Parameters
    ----------
    timestamp
        Close shared by all bars, aware UTC.
    bars
        Read-only, sorted by symbol; only symbols that closed at this instant.
    missing
        Symbols that were expected by the calendar and did not come.
    """

    timestamp: datetime
    bars: Mapping[str, OHLCV]
    missing: frozenset[str] = frozenset()


class SliceSynchroniser:
    """Turn bars that arrive one by one into slices, oldest first; it reads no clock.

    Parameters
    ----------
    members
        Symbols that are waited for. Reference series that are delivered as bars are members here too.
    expected
        Which members have a bar closing at an instant; None: all of them.

    Attributes
    ----------
    counts
        Bars that were dropped, by `BarFault`.
    """

    def __init__(self, members: Collection[str], *, expected: Expected | None = None) -> None:
        self._members = frozenset(members)
        self._expected = expected
        self._open: dict[datetime, dict[str, OHLCV]] = {}
        self._awaited: dict[datetime, frozenset[str]] = {}  # asked once an instant: the calendar may be slow
        self._newest: dict[str, datetime] = {}
        self._closed: datetime | None = None
        self._counts: Counter[BarFault] = Counter()

    @property
    def counts(self) -> Mapping[BarFault, int]:
        """Dropped bars by reason (read-only)."""
        return MappingProxyType(self._counts)

    @property
    def started(self) -> bool:
        """Whether a bar has been accepted."""
        return bool(self._newest)

    def push(self, bar: OHLCV) -> list[Slice]:
        """Take one bar; return the slices that it completes, oldest first.

        An instant is complete when every expected member's bar is there; older instants still open are closed before
        it, their absent members named in ``missing``.
        """
        fault = self._fault(bar)
        if fault is not None:
            self._counts[fault] += 1
            return []
        self._newest[bar.symbol] = bar.timestamp
        bars = self._open.get(bar.timestamp)
        if bars is None:
            bars = self._open[bar.timestamp] = {}
            self._awaited[bar.timestamp] = self._ask(bar.timestamp)
        bars[bar.symbol] = bar
        awaited = self._awaited[bar.timestamp]
        # An instant at which nobody is expected has no last bar: it stays open until a later one closes it.
        if awaited and awaited <= bars.keys():
            return self.flush(bar.timestamp)
        return []

    def flush(self, until: datetime | None = None) -> list[Slice]:
        """Close every open instant up to and including `until` (None: all), complete or not."""
        due = sorted(stamp for stamp in self._open if until is None or stamp <= until)
        slices = []
        for stamp in due:
            bars = self._open.pop(stamp)
            missing = self._awaited.pop(stamp) - bars.keys()
            slices.append(Slice(stamp, MappingProxyType(dict(sorted(bars.items()))), missing))
        if due:
            self._closed = due[-1]
        return slices

    def _ask(self, stamp: datetime) -> frozenset[str]:
        if self._expected is None:
            return self._members
        return self._members & frozenset(self._expected(stamp))

    def _fault(self, bar: OHLCV) -> BarFault | None:
        if bar.symbol not in self._members:
            return BarFault.UNKNOWN_SYMBOL
        if self._closed is not None and bar.timestamp <= self._closed:
            return BarFault.LATE
        newest = self._newest.get(bar.symbol)
        if newest is None or newest < bar.timestamp:
            return None
        return BarFault.DUPLICATE if bar.symbol in self._open.get(bar.timestamp, {}) else BarFault.BACKWARDS
