"""A market that is nearly efficient: a weak planted signal, clustered volatility, overlapping labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from signals.data.records import F8

if TYPE_CHECKING:
    from signals.ml.dataset import Dataset

__all__ = ["HORIZON", "SYMBOLS", "near_efficient"]

HORIZON, SYMBOLS = 5, 20
_SESSIONS, _WARM = 1_100, 25
_SIGNAL = 0.03
"""Of a day's deviation a unit of the signal moves the next return: a correlation of 0.07 with five days' return."""
_THIRD = 0.43
"""Normal deviations that leave a third of the mass in the middle."""


def near_efficient(seed: int) -> Dataset:
    """Return 4 years of rows of 20 symbols, classes near a third each, and 13 features of which one knows a little.

    Returns share a market factor (half of their variance); volatility is an autoregression in logarithms, of the market
    and of each symbol; a class is the return of five sessions beyond 0.43 deviations as seen over the last 20. Eight
    features are noise that lasts, so that trees find regimes that are none.
    """
    import pandas as pd

    from signals.ml.dataset import Labels, make_dataset

    rng = np.random.default_rng(seed)
    signal = _lasting(rng, 0.95, SYMBOLS)
    level = 0.3 * _lasting(rng, 0.98, 1) + 0.2 * _lasting(rng, 0.95, SYMBOLS)
    shock = np.sqrt(0.5) * (rng.normal(size=(_SESSIONS, 1)) + rng.normal(size=(_SESSIONS, SYMBOLS)))
    moves = 0.015 * np.exp(level) * (shock + _SIGNAL * np.vstack([np.zeros((1, SYMBOLS)), signal[:-1]]))
    path = np.vstack([np.zeros((1, SYMBOLS)), np.cumsum(moves, axis=0)])
    at = np.arange(_WARM, _SESSIONS - HORIZON)
    deviation = np.sqrt(np.stack([np.square(moves[t - 19 : t + 1]).mean(axis=0) for t in at]))
    ahead = (path[at + 1 + HORIZON] - path[at + 1]) / (deviation * np.sqrt(HORIZON))
    columns = {
        "signal": signal[at],
        "hist_vol_20": deviation,
        "market_vol_20": np.repeat(deviation.mean(axis=1, keepdims=True), SYMBOLS, axis=1),
        **{f"return_{n}": path[at + 1] - path[at + 1 - n] for n in (5, 20)},
        **{f"noise_{i}": _lasting(rng, 0.5 + 0.06 * i, SYMBOLS)[at] for i in range(8)},
    }
    dates = pd.bdate_range("2015-01-01 21:00", periods=_SESSIONS, tz="UTC").as_unit("us")
    names = [f"S{i:02d}" for i in range(SYMBOLS)]
    index = pd.MultiIndex.from_product([dates[at], names], names=["date", "symbol"]).swaplevel()
    end = pd.Series(np.repeat(dates[at + HORIZON], SYMBOLS), index)
    classes = pd.Series(1.0 + (ahead > _THIRD).ravel() - (ahead < -_THIRD).ravel(), index)
    features = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index)
    return make_dataset(features, Labels(classes, end))


def _lasting(rng: np.random.Generator, phi: float, count: int) -> F8:
    """Return autoregressions of variance 1, shape (sessions, count)."""
    shocks = np.sqrt(1 - phi**2) * rng.normal(size=(_SESSIONS, count))
    found: F8 = np.empty_like(shocks)
    found[0] = rng.normal(size=count)
    for t in range(1, _SESSIONS):
        found[t] = phi * found[t - 1] + shocks[t]
    return found
