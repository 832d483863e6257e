"""The one search of Vane: which fact was the newest known at each bar, for many symbols in one call.

Importing this module compiles the kernel (once, then cached): import it inside functions.
"""

from __future__ import annotations

import numpy as np

from signals.data.records import F8, I8
from signals.features._jit import kernel

__all__ = ["joined", "positions"]

_IN = "Array(int64, 1, 'C', readonly=True)"


@kernel(f"void({_IN}, {_IN}, {_IN}, {_IN}, int64[::1])")
def positions(known: I8, known_starts: I8, time: I8, time_starts: I8, out: I8) -> None:
    """Write where the last fact with ``known <= time`` of the same group stands, -1 where there is none.

    Parameters
    ----------
    known, time
        Instants, microseconds; group after group, `known` rising within each. Rising times are fastest (one pass over
        both), any order is right.
    known_starts, time_starts
        Where each group starts, and the total at the end, shape (groups + 1,).
    out
        Positions in the whole of `known`, shape of `time`.
    """
    for group in range(len(known_starts) - 1):
        first, stop = known_starts[group], known_starts[group + 1]
        place = first  # all facts of the group before it were known at the row before
        for row in range(time_starts[group], time_starts[group + 1]):
            now = time[row]
            if place > first and known[place - 1] > now:
                place = first  # time went back: search anew
            if place < stop and known[place] <= now:
                step = 1  # gallop: double the step, then halve it
                while place + step < stop and known[place + step] <= now:
                    place += step
                    step *= 2
                while step > 0:
                    if place + step < stop and known[place + step] <= now:
                        place += step
                    step //= 2
                place += 1
            out[row] = place - 1 if place > first else -1


def joined(known: I8, value: F8, known_starts: I8, time: I8, time_starts: I8) -> F8:
    """Return the value of the newest fact known at each instant, NaN where there is none; shape of `time`.

    Parameters as in `positions`; `value` has the shape of `known`.
    """
    place = np.empty(len(time), np.int64)
    positions(known, known_starts, time, time_starts, place)
    padded: F8 = np.append(value, np.nan)  # -1 is the last
    return padded.take(place)
