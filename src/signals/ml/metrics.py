"""Figures of merit of class probabilities. Every one averages within a date first, then over the dates.

500 symbols on one day are worth about three independent rows, so the unit of evidence is the date. A figure that cannot
be computed is NaN, never a 0 that looks like one. Arguments shared by all: `probabilities` of shape (n, 3) in the order
DOWN, FLAT, UP; `y` classes 0, 1, 2, shape (n,); `timestamps` microseconds since the epoch, shape (n,), in any order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8

__all__ = [
    "EVEN",
    "FEWEST_BLOCKS",
    "accuracy",
    "binned",
    "by_date",
    "classwise_ece",
    "coverage",
    "date_weights",
    "direction_by_date",
    "ece",
    "log_loss",
    "log_loss_direction",
    "log_loss_rows",
    "rank_ic",
    "skill",
    "stationary_bootstrap",
    "stationary_positions",
]

SMALLEST = 1e-15
"""A probability is read as at least this, so that one impossible class costs 34.5 nats and not infinity."""

EVEN = math.log(2.0)
"""Log loss of even odds for UP against DOWN, in nats."""

LOWER = 0.05
FEWEST_BLOCKS = 5
"""Mean blocks of dates below which a bootstrap says nothing."""


def by_date(values: F8, timestamps: I8) -> tuple[I8, F8]:
    """Return the distinct timestamps, rising, and the mean of the values at each: two arrays of shape (dates,)."""
    dates, inverse, counts = np.unique(timestamps, return_inverse=True, return_counts=True)
    return dates, np.asarray(np.bincount(inverse, values, minlength=len(dates)) / counts)


def date_weights(timestamps: I8) -> F8:
    """Return row weights with which every date counts alike and all sum to 1, shape (n,)."""
    dates, inverse, counts = np.unique(timestamps, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (counts[inverse] * max(len(dates), 1)))


def _mean(values: F8, timestamps: I8) -> float:
    return float(by_date(values, timestamps)[1].mean()) if len(values) else math.nan


def log_loss_rows(probabilities: F8, y: F8) -> F8:
    """Return minus the natural log of the probability of what happened, shape (n,)."""
    happened = np.take_along_axis(probabilities, y.astype(np.int64)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.maximum(happened, SMALLEST)))


def log_loss(probabilities: F8, y: F8, timestamps: I8) -> float:
    """Return the mean log loss in nats; three equal probabilities give 1.0986."""
    return _mean(log_loss_rows(probabilities, y), timestamps)


def direction_by_date(probabilities: F8, y: F8, timestamps: I8) -> F8:
    """Return the log loss of UP against DOWN, p_UP / (p_UP + p_DOWN), given that one of them happened.

    Returns
    -------
    ndarray
        Mean over the rows that moved (were not FLAT) of each date, in nats, dates rising; a date on which nothing moved
        carries nothing and is left out. How volatile it will be does not enter: only which way.
    """
    moved = y != 1
    given = np.maximum(probabilities[moved][:, [0, 2]], SMALLEST).sum(axis=1)
    rows = log_loss_rows(probabilities[moved], y[moved]) + np.log(given)
    return by_date(rows, timestamps[moved])[1]


def log_loss_direction(probabilities: F8, y: F8, timestamps: I8) -> float:
    """Return the mean of `direction_by_date`; even odds give 0.6931, NaN where nothing moved."""
    losses = direction_by_date(probabilities, y, timestamps)
    return float(losses.mean()) if len(losses) else math.nan


def skill(loss: float, baseline: float) -> float:
    """Return 1 - loss / baseline: the share of the baseline's log loss that is saved; NaN if the baseline has none."""
    return 1.0 - loss / baseline if baseline > 0 else math.nan


def accuracy(probabilities: F8, y: F8, timestamps: I8) -> float:
    """Return the share of rows whose most probable class happened."""
    return _mean((probabilities.argmax(axis=1) == y).astype(np.float64), timestamps) if len(y) else math.nan


def ece(probabilities: F8, y: F8, timestamps: I8, *, bins: int = 15) -> float:
    """Return the expected calibration error of the top label over equal bins (Guo et al. 2017).

    Parameters
    ----------
    bins
        Equal parts of (0, 1]; the error is the weighted mean over bins of |mean confidence - share right|. A constant
        prior scores well on it: read it beside skill, and on the pooled record; a single window's is mostly noise.
    """
    if not len(y):
        return math.nan
    top = probabilities.argmax(axis=1)
    return _binned_gap(probabilities.max(axis=1), top == y, date_weights(timestamps), bins)


