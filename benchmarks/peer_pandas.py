"""The usual way to make features: pandas, one symbol's whole history, a rolling or ewm window for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from signals.data.records import F8

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["features", "polyfit", "product"]

_PLACES = np.arange(20)
Slope = Callable[[F8], float]


def product(window: F8) -> float:
    """Return the least-squares slope of 20 points by one scalar product."""
    return float((_PLACES - 9.5) @ window / 665.0)


def polyfit(window: F8) -> float:
    """Return the same as it is mostly written."""
    return float(np.polyfit(_PLACES, window, 1)[0])


def features(bars: F8, slope: Slope) -> dict[str, pd.Series[float]]:
    """Return the kernel's features by name; `bars` are the kernel's, shape (T, 8)."""
    import pandas as pd

    names = ["open", "high", "low", "close", "volume", "market", "volatility", "sector"]
    table = pd.DataFrame(bars, columns=names)
    return _prices(table) | _recursive(table) | _volumes(table, slope) | _market(table)


def _prices(table: pd.DataFrame) -> dict[str, pd.Series[float]]:
    close, high, low = table["close"], table["high"], table["low"]
    found = {f"return_{n}": close / close.shift(n) - 1 for n in (1, 2, 5, 10, 21, 63, 126, 252)}
    found["roc_10"] = 100 * (close / close.shift(10) - 1)
    found |= {f"sma_{n}_distance": close / close.rolling(n).mean() - 1 for n in (20, 50, 200)}
    mean, spread = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    found["bollinger_position"] = (close - (mean - 2 * spread)) / (4 * spread)
    found["bollinger_width"] = 4 * spread / mean
    move = found["return_1"]
    found |= {f"hist_vol_{n}": move.rolling(n).std() * np.sqrt(252) for n in (10, 20, 60)}
    found["vol_regime_5_20"] = move.rolling(5).std() / move.rolling(20).std()
    lowest, highest = low.rolling(14).min(), high.rolling(14).max()
    found["stochastic_k"] = 100 * (close - lowest) / (highest - lowest)
    found["stochastic_d"] = found["stochastic_k"].rolling(3).mean()
    found |= {f"high_{n}_distance": close / high.rolling(n).max() - 1 for n in (20, 60, 252)}
    found |= {f"low_{n}_distance": close / low.rolling(n).min() - 1 for n in (20, 60, 252)}
    found["range"] = (high - low) / close
    found["close_in_range"] = (close - low) / (high - low)
    found["gap"] = table["open"] / close.shift(1) - 1
    return found


def _recursive(table: pd.DataFrame) -> dict[str, pd.Series[float]]:
    close, high, low = table["close"], table["high"], table["low"]
    before, move = close.shift(1), close.diff()
    fast, slow = close.ewm(span=12, adjust=False).mean(), close.ewm(span=26, adjust=False).mean()
    line = fast - slow
    signal = line.ewm(span=9, adjust=False).mean()
    found = {
        "ema_12_distance": close / fast - 1,
        "ema_26_distance": close / slow - 1,
        "ema_12_26_ratio": fast / slow - 1,
    }
    found |= {"macd_line": line / close, "macd_signal": signal / close, "macd_histogram": (line - signal) / close}
    for n in (7, 14):
        gain = move.clip(lower=0).ewm(alpha=1 / n, adjust=False).mean()
        loss = (-move).clip(lower=0).ewm(alpha=1 / n, adjust=False).mean()
        found[f"rsi_{n}"] = 100 * gain / (gain + loss)
    reach = high.where(before.isna() | (high > before), before) - low.where(before.isna() | (low < before), before)
    rise, fall = high.diff(), -low.diff()
    average = reach.ewm(alpha=1 / 14, adjust=False).mean()
    up = 100 * rise.where((rise > fall) & (rise > 0), 0.0).ewm(alpha=1 / 14, adjust=False).mean() / average
    down = 100 * fall.where((fall > rise) & (fall > 0), 0.0).ewm(alpha=1 / 14, adjust=False).mean() / average
    found["adx_14"] = (100 * (up - down).abs() / (up + down)).ewm(alpha=1 / 14, adjust=False).mean()
    return found | {"plus_di_14": up, "minus_di_14": down, "atr_14": average / close}


def _volumes(table: pd.DataFrame, slope: Slope) -> dict[str, pd.Series[float]]:
    close, volume = table["close"], table["volume"]
    mean = volume.rolling(20).mean()
    balance = (np.sign(close.diff()).fillna(0) * volume).cumsum()
    typical = (table["high"] + table["low"] + close) / 3
    return {
        "obv_slope_20": balance.rolling(20).apply(slope, raw=True) / mean,
        "vwap_20_distance": close / ((typical * volume).rolling(20).sum() / volume.rolling(20).sum()) - 1,
        "volume_ratio_5_20": volume.rolling(5).mean() / mean,
        "volume_ratio_1_20": volume / mean,
    }


def _market(table: pd.DataFrame) -> dict[str, pd.Series[float]]:
    close, market, level = table["close"], table["market"], table["volatility"]
    own, bench = close / close.shift(1) - 1, market / market.shift(1) - 1
    month = market / market.shift(20)
    return {
        "market_correlation_60": own.rolling(60).corr(bench),
        "market_beta_60": own.rolling(60).cov(bench) / bench.rolling(60).var(),
        "strength_market_20": close / close.shift(20) - month,
        "strength_sector_20": close / close.shift(20) - table["sector"] / table["sector"].shift(20),
        "volatility_level": level,
    }
