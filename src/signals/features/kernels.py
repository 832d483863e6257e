"""The numerical kernel of the price, volume and cross-asset features: one definition, batch and live.

`run` goes over rows ``start`` to the end of ``bars`` and writes one row of ``out`` for each. Batch: zero state, start
0. Live: the newest `WINDOW` + 1 rows, start at the last, state kept. Where a row stands in history comes from the
state, never from its index. `_windows` computes what looks back a fixed number of rows, `_averages` what carries state.

Importing this module compiles, or loads the compiled code from the cache: import it where it is used.

Columns of ``bars``: open, high, low, close, volume, market, volatility, sector. Outputs are NaN until their window is
full, and where they are undefined (no volume, no range, a price that does not move).
"""

from __future__ import annotations

import math

import numpy as np

from signals.data.records import F8, I8
from signals.features import _averages, _scratch, _windows
from signals.features._averages import N_STATE, recurse, trend
from signals.features._jit import helper, kernel
from signals.features._scratch import BLOCK, COLUMN, F4, N_FEATURES, PITCH, SCRATCH, U8, WINDOW
from signals.features._windows import market, moves, prepare, prices, ranges, volatilities, volumes

__all__ = ["N_FEATURES", "N_STATE", "WINDOW", "run", "step"]

SOURCES = (_scratch.__file__, _windows.__file__, _averages.__file__)


@helper
def _load(bars: F8, first: int, last: int, known: int, work: F8) -> None:
    # Columns 1 to 3 are read up to `WINDOW` rows back, the others 60. Rows before history began are missing.
    for place in range(8):
        reach = WINDOW if 1 <= place <= 3 else 60
        before = min(reach, known)
        column, begin = U8(place) * COLUMN, WINDOW - before
        for i in range(U8(WINDOW - reach), U8(begin)):
            work[column + i] = math.nan
        for i in range(last - first + before):
            work[column + U8(begin + i)] = bars[first - before + i, place]


@helper
def _block(bars: F8, first: int, last: int, state: F8, work: F8, made: F4, out: F4) -> None:
    # Rows before those that the state knows of are missing, whatever stands in `bars`.
    _load(bars, first, last, min(first, int(state[0]), WINDOW), work)
    begin, end = U8(WINDOW), U8(WINDOW + last - first)
    prepare(work, begin, end)
    recurse(work, begin, end, state)
    moves(work, begin, end, made)
    prices(work, begin, end, made)
    volatilities(work, begin, end, made)
    ranges(work, begin, end, made)
    trend(work, begin, end, made)
    volumes(work, begin, end, made)
    market(work, begin, end, made)
    for row in range(first, last):
        place = begin + U8(row - first)
        for feature in range(N_FEATURES):
            out[row, feature] = made[U8(feature) * COLUMN + place]


@kernel("void(f8[:, ::1], i8, f8[::1], f4[:, ::1])", SOURCES)
def run(bars: F8, start: int, state: F8, out: F4) -> None:
    """Compute rows `start` to the end: bars (T, 8), state (N_STATE,) changed in place, out (T, N_FEATURES)."""
    work, made = np.empty(SCRATCH, np.float64), np.empty(N_FEATURES * PITCH, np.float32)
    for first in range(start, bars.shape[0], BLOCK):
        _block(bars, first, min(first + BLOCK, bars.shape[0]), state, work, made, out)


@kernel("void(f8[:, :, ::1], i8[::1], i8[::1], f8[:, ::1], f8[:, ::1], f4[:, ::1], f4[:, ::1])", SOURCES)
def step(buffers: F8, ends: I8, slots: I8, rows: F8, states: F8, scratch: F4, out: F4) -> None:
    """Append one row to each of some symbols' buffers and compute it.

    `buffers` (S, N, 8) with N above `WINDOW` holds every symbol's rows, `ends` (S,) how many; a full buffer keeps its
    newest `WINDOW` rows, moved to the front, so that they stay contiguous. `slots` (n,) says which symbols, `rows`
    (n, 8) what is new; `states` (S, N_STATE). `scratch` is (WINDOW + 1, N_FEATURES), and `out` (n, N_FEATURES).
    """
    work, made = np.empty(SCRATCH, np.float64), np.empty(N_FEATURES * PITCH, np.float32)
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
        _block(buffers[slot, first : end + 1], end - first, end - first + 1, states[slot], work, made, scratch)
        out[i] = scratch[end - first]
