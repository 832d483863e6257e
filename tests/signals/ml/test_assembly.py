"""What assembling a bundle notes about its inputs."""

from __future__ import annotations

import numpy as np

from signals.features.catalog import CATALOGUE
from signals.ml.artifact import ModelBundle
from signals.ml.assembly import described
from signals.ml.dataset import Dataset


def test_useless_features_are_named(planted_bundle: ModelBundle) -> None:
    assert planted_bundle.manifest.notes == [
        "1 of 5 features had no value in training: empty",
        "1 of 5 features had one and the same value in training: constant",
    ]


def test_golden_rows_are_training_rows(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    rows = np.array(planted_bundle.manifest.golden.rows, np.float32)
    for row in rows[:-1]:
        assert (np.isclose(planted_data.x, row, rtol=0, atol=0, equal_nan=True)).all(axis=1).any()


def test_reference_follows_the_columns(planted_bundle: ModelBundle) -> None:
    assert planted_bundle.manifest.reference.columns == planted_bundle.features


def test_catalogue_describes_what_it_knows() -> None:
    known, own = described(["hist_vol_20", "my_feature"], CATALOGUE)
    assert known.calculator == "technical"
    assert (own.name, own.calculator) == ("my_feature", "user")
