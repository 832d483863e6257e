"""Puts a symbol's bars on one price and volume basis, with the corporate actions known at each bar and no others.

Prices are multiplied, and volumes divided, by the product of the ratios in force by then. Earlier rows never change
when an action comes, which is why batch and live see the same numbers; scale-free features cannot tell this basis from
history restated on today's. An action that became known only after it took effect does change history, from then on:
`segments` says at which rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signals.data.records import F8, I8, ActionKind, Adjusted, CorporateAction, to_micros

__all__ = ["Step", "applied", "average_volume", "changes", "factors", "newest_average", "segments"]

_JUMPS = {
    Adjusted.NONE: (ActionKind.SPLIT, ActionKind.SPIN_OFF),
    Adjusted.SPLIT: (ActionKind.SPIN_OFF,),
}
_DAYS = 20


class Step(NamedTuple):
    """One jump of a symbol's basis, in force from `effective` (microseconds)."""

    effective: int
    kind: str
    ratio: float


def applied(actions: Sequence[CorporateAction], adjusted: Adjusted, until: int) -> tuple[Step, ...]:
    """Return the jumps known by `until` (microseconds), by effective time; the newest revision of each.

    Splits are none where the loader adjusted prices for them already; it did not for spin-offs.
    """
    newest: dict[tuple[int, str], float] = {}
    # Of two ratios known at one instant the higher one, as in `ShareBasis`, whatever order the source lists them in.
    for action in sorted(actions, key=lambda action: (action.known_at, action.ratio)):
        if action.kind in _JUMPS[adjusted] and to_micros(action.known_at) <= until:
            newest[to_micros(action.effective), action.kind.value] = action.ratio
    return tuple(Step(*key, ratio) for key, ratio in sorted(newest.items()))


def factors(steps: Sequence[Step], time: I8) -> tuple[F8, F8]:
    """Return what to multiply prices by, and divide volumes by, at each instant; both of shape (n,).

    A spin-off moves the price and leaves the number of shares alone.
    """
    place = np.searchsorted(np.array([step.effective for step in steps], np.int64), time, side="right")
    price = np.multiply.accumulate(np.array([1.0, *(step.ratio for step in steps)], np.float64))
    shares = (step.ratio if step.kind == ActionKind.SPLIT else 1.0 for step in steps)
    volume = np.multiply.accumulate(np.array([1.0, *shares], np.float64))
    return price[place], volume[place]


def changes(actions: Sequence[CorporateAction]) -> I8:
    """Return the instants, microseconds, at which what is known of a symbol's basis, or the basis, may change."""
    edges = (edge for action in actions for edge in (action.known_at, action.effective))
    return np.array([to_micros(edge) for edge in edges], np.int64)


def segments(actions: Sequence[CorporateAction], adjusted: Adjusted, time: I8) -> list[int]:
    """Return the rows from which an action known late restates history, rising; empty for most symbols."""
    late = [
        to_micros(action.known_at)
        for action in actions
        if action.kind in _JUMPS[adjusted] and action.known_at > action.effective
    ]
    rows = np.unique(np.searchsorted(time, np.array(late, np.int64), side="left"))
    return [int(row) for row in rows if 0 < row < len(time)]


def average_volume(volume: F8, factor: F8) -> F8:
    """Return the mean volume of the last 20 bars in each bar's own unit, NaN before there are 20; shape (n,).

    `volume` is on the common basis, `factor` what it was divided by. The order of the sum is fixed, newest first, so
    that any 20 rows give the same bits as all rows.
    """
    count = len(volume) - _DAYS + 1
    mean = np.full(len(volume), np.nan)
    if count > 0:
        total = np.zeros(count)
        for back in range(_DAYS):
            total = total + volume[_DAYS - 1 - back : _DAYS - 1 - back + count]
        mean[_DAYS - 1 :] = total / _DAYS * factor[_DAYS - 1 :]
    return mean


def newest_average(volumes: F8, counts: I8, factor: F8) -> F8:
    """Return `average_volume` of the newest bar of several symbols, shape (n,): the same sum in the same order.

    `volumes` (n, N) holds each symbol's newest volumes, that of row r at r modulo N; `counts` (n,) says how many rows
    there have been, `factor` (n,) is the newest factor.
    """
    row, total = np.arange(len(counts)), np.zeros(len(counts))
    for back in range(_DAYS):
        total = total + volumes[row, (counts - 1 - back) % volumes.shape[1]]
    return np.where(counts < _DAYS, np.nan, total / _DAYS * factor)
