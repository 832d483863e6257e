"""Fixtures of the whole suite: where real data lies, and a market with a planted signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

from signals.config import MLSettings, Settings, XGBParams
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns, from_micros, to_micros
from signals.feature_store import FeatureStore
from signals.ml.artifact import ModelBundle
from signals.ml.trainer import Trainer
from signals.recipes.direction import recipe
from strategy.bars import OHLCV

# How fast a machine is decides nothing.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

SYMBOLS = tuple(f"S{number:02d}" for number in range(10))
BARS, TRAINED = 860, 640


@dataclass(frozen=True)
class Planted:
    """A market whose trend can be learnt, and a model that has learnt it on the first `TRAINED` bars."""

    settings: Settings
    provider: InMemoryProvider
    bars: Mapping[str, list[OHLCV]]
    bundle: ModelBundle

    @property
    def start(self) -> datetime:
        """First instant after everything that training knew."""
        return self.bundle.last_label_end


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real market data beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real market data is not beside the project")
    return folder


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Train a small model on trends that flip every 40 sessions or so: almost every bar gives a signal."""
    settings = Settings(ml=MLSettings(xgb_params=XGBParams(n_estimators=30, max_depth=3, learning_rate=0.2)))
    columns = [trending(symbol, seed) for seed, symbol in enumerate(SYMBOLS)]
    provider = InMemoryProvider(columns)
    until = from_micros(int(columns[0].time[TRAINED - 1]))
    trainer = Trainer(FeatureStore(settings), settings, threads=1, clock=lambda: datetime(2024, 1, 1, tzinfo=UTC))
    chosen = recipe(settings)
    bundle = trainer.fit(chosen, trainer.dataset(chosen, provider, SYMBOLS, until), until)
    return Planted(settings, provider, {column.symbol: column.bars() for column in columns}, bundle)


def trending(symbol: str, seed: int, *, bars: int = BARS, noise: float = 0.005, shortest: int = 20) -> BarColumns:
    """Return daily bars from 2014 whose log return is +-1% in trends of `shortest` sessions or more, plus noise."""
    rng = np.random.default_rng([7, seed])
    lengths = rng.integers(shortest, 2 * shortest + 20, bars)
    sign = np.repeat(np.where(np.arange(bars) % 2 == seed % 2, 1.0, -1.0), lengths)[:bars]
    close = 50 * np.exp(np.cumsum(0.01 * sign + noise * rng.standard_normal(bars)))
    return BarColumns(symbol, _sessions(bars), _bars(close, rng))


@pytest.fixture(scope="session")
def trending_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write daily session bars of four trending symbols, five and a half years: a model can learn them."""
    return _csv(
        tmp_path_factory.mktemp("trending"),
        [trending(f"T{seed}", seed, bars=1400, noise=0.004, shortest=50) for seed in range(4)],
    )


@pytest.fixture(scope="session")
def noise_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write daily session bars of four random walks, five years: there is nothing to learn."""
    return _csv(tmp_path_factory.mktemp("noise"), [random_walk(f"N{seed}", seed) for seed in range(4)])


def random_walk(symbol: str, seed: int) -> BarColumns:
    """Return 1,250 daily bars without any memory: log returns of 1% standard deviation."""
    rng = np.random.default_rng([11, seed])
    close = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal(1250)))
    return BarColumns(symbol, _sessions(1250), _bars(close, rng))


def _sessions(bars: int) -> NDArray[np.int64]:
    closes = TradingCalendar("XNYS").closes
    first = int(np.searchsorted(closes, to_micros(datetime(2014, 1, 2, tzinfo=UTC))))
    return closes[first : first + bars].copy()


def _bars(close: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    opening = np.concatenate([[close[0]], close[:-1]]) * np.exp(0.001 * rng.standard_normal(len(close)))
    spread = 1 + 0.003 * rng.random((2, len(close)))
    high, low = np.maximum(opening, close) * spread[0], np.minimum(opening, close) / spread[1]
    volume = np.round(1e6 * np.exp(0.2 * rng.standard_normal(len(close))))
    return np.ascontiguousarray(np.column_stack([opening, high, low, close, volume]))


def _csv(folder: Path, columns: list[BarColumns]) -> Path:
    path = folder / "bars.csv"
    lines = ["date,symbol,open,high,low,close,volume"]
    for column in columns:
        for time, row in zip(column.time.tolist(), column.values.tolist(), strict=True):
            lines.append(",".join([f"{from_micros(time):%Y-%m-%d}", column.symbol, *map(repr, row)]))
    path.write_text("\n".join(lines) + "\n")
    return path
