"""What is kept of one symbol between live bars, so that a new row need not make the spans of old rows again.

`_windows` builds its windows from spans of 4 rows, 4 rows apart. Those of the newest 64 rows are kept, grouped by the
row's number modulo 4: all that one row takes lie side by side, and nothing else is read. What is wanted from further
back, spans of 64 rows and single closes, has rings of its own. A row is found by its number in history, so nothing is
ever moved.

Helpers of `signals.features.kernels`, which names this file as one of its sources. `remember` takes a row in, at the
row `HERE` of the scratch, and leaves there what it made on the way; `signals.features._recall` adds the rest.
"""

from __future__ import annotations

import math

from signals.data.records import F8
from signals.features._jit import helper
from signals.features._scratch import (
    BENCH,
    BENCH_2,
    BOTH,
    CLOSE,
    CLOSES,
    COLUMN,
    FAST,
    HIGH,
    HIGHS,
    LOW,
    LOWS,
    MARKET,
    MOVE,
    MOVE_2,
    S4,
    S16,
    S64,
    SECTOR,
    U8,
    VOLUME,
    WINDOW,
    WORTH,
    Place,
)
from signals.features._windows import largest, products, smallest, stochastics, total, worths

__all__ = [
    "CLOSE_ROWS",
    "HERE",
    "LEVEL_ROWS",
    "LONG",
    "MEMORY",
    "MOVE_ROWS",
    "SHORT",
    "SHORT_ROWS",
    "VOLUMES_KEPT",
    "VOLUME_ROWS",
    "clear",
    "far",
    "group",
    "level",
    "remember",
    "turn",
]

HERE = U8(WINDOW)
ONE, TWO, FOUR = U8(1), U8(2), U8(4)
# Seven trees over at most 60 rows. Their columns of the scratch stand in this order, two for each.
SUMMED = (MOVE, MOVE_2, BENCH, BENCH_2, BOTH, VOLUME, WORTH)
# The spans of 16 rows that windows of close, high and low take, by their distance from the newest.
LONG_SPANS = tuple(U8(n) for n in (0, 2, 4, 16, 32, 44, 48))
# Spans of 4 rows, 4 groups of 16: of those seven; of close, high and low; both with a place to spare.
SHORT = U8(0)
LONG = SHORT + U8(4 * 16 * 8)
# The values of the newest 4 rows: of those seven, with a place to spare; of high and low.
SHORT_ROWS = LONG + U8(4 * 16 * 4)
LONG_ROWS = SHORT_ROWS + U8(4 * 8)
MOVE_ROWS = LONG_ROWS + U8(4 * 2)
VOLUME_ROWS = MOVE_ROWS + U8(16)
# Market, sector and fast stochastic of 32 rows, with a place to spare.
LEVEL_ROWS = VOLUME_ROWS + U8(32)
CLOSE_ROWS = LEVEL_ROWS + U8(32 * 4)
# Spans of 64 rows of close, high and low, and of 4 rows of close, of 256 rows grouped modulo 64.
FAR = CLOSE_ROWS + U8(256)
MEMORY = int(FAR) + 256 * 4
"""Values kept of a symbol."""
VOLUMES_KEPT = slice(int(VOLUME_ROWS), int(VOLUME_ROWS) + 32)
"""Where the newest volumes are, that of row n at n modulo their number."""


@helper
def clear(memory: F8) -> None:
    """Forget everything: rows before history began are missing."""
    for i in range(memory.shape[0]):
        memory[i] = math.nan


@helper
def group(n: Place) -> Place:
    """Return which rows of spans lie beside those of row `n`."""
    return n % FOUR * U8(16)


