"""Drift of the inputs: population stability index (PSI) against bins and a null that are frozen with the model.

The unit is the date: shares are averaged within a date and then over dates, so that 500 symbols on one day do not
count as 500 observations, and a market-wide feature counts once. The null is what windows of the training range
itself show against the rest of it: autocorrelation and regimes are in it, which the textbook's 0.1 and 0.2 ignore.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from signals.data.records import F8, I8
from signals.events.schema import F4, U2
from signals.features.feature import Feature

__all__ = ["BINS", "FLOOR", "Null", "Reference", "bin_counts", "discoveries", "psi", "reference_of"]

DECILES = 10
BINS = DECILES + 1
"""Ten bins of values, the outermost ones open, and one for NaN (the last)."""

FLOOR = 0.005
"""Least share of a bin: half of one row in a hundred.

With the usual 1e-4, one decile that chance left empty adds 0.69 to a PSI that is 0.15 without drift (80 rows); with
this, 0.28. A NaN bin that was empty in training still brings the PSI above 0.2 once 8% of the rows are NaN.
"""

_UNWATCHED = "temporal"
_SMALLEST_WINDOWS = 4
_WINDOW_STEPS = 4


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Null(_Part):
    """The PSI of `window` reference dates against the rest: a gamma distribution and its 99% quantile.

    `shape` is 0 where no window differed from the rest at all.
    """

    window: Annotated[int, Field(ge=1)]
    shape: Annotated[float, Field(ge=0)]
    scale: Annotated[float, Field(ge=0)]
    q99: Annotated[float, Field(ge=0)]


class Reference(_Part):
    """What a model's inputs looked like in training.

    Parameters
    ----------
    columns
        The model's features in the order of its matrix, the unwatched ones (calendar features) included.
    edges
        By watched feature, up to nine rising numbers: deciles, and what lies just below an often seen minimum; value
        bin k holds what lies above edge k-1, up to edge k.
    shares
        By watched feature, date-averaged shares of its ``len(edges) + 1`` value bins and, last, of NaN.
    null
        By watched feature, what PSI is like without drift.
    """

    columns: tuple[str, ...]
    edges: dict[str, list[float]]
    shares: dict[str, list[float]]
    null: dict[str, Null]

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        if not self.edges.keys() == self.shares.keys() == self.null.keys() <= set(self.columns):
            raise ValueError("expected edges, shares and null of the same features, all of them columns of the model")
        for name, edges in self.edges.items():
            if len(edges) >= DECILES or len(self.shares[name]) != len(edges) + 2:
                raise ValueError(f"{name}: expected up to {DECILES - 1} edges and a share for each bin and NaN")
        return self

    @cached_property
    def watched(self) -> tuple[tuple[int, str], ...]:
        """Position and name of every watched column."""
        return tuple((place, name) for place, name in enumerate(self.columns) if name in self.edges)

    @cached_property
    def unwatched(self) -> NDArray[np.bool_]:
        """Whether each column is not watched, shape (columns,)."""
        return np.array([name not in self.edges for name in self.columns], np.bool_)

    @cached_property
    def window(self) -> int:
        """Dates of the windows that the null was measured with; 1 where nothing is watched."""
        return max((null.window for null in self.null.values()), default=1)

    @cached_property
    def matrix(self) -> F8:
        """Return the expected shares, shape (columns, BINS); rows of unwatched columns are 0."""
        made = np.zeros((len(self.columns), BINS))
        for place, name in self.watched:
            *values, missing = self.shares[name]
            made[place, : len(values)] = values
            made[place, -1] = missing
        return made

    @cached_property
    def edge_rows(self) -> F4:
        """Return the edges, shape (DECILES - 1, columns), padded with infinity."""
        made = np.full((DECILES - 1, len(self.columns)), np.inf, np.float32)
        for place, name in self.watched:
            made[: len(self.edges[name]), place] = self.edges[name]
        return made


def bin_counts(reference: Reference, values: F4) -> U2:
    """Return how many rows of one slice fall into each bin.

    Parameters
    ----------
    values
        Shape (n, columns) in the model's order, n below 65,536.

    Returns
    -------
    U2
        Shape (columns, BINS). A row sums to n; rows of unwatched columns are 0.
    """
    from signals.ml.counting import count_above

    above = np.zeros((BINS, len(reference.columns)), np.int64)
    count_above(np.ascontiguousarray(values, np.float32), reference.edge_rows, above[1:])
    above[0] = len(values) - above[-1]  # NaN is above nothing
    counts = np.empty((len(reference.columns), BINS), np.uint16)
    counts[:, : DECILES - 1] = (above[:-2] - above[1:-1]).T
    counts[:, DECILES - 1 :] = above[-2:].T
    counts[reference.unwatched] = 0
    return counts


def psi(expected: F8, actual: F8, floor: float = FLOOR) -> F8:
    """Return the population stability index, ``sum((a - e) * ln(a / e))``, over the last axis.

    Parameters
    ----------
    expected, actual
        Shares that sum to 1 over the last axis; shapes (..., bins) that broadcast.
    floor
        Shares below it are raised to it.

    Notes
    -----
    The sum of both Kullback-Leibler divergences (Jeffreys, 1946). Without drift it averages about
    ``(bins - 1) * (1/N + 1/M)`` for N and M *independent* observations.
    """
    e, a = np.maximum(expected, floor), np.maximum(actual, floor)
    total: F8 = np.sum((a - e) * np.log(a / e), axis=-1)
    return total


def discoveries(p_values: F8, rate: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at a false discovery rate (Benjamini and Hochberg, 1995)."""
    count = len(p_values)
    ordered = np.sort(p_values)
    passing = np.flatnonzero(ordered <= rate * np.arange(1, count + 1) / max(count, 1))
    bound = ordered[passing[-1]] if len(passing) else -1.0
    return p_values <= bound


