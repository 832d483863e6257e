"""What doing nothing would have given: the universe in equal parts, bought once and kept."""

from __future__ import annotations

from collections.abc import Iterable

from strategy.backtest.execution import Execution
from strategy.bars import OHLCV

__all__ = ["BuyAndHold"]


class BuyAndHold:
    """The value of the passive account, slice by slice.

    Each symbol has an equal part of the capital. It is bought on the symbol's second bar, because a decision on the
    first can be filled no earlier; until then the part is cash.

    Parameters
    ----------
    execution
        Fill rule, costs and capital.
    symbols
        How many symbols of the universe have a bar in the replayed range. A later one has no part, or the figure would
        depend on data after the end.
    """

    def __init__(self, execution: Execution, symbols: int) -> None:
        self._execution = execution
        self._part = execution.capital / symbols / (1 + execution.cost_rate)
        self._quantity: dict[str, float] = {}
        self._close: dict[str, float] = {}
        self._value = execution.capital

    def advance(self, bars: Iterable[OHLCV]) -> float:
        """Take the bars of one slice; return the account's value at their close."""
        for bar in bars:
            last = self._close.get(bar.symbol)
            self._close[bar.symbol] = bar.close
            if last is None:
                continue
            quantity = self._quantity.get(bar.symbol)
            if quantity is None:
                last = self._execution.price(bar)
                quantity = self._quantity[bar.symbol] = self._part / last
                self._value -= self._part * self._execution.cost_rate
            self._value += quantity * (bar.close - last)
        return self._value
