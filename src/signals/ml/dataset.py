"""What a model is fitted on: rows of features with labels that say when they became known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.errors import FeatureError, MisalignedTarget, TrainingError
from signals.ml.returns import Closes

__all__ = [
    "CLASSES",
    "F4",
    "NOT_KNOWN",
    "Dataset",
    "Labels",
    "class_values",
    "class_weights",
    "make_dataset",
    "micros",
    "panel_index",
    "to_float32",
]

F4: TypeAlias = NDArray[np.float32]

CLASSES = ("DOWN", "FLAT", "UP")
"""Names of the classes 0, 1 and 2, in the order of every probability column."""

NOT_KNOWN = int(np.iinfo(np.int64).min)
"""What `micros` gives for NaT: a label that is never known."""


@dataclass(frozen=True)
class Labels:
    """Classes and the instants at which they are known, on one (symbol, date) index.

    Parameters
    ----------
    value
        float64: 0 DOWN, 1 FLAT, 2 UP; NaN where there is no label.
    end
        ``datetime64[us, UTC]``: the close at which the label is known; NaT where there is none.
    """

    value: pd.Series
    end: pd.Series

    def __post_init__(self) -> None:
        if not self.value.index.equals(self.end.index):
            raise MisalignedTarget("labels: expected value and end on the same index; align them first")

    @cached_property
    def timestamps(self) -> I8:
        """The rows' bar closes, microseconds since the epoch, shape (n,)."""
        return micros(self.value.index.get_level_values("date"))

    @cached_property
    def known(self) -> I8:
        """`end` in microseconds since the epoch, `NOT_KNOWN` for a row without a label, shape (n,)."""
        return np.where(self.value.isna().to_numpy(), NOT_KNOWN, micros(self.end))

    def take(self, positions: I8) -> Labels:
        """Return the rows at positions."""
        return Labels(self.value.iloc[positions], self.end.iloc[positions])


@dataclass(frozen=True)
class Dataset:
    """Labelled rows sorted by (date, symbol); make one with `make_dataset`.

    Sorted by time because a booster fitted on permuted rows is another booster.

    Parameters
    ----------
    X
        float32, shape (n, features), index ("symbol", "date").
    labels
        On the same index, without NaN.
    weight
        float64, a row's weight in the fit before any class weights.
    fingerprint
        SHA-256 (hex) of the content that a fit depends on: all but `closes`.
    closes
        Prices of the rows' sessions and of those until the last label is known; None: no returns can be told.
    """

    X: pd.DataFrame
    labels: Labels
    weight: pd.Series
    fingerprint: str
    closes: Closes | None = None

    def __len__(self) -> int:
        return len(self.X)

    def __getstate__(self) -> dict[str, Any]:
        # Another process gets the rows once, without the arrays that are derived from them.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def x(self) -> F4:
        """Features as a C-contiguous float32 matrix, shape (n, features)."""
        return np.ascontiguousarray(self.X.to_numpy(np.float32))

    @cached_property
    def y(self) -> F8:
        """Labels as the target says, such as the classes 0, 1, 2, shape (n,)."""
        return np.asarray(self.labels.value.to_numpy(np.float64))

    @cached_property
    def symbols(self) -> I8:
        """An integer a symbol, shape (n,)."""
        codes, _ = pd.factorize(self.X.index.get_level_values("symbol"))
        return np.asarray(codes, np.int64)

    @property
    def timestamps(self) -> I8:
        """Bar closes, microseconds since the epoch, never falling, shape (n,)."""
        return self.labels.timestamps

    @property
    def label_end(self) -> I8:
        """Instants at which the labels are known, microseconds since the epoch, shape (n,)."""
        return self.labels.known

    @cached_property
    def groups(self) -> I8:
        """One integer a timestamp, from 0, shape (n,)."""
        if not len(self):
            return np.empty(0, np.int64)
        return np.concatenate(([0], np.cumsum(np.diff(self.timestamps) != 0))).astype(np.int64)

    @cached_property
    def date_weight(self) -> F8:
        """One over the number of rows of the row's date, shape (n,): the unit of evidence is the date."""
        return 1.0 / np.bincount(self.groups)[self.groups] if len(self) else np.empty(0, np.float64)

    def take(self, positions: I8) -> Dataset:
        """Return the rows at rising positions; the fingerprint follows from this one's and the positions."""
        if len(positions) > 1 and int(np.diff(positions).min()) <= 0:
            raise TrainingError("take: expected strictly rising row positions, so that rows stay in time order")
        digest = hashlib.sha256(self.fingerprint.encode() + np.ascontiguousarray(positions, np.int64).tobytes())
        rows = self.X.iloc[positions]
        return Dataset(rows, self.labels.take(positions), self.weight.iloc[positions], digest.hexdigest(), self.closes)


