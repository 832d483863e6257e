"""Trailing twelve months: a flow over the year up to the newest report, composed of periods as they were known then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from signals.data.records import F8, I8
from signals.features.point_in_time import NEVER, Duration, newest_before
from signals.features.share_basis import ShareBasis

__all__ = ["Period", "Trailing", "trailing"]

TOLERANCE = 10
"""Days by which the edges of periods may miss one another: years of 52 and 53 weeks, leap days."""

_PARTS = 4
T = TypeVar("T")


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

    @property
    def days(self) -> int:
        """Length of the period in calendar days."""
        return self.end - self.start + 1


Part: TypeAlias = tuple[int, Period]


@dataclass(frozen=True, slots=True)
class _Held:
    """The newest revisions known by now, by the day on which their period ended: of shorter ones the longest first."""

    years: dict[int, Period] = field(default_factory=dict)
    interims: dict[int, list[Period]] = field(default_factory=dict)

    def add(self, new: Period) -> None:
        """Take a figure in, in place of the one it revises; what is neither a year nor shorter is not kept."""
        if Duration.YEAR.holds(new.days):
            self.years[new.end] = new
        elif Duration.INTERIM.holds(new.days):
            others = [old for old in self.interims.get(new.end, ()) if abs(old.start - new.start) > TOLERANCE]
            self.interims[new.end] = sorted([*others, new], key=lambda period: period.start)

    def ends(self) -> list[int]:
        """Return the ends of all periods, newest first."""
        return sorted(self.years.keys() | self.interims.keys(), reverse=True)


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
    quarters. A year to date is told by where it starts, the day after a full year, and not by its length: quarters
    have 12, 13 or 16 weeks. Until it can be compared with the one as long a year before, the last full year stays in
    force. Each part is the newest revision known then.
    """
    ordered = sorted(periods)
    held = _Held()
    now: list[Sequence[Part]] = []
    before: list[Sequence[Part]] = []
    since: list[int] = []
    for place, period in enumerate(ordered):
        held.add(period)
        if place + 1 < len(ordered) and ordered[place + 1].known == period.known:
            continue
        ends = held.ends()
        since.append(period.known)
        now.append(_newest(held, ends))
        end = now[-1][0][1].end if now[-1] else NEVER
        before.append(_newest(held, [day for day in ends if abs(end - 365 - day) <= TOLERANCE]))
    return _steps(since, now), _steps(since, before)


def _newest(held: _Held, ends: Iterable[int]) -> Sequence[Part]:
    """Return the parts of the first end up to which twelve months can be composed, the newest period first."""
    return next((parts for parts in (_compose(held, end) for end in ends) if parts), ())


def _compose(held: _Held, end: int) -> Sequence[Part]:
    year = held.years.get(end)
    if year:
        return ((1, year),)
    for current in held.interims.get(end, ()):
        whole = _near(held.years, current.start - 1)
        past = _as_far(held, whole, current.days) if whole else None
        if whole and past:
            return (1, current), (1, whole), (-1, past)
    return _quarters(held, end)


def _as_far(held: _Held, year: Period, days: int) -> Period | None:
    """Return the year to date that starts where a full year does and has so many days, the newest of several."""
    for ended in _within(held.interims, year.start + days - 1):
        for past in ended:
            if abs(past.start - year.start) <= TOLERANCE:
                return past
    return None


def _quarters(held: _Held, end: int) -> Sequence[Part]:
    """Return the four shortest periods that follow one another up to an end, if they make a year."""
    found: list[Period] = []
    ended = held.interims.get(end)
    while ended and len(found) < _PARTS:
        found.append(ended[-1])
        ended = _near(held.interims, found[-1].start - 1)
    whole = len(found) == _PARTS and Duration.YEAR.holds(found[0].end - found[-1].start + 1)
    return [(1, quarter) for quarter in found] if whole else ()


def _near(ended: Mapping[int, T], end: int) -> T | None:
    return next(_within(ended, end), None)


def _within(ended: Mapping[int, T], end: int) -> Iterator[T]:
    """Yield what ended on a day or at most `TOLERANCE` from it, newest first."""
    return (ended[day] for day in range(end + TOLERANCE, end - TOLERANCE - 1, -1) if day in ended)


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
