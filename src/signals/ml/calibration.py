"""Confidence calibration: two to four numbers, fitted on out-of-fold predictions, stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, TrainingError
from strategy.signal import JSON

__all__ = ["ConfidenceCalibrator", "Method"]

Method: TypeAlias = Literal["none", "temperature", "bias_corrected_temperature"]

_METHODS: tuple[Method, ...] = ("none", "temperature", "bias_corrected_temperature")
_TINY = 1e-7  # keeps log p finite where a model says 0; below what float32 probabilities resolve
_PRIOR_SD = 1.0  # of slope and bias around the identity


class ConfidenceCalibrator:
    """Map raw class probabilities p to ``softmax(slope * log p + bias)``.

    ``temperature`` fits the slope alone (one over the temperature of Guo et al. 2017); ``bias_corrected_temperature``
    fits the bias too (Alexandari, Kundaje & Shrikumar 2020), which undoes the distortion of class weights; ``none``
    leaves p as it is. The fit minimises the log loss of the *unweighted* outcomes, averaged within a date and then over
    dates, with a normal prior of standard deviation 1 around the identity: the fewer label intervals do not overlap,
    the closer the result stays to p.

    Only fit on predictions for rows that the model was not trained on: in-sample ones look better than they are.

    Attributes
    ----------
    slope
        0 or more; 1 is the identity.
    bias
        One number a class, summing to 0; zeros are the identity.
    """

    def __init__(self, method: Method = "bias_corrected_temperature") -> None:
        if method not in _METHODS:
            raise TrainingError(f"calibration: expected a method of {', '.join(_METHODS)}, was {method!r}")
        self.method: Method = method
        self.slope = 1.0
        self.bias: tuple[float, ...] = (0.0, 0.0, 0.0)

    def fit(self, probabilities: F8, y: F8, *, timestamps: I8, label_end: I8) -> Self:
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

        Raises
        ------
        TrainingError
            For shuffled rows, shapes that differ, values that are no probabilities or no classes.
        """
        raw = np.asarray(probabilities, np.float64)
        classes = np.asarray(y, np.float64)
        starts, ends = _micros(timestamps), _micros(label_end)
        _check(raw, classes, starts, ends)
        self.bias = (0.0,) * raw.shape[1]
        if self.method != "none":
            weight = _date_weight(starts)
            penalty = 0.5 / (_PRIOR_SD**2 * _disjoint_intervals(starts, ends))
            self.slope, self.bias = _minimise(
                _log(raw), classes.astype(np.intp), weight, penalty, with_bias=self.method != "temperature"
            )
        return self

    def transform(self, probabilities: F8) -> F8:
        """Return calibrated probabilities of the same shape (n, classes), finite for p = 0 and p = 1."""
        raw = np.asarray(probabilities, np.float64)
        if self.method == "none":
            return raw
        if raw.ndim != 2 or raw.shape[1] != len(self.bias):
            raise TrainingError(f"calibration: expected {len(self.bias)} columns, was an array of shape {raw.shape}")
        return _softmax(self.slope * _log(raw) + np.asarray(self.bias))

    def to_json(self) -> dict[str, JSON]:
        """Return method and parameters as JSON values; floats survive the round trip exactly."""
        return {"method": self.method, "slope": self.slope, "bias": list(self.bias)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make the calibrator that `to_json` described.

        Raises
        ------
        BundleDamaged
            If the document does not describe one.
        """
        try:
            method, slope, bias = document["method"], float(document["slope"]), tuple(map(float, document["bias"]))
            made = cls(method)
        except (KeyError, TypeError, ValueError, TrainingError) as error:
            raise BundleDamaged(
                f"calibration: expected method, slope and bias, was {document!r:.200}: {error}"
            ) from None
        if not (np.isfinite([slope, *bias]).all() and slope >= 0 and len(bias) >= 2):
            raise BundleDamaged(f"calibration: expected a finite slope >= 0 and finite biases, was {slope} and {bias}")
        made.slope, made.bias = slope, bias
        return made


def _micros(times: Any) -> I8:
    found = np.asarray(times)
    if found.dtype.kind == "i":
        return found.astype(np.int64)
    import pandas as pd

    utc = pd.DatetimeIndex(pd.to_datetime(times, utc=True)).tz_localize(None)
    return np.asarray(utc.to_numpy().astype("datetime64[us]").astype(np.int64))


def _check(raw: F8, classes: F8, starts: I8, ends: I8) -> None:
    rows = len(raw)
    if raw.ndim != 2 or rows == 0 or not rows == len(classes) == len(starts) == len(ends):
        raise TrainingError(
            f"calibration: expected probabilities (n, classes) with n outcomes, timestamps and label ends, n > 0, were "
            f"{raw.shape}, {classes.shape}, {starts.shape}, {ends.shape}"
        )
    if not np.isfinite(raw).all() or raw.min() < 0 or np.abs(raw.sum(axis=1) - 1).max() > 1e-3:
        raise TrainingError("calibration: expected rows of probabilities that sum to 1, were others")
    if not np.isin(classes, range(raw.shape[1])).all():
        raise TrainingError(f"calibration: expected classes 0 to {raw.shape[1] - 1}, were {np.unique(classes)[:5]}")
    if rows > 1 and np.diff(starts).min() < 0:
        raise TrainingError(
            "calibration: expected rows in time order, were shuffled; sort by (date, symbol) and use purged, "
            "time-ordered folds: shuffled ones calibrate on the future"
        )
    if (ends <= starts).any():
        raise TrainingError("calibration: expected every label to be known after its bar's close, was one before it")


def _log(probabilities: F8) -> F8:
    return np.log(np.clip(probabilities, _TINY, 1.0))


def _softmax(margins: F8) -> F8:
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _date_weight(starts: I8) -> F8:
    # Every date weighs the same, whatever its number of symbols; the weights sum to 1.
    _, group, rows = np.unique(starts, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (rows[group] * len(rows)))


def _disjoint_intervals(starts: I8, ends: I8) -> int:
    """Count label intervals, earliest first, that do not overlap the one counted before: what evidence there is."""
    dates, first = np.unique(starts, return_index=True)
    counted, free_from = 0, np.iinfo(np.int64).min
    for start, end in zip(dates.tolist(), np.maximum.reduceat(ends, first).tolist(), strict=True):
        if start >= free_from:
            counted, free_from = counted + 1, end
    return counted


def _minimise(
    logs: F8, classes: np.ndarray[Any, np.dtype[np.intp]], weight: F8, penalty: float, *, with_bias: bool
) -> tuple[float, tuple[float, ...]]:
    from scipy.optimize import minimize

    rows, columns = np.arange(len(logs)), logs.shape[1]

    def loss(parameters: F8) -> tuple[float, F8]:
        slope, bias = parameters[0], parameters[1:] if with_bias else np.zeros(columns)
        margins = slope * logs + bias
        top = margins.max(axis=1)
        sums = top + np.log(np.exp(margins - top[:, None]).sum(axis=1))
        error = np.exp(margins - sums[:, None])
        value = weight @ (sums - margins[rows, classes])
        error[rows, classes] -= 1.0
        error *= weight[:, None]
        gradient = np.concatenate(([np.sum(error * logs)], error.sum(axis=0) if with_bias else []))
        away = parameters - start
        return float(value + penalty * away @ away), gradient + 2 * penalty * away

    start = np.array([1.0] + [0.0] * (columns if with_bias else 0))
    bounds = [(0.0, None)] + [(None, None)] * (len(start) - 1)
    # The loss is convex in (slope, bias), so any start finds the one minimum.
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
    bias = found.x[1:] if with_bias else np.zeros(columns)
    return float(found.x[0]), tuple((bias - bias.mean()).tolist())
