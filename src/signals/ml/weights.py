"""Sample weights: classes that count alike, labels that say little new, and rows of long ago."""

from __future__ import annotations

import numpy as np

from signals.data.records import F8, I8
from signals.ml.dataset import Dataset, class_weights
from signals.ml.recipe import WeightSpec

__all__ = ["recency", "sample_weights", "uniqueness"]


def sample_weights(data: Dataset, spec: WeightSpec) -> F8:
    """Return the weight of each row in a fit, shape (n,): the rows' own times whatever the recipe asks for.

    What is asked for beyond the class is of mean 1, so that regularisation means the same with it and without.
    """
    weight = data.weight.to_numpy(np.float64) * class_weights(data.y, spec.kind)
    if spec.uniqueness:
        weight = weight * _of_mean_one(uniqueness(data.symbols, data.timestamps, data.label_end))
    if spec.half_life is not None:
        weight = weight * _of_mean_one(recency(data.timestamps, spec.half_life))
    return weight


def uniqueness(symbols: I8, timestamps: I8, label_end: I8) -> F8:
    """Return the average uniqueness of each row's label, in (0, 1], shape (n,).

    A label lives on the dates after its bar until its end; on each of them it is worth one over the labels of its
    symbol that live then, and that is averaged (Lopez de Prado 2018, section 4.4).

    Parameters
    ----------
    symbols
        An integer a symbol.
    timestamps, label_end
        Microseconds; dates are those of either.
    """
    dates = np.unique(np.concatenate([timestamps, label_end]))
    first, last = np.searchsorted(dates, timestamps) + 1, np.searchsorted(dates, label_end)
    found = np.empty(len(timestamps))
    order = np.argsort(symbols, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(symbols[order])) + 1):
        change = np.zeros(len(dates) + 1)
        np.add.at(change, first[rows], 1.0)
        np.add.at(change, last[rows] + 1, -1.0)
        living = np.cumsum(change)[:-1]
        share = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(living, 1.0))])
        found[rows] = (share[last[rows] + 1] - share[first[rows]]) / np.maximum(last[rows] + 1 - first[rows], 1)
    return found


def recency(timestamps: I8, half_life: float) -> F8:
    """Return 1 for the newest date and half as much for each `half_life` dates before it, shape (n,)."""
    dates, place = np.unique(timestamps, return_inverse=True)
    return np.asarray(0.5 ** ((len(dates) - 1 - place) / half_life))


def _of_mean_one(weight: F8) -> F8:
    return np.asarray(weight / weight.mean()) if len(weight) else weight
