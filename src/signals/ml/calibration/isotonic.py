"""Isotonic regression of each class's probability, for records of thousands of independent label intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np

from signals.data.records import F8
from signals.errors import TooFewRows
from signals.ml.calibration.parameters import exactly, numbers
from signals.ml.calibration.rows import CalibrationRows
from strategy.signal import JSON

__all__ = ["FEWEST_INTERVALS", "IsotonicMap", "fit_isotonic"]

FEWEST_INTERVALS = 2_000
"""Label intervals that do not overlap, below which the steps follow noise."""

Knots: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
IDENTITY: Knots = ((np.finfo(float).tiny, 1.0), (np.finfo(float).tiny, 1.0))


@dataclass(frozen=True)
class IsotonicMap:
    """Map p to a rising curve class by class, divided by their sum.

    Parameters
    ----------
    knots
        For each class the stated probabilities, rising, and what they become, above 0 and never falling; straight
        between the knots, level beyond them.
    """

    knots: tuple[Knots, ...] = (IDENTITY,) * 3

    @property
    def classes(self) -> int:
        """Number of columns."""
        return len(self.knots)

    @cached_property
    def _arrays(self) -> list[tuple[F8, F8]]:
        return [(np.array(stated), np.array(happened)) for stated, happened in self.knots]

    def curves(self, probabilities: F8) -> F8:
        """Return what each class's curve says before the rows are made to sum to 1, shape (n, classes)."""
        found = np.empty(probabilities.shape)
        for column, (stated, happened) in enumerate(self._arrays):
            found[:, column] = np.interp(probabilities[:, column], stated, happened)
        return found

    def __call__(self, probabilities: F8) -> F8:
        """Return calibrated probabilities, shape (n, classes)."""
        found = self.curves(probabilities)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def to_json(self) -> dict[str, JSON]:
        """Return the knots."""
        return {"knots": [[list(stated), list(happened)] for stated, happened in self.knots]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the knots; ValueError for curves that fall, leave (0, 1] or do not fit together."""
        exactly(document, "knots")
        if not isinstance(document["knots"], list | tuple) or len(document["knots"]) < 2:
            raise ValueError("expected the knots of two classes or more")
        return cls(tuple(_read(*curve) for curve in document["knots"]))


def _read(stated: object, happened: object) -> Knots:
    curve = numbers(stated, 0.0, 1.0, least=1), numbers(happened, float(np.finfo(float).tiny), 1.0, least=1)
    if len(curve[0]) != len(curve[1]) or (np.diff(curve[0]) <= 0).any() or (np.diff(curve[1]) < 0).any():
        raise ValueError("expected knots that rise, as many stated as happened")
    return curve


def fit_isotonic(rows: CalibrationRows) -> IsotonicMap:
    """Fit each class against the rest; every value is drawn to the class's frequency as by one label interval more.

    Raises
    ------
    TooFewRows
        Below `FEWEST_INTERVALS`.
    """
    if rows.intervals < FEWEST_INTERVALS:
        raise TooFewRows(
            f"isotonic calibration: expected {FEWEST_INTERVALS:,} label intervals or more that do not overlap, were "
            f"{rows.intervals:,}: it would follow noise; give more history, or use temperature"
        )
    return IsotonicMap(tuple(_curve(rows, column) for column in range(rows.columns)))


def _curve(rows: CalibrationRows, column: int) -> Knots:
    from scipy.optimize import isotonic_regression

    stated, place = np.unique(rows.probabilities[:, column], return_inverse=True)
    weight = np.bincount(place, rows.weight)
    share = np.bincount(place, rows.weight * (rows.classes == column)) / weight
    found = isotonic_regression(share, weights=weight).x
    step = np.flatnonzero(np.diff(found)) + 1
    # A level stretch is known by its two ends.
    keep = np.unique(np.concatenate(([0], step - 1, step, [len(found) - 1])))
    drawn = 1.0 / (rows.intervals + 1)
    happened = np.clip((1.0 - drawn) * found[keep] + drawn * rows.frequencies[column], 0.0, 1.0)  # rounding
    return tuple(stated[keep].tolist()), tuple(happened.tolist())
