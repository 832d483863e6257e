from __future__ import annotations

import numpy as np
import pytest

from signals.errors import ConfigError
from signals.ml.dataset import Dataset
from signals.ml.device import cuda_devices, require_device
from signals.ml.estimators import XGBoostEstimator, load
from signals.ml.fitting import fit_calibrated
from signals.ml.recipe import EstimatorSpec, Recipe

CUDA = EstimatorSpec(params={"n_estimators": 3, "max_depth": 2, "device": "cuda"})
absent = pytest.mark.skipif(cuda_devices() > 0, reason="this machine has a CUDA device")


def test_the_processor_is_always_there() -> None:
    require_device("cpu")


@absent
def test_a_device_that_is_not_there_is_refused_before_a_fit(small_recipe: Recipe, planted_data: Dataset) -> None:
    chosen = small_recipe.model_copy(update={"estimator": CUDA})
    with pytest.raises(ConfigError, match=r"training\.device: expected a CUDA device, but this .* set it to cpu"):
        fit_calibrated(chosen, planted_data)


def test_a_model_of_a_device_predicts_without_one() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    made = XGBoostEstimator(EstimatorSpec(params={"n_estimators": 3, "max_depth": 2}))
    made.fit(x, (np.arange(200) % 3).astype(np.float64), np.ones(200), groups=np.arange(200))
    again = load(made.files(), CUDA)
    np.testing.assert_array_equal(again.predict(x), made.predict(x))


def test_another_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="cpu or cuda, was 'tpu'"):
        XGBoostEstimator(EstimatorSpec(params={"device": "tpu"}))
