from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from signals.config import Settings
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns

MakeProvider = Callable[..., InMemoryProvider]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings()


@pytest.fixture(scope="session")
def make_provider() -> MakeProvider:
    """Make random walks in ticks of a cent on the exchange's sessions; a symbol after the first starts later."""

    def make(symbols: Sequence[str] = ("AAA", "BBB"), bars: int = 640, seed: int = 0) -> InMemoryProvider:
        closes = TradingCalendar("XNYS").closes
        first = int(np.searchsorted(closes, 1_357_000_000_000_000))
        return InMemoryProvider(
            _walk(symbol, closes[first + 30 * place : first + bars], np.random.default_rng([seed, place]))
            for place, symbol in enumerate(symbols)
        )

    return make


def _walk(symbol: str, time: np.ndarray[tuple[int, ...], np.dtype[np.int64]], rng: np.random.Generator) -> BarColumns:
    close = np.maximum(np.round(80 * np.exp(np.cumsum(rng.normal(0, 0.015, len(time)))), 2), 0.1)
    opened = np.maximum(np.round(close * np.exp(rng.normal(0, 0.004, len(time))), 2), 0.1)
    high = np.round(np.maximum(opened, close) * (1 + rng.exponential(0.004, len(time))), 2)
    low = np.maximum(
        np.round(np.minimum(opened, close) * (1 - rng.exponential(0.004, len(time)).clip(0, 0.5)), 2), 0.05
    )
    volume = np.round(rng.lognormal(13, 0.4, len(time)))
    return BarColumns(symbol, time, np.ascontiguousarray(np.column_stack([opened, high, low, close, volume])))
