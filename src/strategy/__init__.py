"""What any strategy engine needs; knows nothing of machine learning. Imports numpy and the standard library only."""

from strategy.bars import OHLCV, BarError, BarFault
from strategy.base import BaseStrategy, Trainable
from strategy.engine import EngineError, StrategyEngine
from strategy.signal import Signal, SignalDirection
from strategy.slices import Slice, SliceSynchroniser

__all__ = [
    "OHLCV",
    "BarError",
    "BarFault",
    "BaseStrategy",
    "EngineError",
    "Signal",
    "SignalDirection",
    "Slice",
    "SliceSynchroniser",
    "StrategyEngine",
    "Trainable",
]
