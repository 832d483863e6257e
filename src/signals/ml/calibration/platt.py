"""Platt scaling: one class against the rest on logits, then renormalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from signals.data.records import F8
from signals.ml.calibration.likelihood import log_clipped, minimised, penalty
from signals.ml.calibration.parameters import exactly, numbers
from signals.ml.calibration.rows import CalibrationRows
from signals.ml.calibration.softmax import softmax
from strategy.signal import JSON

__all__ = ["PlattMap", "fit_platt"]


@dataclass(frozen=True)
class PlattMap:
    """Map p to ``sigmoid(slope * logit p + bias)`` class by class, divided by their sum.

    Parameters
    ----------
    slope, bias
        One number a class; slopes are 0 or more. Ones and zeros are the identity.
    """

    slope: tuple[float, ...] = (1.0, 1.0, 1.0)
    bias: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def classes(self) -> int:
        """Number of columns."""
        return len(self.bias)

    def __call__(self, probabilities: F8) -> F8:
        """Return calibrated probabilities, shape (n, classes)."""
        logits = log_clipped(probabilities) - log_clipped(1.0 - probabilities)
        margins = np.asarray(self.slope) * logits + np.asarray(self.bias)
        return softmax(-np.logaddexp(0.0, -margins))  # of log sigmoid, so that no sum is ever 0

    def to_json(self) -> dict[str, JSON]:
        """Return slope and bias."""
        return {"slope": list(self.slope), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read slope and bias; ValueError for nonsense."""
        exactly(document, "slope", "bias")
        slope, bias = numbers(document["slope"], 0.0), numbers(document["bias"])
        if len(slope) != len(bias):
            raise ValueError(f"expected as many slopes as biases, were {len(slope)} and {len(bias)}")
        return cls(slope, bias)


def fit_platt(rows: CalibrationRows) -> PlattMap:
    """Fit each class against the rest: the same likelihood on two columns, 1 - p and p."""
    slopes, biases = [], []
    for column in range(rows.columns):
        p = rows.probabilities[:, column]
        logs = log_clipped(np.column_stack([1.0 - p, p]))
        happened = (rows.classes == column).astype(np.int64)
        slope, bias = minimised(logs, happened, rows.weight, penalty(np.eye(3), rows.intervals))
        slopes.append(float(slope[0]))
        biases.append(float(bias[1] - bias[0]))
    return PlattMap(tuple(slopes), tuple(biases))
