from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import xgboost as xgb

from signals.ml.curves import Curve, FoldCurves
from signals.ml.dataset import Dataset, class_weights
from signals.ml.metrics import log_loss
from signals.ml.recipe import Recipe
from signals.ml.splits import Split, TimeOrderedFolds

PARAMS = {"max_depth": 3, "learning_rate": 0.3, "subsample": 0.7, "colsample_bytree": 0.8}


@pytest.fixture(scope="module")
def folds(small_recipe: Recipe, planted_data: Dataset) -> list[Split]:
    return list(TimeOrderedFolds(3, small_recipe.embargo).split(planted_data.labels))


@pytest.fixture(scope="module")
def curves(small_recipe: Recipe, planted_data: Dataset, folds: Sequence[Split]) -> FoldCurves:
    return FoldCurves(small_recipe, planted_data, folds)


def test_every_point_is_a_model_of_so_many_trees(
    curves: FoldCurves, small_recipe: Recipe, planted_data: Dataset, folds: Sequence[Split]
) -> None:
    """The oracle fits anew, without shared matrices, and averages the loss by date with the metrics' own code."""
    curve = curves.run(PARAMS, rounds=12, patience=12)
    for trees in (1, 7, 12):
        losses = []
        for fold in folds:
            train, test = planted_data.take(fold.train), planted_data.take(fold.test)
            model = xgb.XGBClassifier(
                **{**small_recipe.estimator.params, **PARAMS, "n_estimators": trees, "seed_per_iteration": True},
                tree_method="hist", base_score=0.5, random_state=0, n_jobs=1,
            )  # fmt: skip
            model.fit(train.x, train.y.astype(int), sample_weight=class_weights(train.y, small_recipe.weights.kind))
            losses.append(log_loss(model.predict_proba(test.x).astype(np.float64), test.y, test.timestamps))
        assert curve.losses[trees - 1] == pytest.approx(np.mean(losses), abs=2e-6)


def test_threads_change_nothing(
    curves: FoldCurves, small_recipe: Recipe, planted_data: Dataset, folds: Sequence[Split]
) -> None:
    parallel = FoldCurves(small_recipe, planted_data, folds, threads=3)
    expected = curves.run(PARAMS, rounds=20, patience=20).losses
    assert parallel.run(PARAMS, rounds=20, patience=20).losses.tobytes() == expected.tobytes()


def test_stops_when_the_loss_has_not_fallen_for_long(curves: FoldCurves) -> None:
    curve = curves.run({**PARAMS, "learning_rate": 1.0, "max_depth": 8}, rounds=300, patience=20)
    assert len(curve.losses) < 60
    assert len(curve.losses) - 1 - int(np.argmin(curve.losses)) >= 20


def test_goes_on_to_the_fewest_trees(curves: FoldCurves) -> None:
    curve = curves.run({**PARAMS, "learning_rate": 1.0, "max_depth": 8}, rounds=300, patience=20, fewest=80)
    assert len(curve.losses) == 80


def test_best_looks_at_no_fewer_trees_than_allowed() -> None:
    curve = Curve(np.array([0.9, 0.5, 0.7, 0.6, 0.8]))
    assert curve.best() == (2, 0.5)
    assert curve.best(3) == (4, 0.6)


def test_what_it_is_told_to_raise_ends_the_run(curves: FoldCurves) -> None:
    seen = []

    def told(trees: int, loss: float, since: int, least: float) -> None:
        assert 0 <= since < trees
        seen.append((trees, loss))
        if trees >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        curves.run(PARAMS, rounds=100, patience=100, told=told)
    assert [trees for trees, _ in seen] == [10, 20]
    losses = curves.run(PARAMS, rounds=20, patience=100).losses
    assert [loss for _, loss in seen] == [losses[9], losses[19]]
