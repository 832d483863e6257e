"""Exponential averages: the only part of the kernel that carries state, row after row.

They forget where they began: (25/27)^512 is below 1e-17. Helpers of `signals.features.kernels`, which names this file
as one of its sources.
"""

from __future__ import annotations

import math

from signals.data.records import F8
from signals.features._jit import helper
from signals.features._scratch import (
    ADX,
    ATR,
    CLOSE,
    DOWN,
    EMA_12,
    EMA_26,
    F4,
    GAIN_7,
    GAIN_14,
    HIGH,
    LOSS_7,
    LOSS_14,
    LOW,
    OUT,
    REACH,
    SIGNAL,
    TRUE,
    U8,
    UP,
    Place,
)

__all__ = ["N_STATE", "recurse", "trend"]

# Rows so far, then one average each; Wilder's totals and index are the last four.
N_STATE = 13
ONE = U8(1)
# Average moves below this share of the price are leftovers of an exponential decay, and would show how it began.
# One side's average below DUST is nothing at all.
STILL, DUST = 1e-6, 1e-9


@helper
def _average(state: F8, slot: int, value: float, n: int, length: int, weight: float) -> float:
    # Seeded with the plain mean of the first `length` values, then `weight` of what is new; NaN before.
    if n < length:
        state[slot] += value
        if n + 1 < length:
            return math.nan
        state[slot] /= length
    else:
        state[slot] += (value - state[slot]) * weight
    return float(state[slot])


@helper
def recurse(work: F8, begin: Place, end: Place, state: F8) -> None:
    """Bring the averages up to each row, state (N_STATE,) changed in place."""
    for i in range(begin, end):
        n = int(state[0])
        close, before = work[CLOSE + i], work[CLOSE + i - ONE]
        fast = _average(state, 1, close, n, 12, 2.0 / 13.0)
        slow = _average(state, 2, close, n, 26, 2.0 / 27.0)
        work[EMA_12 + i], work[EMA_26 + i], work[SIGNAL + i] = fast, slow, math.nan
        if n >= 25:
            work[SIGNAL + i] = _average(state, 3, fast - slow, n - 25, 9, 0.2)
        if n >= 1:
            gain, loss = max(close - before, 0.0), max(before - close, 0.0)
            work[GAIN_7 + i] = _average(state, 4, gain, n - 1, 7, 1.0 / 7.0)
            work[LOSS_7 + i] = _average(state, 5, loss, n - 1, 7, 1.0 / 7.0)
            work[GAIN_14 + i] = _average(state, 6, gain, n - 1, 14, 1.0 / 14.0)
            work[LOSS_14 + i] = _average(state, 7, loss, n - 1, 14, 1.0 / 14.0)
            _direct(work, i, n, state)
        else:
            work[GAIN_7 + i] = work[LOSS_7 + i] = work[GAIN_14 + i] = work[LOSS_14 + i] = math.nan
            work[ATR + i] = work[UP + i] = work[DOWN + i] = work[REACH + i] = work[ADX + i] = math.nan
        # The mean true range so far, even while its first mean is being gathered: whether the price moves at all.
        work[TRUE + i] = state[8]
        state[0] += 1.0


@helper
def _direct(work: F8, i: Place, n: int, state: F8) -> None:
    close, before = work[CLOSE + i], work[CLOSE + i - ONE]
    reach = max(work[HIGH + i], before) - min(work[LOW + i], before)
    rise = work[HIGH + i] - work[HIGH + i - ONE]
    fall = work[LOW + i - ONE] - work[LOW + i]
    work[ATR + i] = _average(state, 8, reach, n - 1, 14, 1.0 / 14.0)
    # Wilder's running totals: the first 13 values are summed, then a fourteenth is forgotten with each new one.
    keep = 1.0 if n < 14 else 13.0 / 14.0
    state[9] = state[9] * keep + (rise if rise > 0.0 and rise > fall else 0.0)
    state[10] = state[10] * keep + (fall if fall > 0.0 and fall > rise else 0.0)
    state[11] = state[11] * keep + reach
    work[UP + i] = state[9] if state[9] > 14.0 * DUST * close else 0.0
    work[DOWN + i] = state[10] if state[10] > 14.0 * DUST * close else 0.0
    work[REACH + i], work[ADX + i] = math.nan, math.nan
    if n >= 14:
        work[REACH + i] = state[11]
        both = work[UP + i] + work[DOWN + i]
        # Without movement the index is 0, not its last value: a recursion must go on forgetting.
        there = state[8] > STILL * close and both > 14.0 * STILL * close
        index = 100.0 * abs(work[UP + i] - work[DOWN + i]) / both if there else 0.0
        work[ADX + i] = _average(state, 12, index, n - 14, 14, 1.0 / 14.0)


@helper
def trend(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute EMA, MACD, RSI and directional features from the averages."""
    for i in range(begin, end):
        close, fast, slow, signal = work[CLOSE + i], work[EMA_12 + i], work[EMA_26 + i], work[SIGNAL + i]
        # Adding 0 turns -0 into 0.
        unit = 1.0 if work[TRUE + i] > STILL * close else 0.0
        made[OUT[29] + i] = unit * (close / fast - 1.0) + 0.0
        made[OUT[30] + i] = unit * (close / slow - 1.0) + 0.0
        made[OUT[31] + i] = unit * (fast / slow - 1.0) + 0.0
        line = fast - slow
        made[OUT[32] + i] = unit * line / close + 0.0
        made[OUT[33] + i] = unit * signal / close + 0.0
        made[OUT[34] + i] = unit * (line - signal) / close + 0.0
    for i in range(begin, end):
        close = work[CLOSE + i]
        made[OUT[35] + i] = _strength(work[GAIN_7 + i], work[LOSS_7 + i], close)
        made[OUT[36] + i] = _strength(work[GAIN_14 + i], work[LOSS_14 + i], close)
        moving, reach = work[TRUE + i] > STILL * close, work[REACH + i]
        made[OUT[37] + i] = work[ADX + i] if moving else math.nan
        up, down = 100.0 * work[UP + i] / reach, 100.0 * work[DOWN + i] / reach
        made[OUT[38] + i] = up if moving else math.nan
        made[OUT[39] + i] = down if moving else math.nan
        average = work[ATR + i] / close
        made[OUT[40] + i] = average if moving else average * 0.0


@helper
def _strength(gain: float, loss: float, close: float) -> float:
    gain = gain if gain > DUST * close else gain * 0.0
    strength = 100.0 * gain / (gain + loss)
    return strength if gain + loss > STILL * close else math.nan
