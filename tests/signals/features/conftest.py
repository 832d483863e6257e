from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from signals.data.calendar import TradingCalendar
from signals.data.records import BarColumns
from signals.features import batch, kernels
from signals.features.batch import F4, SymbolInputs

QUARTER_HOUR = 15 * 60 * 1_000_000


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    return TradingCalendar("XNYS")


@pytest.fixture(scope="session")
def history(calendar: TradingCalendar) -> Callable[..., BarColumns]:
    """Make a random walk in ticks of a cent on the exchange's sessions from 2013 on."""

    def make(seed: int = 0, count: int = 700, symbol: str = "AAA", delay: int = 0) -> BarColumns:
        rng = np.random.default_rng(seed)
        first = int(np.searchsorted(calendar.closes, 1_357_000_000_000_000))
        time = calendar.closes[first : first + count] + delay
        close = np.maximum(np.round(80 * np.exp(np.cumsum(rng.normal(0, 0.015, count))), 2), 0.05)
        opened = np.maximum(np.round(close * np.exp(rng.normal(0, 0.004, count)), 2), 0.05)
        high = np.round(np.maximum(opened, close) * (1 + rng.exponential(0.004, count)), 2)
        low = np.maximum(
            np.round(np.minimum(opened, close) * (1 - rng.exponential(0.004, count).clip(0, 0.5)), 2), 0.01
        )
        volume = np.round(rng.lognormal(13, 0.4, count))
        return BarColumns(symbol, time, np.column_stack([opened, high, low, close, volume]))

    return make


@pytest.fixture(scope="session")
def whole(history: Callable[..., BarColumns]) -> SymbolInputs:
    """A symbol with market, volatility index (a quarter of an hour later) and sector."""
    return SymbolInputs(
        history(1),
        history(2, symbol="SPY"),
        history(3, symbol="^VIX", delay=QUARTER_HOUR),
        ((0, history(4, symbol="XLK")),),
    )


@pytest.fixture(scope="session")
def same() -> Callable[[F4, F4], bool]:
    """Whether two blocks of rows are the same bits, NaN for NaN."""

    def check(one: F4, other: F4) -> bool:
        return (
            one.shape == other.shape
            and one.tobytes() == np.where(np.isnan(other) & np.isnan(one), one, other).tobytes()
        )

    return check


@pytest.fixture(scope="session")
def kernel_input(whole: SymbolInputs, calendar: TradingCalendar) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    references = (whole.market, whole.volatility, whole.sector_series[0][1])
    return batch.kernel_bars(whole.columns, (), references, calendar)


@pytest.fixture(scope="session")
def run() -> Callable[..., F4]:
    """Run the kernel over rows, from a zero state unless one is given."""

    def make(bars: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> F4:
        out = np.empty((len(bars), kernels.N_FEATURES), np.float32)
        kernels.run(np.ascontiguousarray(bars), 0, np.zeros(kernels.N_STATE), out)
        return out

    return make