def make_dataset(
    features: pd.DataFrame, labels: Labels, weight: pd.Series | None = None, *, closes: Closes | None = None
) -> Dataset:
    """Drop the rows without a label and sort the others by (date, symbol).

    Parameters
    ----------
    features
        Index ("symbol", "date"), or one symbol's dates.
    labels
        On the same index; its dates may be of another unit.
    weight
        Row weights on the same index; None: all 1.
    closes
        Prices on every session of the rows; None: nothing is said of returns.

    Raises
    ------
    MisalignedTarget
        If the indexes differ.
    TrainingError
        If a (symbol, date) comes twice or is missing, or a label is no class.
    FeatureError
        If a column is not of numbers, or a name comes twice.
    """
    index = panel_index(features.index)
    weight = pd.Series(1.0, index, name="weight") if weight is None else weight.set_axis(panel_index(weight.index))
    labelled = panel_index(labels.value.index)
    if not index.equals(labelled) or not index.equals(weight.index):
        raise MisalignedTarget(
            f"expected features, labels and weights on one index, were {len(index)} rows of features, "
            f"{len(labels.value)} labels and {len(weight)} weights that do not match; reindex them to the features"
        )
    labels = Labels(labels.value.set_axis(index), labels.end.set_axis(index))
    keep = np.flatnonzero(labels.known != NOT_KNOWN)
    symbols = pd.factorize(index.get_level_values("symbol"), sort=True)[0]
    order = keep[np.lexsort((symbols[keep], labels.timestamps[keep]))]
    labels = labels.take(order)
    if not np.isfinite(labels.value.to_numpy(np.float64)).all():
        raise TrainingError(f"expected finite labels or NaN, were {sorted(labels.value.unique())[-3:]}")
    rows = to_float32(features).set_axis(index).iloc[order]
    weight = weight.iloc[order]
    return Dataset(rows, labels, weight, _fingerprint(rows, labels, weight), closes)


def to_float32(features: pd.DataFrame) -> pd.DataFrame:
    """Return the features as float32; `FeatureError` names a column that comes twice or is not of numbers."""
    twice = features.columns[features.columns.duplicated()]
    if len(twice):
        raise FeatureError(f"expected every feature once, was {twice[0]!r} twice; drop or rename one")
    try:
        return features.astype(np.float32)
    except (TypeError, ValueError):
        pass
    for name, column in features.items():
        try:
            column.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise FeatureError(
                f"feature {name!r}: expected numbers, NaN where missing, was {column.dtype}: {error}; convert it first"
            ) from None
    raise AssertionError("a frame is no more than its columns")


def class_values(target: pd.Series) -> F8:
    """Return a target as numbers, shape (n,); `TrainingError` where it holds anything else, names of classes too."""
    try:
        return np.asarray(target.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"expected classes 0, 1, 2 or NaN, was {target.dtype}: {error}; see prepare_target"
        ) from None


def _fingerprint(rows: pd.DataFrame, labels: Labels, weight: pd.Series) -> str:
    digest = hashlib.sha256("\0".join(map(str, rows.columns)).encode())
    digest.update("\0".join(map(str, rows.index.get_level_values("symbol"))).encode())
    numbers = (labels.timestamps, rows.to_numpy(), labels.value.to_numpy(np.float64), labels.known, weight.to_numpy())
    for array in numbers:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def panel_index(index: pd.Index) -> pd.MultiIndex:
    """Return an index as ("symbol", "date") with dates in ``datetime64[us, UTC]``.

    One symbol's dates get the symbol ``""``. Naive dates are read as UTC: only the order and the distances of times
    matter in training.

    Raises
    ------
    TrainingError
        If the index holds no dates, a row without symbol or date, or a (symbol, date) twice.
    """
    if isinstance(index, pd.MultiIndex) and set(index.names) == {"symbol", "date"}:
        symbols, dates = index.get_level_values("symbol"), index.get_level_values("date")
    elif isinstance(index, pd.DatetimeIndex):
        symbols, dates = pd.Index([""]).repeat(len(index)), index
    else:
        raise TrainingError(
            f"expected an index of (symbol, date) or of one symbol's dates, was {type(index).__name__} with names "
            f"{list(index.names)}; set the index first"
        )
    if not isinstance(dates, pd.DatetimeIndex):
        raise TrainingError(f'expected datetimes in the level "date", was {dates.dtype}; convert with pd.to_datetime')
    # Neither would stay out of the way: NaT sorts before every date, and a missing symbol is code -1, the last row.
    without = np.flatnonzero(np.asarray(dates.isna()) | np.asarray(symbols.isna()))
    if len(without):
        raise TrainingError(
            f"expected a symbol and a date on every row, were none on {len(without)}, the first at position "
            f"{without[0]}; drop them"
        )
    utc = dates.tz_localize("UTC") if dates.tz is None else dates.tz_convert("UTC")
    panel = pd.MultiIndex.from_arrays([symbols, utc.as_unit("us")], names=["symbol", "date"])
    if not panel.is_unique:
        symbol, date = panel[panel.duplicated()][0]
        raise TrainingError(f"expected one row a symbol and date, was a second one of {symbol!r} at {date}")
    return panel


def micros(times: pd.Index | pd.Series) -> I8:
    """Return instants as microseconds since the epoch, shape (n,); NaT becomes `NOT_KNOWN`."""
    return np.asarray(pd.DatetimeIndex(times).as_unit("us").asi8, dtype=np.int64)


def class_weights(y: F8, kind: Literal["none", "balanced"]) -> F8:
    """Return a weight for each row: 1, or n / (classes present x rows of the row's class), shape (n,).

    Balanced weights make classes count alike and distort probabilities on purpose: calibrate on unweighted outcomes.
    """
    if kind == "none" or not len(y):
        return np.ones(len(y))
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray(len(y) / (len(counts) * counts[inverse]))
