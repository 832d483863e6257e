"""The numerical kernel of the price, volume and cross-asset features: one definition, batch and live.

`run` goes over rows ``start`` to the end of ``bars`` and writes one row of ``out`` for each. Batch: zero state, start
0. Live: `step` adds one row to each of many symbols, from what `_memory` keeps of them; `fill` makes that from a
history. Where a row stands in history comes from the state, never from its index. `_windows` computes what looks back a
fixed number of rows, `_averages` what carries state.

Importing this module compiles, or loads the compiled code from the cache: import it where it is used.

Columns of ``bars``: open, high, low, close, volume, market, volatility, sector. Outputs are NaN until their window is
full, and where they are undefined (no volume, no range, a price that does not move).
"""

from __future__ import annotations

import math

import numpy as np

from signals.data.records import F8, I8
from signals.features import _averages, _memory, _prefetch, _recall, _scratch, _windows
from signals.features._averages import N_STATE, recurse, trend
from signals.features._jit import helper, kernel
from signals.features._memory import MEMORY, VOLUMES_KEPT, clear, remember
from signals.features._prefetch import fetch
from signals.features._recall import recall
from signals.features._scratch import BLOCK, COLUMN, F4, N_FEATURES, PITCH, SCRATCH, U8, WINDOW, Place
from signals.features._windows import market, moves, prepare, prices, ranges, volatilities, volumes

__all__ = ["MEMORY", "N_FEATURES", "N_STATE", "VOLUMES_KEPT", "WINDOW", "fill", "run", "step"]

SOURCES = (
    _averages.__file__,
    _memory.__file__,
    _prefetch.__file__,
    _recall.__file__,
    _scratch.__file__,
    _windows.__file__,
)


@helper
def _clear(work: F8, known: int) -> None:
    # Columns 1 to 3 are read up to `WINDOW` rows back, the others 60. Rows before history began are missing.
    for place in range(8):
        for i in range(U8(WINDOW - _reach(place)), U8(WINDOW - min(_reach(place), known))):
            work[U8(place) * COLUMN + i] = math.nan


@helper
def _reach(place: int) -> int:
    return WINDOW if 1 <= place <= 3 else 60


@helper
def _compute(work: F8, end: Place, state: F8, made: F4) -> None:
    begin = U8(WINDOW)
    recurse(work, begin, end, state)
    moves(work, begin, end, made)
    prices(work, begin, end, made)
    volatilities(work, begin, end, made)
    ranges(work, begin, end, made)
    trend(work, begin, end, made)
    volumes(work, begin, end, made)
    market(work, begin, end, made)


@kernel("void(f8[:, ::1], i8, f8[::1], f4[:, ::1])", SOURCES)
def run(bars: F8, start: int, state: F8, out: F4) -> None:
    """Compute rows `start` to the end: bars (T, 8), state (N_STATE,) changed in place, out (T, N_FEATURES)."""
    work, made = np.empty(SCRATCH, np.float64), np.empty(N_FEATURES * PITCH, np.float32)
    for first in range(start, bars.shape[0], BLOCK):
        last = min(first + BLOCK, bars.shape[0])
        # Rows before those that the state knows of are missing, whatever stands in `bars`.
        known = min(first, int(state[0]), WINDOW)
        _clear(work, known)
        for place in range(8):
            before = min(_reach(place), known)
            for i in range(last - first + before):
                work[U8(place) * COLUMN + U8(WINDOW - before + i)] = bars[first - before + i, place]
        prepare(work, U8(WINDOW), U8(WINDOW + last - first))
        _compute(work, U8(WINDOW + last - first), state, made)
        for row in range(first, last):
            for feature in range(N_FEATURES):
                out[row, feature] = made[U8(feature) * COLUMN + U8(WINDOW + row - first)]


@kernel("void(f8[:, ::1], f8[:, ::1], i8[::1], f8[:, ::1], f4[:, ::1])", SOURCES)
def step(memories: F8, states: F8, slots: I8, rows: F8, out: F4) -> None:
    """Compute one more row of each of some symbols: the same bits as `run`.

    `memories` (S, MEMORY) and `states` (S, N_STATE) change in place; `slots` (n,) says which symbols, `rows` (n, 8)
    what is new; `out` (n, N_FEATURES). A state of zeros has no history, whatever its memory holds.
    """
    work, made = np.empty(SCRATCH, np.float64), np.empty(N_FEATURES * PITCH, np.float32)
    for i in range(slots.shape[0]):
        soon = slots[min(i + 1, slots.shape[0] - 1)]
        fetch(memories[soon], U8(int(states[soon, 0])))
        memory, state = memories[slots[i]], states[slots[i]]
        n = U8(int(state[0]))
        if n == U8(0):
            clear(memory)
        remember(memory, n, rows[i], work)
        recall(memory, n, work)
        _compute(work, U8(WINDOW + 1), state, made)
        for feature in range(N_FEATURES):
            out[i, feature] = made[U8(feature) * COLUMN + U8(WINDOW)]


@kernel("void(f8[:, ::1], f8[::1])", SOURCES)
def fill(bars: F8, memory: F8) -> None:
    """Make the memory (MEMORY,) of a history that `run` has computed from its first row: bars (T, 8)."""
    work = np.empty(SCRATCH, np.float64)
    clear(memory)
    for n in range(max(bars.shape[0] - WINDOW, 0), bars.shape[0]):
        remember(memory, U8(n), bars[n], work)
