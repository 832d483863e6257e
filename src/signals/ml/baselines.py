"""What a model has to beat: how often each class came, and how often it came at this volatility.

With fixed thresholds most of the log loss that a plain model saves is volatility's: a table of class frequencies by the
quantile of recent volatility saves it too, without any direction. A model earns its place beyond that table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8
from signals.ml.dataset import Dataset

__all__ = ["VOLATILITY", "ClassFrequencies", "VolatilityTable", "class_frequencies", "volatility_table"]

VOLATILITY = "hist_vol_20"
QUANTILES = 20
PRIOR_DATES = 5.0
"""Dates' worth of the overall frequencies mixed into each cell of the table."""

SMOOTHING = 1.5
"""Standard deviation, in cells, of the Gaussian weights with which neighbouring cells are pooled. Without it a cell of
two years of one symbol holds 25 labels, and any coarser table of volatility, without direction, passes for skill."""


@dataclass(frozen=True)
class ClassFrequencies:
    """Shares of DOWN, FLAT and UP, shape (3,)."""

    shares: F8

    def predict(self, rows: int) -> F8:
        """Return the same probabilities for every row, shape (rows, 3)."""
        return np.tile(self.shares, (rows, 1))


@dataclass(frozen=True)
class VolatilityTable:
    """Shares of the classes between quantiles of volatility.

    Parameters
    ----------
    edges
        Inner edges, rising, shape (cells - 1,).
    shares
        Shape (cells + 1, 3); the last row answers for a missing volatility.
    """

    edges: F8
    shares: F8

    def predict(self, volatility: F8) -> F8:
        """Return probabilities, shape (n, 3)."""
        return np.asarray(self.shares[_cells(self.edges, volatility)])


def class_frequencies(data: Dataset) -> ClassFrequencies:
    """Return the class shares of the rows, each date counting alike, with one date's worth of equal shares mixed in."""
    mass = np.bincount(data.y.astype(np.int64), data.date_weight, minlength=3) + 1.0 / 3.0
    return ClassFrequencies(mass / mass.sum())


def volatility_table(data: Dataset) -> VolatilityTable | None:
    """Return class shares by 20 quantiles of `hist_vol_20`, each date counting alike; None without that column.

    Every cell borrows from its neighbours, and five dates' worth of the overall shares are mixed in (Laplace's rule
    with the shares as prior), so that few symbols do not make a weak baseline, which would flatter the model: on four
    real stocks the raw table loses 1.1% of log loss to the plain frequencies, this one saves 0.3%.
    """
    if VOLATILITY not in data.X.columns:
        return None
    volatility = data.X[VOLATILITY].to_numpy(np.float64)
    seen = volatility[np.isfinite(volatility)]
    edges = np.unique(np.quantile(seen, np.arange(1, QUANTILES) / QUANTILES)) if len(seen) else np.empty(0)
    overall = class_frequencies(data).shares
    mass = np.zeros((len(edges) + 2, 3))
    np.add.at(mass, (_cells(edges, volatility), data.y.astype(np.int64)), data.date_weight)
    place = np.arange(len(edges) + 1)
    near = np.exp(-0.5 * ((place[:, None] - place) / SMOOTHING) ** 2)
    mass[:-1] = near @ mass[:-1]
    mass[-1] = 0.0
    mass += PRIOR_DATES * overall
    return VolatilityTable(edges, mass / mass.sum(axis=1, keepdims=True))


def _cells(edges: F8, volatility: F8) -> I8:
    return np.where(np.isfinite(volatility), np.searchsorted(edges, volatility, side="right"), len(edges) + 1)
