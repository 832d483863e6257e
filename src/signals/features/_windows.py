"""Windows, summed anew for every row: what the kernel compiles in from here is its price, volume and market part.

Each window is a tree of spans of 4, 16 and 64 rows; 50 = 16 + 16 + 16 + 1 + 1. The tree has the same shape over any 50
values, so the bits are the same wherever history starts, and a missing value leaves a window as it came. Every row
does the same, so the processor does several rows at once, in a handful of operations for a window of any length.
Exact (two-sum) running sums would be the same bits too, but go row by row and cost 11 ns for each sum and bar; here
all windows together cost some 80.

Helpers of `signals.features.kernels`, which names this file as one of its sources. ``begin`` and ``end`` are rows of
the scratch; rows before ``begin``, `WINDOW` of them, are there, NaN where history has not begun.
"""

from __future__ import annotations

import math

from signals.data.records import F8
from signals.features._jit import helper
from signals.features._scratch import (
    BENCH,
    BENCH_2,
    BENCHES,
    BENCHES_2,
    BOTH,
    BOTHS,
    CLOSE,
    CLOSES,
    COLUMN,
    F4,
    FAST,
    HIGH,
    HIGHS,
    LOW,
    LOWS,
    MARKET,
    MOVE,
    MOVE_2,
    MOVES,
    MOVES_2,
    OPEN,
    OUT,
    S4,
    S16,
    S64,
    SECTOR,
    SIGNED,
    U8,
    VOLATILITY,
    VOLUME,
    VOLUMES,
    WINDOW,
    WORTH,
    WORTHS,
    Place,
)

__all__ = [
    "largest",
    "market",
    "moves",
    "prepare",
    "prices",
    "products",
    "ranges",
    "signs",
    "smallest",
    "stochastics",
    "total",
    "volatilities",
    "volumes",
    "worths",
]

RETURNS = tuple(U8(n) for n in (1, 2, 5, 10, 21, 63, 126, 252))
ONE, TWO, THREE = U8(1), U8(2), U8(3)
# A spread below this share of the mean, a variance of returns below its square: rounding, not movement.
FLAT = 1e-10


@helper
def total(work: F8, at: Place, part: Place) -> float:
    """Return the sum of four spans of `part` rows, the newest at `at`."""
    newer, older = work[at] + work[at - part], work[at - TWO * part]
    return float(newer + (older + work[at - THREE * part]))


@helper
def largest(work: F8, at: Place, part: Place) -> float:
    """Return the largest of four spans."""
    return _larger(_larger(work[at], work[at - part]), _larger(work[at - TWO * part], work[at - THREE * part]))


@helper
def smallest(work: F8, at: Place, part: Place) -> float:
    """Return the smallest of four spans."""
    return _smaller(_smaller(work[at], work[at - part]), _smaller(work[at - TWO * part], work[at - THREE * part]))


@helper
def _larger(one: float, other: float) -> float:
    return one if one > other else other


@helper
def _smaller(one: float, other: float) -> float:
    return one if one < other else other


