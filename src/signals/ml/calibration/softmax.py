"""Maps ``softmax(slope * clr p + bias)``: temperature, bias-corrected temperature and vector scaling.

clr p is log p less its mean over the classes (Aitchison 1982): with log p alone, a class's own slope would also be a
bias for it. To one slope for all it makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from signals.data.records import F8
from signals.ml.calibration.likelihood import log_clipped, minimised, penalty
from signals.ml.calibration.parameters import exactly, number, numbers
from signals.ml.calibration.rows import CalibrationRows
from strategy.signal import JSON

__all__ = ["SoftmaxMap", "fit_softmax", "softmax"]

_SLOPE, _OWN_SLOPE, _BIAS = 1.0, 0.3, 0.1
"""Vector scaling's prior deviations around the identity: of the slopes together, of each from the others, of a bias.

Class frequencies drift: a bias beyond a tenth (of log odds) is what the training years happened to be. That FLAT can be
told from the rest, by volatility, lasts. See ADR 0004.
"""


@dataclass(frozen=True)
class SoftmaxMap:
    """Map p to ``softmax(slope * clr p + bias)``.

    Parameters
    ----------
    slope
        One number of 0 or more for all classes, or one a class; 1 is the identity.
    bias
        One number a class, summing to 0; zeros are the identity.
    """

    slope: float | tuple[float, ...] = 1.0
    bias: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def classes(self) -> int:
        """Number of columns."""
        return len(self.bias)

    @cached_property
    def _arrays(self) -> tuple[F8, F8]:
        return np.asarray(self.slope), np.asarray(self.bias)

    def __call__(self, probabilities: F8) -> F8:
        """Return calibrated probabilities, shape (n, classes)."""
        slope, bias = self._arrays
        return softmax(slope * _centred(probabilities) + bias)

    def to_json(self) -> dict[str, JSON]:
        """Return slope and bias."""
        return {"slope": self.slope if isinstance(self.slope, float) else list(self.slope), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, vector: bool = False, biased: bool = True) -> Self:
        """Read slope and bias; ValueError for nonsense, and for a bias where the method has none."""
        exactly(document, "slope", "bias")
        bias = numbers(document["bias"])
        slope = numbers(document["slope"], 0.0) if vector else number(document["slope"], 0.0)
        if isinstance(slope, tuple) and len(slope) != len(bias):
            raise ValueError(f"expected a slope for each of {len(bias)} classes, were {len(slope)}")
        if not biased and any(bias):
            raise ValueError(f"expected no bias, was {bias}")
        return cls(slope, bias)


def fit_softmax(rows: CalibrationRows, *, vector: bool = False, biased: bool = True) -> SoftmaxMap:
    """Fit slope and bias.

    Parameters
    ----------
    vector
        A slope for each class (vector scaling, Guo et al. 2017), shrunk to the others' and to the identity; the bias
        much more so.
    biased
        With a bias for each class (Alexandari, Kundaje and Shrikumar 2020), else the slope alone.
    """
    slopes = rows.columns if vector else 1
    covariance = np.eye(slopes + (rows.columns if biased else 0))
    if vector:
        covariance[:slopes, :slopes] = _SLOPE**2 + _OWN_SLOPE**2 * np.eye(slopes)
        covariance[slopes:, slopes:] *= _BIAS**2
    slope, bias = minimised(
        _centred(rows.probabilities),
        rows.classes,
        rows.weight,
        penalty(covariance, rows.intervals),
        slopes=slopes,
        biased=biased,
    )
    return SoftmaxMap(tuple(slope.tolist()) if vector else float(slope[0]), tuple(bias.tolist()))


def _centred(probabilities: F8) -> F8:
    logs = log_clipped(probabilities)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def softmax(margins: F8) -> F8:
    """Return rows of probabilities that sum to 1."""
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
