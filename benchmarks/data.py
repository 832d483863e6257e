"""What the benchmarks run on: real daily bars where the folder beside the project is, else generated ones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from signals.data.records import F8

if TYPE_CHECKING:
    import pandas as pd

    from signals.ml.dataset import Dataset
    from signals.ml.recipe import Recipe

__all__ = ["REAL", "bars", "market", "training_rows"]

REAL = Path(__file__).parents[1].parent / "shared" / "data"
_SYMBOLS, _BARS = 505, 1_259


def bars() -> tuple[pd.DataFrame, str]:
    """Return clean daily bars, columns symbol, date, open, high, low, close, volume, and where they come from.

    Rows that break the order of open, high, low and close, or lack one, are left out.
    """
    import pandas as pd

    path = REAL / "stocks_daily_2013_2018.parquet"
    if not path.exists():
        return _generated(_SYMBOLS, _BARS), f"{_SYMBOLS} generated symbols of {_BARS} bars (no real data beside it)"
    table = pd.read_parquet(path, columns=["symbol", "date", "open", "high", "low", "close", "volume"]).dropna()
    ends = table[["open", "close"]]
    table = table[(table["high"] >= ends.max(axis=1)) & (table["low"] <= ends.min(axis=1)) & (table["low"] > 0)]
    table = table.sort_values(["symbol", "date"], ignore_index=True)
    return table, f"{table['symbol'].nunique()} real symbols, {len(table):,} daily bars, 2013-02 to 2018-02"


def market(dates: pd.Series[pd.Timestamp], symbol: str) -> F8:
    """Return the closes of a market series on these dates, shape (n,); a generated walk where there is no real data."""
    import pandas as pd

    path = REAL / "market_daily_2006_2021.parquet"
    if not path.exists():
        days, place = np.unique(dates.to_numpy(), return_inverse=True)
        walk = 100 * np.exp(np.cumsum(np.random.default_rng(len(symbol)).normal(0, 0.01, len(days))))
        return np.asarray(walk[place], np.float64)
    table = pd.read_parquet(path, columns=["symbol", "date", "close"])
    table = table[table["symbol"] == symbol]
    closes = table.set_index("date")["close"]
    return closes.reindex(dates).to_numpy(np.float64)


def training_rows(chosen: Recipe, count: int, *, share: float = 1.0) -> Dataset | None:
    """Return the recipe's rows of the `count` real symbols with the longest histories; None without the real data.

    Parameters
    ----------
    share
        Of the history, from its start: what comes later is not known.
    """
    from signals.config import DataSettings, Settings
    from signals.data.parquet import read_bars
    from signals.data.records import from_micros
    from signals.feature_store import FeatureStore
    from signals.ml.trainer import Trainer

    stocks = REAL / "stocks_daily_2013_2018.parquet"
    if not stocks.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=DataSettings(market="^GSPC", features_dir=Path(folder)))
        table = read_bars(stocks, stamped="session", on_bad="quarantine")
        market = read_bars(REAL / "market_daily_2006_2021.parquet", stamped="session", symbols=["^GSPC", "^VIX"])
        provider = table.provider()
        provider.load(market.columns.values())
        symbols = sorted(table.columns, key=lambda name: (-len(table.columns[name]), name))[:count]
        times = table.columns[symbols[0]].time
        until = from_micros(int(times[min(int(share * len(times)), len(times) - 1)]))
        return Trainer(FeatureStore(settings, calculators=()), settings).dataset(chosen, provider, symbols, until)


def _generated(symbols: int, count: int) -> pd.DataFrame:
    import pandas as pd

    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2013-02-08", periods=count)
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.015, (symbols, count)), axis=1)).ravel()
    opened = close * np.exp(rng.normal(0, 0.004, len(close)))
    table = pd.DataFrame(
        {"symbol": np.repeat([f"S{i:03d}" for i in range(symbols)], count), "date": np.tile(dates, symbols)}
    )
    table["open"] = opened
    table["high"] = np.maximum(opened, close) * (1 + rng.exponential(0.004, len(close)))
    table["low"] = np.minimum(opened, close) / (1 + rng.exponential(0.004, len(close)))
    table["close"] = close
    table["volume"] = np.round(rng.lognormal(13, 0.4, len(close)))
    return table
