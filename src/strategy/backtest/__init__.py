"""Replay of a strategy on recorded bars, with named fills and costs."""

from strategy.backtest.execution import BacktestError, Execution, Fill, FillRule
from strategy.backtest.replay import run_backtest
from strategy.backtest.result import BacktestResult, Equity, OpenPosition, Trade, Window

__all__ = [
    "BacktestError",
    "BacktestResult",
    "Equity",
    "Execution",
    "Fill",
    "FillRule",
    "OpenPosition",
    "Trade",
    "Window",
    "run_backtest",
]
