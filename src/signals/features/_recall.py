"""Lays out in the scratch what the formulas read at its row `HERE`, from what is kept of a symbol.

After `_memory.remember` only: that has put its part there. Helpers of `signals.features.kernels`, which names this file
as one of its sources.
"""

from __future__ import annotations

from signals.data.records import F8
from signals.features._jit import helper
from signals.features._memory import CLOSE_ROWS, HERE, MOVE_ROWS, SHORT, VOLUME_ROWS, far, group, level, turn
from signals.features._scratch import (
    CLOSE,
    CLOSES,
    COLUMN,
    FAST,
    HIGHS,
    LOWS,
    MARKET,
    MOVE,
    MOVE_2,
    MOVES,
    S4,
    S16,
    S64,
    SECTOR,
    U8,
    VOLUME,
    Place,
)
from signals.features._windows import signs, total

__all__ = ["recall"]

ONE, TWO, THREE, FOUR = U8(1), U8(2), U8(3), U8(4)
# How far back single values are read.
CLOSES_BACK = tuple(U8(n) for n in (48, 49, 59, 63, 126, 251, 252))
MOVES_BACK = tuple(U8(n) for n in (4, 8, 9))


@helper
def recall(memory: F8, n: Place, work: F8) -> None:
    """Lay out what the formulas read, of row number `n` and those before it."""
    for k in range(7):
        work[CLOSE + HERE - CLOSES_BACK[k]] = memory[CLOSE_ROWS + (n - CLOSES_BACK[k]) % U8(256)]
    for k in range(3):
        move = memory[MOVE_ROWS + (n - MOVES_BACK[k]) % U8(16)]
        work[MOVE + HERE - MOVES_BACK[k]], work[MOVE_2 + HERE - MOVES_BACK[k]] = move, move * move
    for back in range(U8(20)):
        work[VOLUME + HERE - back] = memory[VOLUME_ROWS + (n - back) % U8(32)]
    signs(work, HERE - U8(18), HERE + ONE)
    _recall_levels(memory, n, work)
    _recall_short(memory, n, work)
    _recall_far(memory, n, work)


@helper
def _recall_levels(memory: F8, n: Place, work: F8) -> None:
    month = level(n - U8(20))
    work[MARKET + HERE - U8(20)], work[SECTOR + HERE - U8(20)] = memory[month], memory[month + ONE]
    work[FAST + HERE - ONE] = memory[level(n - ONE) + TWO]
    work[FAST + HERE - TWO] = memory[level(n - TWO) + TWO]


@helper
def _recall_short(memory: F8, n: Place, work: F8) -> None:
    for back in range(U8(15)):
        held, i = SHORT + (group(n) + turn(n, back)) * U8(8), HERE - FOUR * back
        for k in range(7):
            work[MOVES + U8(2 * k) * COLUMN + S4 + i] = memory[held + U8(k)]
    for k in range(7):
        tree = MOVES + U8(2 * k) * COLUMN + HERE
        for back in range(U8(0), U8(48), U8(16)):
            work[tree + S16 - back] = total(work, tree + S4 - back, FOUR)


@helper
def _recall_far(memory: F8, n: Place, work: F8) -> None:
    near, middle, edge = far(n - U8(64)), far(n - U8(128)), far(n - U8(188))
    work[CLOSES + S64 + HERE - U8(64)], work[CLOSES + S64 + HERE - U8(128)] = memory[near], memory[middle]
    work[HIGHS + S64 + HERE - U8(64)], work[HIGHS + S64 + HERE - U8(128)] = memory[near + ONE], memory[middle + ONE]
    work[LOWS + S64 + HERE - U8(64)], work[LOWS + S64 + HERE - U8(128)] = memory[near + TWO], memory[middle + TWO]
    work[HIGHS + S64 + HERE - U8(188)], work[LOWS + S64 + HERE - U8(188)] = memory[edge + ONE], memory[edge + TWO]
    work[CLOSES + S4 + HERE - U8(192)] = memory[far(n - U8(192)) + THREE]
    work[CLOSES + S4 + HERE - U8(196)] = memory[far(n - U8(196)) + THREE]
