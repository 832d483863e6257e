"""Evaluation curves: how the loss of a parameter set on purged folds falls and rises with every further tree.

One run to the most trees gives every smaller number of trees as well, so that the number of trees needs no search. The
quantile matrices of all folds are built once and shared by all parameter sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from signals.data.records import F8
from signals.ml.dataset import Dataset
from signals.ml.device import require_device
from signals.ml.estimators import native_params
from signals.ml.recipe import Recipe
from signals.ml.splits import Split
from signals.ml.weights import sample_weights

__all__ = ["STEP", "Curve", "FoldCurves", "fold_matrices"]

STEP = 10
"""Trees that all folds are advanced by before their mean loss is looked at."""


@dataclass(frozen=True)
class Curve:
    """The mean over folds of the date-averaged log loss after each tree, shape (trees,), from the first tree on."""

    losses: F8

    def best(self, fewest: int = 1) -> tuple[int, float]:
        """Return the number of trees, `fewest` or more, with the least loss, and that loss."""
        trees = fewest + int(np.argmin(self.losses[fewest - 1 :]))
        return trees, float(self.losses[trees - 1])


class FoldCurves:
    """Fits parameter sets of XGBoost on the folds of one dataset.

    Parameters
    ----------
    data, splits
        Rows, and the folds: every model is fitted on a fold's training rows and judged on its test rows.
    threads
        Folds that are advanced side by side, one thread each; the losses are the same with any number.
    """

    def __init__(
        self, recipe: Recipe, data: Dataset, splits: Sequence[Split], *, threads: int = 1, seed: int = 0
    ) -> None:
        self._fixed = dict(recipe.estimator.params)
        self._seed = seed
        self._threads = min(threads, len(splits))
        # The largest first, so that no thread is left alone with it at the end.
        sized = sorted(splits, key=lambda split: -len(split.train))
        self._folds = [fold_matrices(recipe, data, split) for split in sized]

    def run(
        self,
        params: Mapping[str, int | float],
        *,
        rounds: int,
        patience: int,
        fewest: int = 1,
        told: Callable[[int, float, int, float], None] | None = None,
    ) -> Curve:
        """Return the curve up to `rounds` trees, or until the loss has not fallen for `patience` trees.

        Parameters
        ----------
        params
            Under scikit-learn's names, over those of the recipe; no number of trees.
        fewest
            Trees before which it does not stop.
        told
            Called now and then with the number of trees, the mean loss with all of them, the trees since the least one,
            and the least with `fewest` trees or more; what it raises ends the run.
        """
        import xgboost as xgb

        native = {**native_params({**self._fixed, **params})[1], "seed": self._seed, "nthread": 1}
        require_device(native["device"])
        boosters = [xgb.Booster(native, list(matrices)) for matrices in self._folds]
        losses = np.empty((len(boosters), 0))
        with ThreadPoolExecutor(self._threads) as pool:
            while (done := losses.shape[1]) < rounds:
                upto = range(done, min(done + STEP, rounds))
                advanced = pool.map(_advance, boosters, self._folds, repeat(upto))
                losses = np.concatenate([losses, np.array(list(advanced))], axis=1)
                mean = losses.mean(axis=0)
                since = len(mean) - 1 - int(np.argmin(mean))
                if told is not None:
                    told(len(mean), float(mean[-1]), since, float(min(mean[fewest - 1 :], default=math.inf)))
                if len(mean) >= fewest and since >= patience:
                    break
        return Curve(losses.mean(axis=0))


def fold_matrices(recipe: Recipe, data: Dataset, split: Split) -> tuple[Any, Any]:
    """Return the quantile matrices of a fold's training rows, weighted as the recipe says, and of its test rows."""
    import xgboost as xgb

    train, test = data.take(split.train), data.take(split.test)
    bins = int(recipe.estimator.params.get("max_bin", 256))
    weight = sample_weights(train, recipe.weights)
    fitted = xgb.QuantileDMatrix(train.x, train.y, weight=weight, missing=np.nan, nthread=1, max_bin=bins)
    # Every date weighs the same in the loss, and outcomes are judged as they came, whatever the weights of the fit.
    # As plain floats: trees walk through them eight times faster than through bins, to the same loss.
    judged = xgb.DMatrix(test.x, test.y, weight=test.date_weight, missing=np.nan, nthread=1)
    return fitted, judged


def _advance(booster: Any, matrices: tuple[Any, Any], rounds: range) -> list[float]:
    fitted, judged = matrices
    losses = []
    for number in rounds:
        booster.update(fitted, number)
        losses.append(float(booster.eval(judged, "test", number).rpartition(":")[2]))
    return losses
