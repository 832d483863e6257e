"""The rows that a calibrator is fitted on: checked, in time order, weighed by dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from signals.data.records import F8, I8
from signals.errors import TrainingError

__all__ = ["CalibrationRows"]


@dataclass(frozen=True)
class CalibrationRows:
    """Out-of-fold predictions with what happened, oldest first; make them with `checked`.

    Parameters
    ----------
    probabilities
        Shape (n, classes).
    classes
        What happened: 0, 1, ..., shape (n,).
    starts, ends
        Bar closes and the instants at which the labels were known, microseconds since the epoch, shape (n,).
    """

    probabilities: F8
    classes: I8
    starts: I8
    ends: I8

    @classmethod
    def checked(
        cls, probabilities: F8, y: F8, timestamps: I8, label_end: I8, trained_until: I8 | None = None
    ) -> CalibrationRows:
        """Return the rows; arguments and errors are those of `ConfidenceCalibrator.fit`."""
        raw, classes = np.asarray(probabilities, np.float64), np.asarray(y, np.float64)
        starts, ends = _micros(timestamps), _micros(label_end)
        _require_classes(raw, classes, starts, ends)
        _require_time_order(starts, ends)
        if trained_until is not None:
            _require_purged(starts, _micros(trained_until))
        return cls(raw, classes.astype(np.int64), starts, ends)

    def take(self, positions: I8) -> CalibrationRows:
        """Return the rows at rising positions."""
        return CalibrationRows(*(getattr(self, name)[positions] for name in self.__dataclass_fields__))

    @property
    def columns(self) -> int:
        """Number of classes."""
        return int(self.probabilities.shape[1])

    @cached_property
    def weight(self) -> F8:
        """Weights with which every date counts alike, whatever its number of symbols; they sum to 1, shape (n,)."""
        _, group, rows = np.unique(self.starts, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / (rows[group] * len(rows)))

    @cached_property
    def intervals(self) -> int:
        """Label intervals, earliest first, that do not overlap the one counted before: what evidence there is."""
        dates, first = np.unique(self.starts, return_index=True)
        counted, free_from = 0, np.iinfo(np.int64).min
        for start, end in zip(dates.tolist(), np.maximum.reduceat(self.ends, first).tolist(), strict=True):
            if start >= free_from:
                counted, free_from = counted + 1, end
        return counted

    @cached_property
    def longest_label(self) -> int:
        """Dates that the longest label spans."""
        dates = np.unique(self.starts)
        return int((np.searchsorted(dates, self.ends) - np.searchsorted(dates, self.starts)).max())

    @cached_property
    def frequencies(self) -> F8:
        """Share of each class over the dates, one more label interval with even shares counted in: never 0."""
        shares = np.bincount(self.classes, self.weight, minlength=self.columns)
        return np.asarray((self.intervals * shares + 1.0 / self.columns) / (self.intervals + 1))

    def folds(self, count: int) -> Iterator[tuple[CalibrationRows, CalibrationRows]]:
        """Yield (earlier rows, purged by their label intervals; rows of the next block), the oldest block first."""
        import pandas as pd

        from signals.ml.dataset import Labels
        from signals.ml.splits import TimeOrderedFolds

        index = pd.DatetimeIndex(self.starts.view("datetime64[us]"), tz="UTC", name="date")
        ends = pd.DatetimeIndex(self.ends.view("datetime64[us]"), tz="UTC")
        labels = Labels(pd.Series(self.classes.astype(np.float64), index), pd.Series(ends, index))
        for split in TimeOrderedFolds(count).split(labels):
            yield self.take(split.train), self.take(split.test)


def _micros(times: Any) -> I8:
    found = np.asarray(times)
    if found.dtype.kind == "i":
        return found.astype(np.int64)
    import pandas as pd

    utc = pd.DatetimeIndex(pd.to_datetime(times, utc=True)).tz_localize(None)
    return np.asarray(utc.to_numpy().astype("datetime64[us]").astype(np.int64))


def _require_classes(raw: F8, classes: F8, starts: I8, ends: I8) -> None:
    rows = len(raw)
    if raw.ndim != 2 or rows == 0 or not rows == len(classes) == len(starts) == len(ends):
        raise TrainingError(
            f"calibration: expected probabilities (n, classes) with n outcomes, timestamps and label ends, n > 0, were "
            f"{raw.shape}, {classes.shape}, {starts.shape}, {ends.shape}"
        )
    if not np.isfinite(raw).all() or raw.min() < 0 or np.abs(raw.sum(axis=1) - 1).max() > 1e-3:
        raise TrainingError("calibration: expected rows of probabilities that sum to 1, were others")
    if not np.isin(classes, range(raw.shape[1])).all():
        raise TrainingError(f"calibration: expected classes 0 to {raw.shape[1] - 1}, were {np.unique(classes)[:5]}")


def _require_time_order(starts: I8, ends: I8) -> None:
    if len(starts) > 1 and np.diff(starts).min() < 0:
        raise TrainingError(
            "calibration: expected rows in time order, were shuffled; sort by (date, symbol) and use purged, "
            "time-ordered folds: shuffled ones calibrate on the future"
        )
    if (ends <= starts).any():
        raise TrainingError("calibration: expected every label to be known after its bar's close, was one before it")


def _require_purged(starts: I8, trained_until: I8) -> None:
    if trained_until.shape != starts.shape:
        raise TrainingError(
            f"calibration: expected trained_until for each of {len(starts)} rows, was of shape {trained_until.shape}"
        )
    seen = np.flatnonzero(trained_until >= starts)
    if len(seen):
        raise TrainingError(
            f"calibration: expected every prediction to come from a model whose last training label was known before "
            f"the row's bar, {len(seen)} of {len(starts)} did not, the first at position {seen[0]}; fit the folds' "
            "models on purged, earlier rows (signals.ml.splits.TimeOrderedFolds)"
        )
