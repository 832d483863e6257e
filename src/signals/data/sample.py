"""Real daily bars to begin with: five stocks from the package `bokeh_sampledata` (the extra ``demo``).

AAPL, IBM and MSFT from 2000, GOOG from 2004, FB from 2012, all until March 2013; public domain (Quandl WIKI prices).
The prices there are unadjusted and carry ``adj_close``, which splits and dividends, later ones too, have adjusted with
hindsight.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.files import FIELDS, RawFile
from signals.data.records import F8, Adjusted
from signals.data.rows import check_rows
from signals.data.table import BarTable
from signals.errors import ConfigError

__all__ = ["SAMPLE_SYMBOLS", "sample_bars", "split_ratios"]

SAMPLE_SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")

_LATER_SPLITS = {"AAPL": 7.0, "GOOG": 2.0}
"""Splits of 2014 that `adj_close` knows of, new shares for an old one: the volumes must follow."""

_LEAST_SPLIT = 0.2
"""Least absolute log ratio of a split (5 for 4 is 0.22); Microsoft's dividend of 3 dollars in 2004 moved 0.11."""


def sample_bars() -> BarTable:
    """Return the sample's daily bars, on the split and dividend basis of ``adj_close``, stamped with XNYS closes.

    Open, high, low and close are multiplied by ``adj_close / close``; volumes by the splits that lie after them. So a
    split makes neither jump, and a dividend, which changes no number of shares, leaves volumes alone.

    Raises
    ------
    ConfigError
        If the package is not installed.
    """
    try:
        stocks = importlib.import_module("bokeh_sampledata.stocks")
    except ImportError:
        raise ConfigError(
            "the sample bars are in the package bokeh_sampledata, which is not installed: "
            "pip install 'vane-signals[demo]', or give bars of your own with --data"
        ) from None
    raw = [_raw(name, getattr(stocks, name)) for name in SAMPLE_SYMBOLS]
    rows = check_rows(raw, stamped="session", calendar=TradingCalendar("XNYS"), tz=None, now=datetime.now(UTC))
    rows.raise_first()
    return BarTable.of(rows, Adjusted.SPLIT)


def split_ratios(close: F8, adjusted: F8) -> F8:
    """Return new shares for an old one at each bar: above 1 on the first bar after a split, 1 elsewhere; shape (n,).

    A split moves ``adjusted / close`` by a simple ratio (2, 1.5, 0.1, ...); a dividend moves it by a little.
    """
    factor = adjusted / close
    ratio = np.concatenate([[1.0], factor[1:] / factor[:-1]])
    # Halves and whole numbers, of new for old or of old for new; prices to the cent leave less than 1 % of noise.
    nearest = np.where(ratio >= 1, np.round(ratio * 2) / 2, 1 / np.maximum(np.round(2 / ratio) / 2, 0.5))
    is_split = (np.abs(np.log(ratio)) > _LEAST_SPLIT) & (np.abs(nearest / ratio - 1) < 0.01)
    return np.where(is_split, nearest, 1.0)


def _raw(symbol: str, series: Mapping[str, Sequence[Any]]) -> RawFile:
    import pyarrow as pa

    close, adjusted = np.array(series["close"], float), np.array(series["adj_close"], float)
    ratios = split_ratios(close, adjusted)
    later = np.cumprod(ratios[::-1])[::-1] / ratios  # splits strictly after each bar
    scale = dict.fromkeys(FIELDS, adjusted / close) | {"volume": later * _LATER_SPLITS.get(symbol, 1.0)}
    cells = {name: np.array(series[name], float) * scale[name] for name in FIELDS}
    table = pa.table({"time": list(series["date"]), "symbol": [symbol] * len(close), **cells})
    return RawFile(f"bokeh_sampledata {symbol}", table, np.arange(1, len(close) + 1))
