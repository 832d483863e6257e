"""Maps ``softmax(slope * log p + bias)``: temperature, bias-corrected temperature and vector scaling."""

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


@dataclass(frozen=True)
class SoftmaxMap:
    """Map p to ``softmax(slope * log p + bias)``.

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
        return softmax(slope * log_clipped(probabilities) + bias)

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
        A slope for each class (vector scaling, Guo et al. 2017). Its targets are drawn to the class frequencies as if
        one more label interval had shown just those, as Platt (1999) does for two classes.
    biased
        With a bias for each class (Alexandari, Kundaje and Shrikumar 2020), else the slope alone.
    """
    slope, bias = minimised(
        log_clipped(rows.probabilities),
        rows.classes,
        rows.weight,
        penalty(rows.intervals),
        slopes=rows.columns if vector else 1,
        biased=biased,
        drawn=1.0 / (rows.intervals + 1) if vector else 0.0,
        frequencies=rows.frequencies,
    )
    return SoftmaxMap(tuple(slope.tolist()) if vector else float(slope[0]), tuple(bias.tolist()))


def softmax(margins: F8) -> F8:
    """Return rows of probabilities that sum to 1."""
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
