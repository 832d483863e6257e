"""The gate: whether out-of-fold evidence is enough for a model to be promoted, in sentences a trader can read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.data.records import F8
from signals.errors import TrainingError
from signals.ml.baselines import VOLATILITY
from signals.ml.metrics import skill, stationary_bootstrap
from signals.ml.recipe import GateRule

__all__ = ["BASELINES", "Evidence", "Gate", "Verdict"]

BASELINES = {"frequencies": "class frequencies", "volatility": "the volatility table"}
"""What a model is measured against, and what it is called in a sentence."""

WORDS = {
    "dates": "Out-of-sample dates",
    "ece": "Calibration error",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "rank_ic": "Daily rank correlation",
}
SHARES = ("ece", "accuracy", "coverage")
HELD = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}
FAILED = {">": "not above", ">=": "below", "<": "not below", "<=": "above"}


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
    mean_block
        Mean block of the bootstrap, in dates.
    """

    figures: Mapping[str, float]
    dates: tuple[int, ...]
    losses: Mapping[str, tuple[float, ...]]
    mean_block: int = 21

    @classmethod
    def of(
        cls, figures: Mapping[str, float], dates: Sequence[int], losses: Mapping[str, F8], mean_block: int = 21
    ) -> Evidence:
        """Add the skill over each baseline, ``skill_NAME``, and its lower 5% bound, ``skill_NAME_lower``."""
        made = dict(figures)
        for name in BASELINES:
            base = float(losses[name].mean()) if len(dates) else math.nan
            saved = losses[name] - losses["model"]
            made[f"skill_{name}"] = skill(float(losses["model"].mean()), base) if len(dates) else math.nan
            made[f"skill_{name}_lower"] = stationary_bootstrap(saved, mean_block) / base if base > 0 else math.nan
        return cls(
            made, tuple(map(int, dates)), {key: tuple(map(float, each)) for key, each in losses.items()}, mean_block
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; NaN becomes null."""
        losses = {name: [_or_none(loss) for loss in each] for name, each in self.losses.items()}
        figures = {name: _or_none(figure) for name, figure in self.figures.items()}
        return {"figures": figures, "dates": list(self.dates), "losses": losses, "mean_block": self.mean_block}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Evidence:
        """Read what `to_json` wrote."""
        losses = {name: tuple(map(_or_nan, each)) for name, each in body["losses"].items()}
        figures = {name: _or_nan(figure) for name, figure in body["figures"].items()}
        return cls(figures, tuple(body["dates"]), losses, int(body["mean_block"]))


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
                f"For comparison, skill over the active version: {_show('skill_active', figures)}; "
                f"lower 5% bound {_show('skill_active_lower', figures)}."
            )
        return Verdict(all(holds), figures, (_summary(holds, figures), *sentences))


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
    what = f"{figures.get('dates', 0):.0f} out-of-sample dates ({figures.get('rows', 0):.0f} rows)"
    if all(holds):
        return f"Passed: all {len(holds)} conditions hold on {what}."
    return f"Refused: {len(holds) - sum(holds)} of {len(holds)} conditions fail on {what}."


def _sentence(rule: GateRule, figures: Mapping[str, float], held: bool) -> str:
    name = rule.metric
    value = figures.get(name, math.nan)
    bound = _format(name, rule.bound)
    if name.startswith("skill_"):
        plain = name.removesuffix("_lower")
        base = plain.removeprefix("skill_")
        text = f"Skill over {rule.versus or BASELINES.get(base, base)}: {_show(plain, figures)} of log loss"
        if name != plain:
            text += f"; lower 5% bound {_show(name, figures)}"
    else:
        text = f"{WORDS.get(name, name)}: {_show(name, figures)}"
    if math.isnan(value):
        return f"{text}: refused, because {_unknown(name, figures)}."
    return f"{text}: {HELD[rule.op]} {bound}." if held else f"{text}: refused, because it is {FAILED[rule.op]} {bound}."


def _unknown(name: str, figures: Mapping[str, float]) -> str:
    if name.endswith("_lower") and not math.isnan(figures.get(name.removesuffix("_lower"), math.nan)):
        return "there are too few dates for a bound"
    if name.startswith("skill_volatility"):
        return f"the table could not be made; it needs the feature {VOLATILITY}"
    return "the figure could not be computed"


def _show(name: str, figures: Mapping[str, float]) -> str:
    return _format(name, figures.get(name, math.nan))


def _format(name: str, value: float) -> str:
    if math.isnan(value):
        return "not known"
    if name.startswith("skill_"):
        return "0" if value == 0 else f"{100 * value:+.2f}%"
    return f"{100 * value:.2f}%" if name in SHARES else f"{value:.4g}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