@helper
def _sums(work: F8, begin: Place, end: Place, source: Place, into: Place, window: Place) -> None:
    # Sums over 4, 16, 64 values, no further back than the window of the first row reaches.
    span = U8(4)
    while span <= window:
        for i in range(begin + span - window, end):
            work[into + i] = total(work, source + i, span // U8(4))
        source, into, span = into, into + COLUMN, U8(4) * span


@helper
def _extremes(work: F8, begin: Place, end: Place) -> None:
    high, low, into, span = HIGH, LOW, U8(0), U8(4)
    while span <= U8(64):
        first = begin + span - U8(WINDOW)
        for i in range(first, end):
            work[HIGHS + into + i] = largest(work, high + i, span // U8(4))
        for i in range(first, end):
            work[LOWS + into + i] = smallest(work, low + i, span // U8(4))
        high, low, into, span = HIGHS + into, LOWS + into, into + COLUMN, U8(4) * span


@helper
def products(work: F8, begin: Place, end: Place) -> None:
    """Fill the moves of the symbol and of the market, their squares and their product."""
    for i in range(begin, end):
        own = work[CLOSE + i] / work[CLOSE + i - ONE] - 1.0
        bench = work[MARKET + i] / work[MARKET + i - ONE] - 1.0
        work[MOVE + i] = own
        work[BENCH + i] = bench
        work[MOVE_2 + i] = own * own
        work[BENCH_2 + i] = bench * bench
        work[BOTH + i] = own * bench


@helper
def worths(work: F8, begin: Place, end: Place) -> None:
    """Fill what was paid for each bar's volume."""
    for i in range(begin, end):
        work[WORTH + i] = work[VOLUME + i] * ((work[HIGH + i] + work[LOW + i] + work[CLOSE + i]) / 3.0)


@helper
def signs(work: F8, begin: Place, end: Place) -> None:
    """Fill volumes with the sign of their bar's move."""
    for i in range(begin, end):
        volume, close, before = work[VOLUME + i], work[CLOSE + i], work[CLOSE + i - ONE]
        work[SIGNED + i] = volume if close > before else (-volume if close < before else 0.0)


@helper
def prepare(work: F8, begin: Place, end: Place) -> None:
    """Fill the columns that several features share: moves, products, the trees, and the fast stochastic."""
    products(work, begin - U8(59), end)
    worths(work, begin - U8(19), end)
    signs(work, begin - U8(19), end)
    _sums(work, begin, end, CLOSE, CLOSES, U8(200))
    _sums(work, begin, end, MOVE, MOVES, U8(60))
    _sums(work, begin, end, MOVE_2, MOVES_2, U8(60))
    _sums(work, begin, end, BENCH, BENCHES, U8(60))
    _sums(work, begin, end, BENCH_2, BENCHES_2, U8(60))
    _sums(work, begin, end, BOTH, BOTHS, U8(60))
    _sums(work, begin, end, VOLUME, VOLUMES, U8(20))
    _sums(work, begin, end, WORTH, WORTHS, U8(20))
    _extremes(work, begin, end)
    stochastics(work, begin - TWO, end)


@helper
def _sum_10(work: F8, source: Place, tree: Place, i: Place) -> float:
    wide = work[tree + S4 + i] + work[tree + S4 + i - U8(4)]
    return float(wide + (work[source + i - U8(8)] + work[source + i - U8(9)]))


@helper
def _sum_20(work: F8, tree: Place, i: Place) -> float:
    return float(work[tree + S16 + i] + work[tree + S4 + i - U8(16)])


@helper
def _sum_60(work: F8, tree: Place, i: Place) -> float:
    wide = work[tree + S16 + i] + work[tree + S16 + i - U8(16)] + work[tree + S16 + i - U8(32)]
    return float(wide + (work[tree + S4 + i - U8(48)] + work[tree + S4 + i - U8(52)] + work[tree + S4 + i - U8(56)]))


@helper
def moves(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute the returns, and what one bar says."""
    for k in range(8):
        place, lag = OUT[0] + U8(k) * COLUMN, RETURNS[k]
        for i in range(begin, end):
            made[place + i] = work[CLOSE + i] / work[CLOSE + i - lag] - 1.0
    for i in range(begin, end):
        close, high, low = work[CLOSE + i], work[HIGH + i], work[LOW + i]
        made[OUT[8] + i] = 100.0 * (close / work[CLOSE + i - U8(10)] - 1.0)
        made[OUT[26] + i] = (high - low) / close
        place = (close - low) / (high - low)
        made[OUT[27] + i] = place if high > low else math.nan
        made[OUT[28] + i] = work[OPEN + i] / work[CLOSE + i - ONE] - 1.0


@helper
def prices(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute the distances from plain means, and the Bollinger bands."""
    for i in range(begin, end):
        close, mean = work[CLOSE + i], _sum_20(work, CLOSES, i) / 20.0
        made[OUT[9] + i] = close / mean - 1.0
        half = work[CLOSES + S16 + i] + work[CLOSES + S16 + i - U8(16)] + work[CLOSES + S16 + i - U8(32)]
        half += work[CLOSE + i - U8(48)] + work[CLOSE + i - U8(49)]
        made[OUT[10] + i] = close / (half / 50.0) - 1.0
        long = work[CLOSES + S64 + i] + work[CLOSES + S64 + i - U8(64)] + work[CLOSES + S64 + i - U8(128)]
        long += work[CLOSES + S4 + i - U8(192)] + work[CLOSES + S4 + i - U8(196)]
        made[OUT[11] + i] = close / (long / 200.0) - 1.0
        total = 0.0
        for back in range(U8(20)):
            away = work[CLOSE + i - back] - mean
            total += away * away
        spread = math.sqrt(total / 20.0)
        position = 0.5 + (close - mean) / (4.0 * spread)
        made[OUT[12] + i] = position if spread > FLAT * mean else math.nan
        made[OUT[13] + i] = 4.0 * spread / mean


@helper
def _spread(total: float, squares: float, count: float) -> float:
    excess = squares - total * total / count
    return math.sqrt((excess if excess > 0.0 else excess * 0.0) / (count - 1.0))


@helper
def volatilities(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute the deviations of returns."""
    year = math.sqrt(252.0)
    for i in range(begin, end):
        total = work[MOVES + S4 + i] + work[MOVE + i - U8(4)]
        squares = work[MOVES_2 + S4 + i] + work[MOVE_2 + i - U8(4)]
        week = _spread(total, squares, 5.0)
        made[OUT[14] + i] = year * _spread(_sum_10(work, MOVE, MOVES, i), _sum_10(work, MOVE_2, MOVES_2, i), 10.0)
        month = _spread(_sum_20(work, MOVES, i), _sum_20(work, MOVES_2, i), 20.0)
        made[OUT[15] + i] = year * month
        made[OUT[16] + i] = year * _spread(_sum_60(work, MOVES, i), _sum_60(work, MOVES_2, i), 60.0)
        regime = week / month
        made[OUT[17] + i] = regime if month > FLAT else math.nan


@helper
def _highest(work: F8, spans: Place, i: Place, step: Place, rest: Place) -> float:
    # Four spans that may overlap: the last begins `rest` rows back.
    newer = _larger(work[HIGHS + spans + i], work[HIGHS + spans + i - step])
    return _larger(newer, _larger(work[HIGHS + spans + i - TWO * step], work[HIGHS + spans + i - rest]))


@helper
def _lowest(work: F8, spans: Place, i: Place, step: Place, rest: Place) -> float:
    newer = _smaller(work[LOWS + spans + i], work[LOWS + spans + i - step])
    return _smaller(newer, _smaller(work[LOWS + spans + i - TWO * step], work[LOWS + spans + i - rest]))


@helper
def stochastics(work: F8, begin: Place, end: Place) -> None:
    """Fill the fast stochastic: where the close stands in the range of 14 rows."""
    for i in range(begin, end):
        high, low = _highest(work, S4, i, U8(4), U8(10)), _lowest(work, S4, i, U8(4), U8(10))
        fast, oldest = 100.0 * (work[CLOSE + i] - low) / (high - low), work[CLOSE + i - U8(13)]
        work[FAST + i] = fast if high > low and oldest == oldest else math.nan


@helper
def ranges(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute the stochastics and the distances from highs and lows."""
    for i in range(begin, end):
        made[OUT[18] + i] = work[FAST + i]
        made[OUT[19] + i] = (work[FAST + i] + work[FAST + i - ONE] + work[FAST + i - TWO]) / 3.0
    _distances(work, begin, end, made, OUT[20], S16, U8(2), U8(4), U8(20))
    _distances(work, begin, end, made, OUT[22], S16, U8(16), U8(44), U8(60))
    _distances(work, begin, end, made, OUT[24], S64, U8(64), U8(188), U8(252))


@helper
def _distances(
    work: F8, begin: Place, end: Place, made: F4, place: Place, spans: Place, step: Place, rest: Place, window: Place
) -> None:
    # A comparison forgets NaN: the window is full where its oldest close is there.
    for i in range(begin, end):
        close, oldest = work[CLOSE + i], work[CLOSE + i + ONE - window]
        high, low = _highest(work, spans, i, step, rest), _lowest(work, spans, i, step, rest)
        made[place + i] = close / high - 1.0 if oldest == oldest else math.nan
        made[place + COLUMN + i] = close / low - 1.0 if oldest == oldest else math.nan


@helper
def volumes(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute what volumes say."""
    for i in range(begin, end):
        month, worth = _sum_20(work, VOLUMES, i), _sum_20(work, WORTHS, i)
        mean, moment, weight = month / 20.0, 0.0, 0.0
        for back in range(U8(19)):
            # How often a volume stands in the balances of the 20 bars, by their distance from the middle one.
            weight += 9.5 - back
            moment += weight * work[SIGNED + i - back]
        # Least-squares slope over 20 points: sum of (x - mean x) y over sum of (x - mean x)^2 = 665.
        slope, away = moment / 665.0 / mean, work[CLOSE + i] / (worth / month) - 1.0
        week, day = (work[VOLUMES + S4 + i] + work[VOLUME + i - U8(4)]) / 5.0 / mean, work[VOLUME + i] / mean
        made[OUT[41] + i] = slope if month > 0.0 else math.nan
        made[OUT[42] + i] = away if month > 0.0 else math.nan
        made[OUT[43] + i] = week if month > 0.0 else math.nan
        made[OUT[44] + i] = day if month > 0.0 else math.nan


@helper
def market(work: F8, begin: Place, end: Place, made: F4) -> None:
    """Compute the symbol against the market, its sector and the volatility index."""
    for i in range(begin, end):
        month = i - U8(20)
        own = work[CLOSE + i] / work[CLOSE + month]
        made[OUT[47] + i] = own - work[MARKET + i] / work[MARKET + month]
        made[OUT[48] + i] = own - work[SECTOR + i] / work[SECTOR + month]
        made[OUT[49] + i] = work[VOLATILITY + i]
    for i in range(begin, end):
        x, y = _sum_60(work, BENCHES, i), _sum_60(work, MOVES, i)
        xx = _sum_60(work, BENCHES_2, i) - x * x / 60.0
        yy = _sum_60(work, MOVES_2, i) - y * y / 60.0
        xy = _sum_60(work, BOTHS, i) - x * y / 60.0
        beta, correlation = xy / xx, xy / math.sqrt(xx * yy)
        made[OUT[46] + i] = beta if xx > FLAT * FLAT else math.nan
        made[OUT[45] + i] = correlation if xx > FLAT * FLAT and yy > FLAT * FLAT else math.nan
