"""One split in time: training rows less those purged and embargoed, with an audit that counts leaks anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signals.data.records import I8, from_micros
from signals.errors import TrainingError
from signals.ml.dataset import NOT_KNOWN, Labels

__all__ = ["B1", "Split", "SplitAudit", "audited", "labelled_rows", "overlaps"]

B1: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """What one split holds and what it left out, in rows unless named dates.

    Parameters
    ----------
    purged
        Rows that would be trained on, had their label interval [t, label known] not met that of a test row. Both ends
        belong to the interval: a label that becomes known at the first test close is purged.
    embargoed
        Further rows left out because they lie within the embargo.
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


def labelled_rows(labels: Labels) -> B1:
    """Return which rows have a label, shape (n,); the others are in no split.

    Raises
    ------
    TrainingError
        If the index has no level "date", a row has no date, or a label is known before its bar.
    """
    if "date" not in labels.value.index.names:
        raise TrainingError(
            f'labels: expected an index with a level "date", had {list(labels.value.index.names)}; name the level '
            "that holds the bars' closes"
        )
    time, known = labels.timestamps, labels.known
    without = np.flatnonzero(time == NOT_KNOWN)
    if len(without):
        raise TrainingError(
            f"labels: expected a date on every row, were none on {len(without)}, the first at position {without[0]}; "
            "drop them"
        )
    labelled: B1 = known != NOT_KNOWN
    backwards = np.flatnonzero(labelled & (known < time))
    if len(backwards):
        row = int(backwards[0])
        raise TrainingError(
            f"labels: expected every label to be known at its bar's close or later, was {from_micros(known[row])} for "
            f"the bar of {from_micros(time[row])} (position {row}, {len(backwards)} such rows); mend `end`"
        )
    return labelled


def audited(labels: Labels, *, test: B1, candidates: B1, purged: B1, embargoed: B1) -> Split:
    """Return the split that trains on the candidates neither purged nor embargoed; masks of shape (n,)."""
    time, known = labels.timestamps, labels.known
    train = candidates & ~purged & ~embargoed
    audit = SplitAudit(
        train_rows=int(train.sum()),
        train_dates=len(np.unique(time[train])),
        test_rows=int(test.sum()),
        test_dates=len(np.unique(time[test])),
        purged=int((candidates & purged).sum()),
        embargoed=int((candidates & embargoed & ~purged).sum()),
        overlaps=overlaps(time, known, train, test),
    )
    return Split(np.flatnonzero(train), np.flatnonzero(test), audit)


def overlaps(time: I8, known: I8, train: B1, test: B1) -> int:
    """Count training rows whose interval [t, label known] meets a test row's, by counting those that lie apart."""
    starts, ends = np.sort(time[test]), np.sort(known[test])
    after = len(starts) - np.searchsorted(starts, known[train], side="right")
    before = np.searchsorted(ends, time[train], side="left")
    return int((after + before < len(starts)).sum())
