"""What every splitter offers besides its splits: scikit-learn's view of them, and a table to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from signals.data.records import I8
from signals.errors import MisalignedTarget, TooFewRows
from signals.ml.dataset import NOT_KNOWN, Labels
from signals.ml.purging import Split, SplitAudit, labelled_rows

__all__ = ["CrossValidator", "Splitter", "fold_text"]

_SPANS = ["train_start", "train_end", "test_start", "test_end"]
_COUNTS = ["test_blocks", *SplitAudit.__dataclass_fields__]


class Splitter(ABC):
    """Splits labels in time: whole timestamps over all symbols, training rows purged by their own label's interval."""

    __slots__ = ()

    @abstractmethod
    def split(self, labels: Labels) -> Iterator[Split]:
        """Yield the splits; row positions are those of `labels`, whose rows may be in any order."""

    def as_cv(self, labels: Labels) -> CrossValidator:
        """Return what scikit-learn takes as ``cv=``, for `cross_val_score`, `GridSearchCV` and their like.

        Scikit-learn hands a splitter neither dates nor label ends, so `labels` stay with it: fit on the same rows, in
        the same order.
        """
        return CrossValidator(self, labels)

    def audit(self, labels: Labels) -> pd.DataFrame:
        """Return one row a fold, index "fold" from 0; `fold_text` prints it.

        Returns
        -------
        pd.DataFrame
            ``train_start train_end test_start test_end`` (first and last bar closes, UTC, NaT where there are none),
            ``test_blocks`` (runs of labelled dates without a gap), then the counts of `SplitAudit` by name.
        """
        dates = np.unique(labels.timestamps[labelled_rows(labels)])
        rows = [_row(labels.timestamps, dates, split) for split in self.split(labels)]
        table = pd.DataFrame(rows, columns=_SPANS + _COUNTS, index=pd.RangeIndex(len(rows), name="fold"))
        times = {name: pd.DatetimeIndex(table[name].to_numpy("datetime64[us]"), tz="UTC") for name in _SPANS}
        return table.assign(**times).astype(dict.fromkeys(_COUNTS, np.int64))


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidator:
    """A splitter with its labels, as scikit-learn calls it; make one with `Splitter.as_cv`."""

    splitter: Splitter
    labels: Labels

    def __repr__(self) -> str:
        return f"{self.splitter!r}.as_cv({len(self.labels.value)} labels)"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ARG002 (scikit-learn's own signature)
        """Return the number of folds; what is given is not looked at."""
        return sum(1 for _ in self.splitter.split(self.labels))

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[I8, I8]]:  # noqa: ARG002
        """Yield row positions to train and to test on; `y` and `groups` are not looked at, the labels know both.

        Raises
        ------
        MisalignedTarget
            If `X` has not the labels' rows: another number of them, or an index of dates or symbols in another order.
        TooFewRows
            If there is no fold, or one without rows to train or to test on.
        """
        self._require_rows_of(X)
        fold = -1
        for fold, (train, test, audit) in enumerate(self.splitter.split(self.labels)):
            if not len(train) or not len(test):
                raise TooFewRows(
                    f"fold {fold} of {self!r}: expected rows to train and to test on, were {len(train)} and "
                    f"{len(test)} ({audit.purged} purged, {audit.embargoed} embargoed); give more history or fewer "
                    "folds"
                )
            yield train, test
        if fold < 0:
            raise TooFewRows(f"{self!r}: expected a fold or more, was none; give more history or shorter windows")

    def _require_rows_of(self, X: Any) -> None:
        index = self.labels.value.index
        if X is None:
            return
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != len(index):
            raise MisalignedTarget(f"expected the {len(index)} rows of the labels, were {rows}; reindex to the labels")
        given = getattr(X, "index", None)
        # A frame's plain row numbers say nothing about its order, dates and symbols do.
        if isinstance(given, pd.MultiIndex | pd.DatetimeIndex) and not given.equals(index):
            raise MisalignedTarget("expected rows in the order of the labels, was another index; reindex to the labels")


def fold_text(table: pd.DataFrame) -> str:
    """Return the table of `Splitter.audit` as text, one line a fold, days in UTC."""
    shown = pd.DataFrame(
        {
            "train": _days(table, "train"),
            "rows": table["train_rows"],
            "dates": table["train_dates"],
            "test": _days(table, "test"),
            "blocks": table["test_blocks"],
            " rows": table["test_rows"],
            " dates": table["test_dates"],
            **{name: table[name] for name in ("purged", "embargoed", "overlaps")},
        }
    )
    return shown.rename_axis(None).to_string() if len(shown) else "no fold"


def _days(table: pd.DataFrame, part: str) -> list[str]:
    ends = zip(table[f"{part}_start"], table[f"{part}_end"], strict=True)
    return ["none" if pd.isna(start) else f"{start:%Y-%m-%d} to {end:%Y-%m-%d}" for start, end in ends]


def _row(time: I8, dates: I8, split: Split) -> dict[str, int]:
    runs = np.diff(np.searchsorted(dates, np.unique(time[split.test]))) > 1
    return {
        **dict(zip(_SPANS, (*_ends(time[split.train]), *_ends(time[split.test])), strict=True)),
        "test_blocks": int(runs.sum()) + (len(split.test) > 0),
        **split.audit.to_json(),
    }


def _ends(time: I8) -> tuple[int, int]:
    return (int(time.min()), int(time.max())) if len(time) else (NOT_KNOWN, NOT_KNOWN)
