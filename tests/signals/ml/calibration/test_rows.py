"""What a calibrator refuses to be fitted on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from signals.data.records import F8, I8
from signals.errors import TrainingError
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.calibration.rows import CalibrationRows
from signals.ml.dataset import Labels
from signals.ml.splits import TimeOrderedFolds

Draw = Callable[..., tuple[F8, F8, I8, I8]]
DAY = 86_400_000_000


def labels_of(y: F8, start: I8, end: I8) -> Labels:
    index = pd.DatetimeIndex(start.view("datetime64[us]"), tz="UTC", name="date")
    ends = pd.DatetimeIndex(end.view("datetime64[us]"), tz="UTC")
    return Labels(pd.Series(y, index), pd.Series(ends, index))


def test_purged_folds_are_taken(drawn: Draw) -> None:
    p, y, start, end = drawn(100, 3, days=5)
    splits = list(TimeOrderedFolds(4).split(labels_of(y, start, end)))
    rows = np.concatenate([split.test for split in splits])
    until = np.concatenate([np.full(len(split.test), end[split.train].max()) for split in splits])
    fit = ConfidenceCalibrator().fit
    told = fit(p[rows], y[rows], timestamps=start[rows], label_end=end[rows], trained_until=until).to_json()
    assert told == fit(p[rows], y[rows], timestamps=start[rows], label_end=end[rows]).to_json()


def test_unpurged_folds_are_refused(drawn: Draw) -> None:
    """Time-ordered blocks without a purge: the last labels before a block are known within it."""
    p, y, start, end = drawn(100, 3, days=5)
    block = np.arange(len(y)) * 5 // len(y)
    rows = np.flatnonzero(block > 0)
    until = np.array([end[block < block[row]].max() for row in rows])
    with pytest.raises(
        TrainingError, match=r"last training label was known before .* 60 of 240 did not, .* position 0"
    ):
        ConfidenceCalibrator().fit(p[rows], y[rows], timestamps=start[rows], label_end=end[rows], trained_until=until)


def test_shuffled_folds_sorted_again_are_refused(drawn: Draw) -> None:
    """Rows back in time order hide a shuffled split; the models' training ends do not."""
    p, y, start, end = drawn(100, 3, days=5)
    fold = np.random.default_rng(0).integers(0, 5, len(y))
    until = np.array([end[fold != number].max() for number in range(5)])[fold]
    fit = ConfidenceCalibrator().fit
    fit(p, y, timestamps=start, label_end=end)
    with pytest.raises(TrainingError, match="300 of 300 did not"):
        fit(p, y, timestamps=start, label_end=end, trained_until=until)


def test_label_known_at_the_bar_itself_is_one_too_many(drawn: Draw) -> None:
    p, y, start, end = drawn(50, 1)
    fit = ConfidenceCalibrator().fit
    fit(p, y, timestamps=start, label_end=end, trained_until=start - 1)
    with pytest.raises(TrainingError, match="50 of 50"):
        fit(p, y, timestamps=start, label_end=end, trained_until=start)


def test_training_ends_are_given_for_every_row(drawn: Draw) -> None:
    p, y, start, end = drawn(50, 1)
    with pytest.raises(TrainingError, match=r"for each of 50 rows, was of shape \(49,\)"):
        ConfidenceCalibrator().fit(p, y, timestamps=start, label_end=end, trained_until=start[1:] - DAY)


def test_folds_are_purged_and_in_time_order(drawn: Draw) -> None:
    rows = CalibrationRows.checked(*drawn(100, 3, days=5))
    folds = list(rows.folds(4))
    assert len(folds) == 4
    assert all(earlier.ends.max() < later.starts.min() for earlier, later in folds)
    scored = np.concatenate([later.starts for _, later in folds])
    assert (scored == rows.starts[rows.starts >= 20 * DAY]).all()


def test_intervals_that_overlap_count_once(drawn: Draw) -> None:
    assert CalibrationRows.checked(*drawn(100, 3, days=1)).intervals == 100
    assert CalibrationRows.checked(*drawn(100, 3, days=5)).intervals == 20
    assert CalibrationRows.checked(*drawn(100, 3, days=500)).intervals == 1


def test_longest_label_counts_dates(drawn: Draw) -> None:
    p, y, start, end = drawn(100, 2, days=3)
    assert CalibrationRows.checked(p, y, start, end).longest_label == 3
    weekdays = start // DAY * 7 // 5 * DAY  # gaps as over weekends
    assert CalibrationRows.checked(p, y, weekdays, weekdays + 7 * DAY).longest_label == 5


def test_frequencies_count_dates_alike_and_are_never_0() -> None:
    y = np.array([0.0, 0.0, 0.0, 1.0])
    start = np.array([0, 0, 0, 1]) * DAY
    found = CalibrationRows.checked(np.full((4, 3), 1 / 3), y, start, start + DAY).frequencies
    assert found == pytest.approx([(1 + 1 / 3) / 3, (1 + 1 / 3) / 3, (1 / 3) / 3])
