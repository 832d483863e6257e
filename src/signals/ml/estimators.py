"""Estimators: what is fitted on rows and saved as native bytes, behind one small protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, ConfigError, FeatureError, TrainingError
from signals.events.schema import F4
from signals.ml.device import require_device
from signals.ml.recipe import EstimatorSpec

if TYPE_CHECKING:
    from signals.ml.dataset import Dataset

__all__ = ["CLASS_OUTPUTS", "Estimator", "XGBoostEstimator", "load", "make"]

CLASS_OUTPUTS: Final = ("DOWN", "FLAT", "UP")
"""Outputs of a classifier of directions, in column order."""


class Estimator(Protocol):
    """What every model family's learner is.

    Attributes
    ----------
    outputs
        Names of the columns that `predict` gives.
    formats
        Format of each of `files`.
    """

    outputs: tuple[str, ...]
    formats: Mapping[str, str]

    def fit(self, X: F4, y: F8, weight: F8, *, groups: I8, valid: Dataset | None, seed: int) -> None:
        """Fit on rows in time order: X (n, features), y and weight (n,), `groups` one integer a timestamp."""
        ...

    def predict(self, X: F4) -> F8:
        """Return the outputs of each row, shape (n, outputs), on one thread."""
        ...

    def contributions(self, X: F4) -> F8:
        """Return each feature's share of each output's margin, then the bias, shape (n, outputs, features + 1)."""
        ...

    def importance(self) -> F8:
        """Return each feature's share of what the fit gained by it, shape (features,), summing to 1 or all 0."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """Return the native files by name."""
        ...

    @classmethod
    def load(cls, files: Mapping[str, bytes], spec: EstimatorSpec) -> Self:
        """Make an estimator from bytes whose size and hash were checked before."""
        ...


class XGBoostEstimator:
    """Gradient-boosted trees that give the probabilities of DOWN, FLAT and UP, whatever classes were seen.

    Rows must come sorted by time: XGBoost's histogram trees are the same bytes with any number of threads, but permuted
    rows give another booster.

    Parameters
    ----------
    spec
        Parameters under scikit-learn's names (``n_estimators``, ``learning_rate``, ...).
    threads
        Threads of the fit; predicting always takes one. More than one pays only for many rows on idle cores: on busy
        ones the threads wait for each other and a fit of 2,000 rows took ten times as long with two (measured).
    """

    outputs: tuple[str, ...] = CLASS_OUTPUTS
    formats: Mapping[str, str] = {"model.ubj": "xgboost-ubj"}

    def __init__(self, spec: EstimatorSpec, *, threads: int = 1) -> None:
        self._rounds, self._params = native_params(spec.params)
        self._threads = threads
        self._booster: Any = None

    def fit(
        self,
        X: F4,
        y: F8,
        weight: F8,
        *,
        groups: I8,  # noqa: ARG002 (a classifier needs no groups; the protocol has them for ranking)
        valid: Dataset | None = None,  # noqa: ARG002 (rounds are fixed: early stopping would change the bytes)
        seed: int = 0,
    ) -> None:
        """Fit on X (n, features), y in {0, 1, 2} and positive weights (n,); missing values are NaN."""
        import xgboost as xgb

        if len(X) == 0 or not np.isin(y, range(len(self.outputs))).all():
            raise TrainingError(f"expected rows with classes 0, 1, 2, were {len(X)} rows with {np.unique(y)[:5]}")
        require_device(self._params["device"])
        params = {**self._params, "seed": seed, "nthread": self._threads}
        matrix = xgb.QuantileDMatrix(
            X, y, weight=weight, missing=np.nan, nthread=self._threads, max_bin=params.get("max_bin", 256)
        )
        trained = xgb.train(params, matrix, num_boost_round=self._rounds)
        # Through the saved bytes, so that what predicts now is what will be loaded later.
        self._booster = _booster(bytes(trained.save_raw("ubj")))

    def predict(self, X: F4) -> F8:
        """Return the probabilities of DOWN, FLAT and UP, shape (n, 3), rows summing to 1."""
        booster = self._fitted(X)
        if len(X) == 0:
            return np.empty((0, len(self.outputs)))
        rows = np.ascontiguousarray(X, np.float32)
        return np.asarray(booster.inplace_predict(rows, missing=np.nan, validate_features=False), np.float64)

    def contributions(self, X: F4) -> F8:
        """Return exact SHAP values, shape (n, 3, features + 1), summing to the margins; about 9 ms a row."""
        import xgboost as xgb

        booster = self._fitted(X)
        matrix = xgb.DMatrix(np.ascontiguousarray(X, np.float32), missing=np.nan, nthread=1)
        found = booster.predict(matrix, pred_contribs=True, strict_shape=True, validate_features=False)
        return np.asarray(found, np.float64)

    def importance(self) -> F8:
        """Return each feature's share of the total gain of all splits, shape (features,)."""
        if self._booster is None:
            raise TrainingError("expected a fitted estimator, was a new one; call fit first")
        gains = np.zeros(self._booster.num_features())
        for name, gain in self._booster.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        total = gains.sum()
        return np.asarray(gains / total if total > 0 else gains)

    def files(self) -> dict[str, bytes]:
        """Return ``model.ubj``, the same bytes for the same fit."""
        if self._booster is None:
            raise TrainingError("expected a fitted estimator, was a new one; call fit first")
        return {"model.ubj": bytes(self._booster.save_raw("ubj"))}

    @classmethod
    def load(cls, files: Mapping[str, bytes], spec: EstimatorSpec) -> Self:
        """Make an estimator from checked bytes; damaged ones crash the process, so check size and hash first."""
        made = cls(spec)
        made._booster = _booster(files["model.ubj"])
        return made

    def _fitted(self, X: F4) -> Any:
        if self._booster is None:
            raise TrainingError("expected a fitted estimator, was a new one; call fit first")
        columns = self._booster.num_features()
        if X.ndim != 2 or X.shape[1] != columns:
            raise FeatureError(f"expected rows of {columns} features, was an array of shape {X.shape}")
        return self._booster


