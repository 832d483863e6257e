"""Accuracy of matured decisions against what the model was validated with."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from signals.data.records import F8

__all__ = ["AccuracyWatch", "lower_bound", "validated_accuracy"]

_ONE_SIDED = 0.9986501019683699  # what three standard errors leave below a normal variable
_FEWEST_BLOCKS = 4


def validated_accuracy(windows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the mean accuracy of the walk-forward windows that were judged, None without one."""
    found = [window["accuracy"] for window in windows if isinstance(window.get("accuracy"), (int, float))]
    return float(np.mean(found)) if found else None


def lower_bound(expected: float, by_slice: F8, rows: int, horizon: int) -> float | None:
    """Return the mean accuracy below which chance is no longer an explanation.

    Parameters
    ----------
    expected
        Accuracy without drift.
    by_slice
        Accuracy of each slice, oldest first; outcomes of neighbours overlap for `horizon` slices.
    rows
        Predictions behind all of them.

    Returns
    -------
    float or None
        `expected` less as many standard errors as are as rare as three of a normal variable, given how few blocks of
        `horizon` slices the standard error comes from. None for fewer than four blocks: nothing can be said.

    Notes
    -----
    The variance of block means gets twice the covariance of neighbouring blocks, which share outcomes (a Bartlett
    kernel would halve it and raise falsely three times as often). It is never taken below the binomial variance of
    independent rows.
    """
    blocks = len(by_slice) // horizon
    if blocks < _FEWEST_BLOCKS:
        return None
    means = by_slice[len(by_slice) - blocks * horizon :].reshape(blocks, horizon).mean(axis=1)
    away = means - means.mean()
    variance = float(np.mean(away * away)) + 2 * max(0.0, float(np.mean(away[1:] * away[:-1])))
    error = math.sqrt(max(variance / (blocks - 1), expected * (1 - expected) / max(rows, 1)))
    return expected - _errors(blocks - 1) * error


@cache
def _errors(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, _ONE_SIDED))


class AccuracyWatch:
    """Accuracy over the last matured slices.

    Parameters
    ----------
    window
        Slices.
    horizon
        Slices from decision to outcome.
    expected
        Validated accuracy; None: only `floor` can be broken.
    floor
        A fixed threshold instead of the model's own.
    """

    def __init__(self, window: int, horizon: int, expected: float | None, floor: float | None) -> None:
        self._slices: deque[tuple[float, int]] = deque(maxlen=window)
        self._horizon = horizon
        self._expected = expected
        self._floor = floor

    def add(self, accuracy: float, rows: int) -> None:
        """Take a matured slice: its share of right classes, and of how many symbols."""
        if rows:
            self._slices.append((accuracy, rows))

    def check(self) -> tuple[float, float] | None:
        """Return accuracy and threshold, None while the window is not full or no threshold can be had."""
        if len(self._slices) < (self._slices.maxlen or 0):
            return None
        by_slice = np.array([accuracy for accuracy, _ in self._slices])
        threshold = self._floor
        if threshold is None and self._expected is not None:
            rows = sum(rows for _, rows in self._slices)
            threshold = lower_bound(self._expected, by_slice, rows, self._horizon)
        return None if threshold is None else (float(by_slice.mean()), threshold)
