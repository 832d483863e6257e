"""Records of validation: one window's figures, the rows behind them, and all windows pooled into evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from signals.data.records import F8, I8
from signals.ml import metrics
from signals.ml.dataset import CLASSES
from signals.ml.evidence import BASELINES, Evidence, smallest
from signals.ml.returns import Closes, DailyReturns, net_returns, sides_of

__all__ = ["OutOfSample", "WindowResult", "newest", "pooled", "pooled_returns"]

_ARRAYS = ("timestamps", "y", "raw", "calibrated", "frequencies", "volatility", "columns", "forward")


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Rows with what was said of them before they were known.

    Parameters
    ----------
    timestamps
        Bar closes, microseconds since the epoch, shape (n,).
    y
        What happened: 0, 1, 2, shape (n,).
    raw, calibrated, frequencies, volatility
        Probabilities of the model and of the baselines, shape (n, 3); NaN without a volatility table.
    columns
        The row's symbol as a column of `closes`, shape (n,).
    forward
        Return from the row's close to the close at which its label was known, NaN without closes, shape (n,).
    closes
        Prices on the rows' sessions and the horizon behind them; None where the dataset has none.
    """

    timestamps: I8
    y: F8
    raw: F8
    calibrated: F8
    frequencies: F8
    volatility: F8
    columns: I8
    forward: F8
    closes: Closes | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: I8) -> OutOfSample:
        """Return the rows at positions."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ARRAYS})

    @classmethod
    def concatenated(cls, parts: Sequence[OutOfSample]) -> OutOfSample:
        """Return the rows of all parts of one dataset, one after another."""
        none, blank, table = np.empty(0, np.int64), np.empty(0), np.empty((0, 3))
        empty = cls(none, blank, table, table, table, table, none, blank)
        arrays = {name: np.concatenate([getattr(part, name) for part in (empty, *parts)]) for name in _ARRAYS}
        return cls(**arrays, closes=Closes.joined([part.closes for part in parts if part.closes is not None]))

    def net_returns(self, threshold: float, horizon: int, cost: float) -> DailyReturns:
        """Return what the calibrated model's signals earned, by day; of nothing, where there are no closes."""
        if self.closes is None:
            return DailyReturns(np.empty(0, np.int64), np.empty(0), 0)
        sides = sides_of(self.calibrated, threshold)
        return net_returns(sides, self.timestamps, self.columns, self.closes, horizon=horizon, cost=cost)

    def figures(self, threshold: float) -> dict[str, float]:
        """Return every figure of `signals.ml.metrics` on these rows, by name.

        ``ece`` is that of the top label, ``ece_down``, ``ece_flat`` and ``ece_up`` those of the classes, and
        ``ece_classwise`` their mean; ``rank_ic`` is against the forward return, or the class where there are no closes.
        """
        y, t = self.y, self.timestamps
        classwise = metrics.classwise_ece(self.calibrated, y, t)
        said = {name: getattr(self, name) for name in ("calibrated", "frequencies", "volatility")}
        loss = {name: metrics.log_loss(each, y, t) for name, each in said.items()}
        way = {name: metrics.log_loss_direction(each, y, t) for name, each in said.items()}
        return {
            "rows": float(len(self)),
            "dates": float(len(np.unique(t))),
            "accuracy": metrics.accuracy(self.calibrated, y, t),
            "log_loss": loss["calibrated"],
            "log_loss_raw": metrics.log_loss(self.raw, y, t),
            "log_loss_frequencies": loss["frequencies"],
            "log_loss_volatility": loss["volatility"],
            "skill_frequencies": metrics.skill(loss["calibrated"], loss["frequencies"]),
            "skill_volatility": metrics.skill(loss["calibrated"], loss["volatility"]),
            "log_loss_direction": way["calibrated"],
            "log_loss_direction_frequencies": way["frequencies"],
            "log_loss_direction_volatility": way["volatility"],
            "skill_direction": smallest(
                metrics.skill(way["calibrated"], base) for base in (way["frequencies"], way["volatility"], metrics.EVEN)
            ),
            "ece": metrics.ece(self.calibrated, y, t),
            "ece_raw": metrics.ece(self.raw, y, t),
            "ece_frequencies": metrics.ece(self.frequencies, y, t),
            **{f"ece_{name.lower()}": error for name, error in zip(CLASSES, classwise, strict=True)},
            "ece_classwise": sum(classwise) / len(classwise),
            "rank_ic": metrics.rank_ic(self.calibrated, y if self.closes is None else self.forward, t),
            "coverage": metrics.coverage(self.calibrated, t, threshold=threshold),
        }


