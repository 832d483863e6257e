"""As-of selection: of all that was known at an instant, which figure was in force.

Every function here takes facts sorted once and answers for any instants in any order, by the one search of
`signals.features.asof`. One row gives the same bits as all rows, which is why batch and live agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8

__all__ = [
    "DAY",
    "F4",
    "NEVER",
    "Duration",
    "Revisions",
    "States",
    "Timeline",
    "as_of",
    "day_end",
    "day_number",
    "earlier",
    "newest_before",
    "over",
    "revisions",
    "to_float32",
]

F4: TypeAlias = NDArray[np.float32]
N = TypeVar("N", np.int64, np.float64)

DAY = 86_400_000_000
"""Microseconds of a calendar day."""

NEVER = int(np.iinfo(np.int64).min)
"""Stands for "no such period" in arrays of days or microseconds."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Duration(Enum):
    """Lengths of period in calendar days, first and last. Other lengths belong to none and are never asked for.

    Companies with 52 and 53 weeks have years of 364 or 371 days and quarters of 12, 13, 14, 16 or 17 weeks, so that a
    quarter, a half and nine months are not told by length: see `signals.features.trailing`.
    """

    INSTANT = (0, 0)
    INTERIM = (80, 349)
    YEAR = (350, 380)

    def holds(self, days: int) -> bool:
        """Whether a period of this many days is of this duration."""
        return self.value[0] <= days <= self.value[1]


class Revisions(NamedTuple):
    """Figures of one concept and duration by `known`, then `end`, both rising: see `revisions`.

    ``known`` and ``filed`` are microseconds since the epoch, ``end`` days since the epoch; all of shape (k,).
    """

    known: I8
    end: I8
    value: F8
    filed: I8


@dataclass(frozen=True, slots=True)
class Timeline:
    """A step function of time: from ``since[j]`` until ``since[j + 1]`` the figure ``value[j]`` was in force.

    Parameters
    ----------
    since
        Instants of change, microseconds, rising, shape (k,). Of equal instants the last one counts.
    value, end, filed
        The figure in force, the last day of its period (days since the epoch) and the instant at which it was filed
        itself (microseconds); NaN and `NEVER` where none was in force. Shape (k,).
    """

    since: I8
    value: F8
    end: I8
    filed: I8

    def at(self, time: I8) -> F8:
        """Return the figure in force at each instant, NaN before the first; same shape as `time`."""
        return self._step(self.value, time, np.nan)

    def end_at(self, time: I8) -> I8:
        """Return the last day of the period in force, `NEVER` before the first."""
        return self._step(self.end, time, NEVER)

    def filed_at(self, time: I8) -> I8:
        """Return when the figure in force was filed, `NEVER` before the first."""
        return self._step(self.filed, time, NEVER)

    def _step(self, column: NDArray[N], time: I8, missing: float) -> NDArray[N]:
        padded = np.append(column, np.array([missing], column.dtype))  # -1 is the last
        return padded[newest_before(self.since, time)]


@dataclass(frozen=True, slots=True)
class States:
    """A step function with several figures: from ``since[j]`` on the row ``rows[j]`` was in force.

    Parameters
    ----------
    since
        Instants of change, microseconds, rising, shape (k,).
    rows
        Shape (k + 1, q); the last row is what holds before the first instant.
    """

    since: I8
    rows: F8

    @classmethod
    def of(cls, since: I8, columns: Sequence[F8]) -> States:
        """Make one of columns of shape (k,); before the first instant everything is NaN."""
        rows = np.full((len(since) + 1, len(columns)), np.nan)
        rows[:-1] = np.column_stack(columns)
        return cls(since, rows)

    def at(self, time: I8) -> F8:
        """Return the row in force at each instant, shape (n, q)."""
        return self.rows[newest_before(self.since, time)]

    def row(self, time: int) -> F8:
        """Return the row in force at one instant, shape (q,); in a fraction of the time of `at`."""
        row: F8 = self.rows[self.since.searchsorted(time, side="right") - 1]
        return row


