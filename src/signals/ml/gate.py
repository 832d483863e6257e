"""The gate: whether out-of-fold evidence is enough for a model to be promoted, in sentences a trader can read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.data.records import F8
from signals.errors import TrainingError
from signals.ml.baselines import VOLATILITY
from signals.ml.metrics import EVEN, skill, stationary_bootstrap
from signals.ml.recipe import GateRule

__all__ = ["BASELINES", "Evidence", "Gate", "Verdict", "smallest"]

BASELINES = {"frequencies": "class frequencies", "volatility": "the volatility table"}
"""What a model is measured against, and what it is called in a sentence."""

WORDS = {
    "dates": "Out-of-sample dates",
    "ece": "Calibration error",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "rank_ic": "Daily rank correlation",
}
DIRECTION = "Directional skill (UP against DOWN among rows that moved)"
SHARES = ("ece", "accuracy", "coverage")
COUNTS = ("dates", "rows", "windows", "windows_skipped")
NEEDED = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}
FINEST = 15
"""Decimals beyond which a figure is not told from its bound."""


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
    """

    figures: Mapping[str, float]
    dates: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    direction: Mapping[str, tuple[float, ...]]
    mean_block: int = 21

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
        body: dict[str, Any] = {"dates": list(self.dates), "mean_block": self.mean_block}
        for field, held in (("losses", self.losses), ("direction", self.direction)):
            body[field] = {name: [_or_none(loss) for loss in each] for name, each in held.items()}
        return body | {"figures": {name: _or_none(figure) for name, figure in self.figures.items()}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Evidence:
        """Read what `to_json` wrote."""
        losses, direction = (
            {name: tuple(map(_or_nan, each)) for name, each in body[field].items()} for field in ("losses", "direction")
        )
        figures = {name: _or_nan(figure) for name, figure in body["figures"].items()}
        return cls(figures, tuple(body["dates"]), losses, direction, int(body["mean_block"]))


@dataclass(frozen=True)
class Verdict:
    """Whether the gate lets a version through, the figures it looked at, and why, one sentence a rule."""

    passed: bool
    figures: Mapping[str, float]
    sentences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; NaN becomes null."""
        figures = {name: _or_none(figure) for name, figure in self.figures.items()}
        return {"passed": self.passed, "figures": figures, "sentences": list(self.sentences)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` wrote."""
        figures = {name: _or_nan(figure) for name, figure in body["figures"].items()}
        return cls(bool(body["passed"]), figures, tuple(body["sentences"]))


@dataclass(frozen=True)
class Gate:
    """Rules of a recipe; every one must hold.

    Raises
    ------
    TrainingError
        If there is no rule: an empty gate would let anything through.
    """

    rules: tuple[GateRule, ...]

    def __post_init__(self) -> None:
        if not self.rules:
            raise TrainingError("gate: expected at least one rule, was none; name the figures a model must reach")

    def judge(self, candidate: Evidence, active: Evidence | None = None) -> Verdict:
        """Judge a candidate by its pooled out-of-fold record.

        Parameters
        ----------
        active
            The active version's own out-of-fold record. Where given, the figures ``skill_active`` and
            ``skill_active_lower`` compare both on the dates they share, for rules and for the reader.
        """
        figures = dict(candidate.figures)
        if active is not None:
            figures |= _against(candidate, active)
        holds = [rule.holds(figures.get(rule.metric, math.nan)) for rule in self.rules]
        sentences = [_sentence(rule, figures, held) for rule, held in zip(self.rules, holds, strict=True)]
        if active is not None and not any(rule.metric.startswith("skill_active") for rule in self.rules):
            sentences.append(
                f"For comparison, skill over the active version: {_show('skill_active', figures)}, "
                f"lower 5% bound {_show('skill_active_lower', figures)}."
            )
        return Verdict(all(holds), figures, (_summary(holds, figures), *sentences))


def _skill(model: F8, base: F8, mean_block: int) -> tuple[float, float]:
    """Return the skill by dates and its lower 5% bound, without the last digits: errors of rounding are no skill."""
    if not len(base) or not base.mean() > 0:
        return math.nan, math.nan
    loss = float(base.mean())
    return skill(float(model.mean()), loss), round(stationary_bootstrap(base - model, mean_block) / loss, 12)


def _tuples(losses: Mapping[str, F8]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(map(float, each)) for name, each in losses.items()}


def _against(candidate: Evidence, active: Evidence) -> dict[str, float]:
    _, ours, theirs = np.intersect1d(candidate.dates, active.dates, return_indices=True)
    if not len(ours):
        return {"skill_active": math.nan, "skill_active_lower": math.nan}
    mine, other = np.array(candidate.losses["model"])[ours], np.array(active.losses["model"])[theirs]
    bound = stationary_bootstrap(other - mine, candidate.mean_block)
    return {
        "skill_active": skill(float(mine.mean()), float(other.mean())),
        "skill_active_lower": bound / float(other.mean()),
    }


def _summary(holds: list[bool], figures: Mapping[str, float]) -> str:
    what = f"{figures.get('dates', 0):,.0f} out-of-sample dates ({figures.get('rows', 0):,.0f} rows)"
    if all(holds):
        return f"Passed: all {len(holds)} conditions hold on {what}."
    return f"Refused: {len(holds) - sum(holds)} of {len(holds)} conditions fail on {what}."


def _sentence(rule: GateRule, figures: Mapping[str, float], held: bool) -> str:
    name = rule.metric
    value = figures.get(name, math.nan)
    if name.startswith("skill_"):
        plain = name.removesuffix("_lower")
        base = plain.removeprefix("skill_")
        what = DIRECTION if base == "direction" else f"Skill over {rule.versus or BASELINES.get(base, base)}"
        text = f"{what}: {_show(plain, figures)} of log loss"
        if name != plain:
            text += f", lower 5% bound {_show(name, figures, rule.bound)}"
    else:
        text = f"{WORDS.get(name, name)}: {_show(name, figures, rule.bound)}"
    if math.isnan(value):
        return f"{text}; refused, because {_unknown(name, figures)}."
    return f"{text}; {NEEDED[rule.op]} {_format(name, rule.bound)} needed, {'met' if held else 'refused'}."


def _unknown(name: str, figures: Mapping[str, float]) -> str:
    if name.endswith("_lower") and not math.isnan(figures.get(name.removesuffix("_lower"), math.nan)):
        return "there are too few dates for a bound"
    if name.startswith("skill_volatility"):
        return f"the table could not be made; it needs the feature {VOLATILITY}"
    return "the figure could not be computed"


def _show(name: str, figures: Mapping[str, float], near: float = 0.0) -> str:
    return _format(name, figures.get(name, math.nan), near)


def _format(name: str, value: float, near: float = math.nan) -> str:
    """Return a figure with two decimals, or as many as tell it from the bound that it is read against, `near`."""
    if math.isnan(value):
        return "not known"
    if name in COUNTS:
        return f"{value:,.0f}"
    if not (name.startswith("skill_") or name in SHARES):
        return f"{value:.4g}"
    if value == 0:
        return "0"
    digits = 2
    while value != near and digits < FINEST and round(100 * value, digits) == round(100 * near, digits):
        digits += 1
    return f"{100 * value:{'+' if name.startswith('skill_') else ''}.{digits}f}%"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