def classwise_ece(probabilities: F8, y: F8, timestamps: I8, *, bins: int = 15) -> tuple[float, ...]:
    """Return for each class the error between its probability and its share, over equal bins (Kull et al. 2019)."""
    if not len(y):
        return (math.nan,) * int(probabilities.shape[1])
    weight = date_weights(timestamps)
    classes = range(probabilities.shape[1])
    return tuple(_binned_gap(probabilities[:, at], y == at, weight, bins) for at in classes)


def binned(stated: F8, bins: int) -> I8:
    """Return the number of the equal part of (0, 1] that each probability lies in, from 0; 0 lies in the first."""
    return np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)


def _binned_gap(stated: F8, right: NDArray[np.bool_], weight: F8, bins: int) -> float:
    return float(np.abs(np.bincount(binned(stated, bins), weight * (stated - right), minlength=bins)).sum())


def rank_ic(probabilities: F8, outcome: F8, timestamps: I8) -> float:
    """Return the mean over dates of Spearman's correlation between P(UP) - P(DOWN) and the outcome.

    Parameters
    ----------
    outcome
        Forward return, or the class where there is none, shape (n,); NaN rows are left out. Ties share their mean rank.
        Dates with fewer than three rows, or where either side is constant, say nothing; NaN when no date is left.
    """
    import pandas as pd

    given = np.isfinite(outcome)
    score = (probabilities[:, 2] - probabilities[:, 0])[given]
    frame = pd.DataFrame({"score": score, "outcome": outcome[given]})
    dates, inverse, counts = np.unique(timestamps[given], return_inverse=True, return_counts=True)
    ranks = frame.groupby(inverse).rank().to_numpy(np.float64)
    centred = ranks - ((counts + 1) / 2)[inverse, None]
    products = (centred[:, 0] * centred[:, 1], centred[:, 0] ** 2, centred[:, 1] ** 2)
    both, first, second = (np.bincount(inverse, each, minlength=len(dates)) for each in products)
    valid = (counts >= 3) & (first > 0) & (second > 0)
    return float((both[valid] / np.sqrt(first[valid] * second[valid])).mean()) if valid.any() else math.nan


def coverage(probabilities: F8, timestamps: I8, *, threshold: float) -> float:
    """Return the share of rows whose most probable class is UP or DOWN with a probability above `threshold`."""
    if not len(probabilities):
        return math.nan
    top = probabilities.argmax(axis=1)
    sure = (top != 1) & (probabilities.max(axis=1) > threshold)
    return _mean(sure.astype(np.float64), timestamps)


def stationary_bootstrap(values_by_date: F8, mean_block: int = 21, draws: int = 1000, seed: int = 0) -> float:
    """Return the lower 5% bound of the mean of a dependent series (Politis and Romano 1994).

    Each draw strings together blocks of consecutive dates, of geometrically distributed length, round the end.

    Parameters
    ----------
    values_by_date
        One value a date, in order, shape (dates,).
    mean_block
        Mean length of a block in dates; at least the label's horizon, since overlapping labels make neighbours alike.
    draws
        Number of resampled series.

    Returns
    -------
    float
        NaN for fewer than five blocks of dates (whole turns of one block all have the same mean, which would look like
        certainty), or if any value is not finite.

    Notes
    -----
    5% is what many dates lead to. Measured on averages of five neighbours (labels that overlap), the true mean lies
    below the bound in 10% of series of 250 dates, 9% of 500 and 7% of 1,250; where regimes last (the averages of an
    autoregression of 0.9) in 15, 12 and 10%.
    """
    count = len(values_by_date)
    if count < FEWEST_BLOCKS * mean_block or not np.isfinite(values_by_date).all():
        return math.nan
    means = values_by_date[stationary_positions(count, mean_block, draws, seed)].mean(axis=1)
    return float(np.quantile(means, LOWER))


def stationary_positions(count: int, mean_block: int, draws: int, seed: int) -> I8:
    """Return which of `count` dates each draw of the stationary bootstrap holds, shape (draws, count)."""
    random = np.random.default_rng(seed)
    fresh = random.random((draws, count)) < 1.0 / mean_block
    fresh[:, 0] = True
    place = np.arange(count)
    since = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    starts = np.take_along_axis(random.integers(0, count, (draws, count)), since, axis=1)
    return np.asarray((starts + place - since) % count)
