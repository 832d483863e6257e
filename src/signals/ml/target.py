"""Labels: the class of the return from the close of bar t to the close `horizon` sessions later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.errors import HolesInBars, MissingColumns, WrongType
from signals.ml.dataset import Labels, micros, panel_index
from signals.ml.recipe import TargetSpec

__all__ = ["TargetResult", "label_ends", "prepare_target", "three_class"]

ROUNDING = 1e-12
"""A return this close to a threshold is on it: 101 / 100 - 1 is 0.010000000000000009 in float64, and FLAT at 1%."""


@dataclass(frozen=True)
class TargetResult:
    """Labels on the index of the closes, and why rows have none.

    Parameters
    ----------
    dropped
        Rows without a label by reason: ``bad_close`` (t's or t + h's is missing or not positive), ``off_session`` (t is
        no session's close), ``not_yet`` (t + h lies after the symbol's last bar), ``no_bar`` (the symbol has no bar at
        t + h), ``jump`` (a split-like jump lies between).
    """

    labels: Labels
    dropped: Mapping[str, int]


def three_class(
    close: pd.Series,
    spec: TargetSpec,
    *,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> TargetResult:
    """Label every bar 0 DOWN, 1 FLAT or 2 UP.

    Parameters
    ----------
    close
        Closing prices on an index ("symbol", "date"), or of one symbol's dates; any row order.
    spec
        Horizon in sessions and thresholds as fractions of the close; both inequalities are strict.
    sessions
        Closes of the exchange's sessions, microseconds since the epoch, rising. None: the union of the dates in
        `close`, which is also right for intraday bars, whose horizon counts bars.
    jumps
        By symbol, the times (microseconds, rising) of the first bar after each unadjusted split-like jump.

    Raises
    ------
    WrongType
        If the closes are not numbers.
    """
    index = panel_index(close.index)
    time = micros(index.get_level_values("date"))
    codes, names = pd.factorize(index.get_level_values("symbol"))
    codes = np.asarray(codes, np.int64)
    prices = _numbers(close)
    grid = np.unique(time) if sessions is None else np.asarray(sessions, np.int64)
    slot = _slots(grid, time)
    later = _rows_later(codes, slot, spec.horizon)
    good = np.isfinite(prices) & (prices > 0)
    last = np.full(len(names), -1, np.int64)
    np.maximum.at(last, codes, slot)
    reasons = {
        "bad_close": ~good | ((later >= 0) & ~good[later]),
        "off_session": slot < 0,
        "not_yet": slot + spec.horizon > last[codes],
        "no_bar": later < 0,
        "jump": _crosses(time, later, codes, list(names), jumps or {}),
    }
    labelled, dropped = np.ones(len(index), bool), {}
    for reason, rows in reasons.items():
        dropped[reason] = int((labelled & rows).sum())
        labelled &= ~rows
    value, end = np.full(len(index), np.nan), np.full(len(index), np.iinfo(np.int64).min)
    here, there = np.flatnonzero(labelled), later[labelled]
    move = prices[there] / prices[here] - 1.0
    value[here] = 1.0 + (move > spec.up + ROUNDING) - (move < spec.down - ROUNDING)
    end[here] = time[there]
    return TargetResult(Labels(pd.Series(value, index, name="label"), _instants(end, index)), dropped)


def prepare_target(
    frame: pd.DataFrame,
    close_col: str = "close",
    *,
    spec: TargetSpec | None = None,
    sessions: I8 | None = None,
    jumps: Mapping[str, I8] | None = None,
) -> pd.Series:
    """Return the classes of `three_class` on the frame's own index: float64, NaN where there is no label.

    Raises
    ------
    MissingColumns
        If the frame has no column `close_col`.
    """
    if close_col not in frame.columns:
        raise MissingColumns(f"a column {close_col!r}", f"{list(frame.columns)[:8]}", hint="name it with close_col=")
    labels = three_class(frame[close_col], spec or TargetSpec(), sessions=sessions, jumps=jumps).labels
    return pd.Series(labels.value.to_numpy(), frame.index, name="target")


def label_ends(index: pd.Index, horizon: int) -> pd.Series:
    """Derive the instant at which each row's label is known from an index that holds every bar.

    Returns
    -------
    pandas.Series
        The date `horizon` places later in the union of the dates, NaT for the last ones, on the index as
        ("symbol", "date").

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
    inside = slot + horizon < len(grid)
    end[inside] = grid[slot[inside] + horizon]
    return _instants(end, panel)


def _numbers(close: pd.Series) -> F8:
    try:
        return np.asarray(close.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise WrongType(f"closes as numbers in {str(close.name)!r}", f"{close.dtype}: {error}") from None


def _slots(grid: I8, time: I8) -> I8:
    """Return each time's position in the grid, -1 where it is not there."""
    if not len(grid):
        return np.full(len(time), -1, np.int64)
    slot = np.searchsorted(grid, time)
    found = grid[np.minimum(slot, len(grid) - 1)] == time
    return np.asarray(np.where(found, slot, -1), np.int64)


def _rows_later(codes: I8, slot: I8, horizon: int) -> I8:
    """Return the row of the same symbol `horizon` slots later, -1 where there is none."""
    width = int(slot.max(initial=0)) + horizon + 1
    key = np.where(slot < 0, -1, codes * width + slot)
    order = np.argsort(key, kind="stable")
    rows = _slots(key[order], key + horizon)
    return np.where((slot < 0) | (rows < 0), -1, order[rows] if len(order) else rows)


def _crosses(time: I8, later: I8, codes: I8, names: list[str], jumps: Mapping[str, I8]) -> NDArray[np.bool_]:
    crosses = np.zeros(len(time), bool)
    for code, name in enumerate(names):
        if name in jumps:
            rows = np.flatnonzero((codes == code) & (later >= 0))
            before, after = (np.searchsorted(jumps[name], time[at], side="right") for at in (rows, later[rows]))
            crosses[rows] = after > before
    return crosses


def _instants(end: I8, index: pd.MultiIndex) -> pd.Series:
    return pd.Series(pd.DatetimeIndex(end.view("datetime64[us]"), tz="UTC"), index, name="label_end")
