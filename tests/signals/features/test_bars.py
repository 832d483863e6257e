from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from signals.data.records import BarColumns
from signals.errors import FeatureError
from signals.features.bars import columns_of

History = Callable[..., BarColumns]


def frame_of(columns: BarColumns) -> pd.DataFrame:
    index = pd.DatetimeIndex(columns.time.astype("datetime64[us]")).tz_localize("UTC")
    return pd.DataFrame(columns.values, index, ["open", "high", "low", "close", "volume"])


def test_every_form_gives_the_same_columns(history: History) -> None:
    columns = history(count=5)
    frame = frame_of(columns)
    for bars in (columns, columns.bars(), frame, frame.tz_convert("America/New_York")):
        made = columns_of("AAA", bars)
        np.testing.assert_array_equal(made.time, columns.time)
        np.testing.assert_array_equal(made.values, columns.values)


def test_naive_frame_is_refused(history: History) -> None:
    with pytest.raises(FeatureError, match="aware closing times"):
        columns_of("AAA", frame_of(history(count=5)).tz_localize(None))


def test_missing_column_is_named(history: History) -> None:
    with pytest.raises(FeatureError, match="missing volume"):
        columns_of("AAA", frame_of(history(count=5)).drop(columns="volume"))


@pytest.mark.parametrize(("column", "value"), [(3, np.nan), (1, np.inf), (0, 0.0), (2, 1e6), (4, -1.0), (4, np.nan)])
def test_row_that_is_no_bar_is_refused(history: History, column: int, value: float) -> None:
    columns = history(count=5)
    columns.values[2, column] = value
    with pytest.raises(FeatureError, match="AAA at 2013-01-0"):
        columns_of("AAA", columns)


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 1, 1]])
def test_times_must_rise(history: History, order: list[int]) -> None:
    columns = history(count=3)
    with pytest.raises(FeatureError, match="rising times"):
        columns_of("AAA", BarColumns("AAA", columns.time[order], columns.values[order]))


@pytest.mark.parametrize("row", [0, 2])
def test_frame_without_a_time_is_refused(history: History, row: int) -> None:
    frame = frame_of(history(count=3))
    index = frame.index.to_series()
    index.iloc[row] = pd.NaT
    with pytest.raises(FeatureError, match=f"was NaT in row {row}"):
        columns_of("AAA", frame.set_axis(pd.DatetimeIndex(index)))


def test_column_of_text_is_refused(history: History) -> None:
    with pytest.raises(FeatureError, match=r"columns of numbers, was .*'1,000'"):
        columns_of("AAA", frame_of(history(count=2)).assign(volume="1,000"))


def test_column_that_is_there_twice_is_refused(history: History) -> None:
    frame = frame_of(history(count=2))
    with pytest.raises(FeatureError, match="each column once"):
        columns_of("AAA", pd.concat([frame, frame[["open"]]], axis=1))
