"""Whole histories of the kernel's features, values a second on one core, against TA-Lib and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.data import bars, market
from benchmarks.peer_pandas import features, polyfit, product
from benchmarks.timer import OURS, Result, Row, absent, medians, peak_mb
from signals.data.records import F8

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]

_FEW = 25
_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _MARKET = range(6)


def run() -> Result:
    """Time all features of all symbols: the kernel's, TA-Lib's arrays that serve the same ones, and pandas' own."""
    table, says = bars()
    whole = _inputs(table)
    few = whole[:: max(1, len(whole) // _FEW)][:_FEW]
    systems = {
        OURS: lambda: _ours(whole),
        "few": lambda: _ours(few),
        "pandas": lambda: [features(one, polyfit) for one in few],
        "tuned": lambda: [features(one, product) for one in few],
    }
    _agree(few[0])
    columns = [[np.ascontiguousarray(column) for column in one.T] for one in whole]
    talib = _talib_module()
    if talib is not None:
        systems["TA-Lib"] = lambda: [_talib(talib, one) for one in columns]
    peaks = {name: peak_mb(system) for name, system in systems.items()}
    seconds = medians(systems, repeats=5)
    made = _ours(few[:1])[0].shape[1]
    ratios = {"vs_pandas": seconds["pandas"] / seconds["few"], "vs_pandas_tuned": seconds["tuned"] / seconds["few"]}
    measured = [(OURS, OURS, whole, made), (OURS, "few", few, made)]
    measured += [("pandas", "pandas", few, made), ("pandas, tuned", "tuned", few, made)]
    if talib is not None:
        arrays = len(_talib(talib, columns[0]))
        measured.append(("TA-Lib", "TA-Lib", whole, arrays))
        ratios["vs_talib_all_for_shared"] = seconds["TA-Lib"] / seconds[OURS]
        ratios["vs_talib"] = (made / arrays) * seconds["TA-Lib"] / seconds[OURS]
        speeds = {name: sum(map(len, symbols)) * outputs / seconds[name] for _, name, symbols, outputs in measured}
        ratios["talib_vs_pandas"] = speeds["TA-Lib"] / speeds["tuned"]
    rows: list[Row] = []
    for system, name, symbols, outputs in measured:
        values = sum(map(len, symbols)) * outputs
        case = f"{len(symbols)} symbols, {outputs} outputs"
        figures = {"seconds": seconds[name], "values_per_s_core": values / seconds[name], "peak_mb": peaks[name]}
        rows.append({"system": system, "case": case, **figures})
    if talib is None:
        rows.append(absent("TA-Lib", f"{len(whole)} symbols"))
    return Result(rows, ratios, {"vs_talib": "≥ 0.5", "vs_pandas": "≥ 300"}, (says, *_NOTES))


_NOTES = (
    "One thread on each side; the bars lie ready as arrays, which is not timed for either.",
    "Ours is one call a symbol that makes all outputs as float32 rows, with NaN where nothing is known.",
    "TA-Lib makes its plain arrays, helper arrays counted too, for the features that it has; bringing them to a "
    "scale-free form (over close, over the mean volume) and into rows is left out, in its favour.",
    "vs_talib compares values a second, each side by what it made; vs_talib_all_for_shared is the time of "
    "TA-Lib's shared outputs over the time of all of ours, which is stricter.",
    "pandas computes the same features of each symbol in one pass over its history, with rolling and ewm windows; that "
    "they are the same is asserted before the clock runs. Its only Python call a bar is the slope of OBV: "
    "numpy.polyfit, as it is mostly written, in vs_pandas, and one scalar product in vs_pandas_tuned.",
    "What limits vs_pandas_tuned: pandas' own loops are compiled too. 300 times its speed would be about half a "
    "nanosecond a value, some two clocks of the processor to load, divide, round and store it; TA-Lib stands at "
    "talib_vs_pandas, against the tuned one.",
)


def _talib_module() -> Any:
    try:
        import talib
    except ImportError:
        return None
    return talib


def _inputs(table: pd.DataFrame) -> list[F8]:
    """Return the kernel's input of each symbol, shape (T, 8)."""
    for place, symbol in (("market", "^GSPC"), ("volatility", "^VIX"), ("sector", "XLK")):
        table[place] = market(table["date"], symbol)
    names = ["open", "high", "low", "close", "volume", "market", "volatility", "sector"]
    return [np.ascontiguousarray(rows[names].to_numpy(np.float64)) for _, rows in table.groupby("symbol")]


def _ours(whole: list[F8]) -> list[Any]:
    from signals.features import kernels

    made = [np.empty((len(one), kernels.N_FEATURES), np.float32) for one in whole]
    for one, out in zip(whole, made, strict=True):
        kernels.run(one, 0, np.zeros(kernels.N_STATE), out)
    return made


def _agree(one: F8) -> None:
    from signals.features.batch import KERNEL
    from signals.features.catalog import names

    ours, peers = _ours([one])[0][600:], features(one, product)
    for column, name in enumerate(names()[KERNEL]):
        theirs = np.asarray(peers[name], np.float64)[600:]
        np.testing.assert_allclose(
            ours[:, column], theirs, rtol=1e-5, atol=1e-6 * np.nanmax(np.abs(theirs)), err_msg=name
        )


def _talib(talib: Any, one: list[F8]) -> list[F8]:
    high, low, close, volume, index = (one[place] for place in (_HIGH, _LOW, _CLOSE, _VOLUME, _MARKET))
    made = [talib.ROCP(close, n) for n in (1, 2, 5, 10, 21, 63, 126, 252)]
    made += [talib.ROC(close, 10), *(talib.SMA(close, n) for n in (20, 50, 200))]
    made += [*talib.BBANDS(close, 20, 2, 2), *(talib.STDDEV(made[0], n) for n in (5, 10, 20, 60))]
    made += talib.STOCHF(high, low, close, 14, 3)
    for n in (20, 60, 252):
        made += [talib.MAX(high, n), talib.MIN(low, n)]
    made += [*(talib.EMA(close, n) for n in (12, 26)), *talib.MACD(close, 12, 26, 9)]
    made += [*(talib.RSI(close, n) for n in (7, 14)), talib.ADX(high, low, close, 14)]
    made += [
        talib.PLUS_DI(high, low, close, 14),
        talib.MINUS_DI(high, low, close, 14),
        talib.NATR(high, low, close, 14),
    ]
    balance = talib.OBV(close, volume)
    made += [balance, talib.LINEARREG_SLOPE(balance, 20), *(talib.SMA(volume, n) for n in (5, 20))]
    made += [talib.CORREL(made[0], talib.ROCP(index, 1), 60), talib.BETA(close, index, 60)]
    return made
