"""When a detector speaks: K of N checks, then silence for a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signals.data.records import I8

__all__ = ["Alarms"]


class Alarms:
    """The alarms of several things that are checked together, once a slice.

    An alarm is raised when at least K of the last N checks were out of line. It is cleared when fewer are and the
    figure itself is back within its threshold: being out of line may ask for more than a figure beyond it, and no alarm
    is called off while its figure still stands there. The cool-down only delays a raise.

    Parameters
    ----------
    count
        How many things.
    persist
        K and N.
    cooldown
        Slices that must lie between two raises of the same thing.
    """

    def __init__(self, count: int, persist: tuple[int, int], cooldown: int) -> None:
        self._needed, checks = persist
        self._cooldown = cooldown
        self._recent = np.zeros((checks, count), bool)
        self._row = 0
        self._last = np.full(count, -(cooldown + 1), np.int64)
        self.raised: NDArray[np.bool_] = np.zeros(count, bool)

    def check(self, out_of_line: NDArray[np.bool_], within: NDArray[np.bool_], slice_number: int) -> tuple[I8, I8]:
        """Take one check of everything; return the positions raised and cleared by it.

        Parameters
        ----------
        out_of_line
            What counts towards a raise, shape (count,).
        within
            Whether the figure is within its threshold, shape (count,); without it nothing is cleared.
        slice_number
            Rising by one a slice.
        """
        self._recent[self._row] = out_of_line
        self._row = (self._row + 1) % len(self._recent)
        lasting = self._recent.sum(axis=0) >= self._needed
        risen = np.flatnonzero(lasting & ~self.raised & (slice_number - self._last > self._cooldown))
        cleared = np.flatnonzero(self.raised & ~lasting & within)
        self._last[risen] = slice_number
        self.raised[risen] = True
        self.raised[cleared] = False
        return risen, cleared