def reference_of(X: F4, timestamps: I8, features: Sequence[Feature], *, window: int) -> Reference:
    """Freeze what a model's inputs looked like in training.

    Parameters
    ----------
    X
        Training rows in the order of time, shape (n, F); a column a feature.
    timestamps
        Closes of the rows, microseconds, not falling, shape (n,).
    features
        Of the F columns. Calendar features (calculator ``temporal``) are not watched: they drift by design.
    window
        Dates that the monitor will look at. Training ranges below four windows have their null measured on shorter
        ones, which errs on the side of silence.

    Notes
    -----
    Dates before a feature's first value say how training began, not what the feature is like, and are left out.
    """
    starts = np.flatnonzero(np.r_[True, timestamps[1:] != timestamps[:-1]])
    if len(starts) < 2 or len(features) != X.shape[1]:
        raise ValueError(f"expected a column for each of {len(features)} features and two dates or more, was {X.shape}")
    names = tuple(feature.name for feature in features)
    watched = [place for place, feature in enumerate(features) if feature.calculator != _UNWATCHED]
    edges = {
        names[place]: _deciles(X[starts, place] if features[place].market_wide else X[:, place]) for place in watched
    }
    blank = Null(window=1, shape=0, scale=0, q99=0)
    bare = Reference(
        columns=names,
        edges=edges,
        shares={name: [0.0] * (len(row) + 2) for name, row in edges.items()},
        null=dict.fromkeys(edges, blank),
    )
    ends = np.r_[starts[1:], len(X)]
    counted = (bin_counts(bare, X[start:end]) / (end - start) for start, end in zip(starts, ends, strict=True))
    by_date = np.stack(list(counted))
    shares, null = {}, {}
    for place in watched:
        name = names[place]
        daily = _from_first_value(by_date[:, place])
        average = daily.mean(axis=0)
        shares[name] = [*average[: len(edges[name]) + 1].tolist(), float(average[-1])]
        null[name] = _null(daily, window)
    return Reference(columns=names, edges=edges, shares=shares, null=null)


def _deciles(values: F4) -> list[float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    quantiles = np.quantile(known, np.arange(1, DECILES) / DECILES, method="inverted_cdf")
    edges = np.unique(quantiles.astype(np.float32))
    lowest = known.astype(np.float32).min()
    if edges[0] == lowest and len(edges) < DECILES - 1:
        # A tenth or more lies on the lowest value: what falls below it later must not share its bin.
        below = min(np.nextafter(lowest, np.float32(-np.inf)), lowest - np.finfo(np.float32).tiny)
        edges = np.r_[below, edges]
    made: list[float] = edges.tolist()
    return made


def _from_first_value(daily: F8) -> F8:
    seen = np.flatnonzero(daily[:, -1] < 1)
    return daily[seen[0] :] if len(seen) and len(daily) - seen[0] >= _SMALLEST_WINDOWS else daily


def _null(daily: F8, window: int) -> Null:
    dates = len(daily)
    width = max(1, min(window, dates // _SMALLEST_WINDOWS))
    first = np.arange(0, dates - width + 1, max(1, width // _WINDOW_STEPS))
    running = np.concatenate([np.zeros((1, BINS)), np.cumsum(daily, axis=0)])
    inside = running[first + width] - running[first]
    found = psi((running[-1] - inside) / (dates - width), inside / width)
    mean, variance = float(found.mean()), float(found.var(ddof=1)) if len(found) > 1 else 0.0
    if variance <= 1e-12 * mean * mean:
        return Null(window=width, shape=0, scale=0, q99=mean)
    from scipy.special import gammaincinv

    # Matched moments: heavier in the tail than maximum likelihood where one regime stands out.
    shape, scale = mean * mean / variance, variance / mean
    return Null(window=width, shape=shape, scale=scale, q99=float(gammaincinv(shape, 0.99) * scale))
