"""Contributions: they sum to the margin, and the planted feature leads."""

from __future__ import annotations

import numpy as np
import pytest

from signals.errors import FeatureError
from signals.ml.artifact import ModelBundle
from signals.ml.dataset import Dataset
from signals.ml.explain import BIAS, contributions


def test_sum_is_the_margin(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    for row in planted_data.x[::150]:
        margins = [sum(share for _, share in contributions(planted_bundle, row, place)) for place in range(3)]
        raised = np.exp(margins)
        np.testing.assert_allclose(raised / raised.sum(), planted_bundle.predict_raw(row[None, :])[0], atol=1e-5)


def test_every_feature_is_named_once(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    names = [name for name, _ in contributions(planted_bundle, planted_data.x[0], 2)]
    assert sorted(names) == sorted([*planted_bundle.features, BIAS])


def test_largest_comes_first(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    sizes = [abs(share) for _, share in contributions(planted_bundle, planted_data.x[5], 0)]
    assert sizes == sorted(sizes, reverse=True)


def test_planted_feature_leads(planted_bundle: ModelBundle) -> None:
    row = np.array([1.0, 1.0, 0.0, np.nan, 1.0], np.float32)
    found = contributions(planted_bundle, row, 2)
    assert found[0][0] == "planted"
    assert found[0][1] > 0


def test_feature_without_values_contributes_nothing(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    found = dict(contributions(planted_bundle, planted_data.x[0], 1))
    assert found["empty"] == 0
    assert found["constant"] == 0


def test_wrong_row_is_refused(planted_bundle: ModelBundle, planted_data: Dataset) -> None:
    with pytest.raises(FeatureError, match="expected one row of 5 features"):
        contributions(planted_bundle, planted_data.x[:2], 0)


@pytest.mark.parametrize("place", [-1, 3])
def test_unknown_class_is_refused(planted_bundle: ModelBundle, planted_data: Dataset, place: int) -> None:
    with pytest.raises(FeatureError, match="expected a class from 0 to 2"):
        contributions(planted_bundle, planted_data.x[0], place)
