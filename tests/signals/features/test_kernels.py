from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import F8
from signals.features import kernels
from signals.features.batch import F4, KERNEL
from signals.features.catalog import CATALOGUE, names

REAL = Path(__file__).parents[4] / "shared" / "data" / "stocks_daily_2013_2018.parquet"
FEATURES = CATALOGUE[KERNEL]
LAST = 512
Run = Callable[[F8], F4]
Same = Callable[[F4, F4], bool]


def references(bars: F8) -> dict[str, F8]:
    """Every kernel feature from TA-Lib where it has the indicator, else from pandas; computed without our code."""
    opened, high, low, close, volume, market, vix, sector = (np.ascontiguousarray(column) for column in bars.T)
    c, v, m, x = pd.Series(close), pd.Series(volume), pd.Series(market), pd.Series(vix)
    moves, market_moves = c.pct_change(fill_method=None), m.pct_change(fill_method=None)
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    k, d = talib.STOCHF(high, low, close, 14, 3)
    typical = pd.Series((high + low + close) / 3)
    mean_volume = v.rolling(20).mean()
    spread = {n: moves.rolling(n).std() for n in (5, 10, 20, 60)}
    found: dict[str, object] = {f"return_{n}": talib.ROCP(close, n) for n in (1, 2, 5, 10, 21, 63, 126, 252)}
    found |= {f"sma_{n}_distance": close / talib.SMA(close, n) - 1 for n in (20, 50, 200)}
    found |= {f"ema_{n}_distance": close / talib.EMA(close, n) - 1 for n in (12, 26)}
    found |= {f"hist_vol_{n}": spread[n] * np.sqrt(252) for n in (10, 20, 60)}
    found |= {f"high_{n}_distance": close / talib.MAX(high, n) - 1 for n in (20, 60, 252)}
    found |= {f"low_{n}_distance": close / talib.MIN(low, n) - 1 for n in (20, 60, 252)}
    found |= {f"rsi_{n}": talib.RSI(close, n) for n in (7, 14)}
    found |= {
        "roc_10": talib.ROC(close, 10),
        "bollinger_position": (close - lower) / (upper - lower),
        "bollinger_width": (upper - lower) / middle,
        "vol_regime_5_20": spread[5] / spread[20],
        "stochastic_k": k,
        "stochastic_d": d,
        "range": (high - low) / close,
        "close_in_range": (close - low) / np.where(high > low, high - low, np.nan),
        "gap": opened / c.shift(1) - 1,
        "ema_12_26_ratio": talib.EMA(close, 12) / talib.EMA(close, 26) - 1,
        "macd_line": line / close,
        "macd_signal": signal / close,
        "macd_histogram": histogram / close,
        "adx_14": talib.ADX(high, low, close, 14),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
        "atr_14": talib.NATR(high, low, close, 14) / 100,
        "obv_slope_20": talib.LINEARREG_SLOPE(talib.OBV(close, volume), 20) / mean_volume,
        "vwap_20_distance": c / ((typical * v).rolling(20).sum() / v.rolling(20).sum()) - 1,
        "volume_ratio_5_20": v.rolling(5).mean() / mean_volume,
        "volume_ratio_1_20": v / mean_volume,
        "market_correlation_60": moves.rolling(60).corr(market_moves),
        "market_beta_60": moves.rolling(60).cov(market_moves) / market_moves.rolling(60).var(),
        "market_return_20": m / m.shift(20) - 1,
        "strength_market_20": c / c.shift(20) - m / m.shift(20),
        "strength_sector_20": c / c.shift(20) - sector / pd.Series(sector).shift(20),
        "volatility_level": vix,
        "volatility_change_5": x / x.shift(5) - 1,
        "volatility_regime_60": x / x.rolling(60).mean() - 1,
    }
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def differ(bars: F8, out: F4) -> dict[str, float]:
    """The largest error in units of the tolerance: 1e-9 of the feature's scale, and the rounding to float32."""
    expected, worst = references(bars), {}
    for column, name in enumerate(names()[KERNEL]):
        want, got = expected[name][LAST:], out[LAST:, column].astype(np.float64)
        assert not np.isnan(want).all(), name
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=name)
        error = np.abs(got - want) / (np.abs(want) * 2.0**-24 + np.nanmax(np.abs(want)) * 1e-9)
        worst[name] = float(np.nanmax(error))
    return {name: error for name, error in worst.items() if error > 1}


