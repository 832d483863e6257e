"""Signals become orders, orders become fills on the symbol's next bar: the rules of entry and exit.

================================  =====================================================================================
a signal meets                    what happens
================================  =====================================================================================
no position                       an order for the symbol's next bar; after the exits of that instant, strongest first
a position of its direction       the position is renewed: it stands until the new signal's expiry
a position of the other           if the minimum hold is over at the next bar, the position is closed there and the
direction                         signal enters; otherwise it is counted as ``min_hold`` and forgotten
FLAT, or silence                  nothing: they never close early
================================  =====================================================================================

A position whose signal has expired closes at the symbol's first bar after the expiry on which the minimum hold is over.
A signal stands until `expires_at`; without one for ``metadata["horizon_bars"]`` bars of its symbol; with neither, until
an opposite signal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from strategy.backtest.ledger import Ledger, Position
from strategy.bars import OHLCV
from strategy.signal import Signal, SignalDirection
from strategy.slices import Slice

__all__ = ["Broker"]

_SIDE = {SignalDirection.LONG: 1, SignalDirection.SHORT: -1}


class Broker:
    """Carry out signals; on each slice call `fill` before the strategy decides and `take` after.

    Parameters
    ----------
    ledger
        Where money and positions are kept.
    min_hold_days
        Sessions of a symbol between fill and exit, at least.

    Attributes
    ----------
    renewed, not_done
        What became of signals that opened nothing.
    """

    def __init__(self, ledger: Ledger, min_hold_days: int) -> None:
        self.ledger = ledger
        self.renewed = 0
        self.not_done: Counter[str] = Counter()
        self._min_hold = min_hold_days
        self._orders: dict[str, Signal] = {}

    def fill(self, bars: Mapping[str, OHLCV]) -> None:
        """Let one slice's bars fill what waits for them, exits first, and mark every position to its close."""
        entries: list[tuple[Signal, OHLCV]] = []
        for symbol in dict.fromkeys([*self.ledger.positions, *self._orders]):
            bar = bars.get(symbol)
            if bar is None:
                continue
            order = self._live_order(bar)
            position = self.ledger.positions.get(symbol)
            held = position is not None and not self._left(position, order, bar)
            if order is None:
                continue
            if held:
                self.not_done["min_hold"] += 1
            else:
                entries.append((order, bar))
        for order, bar in sorted(entries, key=lambda entry: (-entry[0].strength, entry[0].symbol)):
            refusal = self.ledger.refusal()
            if refusal is None:
                self.ledger.enter(order, _SIDE[order.direction], bar)
            else:
                self.not_done[refusal] += 1
        self.ledger.mark(bars)

    def take(self, signals: Iterable[Signal], slice_: Slice, universe: frozenset[str]) -> None:
        """Turn the signals decided on a slice into orders or renewals."""
        seen: set[str] = set()
        for signal in signals:
            symbol = signal.symbol
            side = _SIDE.get(signal.direction)
            if side is None:
                continue
            if signal.timestamp != slice_.timestamp or symbol not in slice_.bars or symbol not in universe:
                self.not_done["not_in_slice"] += 1
            elif symbol in seen:
                self.not_done["duplicate"] += 1
            else:
                seen.add(symbol)
                self._place(signal, side)

    def close(self) -> None:
        """Count the orders for which no bar came before the end."""
        self.not_done["no_next_bar"] += len(self._orders)
        self._orders.clear()

    def _place(self, signal: Signal, side: int) -> None:
        position = self.ledger.positions.get(signal.symbol)
        if position is not None and position.entry.quantity * side > 0:
            position.renew(signal)
            self.renewed += 1
        else:
            self._orders[signal.symbol] = signal

    def _live_order(self, bar: OHLCV) -> Signal | None:
        order = self._orders.pop(bar.symbol, None)
        if order is None or order.expires_at is None or bar.timestamp <= order.expires_at:
            return order
        self.not_done["expired"] += 1
        return None

    def _left(self, position: Position, order: Signal | None, bar: OHLCV) -> bool:
        """Close the position on its bar if something asks for it and the minimum hold is over; say whether it did."""
        position.advance(bar.timestamp)
        if position.sessions < self._min_hold:
            return False
        if order is not None:
            self.ledger.leave(bar.symbol, bar, order.id, "opposite")
        elif position.expired(bar.timestamp):
            self.ledger.leave(bar.symbol, bar, position.signal.id, "expiry")
        else:
            return False
        return True
