"""Trailing twelve months: a flow over the year up to the newest report, composed of periods as they were known then."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from signals.data.records import F8, I8
from signals.features.periods import PARTS, TOLERANCE, Part, Period, Periods, compose
from signals.features.point_in_time import NEVER, newest_before
from signals.features.share_basis import ShareBasis

__all__ = ["Trailing", "trailing"]

AGREE = 0.01
"""Two names whose figures of one period differ by no more than this part are one quantity."""


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
        The figures with their signs, and when each was filed (microseconds); shape (k, 4). Unused places hold 0;
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
        value = np.append(self.value, np.full((1, PARTS), np.nan), axis=0)[place]
        if basis is not None:
            filed = np.append(self.filed, np.full((1, PARTS), NEVER), axis=0)[place]
            value = value / basis.factor(filed, time[:, None])
        total: F8 = ((value[:, 0] + value[:, 1]) + value[:, 2]) + value[:, 3]  # one order, so one result
        return total

    def end_at(self, time: I8) -> I8:
        """Return the last day of the twelve months in force, `NEVER` where there are none."""
        return np.append(self.end, NEVER)[newest_before(self.since, time)]


def trailing(periods: Iterable[Period]) -> tuple[Trailing, Trailing]:
    """Return the newest twelve months known at each instant, and the twelve months that ended a year before those.

    Of the ends that periods have, the newest one counts up to which twelve months can be composed (see `compose`).
    Until a year to date can be compared, the last full year stays in force. Each part is the newest revision known
    then; of those known at one instant, the last filed, then that of the preferred name.

    Twelve months up to one day are those of the first name that has them. Apple's depreciation is with amortization
    under one name and without it under another: parts of several names are put together, and compared with the year
    before, only where the names gave the same figure for the newest period that both had. So a company that changes
    its name for revenue does not fall behind until its next annual report.
    """
    ordered = sorted(periods, key=lambda period: (period.known, period.filed, -period.name, period[3:]))
    held = _Names()
    now: list[Sequence[Part]] = []
    before: list[Sequence[Part]] = []
    since: list[int] = []
    for place, period in enumerate(ordered):
        held.add(period)
        if place + 1 < len(ordered) and ordered[place + 1].known == period.known:
            continue
        ends = sorted({period.end for period in held.together.all()}, reverse=True)
        since.append(period.known)
        now.append(held.newest(ends))
        end = now[-1][0][1].end if now[-1] else NEVER
        before.append(held.newest([day for day in ends if abs(end - 365 - day) <= TOLERANCE], now[-1]))
    return _steps(since, now), _steps(since, before)


@dataclass(frozen=True, slots=True)
class _Names:
    """What is held of a concept under each of its names, and under all of them together."""

    own: dict[int, Periods] = field(default_factory=dict)
    together: Periods = field(default_factory=Periods)

    def add(self, period: Period) -> None:
        self.own.setdefault(period.name, Periods()).add(period)
        self.together.add(period)

    def newest(self, ends: Iterable[int], beside: Sequence[Part] = ()) -> Sequence[Part]:
        """Return the parts of the first end that has twelve months, of one quantity with those `beside`."""
        names = {period.name for _, period in beside}
        own = [self.own[name] for name in sorted(self.own, key=lambda name: (name not in names, name))]
        for end in ends:
            for held in (*own, self.together):
                parts = compose(held, end)
                if parts and self._one(names.union(period.name for _, period in parts)):
                    return parts
        return ()

    def _one(self, names: Iterable[int]) -> bool:
        return all(self._agree(first, second) for first, second in combinations(sorted(names), 2))

    def _agree(self, first: int, second: int) -> bool:
        """Whether two names gave the same figure for the newest, longest period that both had."""
        one, other = ({(p.end, -p.start): p.value for p in self.own[name].all()} for name in (first, second))
        newest = max(one.keys() & other.keys(), default=None)
        return newest is not None and math.isclose(one[newest], other[newest], rel_tol=AGREE)


def _steps(since: list[int], steps: list[Sequence[Part]]) -> Trailing:
    end = [parts[0][1].end if parts else NEVER for parts in steps]
    value = np.zeros((len(steps), PARTS))
    filed = np.full((len(steps), PARTS), NEVER)
    for row, parts in enumerate(steps):
        for column, (sign, period) in enumerate(parts):
            value[row, column], filed[row, column] = sign * period.value, period.filed
        if not parts:
            value[row] = np.nan
    return Trailing(np.array(since, np.int64), np.array(end, np.int64), value, filed)
