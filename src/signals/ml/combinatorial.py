"""Combinatorial purged cross-validation: every choice of some blocks of dates is tested on a model of all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from signals.data.records import I8
from signals.errors import TooFewRows, TrainingError
from signals.ml.dataset import Labels
from signals.ml.folds import Splitter
from signals.ml.purging import B1, Split, audited, labelled_rows

__all__ = ["CombinatorialPurged"]


@dataclass(frozen=True, slots=True)
class CombinatorialPurged(Splitter):
    """`groups` contiguous blocks of labelled dates, of which each choice of `test_groups` is one test.

    Lopez de Prado, *Advances in Financial Machine Learning* (2018): purging and embargo of chapter 7, combinations and
    paths of chapter 12. Models see the future of most of their tests: this judges a procedure over many histories, and
    a figure from it is no backtest. `WalkForward` is.

    Parameters
    ----------
    embargo
        Timestamps that are never trained on after the last label of a test block has become known, because what
        follows a test looks back on it. A recipe gives its horizon (`Recipe.embargo`); do likewise with your own.
    """

    groups: int = 6
    test_groups: int = 2
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.test_groups < self.groups or self.embargo < 0:
            raise TrainingError(
                f"expected fewer test groups than groups, 1 or more, and no negative embargo, was {self}"
            )

    @property
    def n_splits(self) -> int:
        """Number of splits: groups choose test groups."""
        return comb(self.groups, self.test_groups)

    @property
    def n_paths(self) -> int:
        """Number of paths: how often every date is tested."""
        return comb(self.groups - 1, self.test_groups - 1)

    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the splits, the earlier test groups first; row positions are those of `labels`, in any order.

        Raises
        ------
        TooFewRows
            If there are fewer labelled timestamps than groups.
        """
        group = self.group_of(labels)
        around = [_around(labels, group == one, self.embargo) for one in range(self.groups)]
        for chosen in combinations(range(self.groups), self.test_groups):
            test = np.isin(group, chosen)
            yield audited(
                labels,
                test=test,
                candidates=(group >= 0) & ~test,
                purged=np.logical_or.reduce([around[one][0] for one in chosen]),
                embargoed=np.logical_or.reduce([around[one][1] for one in chosen]),
            )

    def group_of(self, labels: Labels) -> I8:
        """Return each row's group, 0 for the oldest dates, -1 for a row without a label, shape (n,)."""
        labelled = labelled_rows(labels)
        dates = np.unique(labels.timestamps[labelled])
        if len(dates) < self.groups:
            raise TooFewRows(
                f"{self.groups} groups: expected {self.groups} labelled dates or more, were {len(dates)}; give more "
                "history or fewer groups"
            )
        starts = [block[0] for block in np.array_split(dates, self.groups)]
        return np.where(labelled, np.searchsorted(starts, labels.timestamps, side="right") - 1, -1)

    def paths(self) -> I8:
        """Return which split tests each group on each path, shape (n_paths, groups).

        A path tests every date once: of the rows of group g (see `group_of`) it takes what split ``paths()[p, g]``,
        counted from 0, said. Every test of every split is on one path.
        """
        paths = np.empty((self.n_paths, self.groups), np.int64)
        used = [0] * self.groups
        for number, chosen in enumerate(combinations(range(self.groups), self.test_groups)):
            for group in chosen:
                paths[used[group], group] = number
                used[group] += 1
        return paths


def _around(labels: Labels, block: B1, embargo: int) -> tuple[B1, B1]:
    """Return the rows purged around one block of tests, and those in the embargo behind its last label."""
    time, known = labels.timestamps, labels.known
    first, last, reach = int(time[block].min()), int(time[block].max()), int(known[block].max())
    purged = ((time < first) & (known >= first)) | ((time > last) & (time <= reach))
    later = np.unique(time[time > reach])[:embargo]
    return purged, np.isin(time, later)
