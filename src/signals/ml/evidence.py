"""Evidence: the pooled out-of-fold record of a model, date by date, as the gate reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.data.records import F8
from signals.ml.metrics import EVEN, skill, stationary_bootstrap

__all__ = ["BASELINES", "Evidence", "or_nan", "or_none", "smallest"]

BASELINES = {"frequencies": "class frequencies", "volatility": "the volatility table"}
"""What a model is measured against, and what it is called in a sentence."""


def smallest(values: Iterable[float]) -> float:
    """Return the smallest value that is known, NaN if none is."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


@dataclass(frozen=True)
class Evidence:
    """The pooled out-of-fold record of a model: every date once, from the newest model of that time.

    Parameters
    ----------
    figures
        Scalars by name; NaN where one could not be computed.
    dates
        Bar closes, microseconds since the epoch, rising.
    losses
        Mean log loss of each date, in nats, of the ``model`` and of the baselines ``frequencies`` and ``volatility``.
    direction
        Of the same three, the log loss of UP against DOWN, of each date on which a row moved: `direction_by_date`.
    mean_block
        Mean block of the bootstrap, in dates.
    source
        How the record was made, in words, where that is not plain.
    """

    figures: Mapping[str, float]
    dates: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    direction: Mapping[str, tuple[float, ...]]
    mean_block: int = 21
    source: str = ""

    @classmethod
    def of(
        cls,
        figures: Mapping[str, float],
        dates: Sequence[int],
        losses: Mapping[str, F8],
        direction: Mapping[str, F8],
        mean_block: int = 21,
    ) -> Evidence:
        """Add the skill over each baseline, ``skill_NAME``, and its lower 5% bound, ``skill_NAME_lower``.

        ``skill_direction`` and its bound are the smallest over three baselines: what the class frequencies and the
        volatility table say of UP against DOWN, and even odds, which beat a share of UP that training met by chance.
        """
        made = dict(figures)
        for name in BASELINES:
            found = _skill(losses["model"], losses[name], mean_block)
            made[f"skill_{name}"], made[f"skill_{name}_lower"] = found
        model = direction["model"]
        bases = [np.full(len(model), EVEN), *(direction[name] for name in BASELINES)]
        skills, bounds = zip(*(_skill(model, base, mean_block) for base in bases), strict=True)
        made["skill_direction"], made["skill_direction_lower"] = smallest(skills), smallest(bounds)
        return cls(made, tuple(map(int, dates)), _tuples(losses), _tuples(direction), mean_block)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; NaN becomes null."""
        body: dict[str, Any] = {"dates": list(self.dates), "mean_block": self.mean_block, "source": self.source}
        for field, held in (("losses", self.losses), ("direction", self.direction)):
            body[field] = {name: [or_none(loss) for loss in each] for name, each in held.items()}
        return body | {"figures": {name: or_none(figure) for name, figure in self.figures.items()}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Evidence:
        """Read what `to_json` wrote."""
        losses, direction = (
            {name: tuple(map(or_nan, each)) for name, each in body[field].items()} for field in ("losses", "direction")
        )
        figures = {name: or_nan(figure) for name, figure in body["figures"].items()}
        return cls(figures, tuple(body["dates"]), losses, direction, int(body["mean_block"]), str(body["source"]))


def _skill(model: F8, base: F8, mean_block: int) -> tuple[float, float]:
    """Return the skill by dates and its lower 5% bound, without the last digits: errors of rounding are no skill."""
    if not len(base) or not base.mean() > 0:
        return math.nan, math.nan
    loss = float(base.mean())
    return skill(float(model.mean()), loss), round(stationary_bootstrap(base - model, mean_block) / loss, 12)


def _tuples(losses: Mapping[str, F8]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(map(float, each)) for name, each in losses.items()}


def or_none(value: float) -> float | None:
    """Return a figure as JSON has it: null where it is NaN."""
    return None if math.isnan(value) else float(value)


def or_nan(value: float | None) -> float:
    """Return a figure from JSON: NaN where it is null."""
    return math.nan if value is None else float(value)
