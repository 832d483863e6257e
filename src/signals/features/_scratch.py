"""Where the kernel keeps its columns: constants that are compiled into it.

The scratch is one flat array and its places are unsigned, so that the compiler sees that columns do not overlap and no
index is negative; otherwise it does one row at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ADX",
    "ATR",
    "BENCH",
    "BENCHES",
    "BENCHES_2",
    "BENCH_2",
    "BLOCK",
    "BOTH",
    "BOTHS",
    "CLOSE",
    "CLOSES",
    "COLUMN",
    "DOWN",
    "EMA_12",
    "EMA_26",
    "F4",
    "FAST",
    "GAIN_7",
    "GAIN_14",
    "HIGH",
    "HIGHS",
    "LOSS_7",
    "LOSS_14",
    "LOW",
    "LOWS",
    "MARKET",
    "MOVE",
    "MOVES",
    "MOVES_2",
    "MOVE_2",
    "N_FEATURES",
    "OPEN",
    "OUT",
    "PITCH",
    "REACH",
    "S4",
    "S16",
    "S64",
    "SCRATCH",
    "SECTOR",
    "SIGNAL",
    "SIGNED",
    "TRUE",
    "U8",
    "UP",
    "VOLATILITY",
    "VOLUME",
    "VOLUMES",
    "WINDOW",
    "WORTH",
    "WORTHS",
    "Place",
]

F4 = NDArray[np.float32]
U8 = np.uint64
Place = int | np.uint64
"""A row of the scratch, a column of it, or a distance: unsigned wherever it is compiled."""

WINDOW = 252
"""Rows before the newest that a window may read."""
N_FEATURES = 50
# Rows done at a time: enough that preparing the rows before them again costs little, few enough for the cache.
BLOCK = 512
# From one column of the scratch to the next. No power of two, or all columns would share a few lines of the cache.
PITCH = WINDOW + BLOCK + 12
COLUMN = U8(PITCH)

OPEN, HIGH, LOW, CLOSE, VOLUME, MARKET, VOLATILITY, SECTOR = (U8(PITCH * place) for place in range(8))
MOVE, MOVE_2, BENCH, BENCH_2, BOTH, SIGNED, WORTH, FAST = (U8(PITCH * place) for place in range(8, 16))
EMA_12, EMA_26, SIGNAL, GAIN_7, LOSS_7, GAIN_14, LOSS_14 = (U8(PITCH * place) for place in range(16, 23))
TRUE, ATR, UP, DOWN, REACH, ADX = (U8(PITCH * place) for place in range(23, 29))
# Trees take a column for each span: 4, 16 and 64 rows, or the first two.
CLOSES, HIGHS, LOWS = (U8(PITCH * place) for place in (29, 32, 35))
MOVES, MOVES_2, BENCHES, BENCHES_2, BOTHS, VOLUMES, WORTHS = (U8(PITCH * place) for place in range(38, 52, 2))
S4, S16, S64 = U8(0), COLUMN, U8(2 * PITCH)
SCRATCH = 52 * PITCH
# The features, in a scratch of their own.
OUT = tuple(U8(PITCH * place) for place in range(N_FEATURES))