def test_every_feature_has_a_reference(kernel_input: F8) -> None:
    assert set(references(kernel_input)) == set(names()[KERNEL])


def test_generated_history_matches_talib_and_pandas(kernel_input: F8, run: Run) -> None:
    assert differ(kernel_input, run(kernel_input)) == {}


def real_histories(*symbols: str) -> Iterator[F8]:
    """Bars of these symbols, of all where none is named; KO stands for the references."""
    chosen = [("symbol", "in", [*symbols, "KO"])] if symbols else None
    table = pd.read_parquet(REAL, filters=chosen).dropna()
    market = table[table["symbol"] == "KO"].set_index("date")["close"]
    for _, rows in table.groupby("symbol"):
        bars = rows[["open", "high", "low", "close", "volume"]].to_numpy(np.float64)
        level = market.reindex(rows["date"]).to_numpy(np.float64) * np.linspace(1, 2, len(bars)) ** 0.5
        yield np.ascontiguousarray(np.column_stack([bars, level, level[::-1], level]))


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="the folder of real market data is not there")
def test_real_history_matches_talib_and_pandas(run: Run) -> None:
    for bars in real_histories("AAPL", "JPM", "XOM", "WMT"):
        assert differ(bars, run(bars)) == {}


def forgets(bars: F8, cut: int, run: Run, same: Same) -> list[str]:
    """The features that still show, from their lookback on, that history began at `cut`."""
    whole, later = run(bars), run(bars[cut:])
    return [f.name for i, f in enumerate(FEATURES) if not same(whole[cut + f.lookback :, i], later[f.lookback :, i])]


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="the folder of real market data is not there")
@pytest.mark.parametrize("cut", [1, 57, 300, 513])
def test_real_history_does_not_show_its_start(run: Run, same: Same, cut: int) -> None:
    for bars in real_histories("AAPL", "NFLX", "LNT"):
        assert forgets(bars, cut, run, same) == []


@pytest.mark.soak
@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="the folder of real market data is not there")
def test_no_real_history_shows_its_start(run: Run, same: Same) -> None:
    for bars in real_histories():
        for cut in range(3, len(bars), 97):
            assert forgets(bars, cut, run, same) == []


def test_first_value_is_where_values_begin(kernel_input: F8, run: Run) -> None:
    full = kernel_input.copy()
    full[0, 6] = 20.0  # the index closes later than the symbol, so its first bar is not known yet
    out = run(full)
    begins = np.argmax(~np.isnan(out), axis=0)
    assert {f.name: int(row) for f, row in zip(FEATURES, begins, strict=True)} == {
        f.name: f.first_value for f in FEATURES
    }


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 180))
def test_rows_from_the_lookback_on_do_not_know_where_history_began(
    kernel_input: F8, run: Run, same: Same, cut: int
) -> None:
    assert forgets(kernel_input, cut, run, same) == []


def test_history_begins_where_the_state_says(kernel_input: F8, run: Run, same: Same) -> None:
    out = np.empty((len(kernel_input), kernels.N_FEATURES), np.float32)
    kernels.run(kernel_input, 100, np.zeros(kernels.N_STATE), out)
    assert same(out[100:], run(kernel_input[100:]))


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 699), max_size=4, unique=True))
def test_resuming_gives_the_same_bits(kernel_input: F8, run: Run, same: Same, cuts: list[int]) -> None:
    state, parts = np.zeros(kernels.N_STATE), []
    ends = [*sorted(cuts), len(kernel_input)]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        first = max(start - kernels.WINDOW, 0)
        out = np.empty((end - first, kernels.N_FEATURES), np.float32)
        kernels.run(kernel_input[first:end], start - first, state, out)
        parts.append(out[start - first :])
    assert same(np.concatenate(parts), run(kernel_input))


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(1, 699), noise=st.sampled_from([np.nan, 1e-3, 1e9]))
def test_what_comes_later_changes_nothing(kernel_input: F8, run: Run, same: Same, cut: int, noise: float) -> None:
    poisoned = kernel_input.copy()
    poisoned[cut:] = noise
    assert same(run(kernel_input)[:cut], run(poisoned)[:cut])


