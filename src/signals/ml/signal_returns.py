"""What signals earned after costs: daily returns of a plain portfolio of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8, BarColumns

__all__ = ["net_returns", "sides_of"]

I1 = NDArray[np.int8]


def sides_of(probabilities: F8, threshold: float) -> I1:
    """Return 1 for a buy, -1 for a sale, 0 for none: UP or DOWN is most probable, and above `threshold`; shape (n,)."""
    top = probabilities.argmax(axis=1)
    return np.where(probabilities.max(axis=1) > threshold, top - 1, 0).astype(np.int8)


def net_returns(
    sides: I1, timestamps: I8, symbols: Sequence[str], bars: Sequence[BarColumns], *, horizon: int, cost: float
) -> F8:
    """Return the daily net returns of holding every signal for `horizon` sessions.

    Each date's signals get one part in `horizon` of the capital, in equal weights, entered at the close they were
    decided on and left `horizon` closes later; what remains is cash without interest.

    Parameters
    ----------
    sides
        1, -1 or 0 for each row, shape (n,).
    timestamps, symbols
        Of the rows: bar closes in microseconds since the epoch, and names.
    bars
        Of every symbol, over the rows' dates and the horizon behind them; a session without a bar is one without a
        move.
    cost
        Of each side, as a fraction of the traded value.

    Returns
    -------
    ndarray
        One fraction a session, from the first row's to `horizon` behind the last row's, shape (sessions - 1,): the move
        to the close less the costs of what was traded at the close before; the last bears the costs of leaving too.
    """
    sessions = np.unique(np.concatenate([each.time for each in bars]))
    first, last = np.searchsorted(sessions, [timestamps.min(), timestamps.max()])
    sessions = sessions[first : last + horizon + 1]
    moves = _moves(sessions, bars)
    column = {each.symbol: place for place, each in enumerate(bars)}
    weight = np.zeros((len(sessions), len(bars)))
    weight[np.searchsorted(sessions, timestamps), [column[name] for name in symbols]] = sides
    weight /= np.maximum(np.abs(weight).sum(axis=1, keepdims=True), 1.0) * horizon
    held = np.cumsum(weight, axis=0)
    held[horizon:] -= held[:-horizon].copy()
    traded = np.abs(np.diff(held, axis=0, prepend=0.0)).sum(axis=1)
    returns = (held[:-1] * moves[1:]).sum(axis=1) - cost * traded[:-1]
    returns[-1] -= cost * traded[-1]  # the last ones are left at the last close
    return np.asarray(returns)


def _moves(sessions: I8, bars: Sequence[BarColumns]) -> F8:
    """Return close over the last known close, less one, shape (sessions, symbols), 0 where there is none."""
    moves = np.zeros((len(sessions), len(bars)))
    for place, each in enumerate(bars):
        known = np.searchsorted(each.time, sessions, side="right") - 1
        close = np.where(known >= 0, each.values[np.maximum(known, 0), 3], np.nan)
        moves[1:, place] = np.nan_to_num(close[1:] / close[:-1] - 1.0)
    return moves
