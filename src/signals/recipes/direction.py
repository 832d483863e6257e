"""The recipe `direction`: DOWN, FLAT or UP over the next sessions, from gradient-boosted trees."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from signals.ml.recipe import (
    CalibrationSpec,
    EstimatorSpec,
    FeatureSet,
    GateRule,
    Range,
    Recipe,
    SearchSpec,
    TargetSpec,
    WeightSpec,
)

if TYPE_CHECKING:
    from signals.config import Settings

__all__ = ["CONFIGURATIONS", "CONSERVATIVE", "DOCUMENTED", "NAME", "recipe", "search_space"]

NAME = "direction"

_BINS = 32
"""Histogram bins a feature.

Over 39 walk-forward windows of three to four stocks, 32 and 64 bins gave the same log loss (1.0798 and 1.0809 nats); a
window takes 2.1 and 2.9 s of processor time. XGBoost's own 256 take three times as long as 64.
"""

CONSERVATIVE = SearchSpec(
    space={
        "max_depth": Range(low=2, high=6, whole=True),
        "learning_rate": Range(low=0.03, high=0.1, log=True),
        "subsample": Range(low=0.3, high=0.9),
        "colsample_bytree": Range(low=0.3, high=0.9),
        "min_child_weight": Range(low=5, high=300, log=True),
    },
    start={"max_depth": 3, "learning_rate": 0.05, "subsample": 0.5, "colsample_bytree": 0.5, "min_child_weight": 300},
)
"""Shallow trees of many rows: what is left of the signal is small, and deep trees learn regimes by heart."""

DOCUMENTED = SearchSpec(
    space={
        "max_depth": Range(low=3, high=10, whole=True),
        "learning_rate": Range(low=0.01, high=0.2),
        "subsample": Range(low=0.6, high=1.0),
        "colsample_bytree": Range(low=0.6, high=1.0),
        "min_child_weight": Range(low=1, high=10),
    },
    start={"max_depth": 3, "learning_rate": 0.02, "subsample": 0.6, "colsample_bytree": 0.6, "min_child_weight": 10},
    fewest_trees=100,
)
"""The usual space for gradient-boosted trees."""

CONFIGURATIONS: tuple[dict[str, int | float], ...] = tuple(
    {"max_depth": depth, "learning_rate": rate, "min_child_weight": rows, "subsample": share, "colsample_bytree": share}
    for depth, rate, rows, share in product((2, 4, 6), (0.03, 0.1), (10, 200), (0.4, 0.8))
)
"""24 corners of the conservative space that are refitted in every window to count what choosing among them costs."""

_GATE = (
    # Half a year of dates holds six blocks of the bootstrap: a bound from so few is luck.
    GateRule(metric="dates", op=">=", bound=250, versus="a year of sessions"),
    GateRule(metric="skill_frequencies_lower", op=">", bound=0.0, versus="the class frequencies"),
    GateRule(metric="skill_volatility_lower", op=">", bound=0.0, versus="a table of frequencies by volatility"),
    # A sharper forecast of volatility beats the table without any idea of direction.
    GateRule(metric="skill_direction_lower", op=">", bound=0.0, versus="the strongest of three baselines"),
    GateRule(metric="ece", op="<=", bound=0.03, versus="what happened, on the pooled record"),
    # A constant's error in a window is mostly noise; a model's may be that much and a little more.
    GateRule(metric="ece_windows", op="<=", bound=0.02, versus="the class frequencies, in each window"),
    GateRule(metric="skill_active", op=">=", bound=0.0, versus="the active version"),
)


def recipe(settings: Settings | None = None) -> Recipe:
    """Return the recipe as configured in `settings.ml`; None: the defaults."""
    from signals.config import MLSettings, TrainingSettings

    ml = MLSettings() if settings is None else settings.ml
    training = TrainingSettings() if settings is None else settings.training
    return Recipe(
        name=NAME,
        target=TargetSpec(
            horizon=ml.prediction_horizon,
            up=ml.up_threshold,
            down=ml.down_threshold,
            unit=training.threshold_unit,
            prices=training.label_prices,
        ),
        features=FeatureSet(market_wide=training.market_wide),
        weights=WeightSpec(kind=training.class_weights),
        estimator=EstimatorSpec(
            kind="xgboost", params={**ml.xgb_params.model_dump(), "max_bin": _BINS, "device": training.device}
        ),
        # Class weights distort the frequencies on purpose, which only a free bias undoes.
        calibration=CalibrationSpec(
            method="vector" if training.class_weights == "none" else "bias_corrected_temperature"
        ),
        min_rows=ml.min_training_samples,
        metrics=("log_loss", "accuracy", "ece", "rank_ic", "coverage"),
        primary="log_loss",
        gate=_GATE,
    )


def search_space(settings: Settings) -> SearchSpec:
    """Return what a search of parameters looks at, as configured in `settings.training`."""
    return {"conservative": CONSERVATIVE, "documented": DOCUMENTED}[settings.training.search_space]
