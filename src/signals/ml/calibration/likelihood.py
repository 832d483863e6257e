"""The one fit of slopes and biases: penalised log loss, dates counting alike."""

from __future__ import annotations

import numpy as np

from signals.data.records import F8, I8

__all__ = ["log_clipped", "minimised", "penalty"]

_TINY = 1e-7  # keeps log p finite where a model says 0; below what float32 probabilities resolve


def log_clipped(probabilities: F8) -> F8:
    """Return log p, finite for p = 0."""
    return np.log(np.clip(probabilities, _TINY, 1.0))


def penalty(covariance: F8, intervals: int) -> F8:
    """Return what being away from the identity costs, a matrix: a normal prior against so many label intervals."""
    return np.asarray(0.5 * np.linalg.inv(covariance) / intervals)


def minimised(
    logs: F8,
    classes: I8,
    weight: F8,
    cost: F8,
    *,
    slopes: int = 1,
    biased: bool = True,
) -> tuple[F8, F8]:
    """Return slope (slopes,) and bias (columns,) of the least weighted log loss plus `cost`.

    Parameters
    ----------
    logs
        Log probabilities, shape (n, columns).
    cost
        The quadratic form of the distance of slopes, then biases if there are any, from ones and zeros.
    """
    from scipy.optimize import minimize

    rows, columns = np.arange(len(logs)), logs.shape[1]

    def loss(parameters: F8) -> tuple[float, F8]:
        slope, bias = parameters[:slopes], parameters[slopes:] if biased else np.zeros(columns)
        margins = slope * logs + bias
        top = margins.max(axis=1)
        sums = top + np.log(np.exp(margins - top[:, None]).sum(axis=1))
        error = np.exp(margins - sums[:, None])
        error[rows, classes] -= 1.0
        error *= weight[:, None]
        by_slope = np.sum(error * logs, axis=0 if slopes > 1 else None)
        gradient = np.concatenate((np.atleast_1d(by_slope), error.sum(axis=0) if biased else []))
        far = cost @ (parameters - start)
        return float(weight @ (sums - margins[rows, classes]) + far @ (parameters - start)), gradient + 2 * far

    start = np.array([1.0] * slopes + [0.0] * (columns if biased else 0))
    bounds = [(0.0, None)] * slopes + [(None, None)] * (len(start) - slopes)
    # The loss is convex in (slope, bias), so any start finds the one minimum.
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8}).x
    bias = found[slopes:] if biased else np.zeros(columns)
    return found[:slopes], bias - bias.mean()
