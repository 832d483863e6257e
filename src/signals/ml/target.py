"""Labels: what came of a bar, as a class or a number, and when that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from signals.data.records import F8, I8
from signals.errors import HolesInBars, MissingColumns, TrainingError
from signals.ml.dataset import Labels, micros, panel_index
from signals.ml.forward import Forward, forward
from signals.ml.recipe import TargetSpec

__all__ = ["ROUNDING", "TargetResult", "horizons_of", "label_ends", "labels_of", "prepare_target"]

ROUNDING = 1e-12
"""A return this close to a threshold is on it: 101 / 100 - 1 is 0.010000000000000009 in float64, and FLAT at 1%."""

FIFTHS = 5
FEWEST_PEERS = 10
"""Symbols with a return at a date, below which it has no quintiles."""


@dataclass(frozen=True)
class TargetResult:
    """Labels on the index of the closes, and why rows have none.

    Parameters
    ----------
    dropped
        Rows without a label by reason: those of `Forward`, and ``no_volatility`` or ``few_peers`` where that is
        needed.
    """

    labels: Labels
    dropped: Mapping[str, int]


def labels_of(
    close: pd.Series,
    spec: TargetSpec,
    *,
    opens: pd.Series | None = None,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> TargetResult:
    """Label every bar by what its `forward` return is to the target.

    ``three_class``: 0 DOWN, 1 FLAT, 2 UP. ``binary``: 1 above `up`, else 0. ``quintile``: 0 to 4, the fifth of the
    date's returns that it lies in, equal returns in the order of their symbols. ``return``: the return itself. Both
    inequalities are strict.

    Raises
    ------
    WrongType
        If the prices are not numbers.
    TrainingError
        If opens are needed and not given.
    """
    found = forward(close, spec, opens=opens, sessions=sessions, jumps=jumps)
    value, lacking = _values(found, spec)
    value = np.where(np.isnan(found.move), np.nan, value)
    end = np.where(np.isnan(value), np.iinfo(np.int64).min, found.end)
    gone = int((np.isnan(value) & ~np.isnan(found.move)).sum())
    dropped = {**found.dropped, **({lacking: gone} if lacking else {})}
    return TargetResult(Labels(pd.Series(value, found.index, name="label"), _instants(end, found.index)), dropped)


def horizons_of(
    close: pd.Series,
    spec: TargetSpec,
    horizons: Sequence[int],
    *,
    opens: pd.Series | None = None,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> dict[int, TargetResult]:
    """Label every bar for several horizons, by horizon; a model of all of them is purged by the longest.

    Raises
    ------
    TrainingError
        If there is no horizon, or one twice.
    """
    if not horizons or len(set(horizons)) < len(horizons):
        raise TrainingError(f"horizons: expected one or more, each once, were {list(horizons)}")
    return {
        horizon: labels_of(
            close, spec.model_copy(update={"horizon": horizon}), opens=opens, sessions=sessions, jumps=jumps
        )
        for horizon in horizons
    }


def prepare_target(
    frame: pd.DataFrame,
    close_col: str = "close",
    *,
    spec: TargetSpec | None = None,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> pd.Series:
    """Return the labels of `labels_of` on the frame's own index: float64, NaN where there is no label.

    Raises
    ------
    MissingColumns
        If the frame has no column `close_col`.
    """
    if close_col not in frame.columns:
        raise MissingColumns(f"a column {close_col!r}", f"{list(frame.columns)[:8]}", hint="name it with close_col=")
    opens = frame["open"] if "open" in frame.columns else None
    labels = labels_of(frame[close_col], spec or TargetSpec(), opens=opens, sessions=sessions, jumps=jumps).labels
    return pd.Series(labels.value.to_numpy(), frame.index, name="target")


def label_ends(index: pd.Index, spec: TargetSpec) -> pd.Series:
    """Derive the instant at which each row's label is known from an index that holds every bar.

    Returns
    -------
    pandas.Series
        The date `horizon` places later in the union of the dates, one more where returns are between opens, NaT for the
        last ones, on the index as ("symbol", "date").

    Raises
    ------
    HolesInBars
        If a symbol misses a date between its first and its last: its row t + h would be another bar than the label's.
    """
    panel = panel_index(index)
    time = micros(panel.get_level_values("date"))
    grid, slot = np.unique(time, return_inverse=True)
    codes, names = pd.factorize(panel.get_level_values("symbol"))
    first, last = np.full(len(names), len(grid)), np.full(len(names), -1)
    np.minimum.at(first, codes, slot)
    np.maximum.at(last, codes, slot)
    missing = last - first + 1 - np.bincount(codes, minlength=len(names))
    if missing.any():
        worst = int(missing.argmax())
        raise HolesInBars(
            f"label_end: expected an index that holds every bar, but {int((missing > 0).sum())} of {len(names)} "
            f"symbols miss dates between their first and last ({names[worst]!r}: {missing[worst]}); pass label_end="
        )
    end = np.full(len(time), np.iinfo(np.int64).min)
    ahead = spec.horizon + (spec.prices == "open_open")
    inside = slot + ahead < len(grid)
    end[inside] = grid[slot[inside] + ahead]
    return _instants(end, panel)


def _values(found: Forward, spec: TargetSpec) -> tuple[F8, str]:
    """Return a value for each bar, and the reason why some that have a return have none."""
    move = found.move
    if spec.kind == "return":
        return move, ""
    if spec.kind == "quintile":
        return _fifths(found), "few_peers"
    scale, lacking = (found.volatility, "no_volatility") if spec.unit == "volatility" else (np.ones(len(move)), "")
    above = (move > spec.up * scale + ROUNDING).astype(np.float64)
    below = (move < spec.down * scale - ROUNDING).astype(np.float64)
    value = above if spec.kind == "binary" else 1.0 + above - below
    return np.where(np.isnan(scale), np.nan, value), lacking


def _fifths(found: Forward) -> F8:
    time = micros(found.index.get_level_values("date"))
    fifth = np.full(len(time), np.nan)
    known = np.flatnonzero(~np.isnan(found.move))
    symbols = pd.factorize(found.index.get_level_values("symbol"), sort=True)[0]
    order = known[np.lexsort((symbols[known], found.move[known], time[known]))]
    for rows in np.split(order, np.flatnonzero(np.diff(time[order])) + 1):
        if len(rows) >= FEWEST_PEERS:
            fifth[rows] = np.arange(len(rows)) * FIFTHS // len(rows)
    return fifth


def _instants(end: I8, index: pd.MultiIndex) -> pd.Series:
    return pd.Series(pd.DatetimeIndex(end.view("datetime64[us]"), tz="UTC"), index, name="label_end")
