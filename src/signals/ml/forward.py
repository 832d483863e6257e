"""Forward returns: what a position opened after a bar would have made, and when that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.errors import TrainingError, WrongType
from signals.ml.dataset import micros, panel_index
from signals.ml.recipe import TargetSpec

__all__ = ["Forward", "forward", "trailing_volatility"]

VOLATILITY_BARS = 20
"""Returns behind a trailing volatility."""


@dataclass(frozen=True)
class Forward:
    """Returns of n bars in any order, and why some have none.

    Parameters
    ----------
    index
        ("symbol", "date").
    move
        Return, shape (n,), NaN where there is none.
    end
        Close of the bar whose price is the last one that was needed, microseconds, shape (n,).
    volatility
        `trailing_volatility` times the square root of the horizon, shape (n,): a move of one standard deviation.
    dropped
        Bars without a return by reason: ``bad_close`` (a price is missing or not positive), ``off_session`` (t is no
        session's close), ``not_yet`` (the last price lies after the symbol's last bar), ``no_bar`` (the symbol has no
        bar there), ``jump`` (a split-like jump lies between).
    """

    index: pd.MultiIndex
    move: F8
    end: I8
    volatility: F8
    dropped: Mapping[str, int]


def forward(
    close: pd.Series,
    spec: TargetSpec,
    *,
    opens: pd.Series | None = None,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> Forward:
    """Return what every bar's position makes over `spec.horizon` sessions.

    Parameters
    ----------
    close, opens
        Prices on an index ("symbol", "date"), or of one symbol's dates; any row order. Opens are needed where the
        target is ``open_open``: from the open of the session after t to the open `horizon` sessions later. Its label is
        taken as known at the close of that last bar, for bars are stamped with their closes.
    sessions
        Closes of the exchange's sessions, microseconds since the epoch, rising. None: the union of the dates in
        `close`, which is also right for intraday bars, whose horizon counts bars.
    jumps
        By symbol, the times (microseconds, rising) of the first bar after each unadjusted split-like jump.

    Raises
    ------
    WrongType
        If the prices are not numbers.
    TrainingError
        If opens are needed and not given.
    """
    index = panel_index(close.index)
    time = micros(index.get_level_values("date"))
    codes, names = pd.factorize(index.get_level_values("symbol"))
    codes = np.asarray(codes, np.int64)
    closes = numbers(close)
    prices, wait = closes, 0
    if spec.prices == "open_open":
        if opens is None:
            raise TrainingError("target open_open: expected opens beside the closes, were none; pass opens=")
        prices, wait = numbers(opens.reindex(close.index)), 1
    grid = np.unique(time) if sessions is None else np.asarray(sessions, np.int64)
    slot = _slots(grid, time)
    first = _rows_later(codes, slot, wait) if wait else np.where(slot < 0, -1, np.arange(len(slot)))
    later = _rows_later(codes, slot, wait + spec.horizon)
    good = np.isfinite(prices) & (prices > 0)
    last = np.full(len(names), -1, np.int64)
    np.maximum.at(last, codes, slot)
    reasons = {
        "bad_close": ((first >= 0) & ~good[first]) | ((later >= 0) & ~good[later]) | ((slot < 0) & ~good),
        "off_session": slot < 0,
        "not_yet": slot + wait + spec.horizon > last[codes],
        "no_bar": (later < 0) | (first < 0),
        "jump": _crosses(time, later, codes, list(names), jumps or {}),
    }
    labelled, dropped = np.ones(len(index), bool), {}
    for reason, rows in reasons.items():
        dropped[reason] = int((labelled & rows).sum())
        labelled &= ~rows
    move, end = np.full(len(index), np.nan), np.full(len(index), np.iinfo(np.int64).min)
    here, there = first[labelled], later[labelled]
    move[labelled] = prices[there] / prices[here] - 1.0
    end[labelled] = time[there]
    return Forward(index, move, end, trailing_volatility(closes, codes, time) * np.sqrt(spec.horizon), dropped)


def trailing_volatility(close: F8, codes: I8, time: I8) -> F8:
    """Return the standard deviation of the last `VOLATILITY_BARS` log returns of each row's symbol, shape (n,).

    NaN before there are as many, and where a close among them is missing. Each window is summed anew: the bits do not
    depend on where history begins.
    """
    found = np.full(len(close), np.nan)
    order = np.lexsort((time, codes))
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if len(rows) > VOLATILITY_BARS:
            with np.errstate(invalid="ignore", divide="ignore"):
                moves = np.diff(np.log(close[rows]))
            windows = np.lib.stride_tricks.sliding_window_view(moves, VOLATILITY_BARS)
            with np.errstate(invalid="ignore"):
                found[rows[VOLATILITY_BARS:]] = windows.std(axis=1, ddof=1)
    return found


def numbers(prices: pd.Series) -> F8:
    """Return prices as float64."""
    try:
        return np.asarray(prices.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise WrongType(f"prices as numbers in {str(prices.name)!r}", f"{prices.dtype}: {error}") from None


def _slots(grid: I8, time: I8) -> I8:
    """Return each time's position in the grid, -1 where it is not there."""
    if not len(grid):
        return np.full(len(time), -1, np.int64)
    slot = np.searchsorted(grid, time)
    found = grid[np.minimum(slot, len(grid) - 1)] == time
    return np.asarray(np.where(found, slot, -1), np.int64)


def _rows_later(codes: I8, slot: I8, horizon: int) -> I8:
    """Return the row of the same symbol `horizon` slots later, -1 where there is none."""
    width = int(slot.max(initial=0)) + horizon + 1
    key = np.where(slot < 0, -1, codes * width + slot)
    order = np.argsort(key, kind="stable")
    rows = _slots(key[order], key + horizon)
    return np.where((slot < 0) | (rows < 0), -1, order[rows] if len(order) else rows)


def _crosses(time: I8, later: I8, codes: I8, names: list[str], jumps: Mapping[str, I8]) -> NDArray[np.bool_]:
    crosses = np.zeros(len(time), bool)
    for code, name in enumerate(names):
        if name in jumps:
            rows = np.flatnonzero((codes == code) & (later >= 0))
            before, after = (np.searchsorted(jumps[name], time[at], side="right") for at in (rows, later[rows]))
            crosses[rows] = after > before
    return crosses
