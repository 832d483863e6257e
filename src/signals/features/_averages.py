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
def _average(held: float, value: float, n: int, length: int, weight: float) -> float:
    # Seeded with the plain mean of the first `length` values, then `weight` of what is new.
    if n < length:
        held += value
        return held / length if n + 1 == length else held
    return held + (value - held) * weight


@helper
def _shown(held: float, n: int, length: int) -> float:
    return held if n + 1 >= length else math.nan


@helper
def recurse(work: F8, begin: Place, end: Place, state: F8) -> None:
    """Bring the averages up to each row, state (N_STATE,) changed in place."""
    # In variables of their own the averages stay in registers: in memory each row would wait for the row before.
    fast, slow, signal = state[1], state[2], state[3]
    gain_7, loss_7, gain_14, loss_14 = state[4], state[5], state[6], state[7]
    true, up, down, reach, adx = state[8], state[9], state[10], state[11], state[12]
    n = int(state[0])
    for i in range(begin, end):
        close, before, high, low = work[CLOSE + i], work[CLOSE + i - ONE], work[HIGH + i], work[LOW + i]
        fast, slow = _average(fast, close, n, 12, 2.0 / 13.0), _average(slow, close, n, 26, 2.0 / 27.0)
        work[EMA_12 + i], work[EMA_26 + i] = _shown(fast, n, 12), _shown(slow, n, 26)
        if n >= 25:
            signal = _average(signal, fast - slow, n - 25, 9, 0.2)
        work[SIGNAL + i] = _shown(signal, n - 25, 9)
        if n >= 1:
            gain, loss = max(close - before, 0.0), max(before - close, 0.0)
            gain_7, loss_7 = _average(gain_7, gain, n - 1, 7, 1.0 / 7.0), _average(loss_7, loss, n - 1, 7, 1.0 / 7.0)
            gain_14 = _average(gain_14, gain, n - 1, 14, 1.0 / 14.0)
            loss_14 = _average(loss_14, loss, n - 1, 14, 1.0 / 14.0)
            span = max(high, before) - min(low, before)
            rise, fall = high - work[HIGH + i - ONE], work[LOW + i - ONE] - low
            true = _average(true, span, n - 1, 14, 1.0 / 14.0)
            # Wilder's running totals: the first 13 values are summed, then a fourteenth is forgotten with each new one.
            keep = 1.0 if n < 14 else 13.0 / 14.0
            up = up * keep + (rise if rise > 0.0 and rise > fall else 0.0)
            down = down * keep + (fall if fall > 0.0 and fall > rise else 0.0)
            reach = reach * keep + span
        work[GAIN_7 + i], work[LOSS_7 + i] = _shown(gain_7, n - 1, 7), _shown(loss_7, n - 1, 7)
        work[GAIN_14 + i], work[LOSS_14 + i] = _shown(gain_14, n - 1, 14), _shown(loss_14, n - 1, 14)
        work[ATR + i], work[REACH + i] = _shown(true, n - 1, 14), _shown(reach, n, 15)
        rising = work[UP + i] = up if up > 14.0 * DUST * close else 0.0
        falling = work[DOWN + i] = down if down > 14.0 * DUST * close else 0.0
        if n >= 14:
            both = rising + falling
            # Without movement the index is 0, not its last value: a recursion must go on forgetting.
            there = true > STILL * close and both > 14.0 * STILL * close
            index = 100.0 * abs(rising - falling) / both if there else 0.0
            adx = _average(adx, index, n - 14, 14, 1.0 / 14.0)
        work[ADX + i] = _shown(adx, n - 14, 14)
        # The mean true range so far, even while its first mean is being gathered: whether the price moves at all.
        work[TRUE + i] = true
        n += 1
    state[0], state[1], state[2], state[3] = float(n), fast, slow, signal
    state[4], state[5], state[6], state[7] = gain_7, loss_7, gain_14, loss_14
    state[8], state[9], state[10], state[11], state[12] = true, up, down, reach, adx


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
