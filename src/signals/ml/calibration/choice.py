"""Choose a method by what it would have done out of fold; the simpler one stays unless the gain is beyond noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from signals.data.records import F8
from signals.errors import TooFewRows
from signals.ml import metrics
from signals.ml.calibration.methods import METHODS, Named
from signals.ml.calibration.parameters import exactly, number
from signals.ml.calibration.rows import CalibrationRows
from strategy.signal import JSON

__all__ = ["Choice", "choose"]

_FOLDS = 4
_MEAN_BLOCK = 21  # dates, as the gate's; more where labels are longer


@dataclass(frozen=True)
class Choice:
    """A method and why.

    Parameters
    ----------
    method
        The one chosen.
    dates
        Dates on which every candidate was scored.
    log_loss
        Mean out-of-fold log loss in nats of each candidate, dates counting alike.
    """

    method: Named
    dates: int
    log_loss: Mapping[Named, float]

    def to_json(self) -> dict[str, JSON]:
        """Return the fields as JSON values."""
        return {
            "method": self.method,
            "dates": self.dates,
            "log_loss": dict(self.log_loss.items()),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; ValueError for nonsense."""
        exactly(document, "method", "dates", "log_loss")
        losses, dates = document["log_loss"], document["dates"]
        if document["method"] not in losses or not set(losses) <= set(METHODS) or not isinstance(dates, int):
            raise ValueError(f"expected dates and the log loss of known methods, the chosen one among them: {losses!r}")
        losses = {name: number(loss, 0.0) for name, loss in losses.items()}
        return cls(document["method"], int(number(dates, 1)), MappingProxyType(losses))


def choose(rows: CalibrationRows) -> Choice:
    """Score every method on later dates than it was fitted on, and go from the simplest up.

    The rows are cut into blocks of dates; each but the first is scored by the methods fitted on the earlier rows whose
    labels were known before it. A method takes the place of a simpler one if the lower 5% bound of its gain in log loss
    a date (stationary bootstrap of the dates, mean block 21 or the longest label) is above 0.

    Raises
    ------
    TooFewRows
        If fewer dates can be scored than the bootstrap asks for.
    """
    folds = [(earlier, later) for earlier, later in rows.folds(_FOLDS) if len(earlier.classes)]
    block = max(_MEAN_BLOCK, rows.longest_label)
    dates = sum(len(np.unique(later.starts)) for _, later in folds)
    fewest = metrics.FEWEST_BLOCKS * block
    if dates < fewest:
        raise TooFewRows(
            f"calibration 'auto': expected {fewest} dates or more to compare the methods on, were {dates} of "
            f"{len(np.unique(rows.starts))}; give more history, or name a method"
        )
    evidence = min(earlier.intervals for earlier, _ in folds)
    losses = {name: _losses(name, folds) for name, method in METHODS.items() if evidence >= method.fewest_intervals}
    chosen: Named = "none"
    for name, found in losses.items():
        if metrics.stationary_bootstrap(losses[chosen] - found, block) > 0:
            chosen = name
    return Choice(chosen, dates, MappingProxyType({name: float(found.mean()) for name, found in losses.items()}))


def _losses(name: Named, folds: list[tuple[CalibrationRows, CalibrationRows]]) -> F8:
    """Return the mean log loss of each date that is scored, dates rising."""
    parts = []
    for earlier, later in folds:
        fitted = METHODS[name].fit(earlier)
        found = metrics.log_loss_rows(fitted(later.probabilities), later.classes.astype(np.float64))
        parts.append(metrics.by_date(found, later.starts)[1])
    return np.concatenate(parts)
