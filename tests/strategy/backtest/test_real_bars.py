"""Real daily bars, with their late starters and missing days: the same properties as on generated markets."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from strategy import OHLCV, BarError, BaseStrategy, Signal, SignalDirection
from strategy.backtest import BacktestResult, Execution, run_backtest

FILE = Path(__file__).parents[4] / "shared/data/stocks_daily_2013_2018.parquet"
CUT = datetime(2014, 12, 31, 21, tzinfo=UTC)

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FILE.is_file(), reason=f"no real bars: {FILE.name} is not beside the project"),
]


class Reversal(BaseStrategy):
    """Buy what fell over three per cent in a day, sell short what rose as much, for five bars."""

    name = "reversal"
    description = "one-day reversal"
    min_hold_days = 3
    warmup_bars = 1

    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        made = []
        for symbol, bars in data.items():
            move = bars[-1].close / bars[-2].close - 1 if len(bars) > 1 else 0.0
            if abs(move) > 0.03:
                direction = SignalDirection.SHORT if move > 0 else SignalDirection.LONG
                strength = min(abs(move), 1.0)
                made.append(Signal(symbol, bars[-1].timestamp, direction, strength, self.name, {"horizon_bars": 5}))
        return made


@pytest.fixture(scope="module")
def market() -> dict[str, list[OHLCV]]:
    import pyarrow.parquet as pq

    symbols = ["AAPL", "GOOG", "HLT", "INFO", "LNT", "MSFT", "NWL", "NWSA", "UA", "XOM"]
    rows = pq.read_table(FILE, filters=[("symbol", "in", symbols)]).to_pylist()
    data: dict[str, list[OHLCV]] = {symbol: [] for symbol in symbols}
    for row in sorted(rows, key=lambda row: str(row["date"])):
        close = datetime.combine(datetime.fromisoformat(str(row["date"])[:10]), time(21), UTC)
        values = [row[name] for name in ("open", "high", "low", "close", "volume")]
        try:
            data[row["symbol"]].append(OHLCV(row["symbol"], close, *values))
        except BarError:
            continue  # null cells and broken order, which the file is known for
    return data


def run(data: dict[str, list[OHLCV]], end: datetime | None = None) -> BacktestResult:
    return run_backtest(Reversal(), data, execution=Execution(max_positions=5), end=end)


def test_money_is_conserved(market: dict[str, list[OHLCV]]) -> None:
    result = run(market)
    assert len(result.trades) > 250
    assert {trade.direction for trade in result.trades} == {SignalDirection.LONG, SignalDirection.SHORT}
    profit = sum(trade.profit for trade in result.trades) + sum(held.profit for held in result.open_positions)
    assert result.equity.values[-1] == pytest.approx(100_000 + profit, abs=0.001)
    assert result.summary()["undefined"] == {}


def test_the_future_changes_nothing(market: dict[str, list[OHLCV]]) -> None:
    cut = {symbol: [bar for bar in bars if bar.timestamp <= CUT] for symbol, bars in market.items()}
    assert run(market, CUT) == run({symbol: bars for symbol, bars in cut.items() if bars})
