"""Every feature of the kernel against TA-Lib, or NumPy where TA-Lib has no such indicator, to 1e-9 in float64.

The kernel computes in float64 and rounds once, where it writes float32 (6e-8 relative). So its own source is compiled a
second time to write float64, and that is held against the oracles; and what the kernel itself writes is, bit for bit,
the same numbers rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib

from signals.data.records import F8
from signals.data.sample import sample_bars
from signals.features import kernels
from signals.features._jit import helper
from signals.features.batch import F4, KERNEL
from signals.features.catalog import CATALOGUE

FEATURES = CATALOGUE[KERNEL]
PRICES = ["open", "high", "low", "close", "volume"]
SAMPLE = ["AAPL", "GOOG", "IBM", "MSFT"]
# The sector funds with prices throughout; stocks take them in turn, for the kernel does not ask whose sector it is.
SECTORS = ["XLB", "XLE", "XLF", "XLI", "XLK", "XLP", "XLU", "XLV", "XLY"]
RELATIVE = 1e-9
# A difference that crosses zero has no digits left there: mean and close of 50 dollars agree to 1e-14 dollars, so that
# their ratio less 1 is rounding alone. Its terms are of the order of 1 and hold 1e-11 of that besides; TA-Lib's running
# sums of squares, which lose up to 6e-12 in the Bollinger bands, keep it from being less.
OF_TERMS = 1e-11


def of_one_sign(bars: F8) -> dict[str, F8]:
    """The features whose every value is to be right to `RELATIVE`."""
    _, high, low, close, volume, _, volatility, _ = (np.ascontiguousarray(column) for column in bars.T)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    # TA-Lib divides by n, a sample deviation by n - 1.
    deviation = {n: talib.STDDEV(talib.ROCP(close, 1), n) * np.sqrt(n / (n - 1)) for n in (5, 10, 20, 60)}
    return {
        **{f"hist_vol_{n}": deviation[n] * np.sqrt(252) for n in (10, 20, 60)},
        **{f"rsi_{n}": talib.RSI(close, n) for n in (7, 14)},
        "bollinger_width": (upper - lower) / middle,
        "vol_regime_5_20": deviation[5] / deviation[20],
        "stochastic_k": talib.STOCHF(high, low, close, 14, 1)[0],
        "stochastic_d": talib.STOCHF(high, low, close, 14, 3)[1],
        "range": (high - low) / close,
        "close_in_range": (close - low) / np.where(high > low, high - low, np.nan),
        "adx_14": talib.ADX(high, low, close, 14),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
        "atr_14": talib.ATR(high, low, close, 14) / close,
        "volume_ratio_5_20": talib.SMA(volume, 5) / talib.SMA(volume, 20),
        "volume_ratio_1_20": volume / talib.SMA(volume, 20),
        "volatility_level": volatility,
    }


def differences(bars: F8) -> dict[str, F8]:
    """The features that cross zero, right to `RELATIVE` and `OF_TERMS`."""
    opened, high, low, close, volume, market, _, sector = (np.ascontiguousarray(column) for column in bars.T)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    mean_price = talib.SUM(talib.TYPPRICE(high, low, close) * volume, 20) / talib.SUM(volume, 20)
    balance = talib.OBV(close, volume)
    return {
        **{f"return_{n}": talib.ROCP(close, n) for n in (1, 2, 5, 10, 21, 63, 126, 252)},
        **{f"sma_{n}_distance": close / talib.SMA(close, n) - 1 for n in (20, 50, 200)},
        **{f"ema_{n}_distance": close / talib.EMA(close, n) - 1 for n in (12, 26)},
        **{f"high_{n}_distance": close / talib.MAX(high, n) - 1 for n in (20, 60, 252)},
        **{f"low_{n}_distance": close / talib.MIN(low, n) - 1 for n in (20, 60, 252)},
        "roc_10": talib.ROC(close, 10),
        "bollinger_position": (close - lower) / (upper - lower),
        "gap": opened / np.concatenate([[np.nan], close[:-1]]) - 1,
        "ema_12_26_ratio": talib.EMA(close, 12) / talib.EMA(close, 26) - 1,
        "macd_line": line / close,
        "macd_signal": signal / close,
        "macd_histogram": histogram / close,
        "obv_slope_20": talib.LINEARREG_SLOPE(balance, 20) / talib.SMA(volume, 20),
        "vwap_20_distance": close / mean_price - 1,
        "market_correlation_60": talib.CORREL(talib.ROCP(close, 1), talib.ROCP(market, 1), 60),
        "market_beta_60": talib.BETA(market, close, 60),  # the slope of the second's returns on the first's
        "strength_market_20": talib.ROCP(close, 20) - talib.ROCP(market, 20),
        "strength_sector_20": talib.ROCP(close, 20) - talib.ROCP(sector, 20),
    }


def sample_stocks() -> dict[str, F8]:
    """Four stocks since Google's listing, each with the others for references; Facebook's history is too short."""
    columns = sample_bars().columns
    bars = {name: pd.DataFrame(columns[name].values, columns[name].time, PRICES) for name in SAMPLE}
    closes = pd.DataFrame({name: bars[name]["close"] for name in SAMPLE}).dropna()
    return {name: np.column_stack([bars[name].loc[closes.index], closes.drop(columns=name)]) for name in SAMPLE}


def real_stocks(folder: Path) -> dict[str, F8]:
    """Twenty stocks, evenly through the alphabet, of those with a whole and orderly bar in every session."""
    table = pd.read_parquet(folder / "stocks_daily_2013_2018.parquet").dropna()
    prices = table[PRICES[:4]]
    in_order = (prices.max(axis=1) == table["high"]) & (prices.min(axis=1) == table["low"])
    sessions = table["symbol"][in_order].value_counts()
    complete = sorted(sessions.index[sessions == table["date"].nunique()])
    references = pd.read_parquet(folder / "market_daily_2006_2021.parquet").pivot(
        index="date", columns="symbol", values="close"
    )
    stocks = {}
    for place, symbol in enumerate(complete[:: len(complete) // 20][:20]):
        bars = table[table["symbol"] == symbol].sort_values("date").set_index("date")
        columns = references.loc[bars.index, ["^GSPC", "^VIX", SECTORS[place % len(SECTORS)]]]
        stocks[symbol] = np.column_stack([bars[PRICES], columns]).astype(np.float64)
    return stocks


@pytest.fixture(scope="module", params=["generated", "sample", pytest.param("real", marks=pytest.mark.real_data)])
def stocks(request: pytest.FixtureRequest, kernel_input: F8) -> dict[str, F8]:
    """Kernel input by symbol."""
    if request.param == "generated":
        return {"AAA": kernel_input}
    return sample_stocks() if request.param == "sample" else real_stocks(request.getfixturevalue("real_data"))


@pytest.fixture(scope="module")
def run_in_doubles() -> Callable[[F8], F8]:
    """The source of `kernels.run`, and of all it calls, compiled with float64 for float32."""
    kernel: Any = kernels.run
    doubles = ModuleType("doubles")
    vars(doubles).update(empty=np.empty, float32=np.float64, float64=np.float64)
    compiled = helper(FunctionType(kernel.py_func.__code__, {**kernel.py_func.__globals__, "np": doubles}))

    def make(bars: F8) -> F8:
        out = np.empty((len(bars), kernels.N_FEATURES))
        compiled(np.ascontiguousarray(bars), 0, np.zeros(kernels.N_STATE), out)
        return out

    return make


def test_every_feature_has_one_oracle(kernel_input: F8) -> None:
    assert sorted([*of_one_sign(kernel_input), *differences(kernel_input)]) == sorted(f.name for f in FEATURES)


def test_features_match_their_oracles_from_the_lookback_on(
    stocks: dict[str, F8], run_in_doubles: Callable[[F8], F8]
) -> None:
    for symbol, bars in stocks.items():
        strict, out = of_one_sign(bars), run_in_doubles(bars)
        oracles = strict | differences(bars)
        for column, feature in enumerate(FEATURES):
            name, since = feature.name, feature.lookback
            want, got = oracles[name][since:], out[since:, column]
            assert np.isfinite(want).any(), (symbol, name)
            floor = 0.0 if name in strict else OF_TERMS
            np.testing.assert_allclose(got, want, rtol=RELATIVE, atol=floor, err_msg=f"{symbol} {name}")


def test_kernel_writes_the_doubles_rounded(
    stocks: dict[str, F8],
    run_in_doubles: Callable[[F8], F8],
    run: Callable[[F8], F4],
    same: Callable[[F4, F4], bool],
) -> None:
    for symbol, bars in stocks.items():
        assert same(run(bars), run_in_doubles(bars).astype(np.float32)), symbol
