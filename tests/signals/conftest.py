"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from signals.features.feature import Feature
from signals.ml.artifact import ModelBundle, bundle_files, file_entries
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.drift import reference_of
from signals.ml.estimators import make
from signals.ml.manifest import DataOrigin, FeatureEntry, Golden, Manifest, TargetEntry, TrainRange
from signals.ml.recipe import EstimatorSpec

MakeBundle = Callable[..., ModelBundle]

TRAINED = datetime(2020, 1, 1, 21, tzinfo=UTC)
"""First close of the training rows; one date a day."""


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """Make a small real bundle: a booster of two rounds on 3 features, `symbols` rows a date for `dates` dates."""

    def build(
        version_id: str = "20200801_000000",
        *,
        seed: int = 0,
        recipe: str = "direction",
        passed: bool = True,
        X: np.ndarray[Any, np.dtype[np.float32]] | None = None,
        symbols: int = 4,
        features: Sequence[Feature] | None = None,
        window: int = 20,
        horizon: int = 2,
        windows: Sequence[Mapping[str, Any]] = (),
        catalogue: str = "",
    ) -> ModelBundle:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(120 * symbols, 3)).astype(np.float32) if X is None else X
        dates = len(x) // symbols
        times = np.repeat(np.arange(dates, dtype=np.int64), symbols)
        described = features or [Feature(f"f{i}", "technical", 0, 0, True, "noise") for i in range(x.shape[1])]
        spec = EstimatorSpec(params={"n_estimators": 2, "max_depth": 2})
        estimator, calibrator = make(spec, threads=1), ConfidenceCalibrator("none")
        estimator.fit(x, rng.integers(0, 3, len(x)).astype(float), np.ones(len(x)), groups=times, valid=None, seed=seed)
        rows = x[:8]
        last = TRAINED + timedelta(days=dates - 1)
        manifest = Manifest(
            version_id=version_id,
            recipe=recipe,
            recipe_sha256="0" * 64,
            created_at=last + timedelta(hours=1),
            files=file_entries(bundle_files(estimator, calibrator), estimator.formats),
            features=[FeatureEntry(name=feature.name) for feature in described],
            catalogue_sha256=catalogue,
            outputs=list(estimator.outputs),
            target=TargetEntry(horizon=horizon, up=0.01, down=-0.01),
            train=TrainRange(start=TRAINED, end=last - timedelta(days=horizon), last_label_end=last),
            params=spec,
            data=DataOrigin(fingerprint="generated"),
            windows=[dict(one) for one in windows],
            verdict={"passed": passed, "sentences": ["Made for a test."]},
            reference=reference_of(x, times, described, window=window),
            golden=Golden(
                rows=[[None if np.isnan(value) else float(value) for value in row] for row in rows],
                outputs=calibrator.transform(estimator.predict(rows)).tolist(),
            ),
        )
        return ModelBundle(manifest, estimator, calibrator)

    return build
