"""MLPipeline: the recipe `direction` on frames of one's own, in three calls."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from signals.config import Settings, load_settings
from signals.data.records import F8
from signals.errors import MisalignedTarget, MissingColumns, TrainingError
from signals.events.schema import F4
from signals.ml import metrics
from signals.ml.artifact import ModelBundle
from signals.ml.dataset import CLASSES, Dataset, Labels, class_values, make_dataset, panel_index, to_float32
from signals.ml.fitting import fit_calibrated
from signals.ml.manifest import DataOrigin
from signals.ml.target import label_ends, prepare_target
from signals.recipes.direction import recipe

__all__ = ["MLPipeline"]


class MLPipeline:
    """Prepare a target, train, predict.

    Parameters
    ----------
    settings
        `settings.ml` holds horizon, thresholds and the estimator's parameters; None: `load_settings`.
    seed
        Of everything random in the fit.

    Examples
    --------
    >>> pipeline = MLPipeline()                            # doctest: +SKIP
    >>> target = pipeline.prepare_target(bars)             # doctest: +SKIP
    >>> figures = pipeline.train(features, target)         # doctest: +SKIP
    >>> down, flat, up = pipeline.predict(features).T      # doctest: +SKIP
    """

    def __init__(self, settings: Settings | None = None, *, seed: int = 0) -> None:
        self._settings = load_settings() if settings is None else settings
        self._recipe = recipe(self._settings)
        self._seed = seed
        self._bundle: ModelBundle | None = None

    @property
    def bundle(self) -> ModelBundle:
        """The trained model; it was never judged, so a registry keeps it in shadow. `TrainingError` before `train`."""
        if self._bundle is None:
            raise TrainingError("expected a trained pipeline, was a new one; call train first")
        return self._bundle

    def prepare_target(self, df: pd.DataFrame, close_col: str = "close") -> pd.Series:
        """Return 0 DOWN, 1 FLAT, 2 UP for each row of `df`, NaN where there is no label.

        Parameters
        ----------
        df
            Every bar, indexed by (symbol, date) or by one symbol's dates: the horizon counts the dates of the index.
            The last `horizon` rows of each symbol have no label.
        """
        return prepare_target(df, close_col, spec=self._recipe.target)

    def train(self, features: pd.DataFrame, target: pd.Series) -> dict[str, float | dict[str, float]]:
        """Fit with the weights that the recipe asks for, calibrated on purged, time-ordered out-of-fold predictions.

        Parameters
        ----------
        features
            Numbers, NaN where missing, indexed as in `prepare_target`; must hold every bar between a symbol's first and
            last, so that the end of each label can be read from the index.
        target
            From `prepare_target`, on the same index.

        Returns
        -------
        dict
            ``accuracy`` and ``log_loss`` **on the training rows themselves**: they flatter, and only show that the fit
            worked. `WalkForwardValidator` says what to expect. ``class_distribution``: shares of DOWN, FLAT, UP.

        Raises
        ------
        MisalignedTarget, HolesInBars, TooFewRows, OneClass
        """
        data = self._dataset(features, target)
        fitted = fit_calibrated(self._recipe, data, seed=self._seed)
        from signals.ml.assembly import assemble

        self._bundle = assemble(
            self._recipe,
            data,
            fitted,
            created_at=datetime.now(UTC),
            origin=DataOrigin(fingerprint=data.fingerprint),
            seed=self._seed,
            window=self._settings.monitor.window,
        )
        probabilities = fitted.predict(data.x)
        return {
            "accuracy": metrics.accuracy(probabilities, data.y, data.timestamps),
            "log_loss": metrics.log_loss(probabilities, data.y, data.timestamps),
            "class_distribution": {name: float((data.y == place).mean()) for place, name in enumerate(CLASSES)},
        }

    def predict(self, features: pd.DataFrame | F4 | F8) -> F8:
        """Return calibrated probabilities of DOWN, FLAT and UP, shape (n, 3).

        Parameters
        ----------
        features
            A frame, whose columns are found by name, whatever their order; or an array in the order of training.

        Raises
        ------
        MissingColumns
            Naming every column of the training that the frame lacks.
        FeatureError
            If an array does not have as many columns as the training had, or a frame's column is not of numbers.
        """
        bundle = self.bundle
        if isinstance(features, np.ndarray):
            return bundle.predict(np.ascontiguousarray(features, np.float32))
        missing = [name for name in bundle.features if name not in features.columns]
        if missing:
            raise MissingColumns(f"the {len(bundle.features)} columns of the training", f"without {', '.join(missing)}")
        return bundle.predict(np.ascontiguousarray(to_float32(features[list(bundle.features)]).to_numpy()))

    def _dataset(self, features: pd.DataFrame, target: pd.Series) -> Dataset:
        if not features.index.equals(target.index):
            raise MisalignedTarget(
                f"expected features and target on one index, were {len(features)} and {len(target)} rows that do not "
                f"match; reindex the target to the features"
            )
        value = pd.Series(class_values(target), panel_index(target.index))
        return make_dataset(features, Labels(value, label_ends(features.index, self._recipe.target)))
