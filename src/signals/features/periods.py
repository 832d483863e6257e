"""Periods of a flow, and how twelve months are composed of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeAlias, TypeVar

from signals.features.point_in_time import Duration

__all__ = ["PARTS", "TOLERANCE", "Part", "Period", "Periods", "compose"]

TOLERANCE = 10
"""Days by which the edges of periods may miss one another: years of 52 and 53 weeks, leap days."""

PARTS = 4
"""Twelve months are a sum of at most so many figures."""

T = TypeVar("T")


class Period(NamedTuple):
    """A figure of one period.

    ``known`` and ``filed`` are microseconds since the epoch; ``start`` and ``end`` are the first and last day, days
    since the epoch.
    ``name`` is the place of the name that it was reported under among those of its concept, the first preferred.
    """

    known: int
    filed: int
    name: int
    value: float
    start: int
    end: int

    @property
    def days(self) -> int:
        """Length of the period in calendar days."""
        return self.end - self.start + 1


Part: TypeAlias = tuple[int, Period]
"""A figure and its sign in a sum."""


@dataclass(frozen=True, slots=True)
class Periods:
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

    def all(self) -> Iterator[Period]:
        """Iterate over the periods."""
        return chain(self.years.values(), chain.from_iterable(self.interims.values()))


def compose(held: Periods, end: int) -> Sequence[Part]:
    """Return the parts of twelve months up to a day, the newest first; none where they are not there.

    They are a full year; or the last full year, plus the year to date, less the year to date a year before; or four
    consecutive quarters. A year to date is told by where it starts, the day after a full year, and not by its length:
    quarters have 12, 13 or 16 weeks. It is compared with the one of its length that starts with that full year.
    """
    year = held.years.get(end)
    if year:
        return ((1, year),)
    for current in held.interims.get(end, ()):
        whole = _near(held.years, current.start - 1)
        past = _as_far(held, whole, current.days) if whole else None
        if whole and past:
            return (1, current), (1, whole), (-1, past)
    return _quarters(held, end)


def _as_far(held: Periods, year: Period, days: int) -> Period | None:
    """Return the year to date that starts where a full year does and has so many days, the newest of several."""
    for ended in _within(held.interims, year.start + days - 1):
        for past in ended:
            if abs(past.start - year.start) <= TOLERANCE:
                return past
    return None


def _quarters(held: Periods, end: int) -> Sequence[Part]:
    """Return the four shortest periods that follow one another up to an end, if they make a year."""
    found: list[Period] = []
    ended = held.interims.get(end)
    while ended and len(found) < PARTS:
        found.append(ended[-1])
        ended = _near(held.interims, found[-1].start - 1)
    whole = len(found) == PARTS and Duration.YEAR.holds(found[0].end - found[-1].start + 1)
    return [(1, quarter) for quarter in found] if whole else ()


def _near(ended: Mapping[int, T], end: int) -> T | None:
    return next(_within(ended, end), None)


def _within(ended: Mapping[int, T], end: int) -> Iterator[T]:
    """Yield what ended on a day or at most `TOLERANCE` from it, newest first."""
    return (ended[day] for day in range(end + TOLERANCE, end - TOLERANCE - 1, -1) if day in ended)
