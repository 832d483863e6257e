"""Trailing twelve months: a flow over the year up to the newest report, composed of periods as they were known then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from signals.data.records import F8, I8
from signals.features.point_in_time import NEVER, Duration, newest_before
from signals.features.share_basis import ShareBasis

__all__ = ["Period", "Trailing", "trailing"]

TOLERANCE = 10
"""Days by which the edges of periods may miss one another: years of 52 and 53 weeks, leap days."""

_TO_DATE = (Duration.NINE_MONTHS, Duration.HALF_YEAR, Duration.QUARTER)
_PARTS = 4


class Period(NamedTuple):
    """A figure of one period.

    ``known`` is microseconds since the epoch; ``start`` and ``end`` are its first and last day, days since the epoch.
    Of one period's figures known at one instant the higher `rank`, then value, wins.
    """

    known: int
    rank: int
    value: float
    start: int
    end: int
    duration: Duration


Held: TypeAlias = dict[Duration, dict[int, Period]]
Part: TypeAlias = tuple[int, Period]


@dataclass(frozen=True, slots=True)
class Trailing:
    """Twelve months' flow as a step function of time, each step a sum of up to four figures.

    Parameters
    ----------
    since
        Instants of change, microseconds, rising, shape (k,).
    end
        The last day of the twelve months in force (days since the epoch), `NEVER` where there are none; shape (k,).
    value, filed
        The figures with their signs, and when each became known (microseconds); shape (k, 4). Unused places hold 0;
        all hold NaN where nothing is in force.
    """

    since: I8
    end: I8
    value: F8
    filed: I8

    def at(self, time: I8, basis: ShareBasis | None = None) -> F8:
        """Return the flow in force at each instant, NaN where there is none; same shape as `time`.

        Parameters
        ----------
        basis
            For figures a share: each is brought to the share basis of `time` from that of its own filing.
        """
        place = newest_before(self.since, time)
        value = np.append(self.value, np.full((1, _PARTS), np.nan), axis=0)[place]
        if basis is not None:
            filed = np.append(self.filed, np.full((1, _PARTS), NEVER), axis=0)[place]
            value = value / basis.factor(filed, time[:, None])
        total: F8 = ((value[:, 0] + value[:, 1]) + value[:, 2]) + value[:, 3]  # one order, so one result
        return total

    def end_at(self, time: I8) -> I8:
        """Return the last day of the twelve months in force, `NEVER` where there are none."""
        return np.append(self.end, NEVER)[newest_before(self.since, time)]


def trailing(periods: Iterable[Period]) -> tuple[Trailing, Trailing]:
    """Return the newest twelve months known at each instant, and the twelve months that ended a year before those.

    Of the ends that periods have, the newest one counts up to which twelve months can be composed, in this order: a
    full year; the last full year, plus the year to date, less the year to date a year before; four consecutive
    quarters. Until a year to date can be compared with the one before it, the last full year stays in force. Each part
    is the newest revision known then.
    """
    ordered = sorted(periods, key=lambda period: period[:5])
    held: Held = {duration: {} for duration in Duration}
    now: list[Sequence[Part]] = []
    before: list[Sequence[Part]] = []
    since: list[int] = []
    for place, period in enumerate(ordered):
        held[period.duration][period.end] = period
        if place + 1 < len(ordered) and ordered[place + 1].known == period.known:
            continue
        since.append(period.known)
        now.append(_newest(held, _ends(held)))
        end = now[-1][0][1].end if now[-1] else NEVER
        before.append(_newest(held, [day for day in _ends(held) if abs(end - 365 - day) <= TOLERANCE]))
    return _steps(since, now), _steps(since, before)


def _ends(held: Held) -> list[int]:
    """Return the ends of full years and quarters and years to date, newest first."""
    return sorted({end for duration in (Duration.YEAR, *_TO_DATE) for end in held[duration]}, reverse=True)


def _newest(held: Held, ends: Iterable[int]) -> Sequence[Part]:
    """Return the parts of the first end up to which twelve months can be composed, the newest period first."""
    return next((parts for parts in (_compose(held, end) for end in ends) if parts), ())


def _compose(held: Held, end: int) -> Sequence[Part]:
    year = held[Duration.YEAR].get(end)
    if year:
        return ((1, year),)
    for duration in _TO_DATE:
        current = held[duration].get(end)
        whole = _near(held[Duration.YEAR], current.start - 1) if current else None
        past = _near(held[duration], end - 365)
        if current and whole and past and abs(past.start - whole.start) <= TOLERANCE:
            return (1, current), (1, whole), (-1, past)
    return _quarters(held[Duration.QUARTER], end)


def _quarters(quarters: dict[int, Period], end: int) -> Sequence[Part]:
    found = [quarters.get(end)]
    while found[-1] and len(found) < _PARTS:
        found.append(_near(quarters, found[-1].start - 1))
    return [(1, quarter) for quarter in found if quarter] if found[-1] else ()


def _near(periods: dict[int, Period], end: int) -> Period | None:
    """Return the period that ended on a day or at most `TOLERANCE` from it, the newest of several."""
    return next((periods[day] for day in range(end + TOLERANCE, end - TOLERANCE - 1, -1) if day in periods), None)


def _steps(since: list[int], steps: list[Sequence[Part]]) -> Trailing:
    end = [parts[0][1].end if parts else NEVER for parts in steps]
    value = np.zeros((len(steps), _PARTS))
    filed = np.full((len(steps), _PARTS), NEVER)
    for row, parts in enumerate(steps):
        for column, (sign, period) in enumerate(parts):
            value[row, column], filed[row, column] = sign * period.value, period.known
        if not parts:
            value[row] = np.nan
    return Trailing(np.array(since, np.int64), np.array(end, np.int64), value, filed)
