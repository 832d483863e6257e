"""Technical features: what a symbol's own prices and volumes say. Computed by `signals.features.kernels`.

Formulas are TA-Lib's where it has the indicator (RSI, MACD, ROC, STOCHF, ADX, PLUS_DI, MINUS_DI, ATR, BBANDS with
population deviation, LINEARREG_SLOPE of OBV), brought to a scale-free form. Where TA-Lib gives 0 for a price that does
not move, the value is NaN here: nothing is known about it.
"""

from __future__ import annotations

from signals.features.feature import Feature

__all__ = ["FEATURES"]

_FORGETS = 512
"""Bars after which an exponential average no longer shows its start in float32: (25/27)^512 is below 1e-17."""


def _window(name: str, before: int, meaning: str) -> Feature:
    return Feature(name, "technical", before, before, scale_free=True, meaning=meaning)


def _recursive(name: str, first: int, meaning: str) -> Feature:
    return Feature(name, "technical", first, _FORGETS, scale_free=True, meaning=meaning)


FEATURES: tuple[Feature, ...] = (
    *(_window(f"return_{n}", n, f"return over {n} bars, fraction") for n in (1, 2, 5, 10, 21, 63, 126, 252)),
    _window("roc_10", 10, "rate of change over 10 bars, per cent"),
    *(_window(f"sma_{n}_distance", n - 1, f"close over its mean of {n} bars, minus 1") for n in (20, 50, 200)),
    _window("bollinger_position", 19, "close between the bands of 2 deviations over 20 bars: 0 lower, 1 upper"),
    _window("bollinger_width", 19, "distance of the bands over their middle"),
    *(_window(f"hist_vol_{n}", n, f"sample deviation of {n} bar returns, a year of 252 bars") for n in (10, 20, 60)),
    _window("vol_regime_5_20", 20, "deviation of 5 bar returns over that of 20"),
    _window("stochastic_k", 13, "close within the range of 14 bars, per cent"),
    _window("stochastic_d", 15, "mean of stochastic_k over 3 bars, per cent"),
    *(
        _window(f"{side}_{n}_distance", n - 1, f"close over the {extreme} of {n} bars, minus 1")
        for n in (20, 60, 252)
        for side, extreme in (("high", "highest high"), ("low", "lowest low"))
    ),
    _window("range", 0, "high minus low, over close"),
    _window("close_in_range", 0, "close within the bar's range: 0 low, 1 high"),
    _window("gap", 1, "open over the close before, minus 1"),
    _recursive("ema_12_distance", 11, "close over its exponential mean of 12 bars, minus 1"),
    _recursive("ema_26_distance", 25, "close over its exponential mean of 26 bars, minus 1"),
    _recursive("ema_12_26_ratio", 25, "exponential mean of 12 bars over that of 26, minus 1"),
    _recursive("macd_line", 25, "MACD 12, 26 over close"),
    _recursive("macd_signal", 33, "exponential mean of the MACD over 9 bars, over close"),
    _recursive("macd_histogram", 33, "MACD minus its signal, over close"),
    _recursive("rsi_7", 7, "relative strength index of 7 bars, 0 to 100"),
    _recursive("rsi_14", 14, "relative strength index of 14 bars, 0 to 100"),
    _recursive("adx_14", 27, "average directional index of 14 bars, 0 to 100"),
    _recursive("plus_di_14", 14, "positive directional indicator of 14 bars, 0 to 100"),
    _recursive("minus_di_14", 14, "negative directional indicator of 14 bars, 0 to 100"),
    _recursive("atr_14", 14, "average true range of 14 bars over close"),
    _window("obv_slope_20", 19, "slope of on-balance volume over 20 bars, in mean volumes a bar"),
    _window("vwap_20_distance", 19, "close over the volume-weighted typical price of 20 bars, minus 1"),
    _window("volume_ratio_5_20", 19, "mean volume of 5 bars over that of 20"),
    _window("volume_ratio_1_20", 19, "volume over its mean of 20 bars"),
)
