"""The gate: whether out-of-fold evidence is enough for a model to be promoted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.errors import TrainingError
from signals.ml.evidence import BASELINES, Evidence, or_nan, or_none
from signals.ml.metrics import skill, stationary_bootstrap
from signals.ml.recipe import GateRule
from signals.ml.sentences import reported, rule_sentence, summary

__all__ = ["BASELINES", "Evidence", "Gate", "Verdict"]

ACTIVE = "skill_active"
FEWEST_SHARED = 60
"""Sessions under which nothing is said of candidate against active version."""


@dataclass(frozen=True)
class Verdict:
    """Whether the gate lets a version through, the figures it looked at, and why, one sentence a rule."""

    passed: bool
    figures: Mapping[str, float]
    sentences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; NaN becomes null."""
        figures = {name: or_none(figure) for name, figure in self.figures.items()}
        return {"passed": self.passed, "figures": figures, "sentences": list(self.sentences)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` wrote."""
        figures = {name: or_nan(figure) for name, figure in body["figures"].items()}
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
            A record of the active version on rows that it was not trained on, from `signals.ml.rival`; never its
            predictions for its own training rows, which no honest candidate can match. Both are compared on the dates
            they share: ``skill_active`` and ``skill_active_lower``. On fewer than 60 of them, and without an active
            version, rules about these figures are not judged and do not block.
        """
        figures = dict(candidate.figures)
        if active is not None:
            figures |= _against(candidate, active)
        enough = figures.get("dates_active", 0.0) >= FEWEST_SHARED
        rules = [rule for rule in self.rules if enough or not rule.metric.startswith(ACTIVE)]
        holds = [rule.holds(figures.get(rule.metric, math.nan)) for rule in rules]
        sentences = [rule_sentence(rule, figures, held) for rule, held in zip(rules, holds, strict=True)]
        if active is not None:
            sentences.append(_compared(active, figures, enough))
        passed = bool(holds) and all(holds)
        return Verdict(passed, figures, (summary(holds, figures), *sentences, *reported(figures)))


def _against(candidate: Evidence, active: Evidence) -> dict[str, float]:
    _, ours, theirs = np.intersect1d(candidate.dates, active.dates, return_indices=True)
    found = {"dates_active": float(len(ours)), ACTIVE: math.nan, f"{ACTIVE}_lower": math.nan}
    if len(ours) >= FEWEST_SHARED:
        mine, other = np.array(candidate.losses["model"])[ours], np.array(active.losses["model"])[theirs]
        bound = stationary_bootstrap(other - mine, candidate.mean_block) / float(other.mean())
        found |= {ACTIVE: skill(float(mine.mean()), float(other.mean())), f"{ACTIVE}_lower": bound}
    return found


def _compared(active: Evidence, figures: Mapping[str, float], enough: bool) -> str:
    made = f" ({active.source})" if active.source else ""
    shared = f"{figures['dates_active']:,.0f} dates that neither was trained on"
    if not enough:
        return (
            f"Against the active version{made}: not enough evidence, {shared}, {FEWEST_SHARED} needed; this does not "
            "block."
        )
    bound = figures[f"{ACTIVE}_lower"]
    lower = "too few for a bound" if math.isnan(bound) else f"lower 5% bound {100 * bound:+.2f}%"
    return f"Against the active version{made}: skill {100 * figures[ACTIVE]:+.2f}% of log loss on {shared}; {lower}."
