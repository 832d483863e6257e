"""Splits in time: whole timestamps over all symbols, training rows purged by their own label's interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.data.records import I8, to_micros
from signals.errors import TooFewRows, TrainingError
from signals.ml.dataset import NOT_KNOWN, Labels

__all__ = ["Split", "SplitAudit", "Splitter", "TimeOrderedFolds", "WalkForward"]

SLACK = pd.Timedelta(days=4)
"""A test window is complete when no more than a long weekend of it lies after the last bar."""


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """What one split holds and what it left out, in rows unless named dates.

    Parameters
    ----------
    purged
        Rows before the test whose label was not known strictly before the first test timestamp.
    embargoed
        Further rows left out because they lie within the embargo before the test.
    overlaps
        Training rows whose label interval meets that of any test row: counted apart from the purge, always 0.
    """

    train_rows: int
    train_dates: int
    test_rows: int
    test_dates: int
    purged: int
    embargoed: int
    overlaps: int

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Split(NamedTuple):
    """Row positions, rising, and the audit."""

    train: I8
    test: I8
    audit: SplitAudit


class Splitter(Protocol):
    """Anything that splits labels in time."""

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield splits, the oldest test first."""
        ...


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Windows by calendar months from the first timestamp's day: `train_months`, then `test_months`, then on.

    Boundaries are counted from the first day each time, so that short months do not shift later ones. Only complete
    test windows are yielded. With ``step_months < test_months`` tests overlap each other: pool by the newest model.

    Parameters
    ----------
    embargo_sessions
        Timestamps immediately before the test that are never trained on, however early their labels were known.
    """

    train_months: int = 24
    test_months: int = 6
    step_months: int = 3
    embargo_sessions: int = 0

    def __post_init__(self) -> None:
        months = (self.train_months, self.test_months, self.step_months)
        if min(months) < 1 or self.embargo_sessions < 0:
            raise TrainingError(f"expected months of 1 or more and no negative embargo, was {self}")

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the windows; row positions are those of `labels`, whose rows may be in any order.

        A window's training range may turn out empty after purging; whether that is enough is the caller's to say.
        """
        known = labels.known
        if (known == NOT_KNOWN).all():
            return
        first, last = _day(labels.timestamps.min()), pd.Timestamp(int(known.max()), unit="us", tz="UTC")
        step = 0
        while True:
            test_start = first + pd.DateOffset(months=self.train_months + step * self.step_months)
            test_end = first + pd.DateOffset(months=self.train_months + step * self.step_months + self.test_months)
            if test_end - SLACK > last:
                return
            train_start = first + pd.DateOffset(months=step * self.step_months)
            yield _purged(
                labels, to_micros(train_start), to_micros(test_start), to_micros(test_end), self.embargo_sessions
            )
            step += 1


@dataclass(frozen=True, slots=True)
class TimeOrderedFolds:
    """`folds` + 1 contiguous blocks of dates; each but the first is tested on a model of all the blocks before it.

    Parameters
    ----------
    embargo
        Timestamps immediately before a test block that are never trained on.
    """

    folds: int = 4
    embargo: int = 0

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the folds, the oldest test first.

        Raises
        ------
        TooFewRows
            If there are fewer labelled timestamps than blocks.
        """
        dates = np.unique(labels.timestamps[labels.known != NOT_KNOWN])
        if len(dates) < self.folds + 1:
            raise TooFewRows(f"{self.folds} folds: expected {self.folds + 1} labelled dates or more, were {len(dates)}")
        blocks = np.array_split(dates, self.folds + 1)
        for block in blocks[1:]:
            yield _purged(labels, int(dates[0]), int(block[0]), int(block[-1]) + 1, self.embargo)


def _purged(labels: Labels, train_start: int, test_start: int, test_end: int, embargo: int) -> Split:
    time, known = labels.timestamps, labels.known
    labelled = known != NOT_KNOWN
    test = labelled & (time >= test_start) & (time < test_end)
    before = labelled & (time >= train_start) & (time < test_start)
    first_test = int(time[test].min()) if test.any() else test_start
    in_time = before & (known < first_test)
    dates = np.unique(time[time < test_start])
    free_from = int(dates[-embargo:][0]) if embargo and len(dates) else test_start
    train = in_time & (time < free_from)
    audit = SplitAudit(
        train_rows=int(train.sum()),
        train_dates=len(np.unique(time[train])),
        test_rows=int(test.sum()),
        test_dates=len(np.unique(time[test])),
        purged=int((before & ~in_time).sum()),
        embargoed=int((in_time & ~train).sum()),
        overlaps=_overlaps(time, known, train, test),
    )
    return Split(np.flatnonzero(train), np.flatnonzero(test), audit)


def _overlaps(time: I8, known: I8, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> int:
    """Count training rows whose interval [t, label known] meets a test row's, by counting those that lie apart."""
    starts, ends = np.sort(time[test]), np.sort(known[test])
    after = len(starts) - np.searchsorted(starts, known[train], side="right")
    before = np.searchsorted(ends, time[train], side="left")
    return int((after + before < len(starts)).sum())


def _day(micro: int) -> pd.Timestamp:
    return pd.Timestamp(int(micro), unit="us", tz="UTC").normalize()
