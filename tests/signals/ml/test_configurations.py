"""Configurations refitted in every window, and what choosing among them costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from signals.data.records import BarColumns
from signals.errors import TrainingError
from signals.ml.configurations import BLOCKS, Tried, refit, selection_figures
from signals.ml.dataset import Dataset
from signals.ml.fitting import fit_calibrated
from signals.ml.metrics import by_date, log_loss_rows
from signals.ml.recipe import Recipe
from signals.ml.returns import Closes, sides_of
from signals.ml.selection import pbo
from signals.ml.splits import Split, WalkForward
from signals.ml.tuning import tuned
from signals.ml.validation import evaluate
from signals.ml.windows import WindowResult, newest

THRESHOLD = 0.5
CONFIGURATIONS: Sequence[Mapping[str, int | float]] = (
    {"max_depth": 1, "learning_rate": 0.1},
    {"max_depth": 2, "subsample": 0.5},
    {"max_depth": 3},
)


@pytest.fixture(scope="module")
def splits(planted_data: Dataset) -> list[Split]:
    return list(WalkForward(6, 3, 2, 5).split(planted_data.labels))


@pytest.fixture(scope="module")
def tried(small_recipe: Recipe, planted_data: Dataset, splits: list[Split]) -> Tried:
    return refit(small_recipe, CONFIGURATIONS, planted_data, splits, threshold=THRESHOLD, threads=2)


def windows_of(recipe: Recipe, data: Dataset, splits: Sequence[Split]) -> list[WindowResult]:
    return [
        evaluate(lambda rows: fit_calibrated(recipe, rows, threads=1), data, split, recipe, THRESHOLD)
        for split in splits
    ]


@pytest.fixture(scope="module")
def windows(small_recipe: Recipe, planted_data: Dataset, splits: list[Split]) -> list[WindowResult]:
    return windows_of(small_recipe, planted_data, splits)


@pytest.fixture(scope="module")
def priced(planted_data: Dataset) -> Dataset:
    """Return the rows with closes that go where the labels say."""
    time = np.unique(np.concatenate([planted_data.timestamps, planted_data.label_end]))
    found = []
    for seed, symbol in enumerate(("AA", "BB", "CC")):
        rows = planted_data.labels.value.xs(symbol, level="symbol").to_numpy()
        moves = np.zeros(len(time))
        moves[1 : len(rows) + 1] = 0.01 * (rows - 1.0)
        moves += 0.02 * np.random.default_rng(seed).normal(size=len(time))
        close = 50 * np.exp(np.cumsum(moves))
        found.append(BarColumns(symbol, time, np.repeat(close[:, None], 5, axis=1)))
    return replace(planted_data, closes=Closes.of(found))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_is_fitted_and_calibrated_as_the_trainer_would(
    place: int, small_recipe: Recipe, planted_data: Dataset, splits: list[Split], tried: Tried
) -> None:
    assert len(splits) >= 3
    alone = newest(windows_of(tuned(small_recipe, CONFIGURATIONS[place]), planted_data, splits))
    saved = log_loss_rows(alone.frequencies, alone.y) - log_loss_rows(alone.calibrated, alone.y)
    np.testing.assert_array_equal(planted_data.timestamps[tried.rows], alone.timestamps)
    np.testing.assert_allclose(tried.skill[:, place], by_date(saved, alone.timestamps)[1], atol=1e-5)
    assert (tried.sides[:, place] == sides_of(alone.calibrated, THRESHOLD)).mean() > 0.999


def test_threads_do_not_matter(small_recipe: Recipe, planted_data: Dataset, splits: list[Split], tried: Tried) -> None:
    alone = refit(small_recipe, CONFIGURATIONS, planted_data, splits, threshold=THRESHOLD, threads=1)
    np.testing.assert_array_equal(alone.skill, tried.skill)
    np.testing.assert_array_equal(alone.sides, tried.sides)


def test_every_date_comes_once(planted_data: Dataset, splits: list[Split], tried: Tried) -> None:
    tested = np.unique(np.concatenate([planted_data.timestamps[split.test] for split in splits]))
    assert (np.diff(tried.rows) > 0).all()
    np.testing.assert_array_equal(np.unique(planted_data.timestamps[tried.rows]), tested)
    assert tried.skill.shape == (len(tested), len(CONFIGURATIONS))


def test_progress_counts_fits(small_recipe: Recipe, planted_data: Dataset, splits: list[Split]) -> None:
    heard: list[tuple[int, int]] = []
    refit(
        small_recipe,
        CONFIGURATIONS,
        planted_data,
        splits[:2],
        threshold=THRESHOLD,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(done, 6) for done in range(1, 7)]


def test_windows_that_cannot_be_fitted_are_left_out(
    small_recipe: Recipe, planted_data: Dataset, splits: list[Split]
) -> None:
    strict = small_recipe.model_copy(update={"min_rows": 10_000})
    with pytest.raises(TrainingError, match="a window that can be fitted"):
        refit(strict, CONFIGURATIONS, planted_data, splits, threshold=THRESHOLD)


def test_one_configuration_is_no_choice(small_recipe: Recipe, planted_data: Dataset, splits: list[Split]) -> None:
    with pytest.raises(TrainingError, match="two configurations or more, was 1"):
        refit(small_recipe, CONFIGURATIONS[:1], planted_data, splits, threshold=THRESHOLD)


def test_figures_say_what_choosing_costs(tried: Tried, windows: list[WindowResult], priced: Dataset) -> None:
    found = selection_figures(tried, windows, priced, 5, attempts=4)
    assert found["configurations"] == 3
    assert found["pbo"] == pbo(tried.skill, BLOCKS)
    assert found["attempts"] == 4
    assert found["trade_dates"] > 100
    assert 1 <= found["trials_effective"] <= 3
    assert found["sharpe_daily"] > 0.05  # the closes go where the labels say, and these are told
    assert found["sharpe_by_luck"] > 0
    first = selection_figures(tried, windows, priced, 5, attempts=0)
    assert first["deflated_sharpe"] > found["deflated_sharpe"]


def test_silent_models_have_no_sharpe(tried: Tried, windows: list[WindowResult], priced: Dataset) -> None:
    shy = Tried(tried.rows, tried.skill, tried.sides, 0.999)
    found = selection_figures(shy, windows, priced, 5, attempts=0)
    assert found["trade_dates"] == 0
    assert math.isnan(found["deflated_sharpe"])
    quiet = Tried(tried.rows, tried.skill, np.zeros_like(tried.sides), THRESHOLD)
    found = selection_figures(quiet, windows, priced, 5, attempts=0)
    assert found["trade_dates"] > 100
    assert math.isnan(found["deflated_sharpe"])


def test_a_short_record_has_no_pbo(tried: Tried, windows: list[WindowResult], priced: Dataset) -> None:
    short = Tried(tried.rows, tried.skill[:79], tried.sides, THRESHOLD)
    assert math.isnan(selection_figures(short, windows, priced, 5, attempts=0)["pbo"])
