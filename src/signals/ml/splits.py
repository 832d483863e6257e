"""Splits in time: whole timestamps over all symbols, training rows purged by their own label's interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from signals.data.records import to_micros
from signals.errors import TooFewRows, TrainingError
from signals.ml.combinatorial import CombinatorialPurged
from signals.ml.dataset import Labels
from signals.ml.folds import CrossValidator, Splitter, fold_text
from signals.ml.purging import B1, Split, SplitAudit, audited, labelled_rows

__all__ = [
    "CombinatorialPurged",
    "CrossValidator",
    "Split",
    "SplitAudit",
    "Splitter",
    "TimeOrderedFolds",
    "WalkForward",
    "fold_text",
]

SLACK = pd.Timedelta(days=4)
"""A test window is complete when no more than a long weekend of it lies after the last bar."""


@dataclass(frozen=True, slots=True)
class WalkForward(Splitter):
    """Windows by calendar months from the first day: `train_months`, then `test_months`, then on.

    Boundaries are counted from the first day each time, so that short months do not shift later ones. Only complete
    test windows are yielded. With ``step_months < test_months`` tests overlap each other: pool by the newest model.

    Parameters
    ----------
    embargo_sessions
        Timestamps immediately before the test that are never trained on, however early their labels were known. A
        recipe gives its horizon (`Recipe.embargo`); do likewise with your own.
    expanding
        Whether every window trains from the first day on; False: on the `train_months` before its test (rolling).
    start
        Any time of the first day, aware UTC; rows before it are in no window. None: the first timestamp's day.
    """

    train_months: int = 24
    test_months: int = 6
    step_months: int = 3
    embargo_sessions: int = 0
    expanding: bool = False
    start: datetime | None = None

    def __post_init__(self) -> None:
        months = (self.train_months, self.test_months, self.step_months)
        if min(months) < 1 or self.embargo_sessions < 0:
            raise TrainingError(f"expected months of 1 or more and no negative embargo, was {self}")

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the windows, the oldest test first; row positions are those of `labels`, in any order.

        A window's training range may turn out empty after purging; whether that is enough is the caller's to say.
        """
        labelled = labelled_rows(labels)
        if not labelled.any():
            return
        begin = labels.timestamps.min() if self.start is None else to_micros(self.start)
        first, last = _day(begin), pd.Timestamp(int(labels.known.max()), unit="us", tz="UTC")
        step = 0
        while True:
            test_start = first + pd.DateOffset(months=self.train_months + step * self.step_months)
            test_end = first + pd.DateOffset(months=self.train_months + step * self.step_months + self.test_months)
            if test_end - SLACK > last:
                return
            train_start = first if self.expanding else first + pd.DateOffset(months=step * self.step_months)
            starts = to_micros(train_start), to_micros(test_start)
            yield _forward(labels, labelled, *starts, to_micros(test_end), self.embargo_sessions)
            step += 1


@dataclass(frozen=True, slots=True)
class TimeOrderedFolds(Splitter):
    """`folds` + 1 contiguous blocks of dates; each but the first is tested on a model of all the blocks before it.

    Parameters
    ----------
    embargo
        Timestamps immediately before a test block that are never trained on. A recipe gives its horizon.
    """

    folds: int = 4
    embargo: int = 0

    def __post_init__(self) -> None:
        if self.folds < 1 or self.embargo < 0:
            raise TrainingError(f"expected 1 fold or more and no negative embargo, was {self}")

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the folds, the oldest test first; row positions are those of `labels`, in any order.

        Raises
        ------
        TooFewRows
            If there are fewer labelled timestamps than blocks.
        """
        labelled = labelled_rows(labels)
        dates = np.unique(labels.timestamps[labelled])
        if len(dates) < self.folds + 1:
            raise TooFewRows(f"{self.folds} folds: expected {self.folds + 1} labelled dates or more, were {len(dates)}")
        blocks = np.array_split(dates, self.folds + 1)
        for block in blocks[1:]:
            yield _forward(labels, labelled, int(dates[0]), int(block[0]), int(block[-1]) + 1, self.embargo)


def _forward(labels: Labels, labelled: B1, train_start: int, test_start: int, test_end: int, embargo: int) -> Split:
    time = labels.timestamps
    test = labelled & (time >= test_start) & (time < test_end)
    dates = np.unique(time[time < test_start])
    free_from = int(dates[-embargo:][0]) if embargo and len(dates) else test_start
    return audited(
        labels,
        test=test,
        candidates=labelled & (time >= train_start) & (time < test_start),
        purged=labels.known >= (int(time[test].min()) if test.any() else test_start),
        embargoed=time >= free_from,
    )


def _day(micro: int) -> pd.Timestamp:
    return pd.Timestamp(int(micro), unit="us", tz="UTC").normalize()
