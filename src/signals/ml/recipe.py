"""A recipe: everything that makes one model family, as one frozen value."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from signals.ml.calibration import Method
from strategy.signal import canonical_json

__all__ = [
    "CalibrationSpec",
    "EstimatorSpec",
    "FeatureSet",
    "GateRule",
    "Range",
    "Recipe",
    "SearchSpec",
    "SplitSpec",
    "TargetSpec",
    "WeightSpec",
]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FeatureSet(_Spec):
    """Which features the model sees: those named, or every scale-free one of the catalogue when none is named."""

    names: tuple[str, ...] = ()
    market_wide: bool = True


class TargetSpec(_Spec):
    """What is predicted of the return over `horizon` sessions; see `signals.ml.target.labels_of`.

    Above `up` is UP, below `down` is DOWN (both strict), anything else FLAT.

    Parameters
    ----------
    unit
        Of the thresholds: fractions of the price, or standard deviations of the symbol's own returns over the horizon,
        as its last 20 daily ones say. The second leaves nothing to gain by volatility alone.
    prices
        From close to close, or as traded, from the next open to the open `horizon` sessions later.
    """

    kind: Literal["three_class", "binary", "quintile", "return"] = "three_class"
    unit: Literal["fraction", "volatility"] = "fraction"
    prices: Literal["close_close", "open_open"] = "close_close"
    horizon: Annotated[int, Field(ge=1)] = 5
    up: float = 0.01
    down: float = -0.01

    @model_validator(mode="after")
    def _ordered(self) -> TargetSpec:
        if not self.down <= 0 <= self.up:
            raise ValueError(f"expected down <= 0 <= up, was {self.down} and {self.up}")
        return self

    def in_words(self) -> str:
        """Return what UP and DOWN mean, with the unit and the prices."""
        if self.unit == "volatility":
            above, below, unit = f"{self.up:+g}", f"{self.down:+g}", " standard deviations of the symbol's own moves"
        else:
            above, below, unit = f"{self.up:+.2%}", f"{self.down:+.2%}", ""
        between = "the close" if self.prices == "close_close" else "the next open"
        return f"{self.horizon} sessions ahead, from {between}: UP above {above}, DOWN below {below}{unit}"


class SplitSpec(_Spec):
    """Walk-forward windows in calendar months; the embargo counts sessions (None: the target's horizon).

    An `expanding` window trains on everything before its test, a rolling one on the last `train_months`.
    """

    train_months: Annotated[int, Field(ge=1)] = 24
    test_months: Annotated[int, Field(ge=1)] = 6
    step_months: Annotated[int, Field(ge=1)] = 3
    embargo: Annotated[int, Field(ge=0)] | None = None
    expanding: bool = False


class WeightSpec(_Spec):
    """How rows are weighted in the fit; what is chosen is multiplied. See `signals.ml.weights`.

    Parameters
    ----------
    kind
        All alike, or inversely to the class's frequency.
    uniqueness
        By how little a label shares its days with others of its symbol.
    half_life
        Dates after which a row counts half; None: age does not matter.
    """

    kind: Literal["none", "balanced"] = "balanced"
    uniqueness: bool = False
    half_life: Annotated[float, Field(gt=0)] | None = None


class EstimatorSpec(_Spec):
    """Which estimator, and its parameters under the library's own names."""

    kind: Literal["xgboost"] = "xgboost"
    params: dict[str, int | float | str] = {}


class Range(_Spec):
    """Values of a parameter, both ends included: evenly, or evenly in logarithms; whole numbers where `whole`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"expected low < high, and above 0 in logarithms, was {self.low} and {self.high}")
        return self


class SearchSpec(_Spec):
    """How parameters are chosen: on inner, purged, time-ordered folds of the training rows.

    Parameters
    ----------
    space
        By parameter, under scikit-learn's names; the number of trees is read from the evaluation curve.
    start
        Tried first where nothing better is known: a good first trial lets later ones be given up early.
    fewest_trees, most_trees, patience
        The curve ends at `most_trees`, or when the loss has not fallen for `patience` trees.
    seconds
        A budget of time, looked at between trials; with one the choice depends on the machine and is not repeatable.
    """

    space: dict[str, Range]
    start: dict[str, int | float] = {}
    trials: Annotated[int, Field(ge=1)] = 100
    folds: Annotated[int, Field(ge=1, le=20)] = 3
    fewest_trees: Annotated[int, Field(ge=1)] = 1
    most_trees: Annotated[int, Field(ge=1)] = 500
    patience: Annotated[int, Field(ge=1)] = 30
    seconds: Annotated[float, Field(gt=0)] | None = None


class CalibrationSpec(_Spec):
    """How raw probabilities become calibrated ones, on purged, time-ordered out-of-fold predictions."""

    method: Method = "bias_corrected_temperature"
    folds: Annotated[int, Field(ge=2, le=20)] = 4


class GateRule(_Spec):
    """One condition for promotion: ``metric op bound``; `versus` says in words what the figure is measured against."""

    metric: str
    op: Literal[">", ">=", "<", "<="]
    bound: float
    versus: str = ""

    def holds(self, value: float) -> bool:
        """Return whether a figure passes; NaN (a figure that could not be computed) never does."""
        return {
            ">": value > self.bound,
            ">=": value >= self.bound,
            "<": value < self.bound,
            "<=": value <= self.bound,
        }[self.op]


class Recipe(_Spec):
    """A model family. One trainer, validator, registry and monitor serve every recipe.

    Parameters
    ----------
    name
        Folder under the registry's root, and the name on the command line.
    unit
        What a row is: one symbol at one bar, or one bar.
    metrics, primary
        Names from `signals.ml.metrics`; `primary` is the one that is reported first.
    gate
        Every rule must hold for a version to be promoted.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    unit: Literal["symbol_bar", "bar"] = "symbol_bar"
    features: FeatureSet = FeatureSet()
    target: TargetSpec = TargetSpec()
    split: SplitSpec = SplitSpec()
    weights: WeightSpec = WeightSpec()
    estimator: EstimatorSpec = EstimatorSpec()
    search: SearchSpec | None = None
    calibration: CalibrationSpec | None = CalibrationSpec()
    min_rows: Annotated[int, Field(ge=1)] = 500
    metrics: tuple[str, ...]
    primary: str
    gate: tuple[GateRule, ...]

    @property
    def embargo(self) -> int:
        """Sessions before a test that are never trained on (`CombinatorialPurged`: behind its last label)."""
        return self.target.horizon if self.split.embargo is None else self.split.embargo

    def sha256(self) -> str:
        """Hash of the recipe's canonical JSON."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()