def make(spec: EstimatorSpec, outputs: tuple[str, ...] = CLASS_OUTPUTS, *, threads: int = 1) -> Estimator:
    """Return a new estimator of the recipe's kind.

    Raises
    ------
    ConfigError
        If the kind cannot give these outputs.
    """
    found = _KINDS[spec.kind]
    if outputs != found.outputs:
        raise ConfigError(f"estimator {spec.kind!r}: expected outputs {found.outputs}, was {outputs}")
    return found(spec, threads=threads)


def load(files: Mapping[str, bytes], spec: EstimatorSpec) -> Estimator:
    """Return the estimator that wrote `files`, whose sizes and hashes were checked before.

    Raises
    ------
    BundleDamaged
        If a file is missing or the native loader refuses it.
    """
    found = _KINDS[spec.kind]
    missing = sorted(set(found.formats) - set(files))
    if missing:
        raise BundleDamaged(f"expected the files {', '.join(found.formats)}, without {', '.join(missing)}")
    return found.load(files, spec)


_KINDS: Final[dict[str, type[XGBoostEstimator]]] = {"xgboost": XGBoostEstimator}

_NAMES = {"learning_rate": "eta", "reg_alpha": "alpha", "reg_lambda": "lambda"}
_KNOWN = {
    *("eta", "alpha", "lambda", "gamma", "max_depth", "max_leaves", "max_bin", "min_child_weight", "max_delta_step"),
    *("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode", "grow_policy"),
    *("objective", "num_class", "eval_metric"),
}


def native_params(params: Mapping[str, int | float | str]) -> tuple[int, dict[str, int | float | str]]:
    """Split scikit-learn's names into the number of rounds and XGBoost's own parameters.

    Raises
    ------
    ConfigError
        If XGBoost has no such parameter, or it is fixed.
    """
    renamed = {_NAMES.get(name, name): value for name, value in params.items()}
    rounds, device = int(renamed.pop("n_estimators", 300)), renamed.pop("device", "cpu")
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"xgboost: expected device cpu or cuda, was {device!r}")
    unknown = sorted(set(renamed) - _KNOWN)
    if unknown:  # XGBoost itself only prints a warning and trains on
        raise ConfigError(f"xgboost: no such parameter: {', '.join(unknown)}; known: {', '.join(sorted(_KNOWN))}")
    fixed: dict[str, int | float | str] = {
        "tree_method": "hist",
        "device": device,
        "verbosity": 0,
        "base_score": 0.5,
        # Without it a fit beside another one, in its own thread, gives other bytes than the same fit alone.
        "seed_per_iteration": True,
    }
    wanted: dict[str, int | float | str] = {"objective": "multi:softprob", "num_class": len(CLASS_OUTPUTS)}
    for name, value in wanted.items():
        if renamed.get(name, value) != value:
            raise ConfigError(f"xgboost: expected {name} {value!r}, was {renamed[name]!r}")
    return rounds, {**renamed, **fixed, **wanted}


def _booster(content: bytes) -> Any:
    import xgboost as xgb

    try:
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
    except xgb.core.XGBoostError as error:
        raise BundleDamaged(f"model.ubj: XGBoost refuses it: {str(error).splitlines()[0]}") from None
    booster.set_param({"nthread": 1, "device": "cpu"})  # wherever it was fitted
    return booster
