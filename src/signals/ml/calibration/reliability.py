"""Reliability diagrams: how often what is stated comes true, with the dates behind each bucket and an interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from signals.data.records import F8, I8
from signals.ml import metrics
from strategy.signal import JSON

__all__ = ["Bucket", "Reliability", "ReliabilityCurve", "reliability"]

FEWEST_DATES = 30
"""Dates below which a bucket has no interval: it says "too few"."""

_TAIL = 0.05


@dataclass(frozen=True)
class Bucket:
    """The rows whose stated confidence lies in (low, high]; dates count alike, whatever their number of symbols.

    Parameters
    ----------
    stated, happened
        Mean confidence and share that came true, in [0, 1].
    rows, dates
        Rows and distinct timestamps in the bucket.
    lower, upper
        5% and 95% bounds of `happened`; None where the dates are too few.
    """

    low: float
    high: float
    stated: float
    happened: float
    rows: int
    dates: int
    lower: float | None
    upper: float | None

    @property
    def too_few(self) -> bool:
        """Whether there is no interval: fewer than 30 dates, or a record too short for the bootstrap."""
        return self.lower is None


@dataclass(frozen=True)
class ReliabilityCurve:
    """The buckets that hold rows, rising, and the calibration error over them (`signals.ml.metrics.ece`)."""

    buckets: tuple[Bucket, ...]
    ece: float


@dataclass(frozen=True)
class Reliability:
    """Reliability of the most probable class before and after calibration, on the same rows.

    Parameters
    ----------
    mean_block
        Dates of a block of the bootstrap, in the mean.
    """

    before: ReliabilityCurve
    after: ReliabilityCurve
    rows: int
    dates: int
    mean_block: int

    def to_json(self) -> dict[str, JSON]:
        """Return JSON values; a bound that is not known is null."""
        return asdict(self)


def reliability(
    raw: F8,
    calibrated: F8,
    y: F8,
    timestamps: I8,
    *,
    horizon: int = 1,
    bins: int = 15,
    draws: int = 1000,
    seed: int = 0,
) -> Reliability:
    """Return the data of a reliability diagram, before and after calibration.

    Parameters
    ----------
    raw, calibrated
        Probabilities, shape (n, classes), of rows that neither the model nor the calibrator saw: a calibrator looks
        good on the rows that it was fitted on.
    y, timestamps
        Classes, and bar closes in microseconds since the epoch, shape (n,), in any order.
    horizon
        Dates that a label spans; a block of the bootstrap is 21 dates in the mean, or this if longer.
    bins
        Equal parts of (0, 1].
    draws, seed
        Of the stationary bootstrap over dates (Politis and Romano 1994).
    """
    dates, place = np.unique(timestamps, return_inverse=True)
    block = max(21, horizon)
    drawn = _drawn(len(dates), block, draws, seed)
    before, after = (_curve(said, y, place, drawn, bins) for said in (raw, calibrated))
    return Reliability(before, after, len(y), len(dates), block)


def _drawn(dates: int, block: int, draws: int, seed: int) -> F8 | None:
    """Return how often each draw holds each date, shape (draws, dates); None for a record of too few blocks."""
    if dates < metrics.FEWEST_BLOCKS * block:
        return None
    positions = metrics.stationary_positions(dates, block, draws, seed)
    flat = positions + dates * np.arange(draws)[:, None]
    return np.bincount(flat.ravel(), minlength=draws * dates).reshape(draws, dates).astype(np.float64)


def _curve(said: F8, y: F8, place: I8, drawn: F8 | None, bins: int) -> ReliabilityCurve:
    stated, right = said.max(axis=1), (said.argmax(axis=1) == y).astype(np.float64)
    bucket = metrics.binned(stated, bins)
    weight = metrics.date_weights(place)
    buckets = []
    for at in np.unique(bucket):
        mine = bucket == at
        sums: F8 = np.stack([np.bincount(place[mine], each[mine]) for each in (weight, weight * right)]).astype(float)
        total, happened = sums.sum(axis=1)
        held = len(np.unique(place[mine]))
        lower, upper = _interval(sums, drawn) if drawn is not None and held >= FEWEST_DATES else (None, None)
        mean = float(weight[mine] @ stated[mine] / total)
        edges = float(at / bins), float((at + 1) / bins)
        buckets.append(Bucket(*edges, mean, float(happened / total), int(mine.sum()), held, lower, upper))
    return ReliabilityCurve(tuple(buckets), metrics.ece(said, y, place, bins=bins))


def _interval(sums: F8, drawn: F8) -> tuple[float, float]:
    # A bucket that lives on one burst of dates is missing from some draws: they say nothing about it.
    total, happened = sums @ drawn[:, : sums.shape[1]].T
    shares = happened[total > 0] / total[total > 0]
    lower, upper = np.quantile(shares, (_TAIL, 1.0 - _TAIL))
    return float(lower), float(upper)
