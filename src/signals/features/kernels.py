"""The numerical kernel of the price, volume and cross-asset features: one definition, batch and live.

`run` goes over rows ``start`` to the end of ``bars`` and writes one row of ``out`` for each. Batch: zero state, start
0. Live: the newest `WINDOW` + 1 rows, start at the last, state kept. Where a row stands in history comes from the
state, never from its index. Windows are summed anew over the contiguous tail, newest first, so that they are the same
bits wherever history starts; only exponential averages carry state, and they forget it: (25/27)^512 is below 1e-17.

Importing this module compiles, or loads the compiled code from the cache: import it where it is used. All of it is
one file because Numba's cache watches only the kernel's own file.

Columns of ``bars``: open, high, low, close, volume, market, volatility, sector. Outputs are NaN until their window is
full, and where they are undefined (no volume, no range, a price that does not move).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.features._jit import helper, kernel

__all__ = ["N_FEATURES", "N_STATE", "WINDOW", "run", "step"]

F4 = NDArray[np.float32]

WINDOW = 252
"""Rows before the newest that a window may read."""
N_STATE, N_FEATURES = 13, 53

OPEN, HIGH, LOW, CLOSE, VOLUME, MARKET, VOLATILITY, SECTOR = range(8)
RETURNS, AVERAGES, EXTREMES, SPREADS = (1, 2, 5, 10, 21, 63, 126, 252), (20, 50, 200), (20, 60, 252), (5, 10, 20, 60)
# Average moves below this share of the price are leftovers of an exponential decay, and would show how it began.
# One side's average below DUST is nothing at all.
STILL, DUST = 1e-6, 1e-9
# A spread below this share of the mean, a variance of returns below its square: rounding, not movement.
FLAT = 1e-10


@helper
def _moves(bars: F8, row: int, n: int, out: F4) -> None:
    close = bars[row, CLOSE]
    for i in range(8):
        if n < RETURNS[i]:
            break
        out[row, i] = close / bars[row - RETURNS[i], CLOSE] - 1.0
    if n >= 10:
        out[row, 8] = 100.0 * (close / bars[row - 10, CLOSE] - 1.0)
    high, low = bars[row, HIGH], bars[row, LOW]
    out[row, 26] = (high - low) / close
    if high > low:
        out[row, 27] = (close - low) / (high - low)
    if n >= 1:
        out[row, 28] = bars[row, OPEN] / bars[row - 1, CLOSE] - 1.0


@helper
def _levels(bars: F8, row: int, n: int, out: F4) -> None:
    close = bars[row, CLOSE]
    total, begin = 0.0, 0
    for i in range(3):
        if n + 1 < AVERAGES[i]:
            break
        for back in range(begin, AVERAGES[i]):
            total += bars[row - back, CLOSE]
        begin = AVERAGES[i]
        out[row, 9 + i] = close / (total / begin) - 1.0
        if i == 0:
            _bollinger(bars, row, total / begin, out)
    high, low, begin = bars[row, HIGH], bars[row, LOW], 1
    for i in range(3):
        if n + 1 < EXTREMES[i]:
            break
        for back in range(begin, EXTREMES[i]):
            high = max(high, bars[row - back, HIGH])
            low = min(low, bars[row - back, LOW])
        begin = EXTREMES[i]
        out[row, 20 + 2 * i] = close / high - 1.0
        out[row, 21 + 2 * i] = close / low - 1.0


@helper
def _bollinger(bars: F8, row: int, mean: float, out: F4) -> None:
    total = 0.0
    for back in range(20):
        away = bars[row - back, CLOSE] - mean
        total += away * away
    spread = math.sqrt(total / 20.0)
    if spread > FLAT * mean:
        out[row, 12] = 0.5 + (bars[row, CLOSE] - mean) / (4.0 * spread)
    out[row, 13] = 4.0 * spread / mean


@helper
def _volatilities(bars: F8, row: int, n: int, out: F4) -> None:
    total, squares, begin, short = 0.0, 0.0, 0, math.nan
    for i in range(4):
        if n < SPREADS[i]:
            break
        for back in range(begin, SPREADS[i]):
            move = bars[row - back, CLOSE] / bars[row - back - 1, CLOSE] - 1.0
            total += move
            squares += move * move
        begin = SPREADS[i]
        spread = math.sqrt(max(squares - total * total / begin, 0.0) / (begin - 1))
        if i == 0:
            short = spread
        else:
            out[row, 13 + i] = math.sqrt(252.0) * spread
        if i == 2 and spread > FLAT:
            out[row, 17] = short / spread


@helper
def _stochastic(bars: F8, row: int, n: int, out: F4) -> None:
    total = 0.0
    for lag in range(3):
        if n < 13 + lag:
            return
        high, low = bars[row - lag, HIGH], bars[row - lag, LOW]
        for back in range(lag + 1, lag + 14):
            high = max(high, bars[row - back, HIGH])
            low = min(low, bars[row - back, LOW])
        fast = 100.0 * (bars[row - lag, CLOSE] - low) / (high - low) if high > low else math.nan
        if lag == 0:
            out[row, 18] = fast
        total += fast
    out[row, 19] = total / 3.0


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
def _direction(bars: F8, row: int, n: int, state: F8, out: F4) -> None:
    if n < 1:
        return
    close, before = bars[row, CLOSE], bars[row - 1, CLOSE]
    reach = max(bars[row, HIGH], before) - min(bars[row, LOW], before)
    rise = bars[row, HIGH] - bars[row - 1, HIGH]
    fall = bars[row - 1, LOW] - bars[row, LOW]
    average = _average(state, 8, reach, n - 1, 14, 1.0 / 14.0) / close
    moving = state[8] > STILL * close
    out[row, 40] = average if moving else average * 0.0
    # Wilder's running totals: the first 13 values are summed, then a fourteenth is forgotten with each new one.
    keep = 1.0 if n < 14 else 13.0 / 14.0
    state[9] = state[9] * keep + (rise if rise > 0.0 and rise > fall else 0.0)
    state[10] = state[10] * keep + (fall if fall > 0.0 and fall > rise else 0.0)
    state[11] = state[11] * keep + reach
    if n < 14:
        return
    up = state[9] if state[9] > 14.0 * DUST * close else 0.0
    down = state[10] if state[10] > 14.0 * DUST * close else 0.0
    both = up + down
    # Without movement the index is 0, not its last value: a recursion must go on forgetting.
    index = 100.0 * abs(up - down) / both if moving and both > 14.0 * STILL * close else 0.0
    average = _average(state, 12, index, n - 14, 14, 1.0 / 14.0)
    if moving:
        out[row, 37] = average
        out[row, 38] = 100.0 * up / state[11]
        out[row, 39] = 100.0 * down / state[11]


@helper
def _trend(bars: F8, row: int, n: int, state: F8, out: F4) -> None:
    close = bars[row, CLOSE]
    fast = _average(state, 1, close, n, 12, 2.0 / 13.0)
    slow = _average(state, 2, close, n, 26, 2.0 / 27.0)
    # `_direction` has brought the true range up to date; adding 0 turns -0 into 0.
    unit = 1.0 if state[8] > STILL * close else 0.0
    out[row, 29] = unit * (close / fast - 1.0) + 0.0
    out[row, 30] = unit * (close / slow - 1.0) + 0.0
    out[row, 31] = unit * (fast / slow - 1.0) + 0.0
    if n < 25:
        return
    line = fast - slow
    signal = _average(state, 3, line, n - 25, 9, 0.2)
    out[row, 32] = unit * line / close + 0.0
    out[row, 33] = unit * signal / close + 0.0
    out[row, 34] = unit * (line - signal) / close + 0.0


@helper
def _strength(bars: F8, row: int, n: int, state: F8, out: F4) -> None:
    if n < 1:
        return
    close, move = bars[row, CLOSE], bars[row, CLOSE] - bars[row - 1, CLOSE]
    for i in range(2):
        length = 7 * (i + 1)
        gain = _average(state, 4 + 2 * i, max(move, 0.0), n - 1, length, 1.0 / length)
        loss = _average(state, 5 + 2 * i, max(-move, 0.0), n - 1, length, 1.0 / length)
        gain = gain if gain > DUST * close else gain * 0.0
        if gain + loss > STILL * close:
            out[row, 35 + i] = 100.0 * gain / (gain + loss)


@helper
def _volume(bars: F8, row: int, n: int, out: F4) -> None:
    if n < 19:
        return
    week, month, worth, balance, moment = 0.0, 0.0, 0.0, 0.0, 0.0
    for back in range(19, -1, -1):
        volume = bars[row - back, VOLUME]
        month += volume
        worth += volume * (bars[row - back, HIGH] + bars[row - back, LOW] + bars[row - back, CLOSE]) / 3.0
        week += volume if back < 5 else 0.0
        if back < 19:
            move = bars[row - back, CLOSE] - bars[row - back - 1, CLOSE]
            balance += volume if move > 0.0 else (-volume if move < 0.0 else 0.0)
        moment += (9.5 - back) * balance
    if month > 0.0:
        # Least-squares slope over 20 points: sum of (x - mean x) y over sum of (x - mean x)^2 = 665.
        out[row, 41] = moment / 665.0 / (month / 20.0)
        out[row, 42] = bars[row, CLOSE] / (worth / month) - 1.0
        out[row, 43] = (week / 5.0) / (month / 20.0)
        out[row, 44] = bars[row, VOLUME] / (month / 20.0)


@helper
def _market(bars: F8, row: int, n: int, out: F4) -> None:
    level = bars[row, VOLATILITY]
    out[row, 50] = level
    if n >= 5:
        out[row, 51] = level / bars[row - 5, VOLATILITY] - 1.0
    if n >= 20:
        own = bars[row, CLOSE] / bars[row - 20, CLOSE]
        market = bars[row, MARKET] / bars[row - 20, MARKET]
        out[row, 47] = market - 1.0
        out[row, 48] = own - market
        out[row, 49] = own - bars[row, SECTOR] / bars[row - 20, SECTOR]
    if n >= 59:
        total = 0.0
        for back in range(60):
            total += bars[row - back, VOLATILITY]
        out[row, 52] = level / (total / 60.0) - 1.0
    if n < 60:
        return
    x, y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
    for back in range(60):
        own = bars[row - back, CLOSE] / bars[row - back - 1, CLOSE] - 1.0
        market = bars[row - back, MARKET] / bars[row - back - 1, MARKET] - 1.0
        x, y = x + market, y + own
        xx, yy, xy = xx + market * market, yy + own * own, xy + market * own
    xx, yy, xy = xx - x * x / 60.0, yy - y * y / 60.0, xy - x * y / 60.0
    if xx > FLAT * FLAT:
        out[row, 46] = xy / xx
        if yy > FLAT * FLAT:
            out[row, 45] = xy / math.sqrt(xx * yy)


@kernel("void(f8[:, ::1], i8, f8[::1], f4[:, ::1])")
def run(bars: F8, start: int, state: F8, out: F4) -> None:
    """Compute rows `start` to the end: bars (T, 8), state (N_STATE,) changed in place, out (T, N_FEATURES)."""
    for row in range(start, bars.shape[0]):
        n = int(state[0])
        out[row, :] = np.nan
        _moves(bars, row, n, out)
        _levels(bars, row, n, out)
        _volatilities(bars, row, n, out)
        _stochastic(bars, row, n, out)
        _direction(bars, row, n, state, out)
        _trend(bars, row, n, state, out)
        _strength(bars, row, n, state, out)
        _volume(bars, row, n, out)
        _market(bars, row, n, out)
        state[0] += 1.0


@kernel("void(f8[:, :, ::1], i8[::1], i8[::1], f8[:, ::1], f8[:, ::1], f4[:, ::1], f4[:, ::1])")
def step(buffers: F8, ends: I8, slots: I8, rows: F8, states: F8, scratch: F4, out: F4) -> None:
    """Append one row to each of some symbols' buffers and compute it.

    `buffers` (S, N, 8) with N above `WINDOW` holds every symbol's rows, `ends` (S,) how many; a full buffer keeps its
    newest `WINDOW` rows, moved to the front, so that they stay contiguous. `slots` (n,) says which symbols, `rows`
    (n, 8) what is new; `states` (S, N_STATE). `scratch` is (WINDOW + 1, N_FEATURES), and `out` (n, N_FEATURES).
    """
    for i in range(slots.shape[0]):
        slot = slots[i]
        end = ends[slot]
        if end == buffers.shape[1]:
            for row in range(WINDOW):
                buffers[slot, row] = buffers[slot, end - WINDOW + row]
            end = WINDOW
        buffers[slot, end] = rows[i]
        ends[slot] = end + 1
        first = max(0, end - WINDOW)
        run(buffers[slot, first : end + 1], end - first, states[slot], scratch)
        out[i] = scratch[end - first]
