"""Bars in whatever form they come, as checked columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

from signals.data.records import BarColumns, from_micros
from signals.errors import FeatureError
from strategy.bars import OHLCV

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Bars", "columns_of"]

Bars: TypeAlias = Union[BarColumns, Sequence[OHLCV], "pd.DataFrame"]

_NAMES = ("open", "high", "low", "close", "volume")


def columns_of(symbol: str, bars: Bars) -> BarColumns:
    """Return bars as columns under the name `symbol`.

    Raises
    ------
    FeatureError
        If columns are missing, times are naive or do not rise, or a row is not a bar.
    """
    if isinstance(bars, BarColumns):
        columns = bars
    elif isinstance(bars, Sequence):
        columns = BarColumns.of(symbol, bars)
    else:
        columns = _of_frame(symbol, bars)
    _check(columns)
    return columns


def _of_frame(symbol: str, frame: pd.DataFrame) -> BarColumns:
    import pandas as pd

    missing = [name for name in _NAMES if name not in frame.columns]
    if missing:
        raise FeatureError(f"{symbol}: expected columns {', '.join(_NAMES)}; missing {', '.join(missing)}")
    if not frame.columns.is_unique:
        raise FeatureError(f"{symbol}: expected each column once, was {', '.join(map(str, frame.columns))}")
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise FeatureError(
            f"{symbol}: expected an index of aware closing times, was {index.dtype}; say tz= when loading"
        )
    if index.hasnans:
        raise FeatureError(
            f"{symbol}: expected a closing time of every bar, was NaT in row {int(index.isna().argmax())}"
        )
    try:
        values = np.ascontiguousarray(frame[list(_NAMES)].to_numpy(np.float64))
    except (TypeError, ValueError) as error:
        raise FeatureError(f"{symbol}: expected columns of numbers, was {error}; convert them when loading") from None
    return BarColumns(symbol, index.tz_convert("UTC").as_unit("us").asi8, values)


def _check(columns: BarColumns) -> None:
    opened, high, low, close, volume = columns.values.T
    sound = (low > 0) & (low <= np.minimum(opened, close)) & (np.maximum(opened, close) <= high)
    sound &= (high < np.inf) & (volume >= 0) & (volume < np.inf)
    if not sound.all():
        row = int(np.argmin(sound))
        raise FeatureError(
            f"{columns.symbol} at {from_micros(columns.time[row]).isoformat()}: expected finite prices with "
            f"0 < low <= open, close <= high and a volume of zero or more, was {columns.values[row].tolist()}"
        )
    rising = np.diff(columns.time) > 0
    if not rising.all():
        row = int(np.argmin(rising)) + 1
        raise FeatureError(
            f"{columns.symbol}: expected rising times, was {from_micros(columns.time[row]).isoformat()} after "
            f"{from_micros(columns.time[row - 1]).isoformat()}; sort the bars and drop duplicates"
        )
