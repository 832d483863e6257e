"""The XGBoost estimator: three columns always, the same bytes always."""

from __future__ import annotations

import numpy as np
import pytest

from signals.config import XGBParams
from signals.errors import BundleDamaged, ConfigError, FeatureError, TrainingError
from signals.ml.estimators import XGBoostEstimator, load, make
from signals.ml.recipe import EstimatorSpec

SPEC = EstimatorSpec(params=XGBParams(n_estimators=12, max_depth=3).model_dump())
ROWS = 400


def rows() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    random = np.random.default_rng(5)
    x = random.normal(size=(ROWS, 6)).astype(np.float32)
    x[::7, 2] = np.nan
    x[:, 4] = np.nan
    x[:, 5] = 1.0
    return x


X = rows()
Y = np.where(X[:, 0] > 0.5, 2.0, np.where(X[:, 0] < -0.5, 0.0, 1.0))
WEIGHT = np.ones(ROWS)
GROUPS = np.arange(ROWS)


def fitted(y: np.ndarray[tuple[int], np.dtype[np.float64]] = Y, *, threads: int = 1, seed: int = 0) -> XGBoostEstimator:
    made = XGBoostEstimator(SPEC, threads=threads)
    made.fit(X, y, WEIGHT, groups=GROUPS, seed=seed)
    return made


def test_columns_are_down_flat_up() -> None:
    probabilities = fitted().predict(X)
    assert probabilities.shape == (ROWS, 3)
    assert probabilities.dtype == np.float64
    assert (probabilities.argmax(axis=1) == Y).mean() > 0.95


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_absent_class_keeps_its_column(absent: int) -> None:
    y = np.where(absent == Y, (absent + 1) % 3, Y).astype(np.float64)
    probabilities = fitted(y).predict(X)
    assert probabilities.shape == (ROWS, 3)
    assert np.isfinite(probabilities).all()
    assert probabilities[:, absent].max() < 0.34
    assert (probabilities.argmax(axis=1) == y).mean() > 0.9


def test_rows_sum_to_one() -> None:
    np.testing.assert_allclose(fitted().predict(X).sum(axis=1), 1.0, atol=1e-6)


def test_threads_do_not_change_the_bytes() -> None:
    assert fitted(threads=1).files() == fitted(threads=2).files()


def test_seed_changes_the_bytes() -> None:
    assert fitted(seed=0).files() != fitted(seed=1).files()


def test_one_row_predicts_like_all_rows() -> None:
    made = fitted()
    whole = made.predict(X)
    for place in (0, 7, 399):
        assert (made.predict(X[place : place + 1])[0] == whole[place]).all()


def test_memory_layout_does_not_matter() -> None:
    made = fitted()
    assert (made.predict(np.asfortranarray(X)) == made.predict(X)).all()


def test_no_rows_give_no_rows() -> None:
    assert fitted().predict(X[:0]).shape == (0, 3)


def test_loaded_one_is_the_same() -> None:
    made = fitted()
    again = load(made.files(), SPEC)
    assert again.files() == made.files()
    assert (again.predict(X) == made.predict(X)).all()


def test_weights_matter() -> None:
    heavy = XGBoostEstimator(SPEC, threads=1)
    heavy.fit(X, Y, np.where(Y == 2, 20.0, 1.0), groups=GROUPS)
    assert heavy.predict(X)[:, 2].mean() > fitted().predict(X)[:, 2].mean()


def test_contributions_sum_to_the_margin() -> None:
    made = fitted()
    margins = made.contributions(X[:20]).sum(axis=2)
    raised = np.exp(margins)
    np.testing.assert_allclose(raised / raised.sum(axis=1, keepdims=True), made.predict(X[:20]), atol=1e-5)


def test_contributions_name_the_feature_that_decides() -> None:
    found = np.abs(fitted().contributions(X[:50])[:, :, :-1]).mean(axis=(0, 1))
    assert found.argmax() == 0
    assert found[4] == 0


def test_scikit_learn_names_are_understood() -> None:
    slow = EstimatorSpec(params={"n_estimators": 1, "learning_rate": 0.01, "reg_alpha": 0.0, "reg_lambda": 1.0})
    made = make(slow, threads=1)
    made.fit(X, Y, WEIGHT, groups=GROUPS, valid=None, seed=0)
    assert np.abs(made.predict(X) - 1 / 3).max() < 0.02


def test_unknown_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match="learning_rat;"):
        make(EstimatorSpec(params={"learning_rat": 0.1}))


def test_other_objective_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected objective 'multi:softprob', was 'reg:squarederror'"):
        make(EstimatorSpec(params={"objective": "reg:squarederror"}))


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected outputs"):
        make(SPEC, ("yhat",))


def test_unfitted_one_says_so() -> None:
    with pytest.raises(TrainingError, match="call fit first"):
        make(SPEC).predict(X)
    with pytest.raises(TrainingError, match="call fit first"):
        make(SPEC).files()


def test_wrong_width_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"expected rows of 6 features, was an array of shape \(400, 5\)"):
        fitted().predict(X[:, :5])


@pytest.mark.parametrize("y", [np.full(ROWS, 3.0), np.full(ROWS, np.nan), np.full(ROWS, 0.5)])
def test_other_classes_are_refused(y: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(TrainingError, match="expected rows with classes 0, 1, 2"):
        make(SPEC).fit(X, y, WEIGHT, groups=GROUPS, valid=None, seed=0)


def test_missing_file_is_refused() -> None:
    with pytest.raises(BundleDamaged, match=r"model\.ubj"):
        load({}, SPEC)


def test_bytes_of_another_format_are_refused() -> None:
    with pytest.raises(BundleDamaged, match="XGBoost refuses it"):
        load({"model.ubj": b"not a model"}, SPEC)
