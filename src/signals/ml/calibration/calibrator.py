"""Confidence calibration: a few numbers, fitted on out-of-fold predictions, stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, get_args

import numpy as np

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, TrainingError
from signals.ml.calibration.choice import Choice, choose
from signals.ml.calibration.methods import METHODS, CalibrationMap, Method, Named
from signals.ml.calibration.rows import CalibrationRows
from strategy.signal import JSON

__all__ = ["ConfidenceCalibrator"]


class ConfidenceCalibrator:
    """Map raw class probabilities to calibrated ones.

    ==============================  ===============================================================================
    ``none``                        leaves p as it is
    ``temperature``                 ``softmax(slope * log p)``; the slope is one over the temperature (Guo et al. 2017)
    ``bias_corrected_temperature``  ``softmax(slope * log p + bias)`` (Alexandari, Kundaje & Shrikumar 2020), which
                                    undoes the distortion of class weights
    ``vector``                      the same with a slope for each class (vector scaling, Guo et al. 2017) and hardly
                                    any bias: class frequencies drift, so for fits without class weights
    ``platt``                       one class against the rest on logits (Platt 1999), then divided by the sum
    ``isotonic``                    a rising curve for each class (Zadrozny & Elkan 2002), then divided by the sum;
                                    refused below 2,000 label intervals that do not overlap
    ``auto``                        the simplest of these whose out-of-fold log loss none above it beats beyond noise
    ==============================  ===============================================================================

    A fit minimises the log loss of the *unweighted* outcomes, averaged within a date and then over dates, with a normal
    prior around the identity, of standard deviation 1 (``vector``: 1 for the slopes together, 0.3 for each beside the
    others, 0.1 for a bias): the fewer label intervals do not overlap, the closer the result
    stays to p. Slopes are never below 0: a contrary model is silenced, not inverted.

    Only fit on predictions for rows that the model was not trained on: in-sample ones look better than they are.

    Attributes
    ----------
    method
        What was asked for.
    chosen
        What is applied: `method`, or what ``auto`` chose.
    choice
        Why, after a fit with ``auto``; else None.
    map
        The fitted parameters; the identity before a fit.
    """

    def __init__(self, method: Method = "bias_corrected_temperature") -> None:
        if method not in get_args(Method):
            raise TrainingError(f"calibration: expected a method of {', '.join(get_args(Method))}, was {method!r}")
        self.method: Method = method
        self.chosen: Named = "none" if method == "auto" else method
        self.choice: Choice | None = None
        self.map: CalibrationMap = METHODS[self.chosen].identity

    def fit(self, probabilities: F8, y: F8, *, timestamps: I8, label_end: I8, trained_until: I8 | None = None) -> Self:
        """Fit on out-of-fold predictions, oldest first.

        Parameters
        ----------
        probabilities
            Shape (n, classes), rows summing to 1.
        y
            Classes 0, 1, ..., shape (n,).
        timestamps, label_end
            Bar closes and the instants at which the labels were known, microseconds since the epoch (or anything pandas
            can read as UTC times), shape (n,); `timestamps` never falls.
        trained_until
            The instant at which the last training label was known of the model that made each prediction, shape (n,).
            It must lie before the row's bar, which no shuffled or unpurged fold can say. Times and labels alone cannot
            show how the folds were cut, so None leaves that unchecked: always give it where folds were made.

        Raises
        ------
        TrainingError
            For shuffled rows, models that had seen their rows' time, shapes that differ, values that are no
            probabilities or no classes.
        TooFewRows
            If ``isotonic`` or ``auto`` have too little to go by.
        """
        rows = CalibrationRows.checked(probabilities, y, timestamps, label_end, trained_until)
        self.choice = choose(rows) if self.method == "auto" else None
        if self.choice is not None:
            self.chosen = self.choice.method
        self.map = METHODS[self.chosen].fit(rows)
        return self

    def transform(self, probabilities: F8) -> F8:
        """Return calibrated probabilities of the same shape (n, classes), finite for p = 0 and p = 1."""
        raw = np.asarray(probabilities, np.float64)
        if self.chosen == "none":
            return raw
        if raw.ndim != 2 or raw.shape[1] != self.map.classes:
            raise TrainingError(f"calibration: expected {self.map.classes} columns, was an array of shape {raw.shape}")
        return self.map(raw)

    def to_json(self) -> dict[str, JSON]:
        """Return method and parameters as JSON values; floats survive the round trip exactly."""
        choice = {} if self.choice is None else {"choice": self.choice.to_json()}
        return {"method": self.method, **choice, **self.map.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make the calibrator that `to_json` described.

        Raises
        ------
        BundleDamaged
            If the document does not describe one.
        """
        try:
            rest = dict(document)
            made = cls(rest.pop("method"))
            if "choice" in rest and made.method == "auto":
                made.choice = Choice.from_json(rest.pop("choice"))
                made.chosen = made.choice.method
            made.map = METHODS[made.chosen].read(rest)
        except (AttributeError, KeyError, TypeError, ValueError, TrainingError) as error:
            raise BundleDamaged(
                f"calibration: expected a method and its parameters, was {document!r:.200}: {error}"
            ) from None
        return made