@dataclass(frozen=True, eq=False)
class WindowResult(Mapping[str, Any]):
    """One window as a read-only mapping: ``result["accuracy"]``.

    Keys: ``start end train_start train_end`` (first and last bar closes, aware UTC, None where there are none),
    ``train_rows train_dates purged embargoed overlaps`` (see `SplitAudit`), those of `OutOfSample.figures` on the test
    rows (NaN for a skipped window), ``sharpe`` (a year, of the signals above the threshold after costs; NaN under 30
    dates with a signal) and those ``trade_dates``, ``constant`` (names of features without two different values in the
    training rows), ``class_distribution`` (shares of the test rows by class),
    ``params`` and ``model_sha256`` (of its files and calibration; None where a model has none), ``horizon``,
    ``confidence_threshold``, ``cost_bps`` (of each side, in basis points), and ``skipped``: why the window was not
    evaluated, or None.
    """

    values_by_name: Mapping[str, Any]
    out_of_sample: OutOfSample | None = field(default=None, repr=False)

    def __getitem__(self, key: str) -> Any:
        return self.values_by_name[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: times in ISO 8601, NaN as null."""
        return {name: _json(value) for name, value in self.items()}


def newest(results: Sequence[WindowResult]) -> OutOfSample:
    """Return every date once, said by the newest model of that time: a later window wins where tests overlap."""
    parts: list[OutOfSample] = []
    taken = np.empty(0, np.int64)
    records = [result.out_of_sample for result in results if result.out_of_sample is not None]
    for record in sorted(records, key=lambda record: int(record.timestamps[0]), reverse=True):
        parts.append(record.take(np.flatnonzero(~np.isin(record.timestamps, taken))))
        taken = np.union1d(taken, record.timestamps)
    return OutOfSample.concatenated(parts[::-1])


def pooled(results: Sequence[WindowResult]) -> Evidence:
    """Return the record of `newest` as the gate reads it; bootstrap blocks are 21 dates, or the horizon if longer.

    Beside the figures of the pooled rows: ``windows`` and ``windows_skipped``; ``windows_positive_NAME``, in how many
    the skill is above 0; ``ece_windows``, the largest excess of a window's calibration error over that of the class
    frequencies.
    """
    record = newest(results)
    y, t = record.y, record.timestamps
    evaluated = [result for result in results if result.out_of_sample is not None]
    positive = {
        f"windows_positive_{name}": float(sum(result[f"skill_{name}"] > 0 for result in evaluated))
        for name in (*BASELINES, "direction")
    }
    earned = pooled_returns(results)
    figures = record.figures(results[0]["confidence_threshold"] if results else math.nan) | {
        "sharpe": earned.sharpe,
        "trade_dates": float(earned.trade_dates),
        "windows": float(len(evaluated)),
        "windows_skipped": float(len(results) - len(evaluated)),
        **positive,
        "ece_windows": max((result["ece"] - result["ece_frequencies"] for result in evaluated), default=math.nan),
    }
    said = {"model": record.calibrated, "frequencies": record.frequencies, "volatility": record.volatility}
    losses = {name: metrics.by_date(metrics.log_loss_rows(each, y), t)[1] for name, each in said.items()}
    direction = {name: metrics.direction_by_date(each, y, t) for name, each in said.items()}
    block = max([21, *(result["horizon"] for result in results)])
    return Evidence.of(figures, np.unique(t).tolist(), losses, direction, block)


def pooled_returns(results: Sequence[WindowResult]) -> DailyReturns:
    """Return what the signals of `newest` earned after costs, day by day."""
    if not results:
        return OutOfSample.concatenated([]).net_returns(math.nan, 1, 0.0)
    first = results[0]
    return newest(results).net_returns(first["confidence_threshold"], first["horizon"], first["cost_bps"] * 1e-4)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and math.isnan(value) else value