def rescaled(bars: F8, k: float) -> F8:
    return np.ascontiguousarray(bars * [k, k, k, k, 1 / k, 1, 1, 1])


def test_powers_of_two_change_no_bit(kernel_input: F8, run: Run, same: Same) -> None:
    assert same(run(rescaled(kernel_input, 8.0)), run(kernel_input))


@settings(max_examples=10, deadline=None)
@given(k=st.floats(0.001, 1000))
def test_scale_does_not_matter(kernel_input: F8, run: Run, k: float) -> None:
    whole = run(kernel_input)
    scale = np.nanmax(np.abs(whole), axis=0)
    np.testing.assert_allclose(run(rescaled(kernel_input, k)) / scale, whole / scale, rtol=2e-7, atol=1e-9)


def column(out: F4, name: str) -> F4:
    return out[:, names().index(name)]


def test_price_that_stands_still_has_no_strength(kernel_input: F8, run: Run) -> None:
    still = kernel_input.copy()
    still[100:, :4] = still[99, 3]
    out = run(still)
    for name in ("rsi_14", "adx_14", "plus_di_14", "stochastic_k", "bollinger_position", "vol_regime_5_20"):
        assert np.isnan(column(out, name)[-1]), name
    assert column(out, "hist_vol_20")[-1] == 0


def test_long_standstill_is_forgotten(kernel_input: F8, run: Run, same: Same) -> None:
    still = kernel_input.copy()
    still[60:650, :4] = still[59, 3]
    for cut in (20, 40, 70, 120):
        whole, later = run(still)[cut + 512 :], run(still[cut:])[512:]
        assert [f.name for i, f in enumerate(FEATURES) if not same(whole[:, i], later[:, i])] == []


def test_without_volume_volume_features_are_missing(kernel_input: F8, run: Run) -> None:
    dry = kernel_input.copy()
    dry[:, 4] = 0
    out = run(dry)
    for name in ("obv_slope_20", "vwap_20_distance", "volume_ratio_5_20", "volume_ratio_1_20"):
        assert np.isnan(column(out, name)).all(), name


@pytest.mark.parametrize(
    ("place", "name", "window"),
    [(5, "market_beta_60", 61), (6, "volatility_regime_60", 60), (5, "market_return_20", 0)],
)
def test_reference_missing_once_is_missing_in_its_windows(
    kernel_input: F8, run: Run, same: Same, place: int, name: str, window: int
) -> None:
    holed = kernel_input.copy()
    holed[300, place] = np.nan
    whole, found = column(run(kernel_input), name), column(run(holed), name)
    missing = np.flatnonzero(np.isnan(found[300:])) + 300
    assert missing.tolist() == (list(range(300, 300 + window)) or [300, 320])
    kept = np.setdiff1d(np.arange(len(found)), missing)
    assert same(found[kept], whole[kept])


@pytest.mark.parametrize("capacity", [kernels.WINDOW + 1, 400])
def test_steps_give_the_rows_of_a_run(kernel_input: F8, run: Run, same: Same, capacity: int) -> None:
    whole, count = run(kernel_input), len(kernel_input)
    buffers, ends = np.zeros((2, 8, capacity)), np.zeros(2, np.int64)
    states = np.zeros((2, kernels.N_STATE))
    out = np.empty((count, 1, kernels.N_FEATURES), np.float32)
    for row in range(count):
        kernels.step(buffers, ends, np.array([1]), kernel_input[row : row + 1], states, out[row])
    assert same(out[:, 0], whole)
    assert ends[0] == 0