@helper
def turn(n: Place, back: Place) -> Place:
    """Return the place in its group of the spans of the row 4 * `back` rows before `n`."""
    return (n // FOUR - back) % U8(16)


@helper
def far(n: Place) -> Place:
    """Return the place of row `n` among the spans of 64 rows."""
    return FAR + (n % U8(64) * FOUR + n // U8(64) % FOUR) * FOUR


@helper
def level(n: Place) -> Place:
    """Return the place of row `n` among the references' levels."""
    return LEVEL_ROWS + n % U8(32) * FOUR


@helper
def remember(memory: F8, n: Place, row: F8, work: F8) -> None:
    """Take in row number `n`: row (8,)."""
    for place in range(8):
        work[U8(place) * COLUMN + HERE] = row[place]
    for back in range(U8(1), U8(22)):
        work[CLOSE + HERE - back] = memory[CLOSE_ROWS + (n - back) % U8(256)]
    memory[CLOSE_ROWS + n % U8(256)] = work[CLOSE + HERE]
    memory[VOLUME_ROWS + n % U8(32)] = work[VOLUME + HERE]
    _remember_short(memory, n, work)
    _remember_long(memory, n, work)
    stochastics(work, HERE, HERE + ONE)
    at = level(n)
    memory[at], memory[at + ONE], memory[at + TWO] = work[MARKET + HERE], work[SECTOR + HERE], work[FAST + HERE]


@helper
def _remember_short(memory: F8, n: Place, work: F8) -> None:
    work[MARKET + HERE - ONE] = memory[level(n - ONE)]
    products(work, HERE, HERE + ONE)
    worths(work, HERE, HERE + ONE)
    memory[MOVE_ROWS + n % U8(16)] = work[MOVE + HERE]
    new, now = SHORT + (group(n) + turn(n, U8(0))) * U8(8), SHORT_ROWS + n % FOUR * U8(8)
    for back in range(U8(1), U8(4)):
        held = SHORT_ROWS + (n - back) % FOUR * U8(8)
        for k in range(7):
            work[SUMMED[k] + HERE - back] = memory[held + U8(k)]
    for k in range(7):
        memory[now + U8(k)] = work[SUMMED[k] + HERE]
        memory[new + U8(k)] = total(work, SUMMED[k] + HERE, ONE)


@helper
def _remember_long(memory: F8, n: Place, work: F8) -> None:
    for back in range(U8(1), U8(4)):
        held = LONG_ROWS + (n - back) % FOUR * TWO
        work[HIGH + HERE - back], work[LOW + HERE - back] = memory[held], memory[held + ONE]
    now = LONG_ROWS + n % FOUR * TWO
    memory[now], memory[now + ONE] = work[HIGH + HERE], work[LOW + HERE]
    new = LONG + (group(n) + turn(n, U8(0))) * FOUR
    memory[new] = total(work, CLOSE + HERE, ONE)
    memory[new + ONE] = largest(work, HIGH + HERE, ONE)
    memory[new + TWO] = smallest(work, LOW + HERE, ONE)
    for back in range(U8(16)):
        held, i = LONG + (group(n) + turn(n, back)) * FOUR, HERE - FOUR * back
        work[CLOSES + S4 + i] = memory[held]
        work[HIGHS + S4 + i], work[LOWS + S4 + i] = memory[held + ONE], memory[held + TWO]
    # Some extremes overlap: they take spans of the rows between.
    for back in range(U8(4)):
        held, i = LONG + (group(n - TWO) + turn(n - TWO, back)) * FOUR, HERE - TWO - FOUR * back
        work[HIGHS + S4 + i], work[LOWS + S4 + i] = memory[held + ONE], memory[held + TWO]
    for k in range(7):
        i = HERE - LONG_SPANS[k]
        work[CLOSES + S16 + i] = total(work, CLOSES + S4 + i, FOUR)
        work[HIGHS + S16 + i] = largest(work, HIGHS + S4 + i, FOUR)
        work[LOWS + S16 + i] = smallest(work, LOWS + S4 + i, FOUR)
    work[CLOSES + S64 + HERE] = total(work, CLOSES + S16 + HERE, U8(16))
    work[HIGHS + S64 + HERE] = largest(work, HIGHS + S16 + HERE, U8(16))
    work[LOWS + S64 + HERE] = smallest(work, LOWS + S16 + HERE, U8(16))
    at = far(n)
    memory[at], memory[at + ONE] = work[CLOSES + S64 + HERE], work[HIGHS + S64 + HERE]
    memory[at + TWO], memory[at + U8(3)] = work[LOWS + S64 + HERE], work[CLOSES + S4 + HERE]
