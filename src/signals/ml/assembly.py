"""Make a bundle of a fitted model: everything that the manifest says is computed here."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

import numpy as np

from signals.data.records import F8, from_micros
from signals.events.schema import F4
from signals.features.feature import Feature
from signals.ml.artifact import ModelBundle, bundle_files, file_entries
from signals.ml.dataset import Dataset
from signals.ml.drift import reference_of
from signals.ml.fitting import FittedModel
from signals.ml.manifest import DataOrigin, FeatureEntry, Golden, Manifest, TargetEntry, TrainRange
from signals.ml.recipe import Recipe

__all__ = ["assemble", "described"]

_GOLDEN_ROWS = 32
_LIBRARIES = ("vane-signals", "numpy", "pandas", "scipy", "xgboost")
VERSION_FORMAT = "%Y%m%d_%H%M%S"


def assemble(
    recipe: Recipe,
    data: Dataset,
    fitted: FittedModel,
    *,
    created_at: datetime,
    origin: DataOrigin,
    seed: int = 0,
    window: int = 60,
    features: tuple[Feature, ...] | None = None,
) -> ModelBundle:
    """Return the bundle of a model that was fitted on `data`.

    Parameters
    ----------
    created_at
        Aware UTC; the version is named for it, to the second.
    origin
        What the rows were made of.
    window
        Dates of the windows that drift will be watched in.
    features
        All that the store computes, a user's own among them; None: the catalogue.
    """
    from signals.features.catalog import CATALOGUE, catalogue_hash

    available = CATALOGUE if features is None else features
    columns = [str(name) for name in data.X.columns]
    estimator, calibrator = fitted.estimator, fitted.calibrator
    manifest = Manifest(
        version_id=created_at.strftime(VERSION_FORMAT),
        recipe=recipe.name,
        recipe_sha256=recipe.sha256(),
        created_at=created_at,
        files=file_entries(bundle_files(estimator, calibrator), estimator.formats),
        features=[FeatureEntry(name=name) for name in columns],
        catalogue_sha256=catalogue_hash(available),
        outputs=list(estimator.outputs),
        target=TargetEntry(**recipe.target.model_dump()),
        train=TrainRange(
            start=from_micros(int(data.timestamps[0])),
            end=from_micros(int(data.timestamps[-1])),
            last_label_end=from_micros(int(data.label_end.max())),
        ),
        split=recipe.split.model_dump(mode="json"),
        params=recipe.estimator,
        seed=seed,
        libraries={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        data=origin,
        reference=reference_of(data.x, data.timestamps, described(columns, available), window=window),
        golden=_golden(data.x, fitted),
        notes=_notes(columns, data.x),
    )
    return ModelBundle(manifest, estimator, calibrator)


def described(names: Sequence[str], available: Sequence[Feature]) -> list[Feature]:
    """Return what the features say about each column; one that they do not know is a column of the caller's."""
    known = {feature.name: feature for feature in available}
    return [known.get(name) or Feature(name, "user", 0, 0, True, "a column of the caller's") for name in names]


def _golden(x: F4, fitted: FittedModel) -> Golden:
    # Evenly spread over the training rows, and one row without any value: the default branches are checked too.
    spread = np.unique(np.linspace(0, len(x) - 1, _GOLDEN_ROWS - 1).astype(np.int64))
    rows = np.concatenate([x[spread], np.full((1, x.shape[1]), np.nan, np.float32)])
    outputs: F8 = fitted.predict(rows)
    listed = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    return Golden(rows=listed, outputs=outputs.tolist())


def _notes(columns: Sequence[str], x: F4) -> list[str]:
    distinct = {name: len(np.unique(column[~np.isnan(column)])) for name, column in zip(columns, x.T, strict=True)}
    sentences = []
    for count, meaning in ((0, "had no value in training"), (1, "had one and the same value in training")):
        names = [name for name, values in distinct.items() if values == count]
        if names:
            sentences.append(f"{len(names)} of {len(columns)} features {meaning}: {', '.join(names)}")
    return sentences