def newest_before(since: I8, time: I8) -> I8:
    """Return where the last of `since` (rising) stands that is at or before each instant, -1 where none is."""
    from signals.features.asof import positions

    place = np.empty(len(time), np.int64)
    positions(since, np.array([0, len(since)]), np.ascontiguousarray(time), np.array([0, len(time)]), place)
    return place


def revisions(
    known: Sequence[int],
    end: Sequence[int],
    value: Sequence[float],
    rank: Sequence[int],
    filed: Sequence[int] | None = None,
) -> Revisions:
    """Sort figures for `as_of`; of one period's figures known at one instant the last filed, then `rank`, value, wins.

    The order is total, so that it does not depend on the order in which a source lists its facts. Without ``filed``,
    microseconds, a figure was filed when it became known.
    """
    columns = np.array(known, np.int64), np.array(end, np.int64), np.array(value, np.float64)
    when = columns[0] if filed is None else np.array(filed, np.int64)
    order = np.lexsort((columns[2], np.array(rank, np.int64), when, columns[1], columns[0]))
    return Revisions(columns[0][order], columns[1][order], columns[2][order], when[order])


def as_of(facts: Revisions) -> Timeline:
    """Return which figure was in force when: the newest period known by then, and its newest revision.

    A late amendment of an older period changes nothing, for a newer one is known.
    """
    winner = _newest(facts.end)
    return Timeline(facts.known, facts.value[winner], facts.end[winner], facts.filed[winner])


def earlier(facts: Revisions, *, days: int, tolerance: int) -> Timeline:
    """Return the figure of the period that ended `days` before the one in force, as known at each instant.

    Parameters
    ----------
    days, tolerance
        Calendar days: a period counts if it ended within `tolerance` of `days` before. Of several the newest revision.
    """
    ends = facts.end[_newest(facts.end)]
    chosen = np.full(len(ends), -1, np.int64)
    periods, starts, counts = np.unique(ends, return_index=True, return_counts=True)
    for period, start, stop in zip(periods, starts, starts + counts, strict=True):  # the newest end never falls: runs
        matching = np.flatnonzero(np.abs(facts.end[:stop] - (period - days)) <= tolerance)
        place = np.searchsorted(matching, np.arange(start, stop), side="right")
        chosen[start:stop] = np.concatenate([[-1], matching])[place]
    none = chosen < 0
    return Timeline(
        facts.known,
        np.where(none, np.nan, facts.value[chosen]),
        np.where(none, NEVER, facts.end[chosen]),
        np.where(none, NEVER, facts.filed[chosen]),
    )


def _newest(end: I8) -> I8:
    """Return, for each position, where the last of those with the greatest end so far stands."""
    leads = end == np.maximum.accumulate(end)
    return np.maximum.accumulate(np.where(leads, np.arange(len(end)), 0))


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def day_end(days: I8) -> I8:
    """Return the last microsecond of days since the epoch, UTC: a trade of a split's first day is on the new basis."""
    return np.where(days == NEVER, NEVER, (np.where(days == NEVER, 0, days) + 1) * DAY - 1)


def over(numerator: F8, denominator: F8) -> F8:
    """Divide where the denominator is above zero; NaN elsewhere, for the ratio has no meaning there."""
    positive = denominator > 0
    with np.errstate(over="ignore"):  # of a denormal denominator; `to_float32` makes it NaN
        ratio: F8 = np.where(positive, numerator, np.nan) / np.where(positive, denominator, 1.0)
    return ratio


def to_float32(columns: Sequence[F8]) -> F4:
    """Return columns of shape (n,) as rows for a model, (n, len(columns)); what float32 cannot hold is NaN."""
    with np.errstate(over="ignore"):
        rows = np.column_stack(columns).astype(np.float32)
    return np.where(np.isfinite(rows), rows, np.float32(np.nan))
