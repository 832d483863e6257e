from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals.errors import TooFewRows, TrainingError
from signals.ml.curves import STEP, Curve, FoldCurves
from signals.ml.dataset import Dataset
from signals.ml.recipe import Range, Recipe, SearchSpec
from signals.ml.splits import Split
from signals.ml.tuning import Tuned, search, tuned

SPAWN = multiprocessing.get_context("spawn")
SPEC = SearchSpec(
    space={
        "max_depth": Range(low=1, high=6, whole=True),
        "learning_rate": Range(low=0.02, high=0.5, log=True),
        "min_child_weight": Range(low=1, high=50, log=True),
    },
    trials=9,
    folds=2,
    most_trees=60,
    patience=15,
)


@pytest.fixture(scope="module")
def recipe(small_recipe: Recipe) -> Recipe:
    return small_recipe.model_copy(update={"search": SPEC})


@pytest.fixture(scope="module")
def found(recipe: Recipe, planted_data: Dataset) -> Tuned:
    return search(recipe, planted_data)


def test_finds_parameters_of_the_space(found: Tuned) -> None:
    assert found.trials == SPEC.trials
    assert found.repeatable
    assert 1 <= found.params["n_estimators"] <= SPEC.most_trees
    for name, span in SPEC.space.items():
        assert span.low <= found.params[name] <= span.high
    assert isinstance(found.params["max_depth"], int)


def test_the_planted_signal_is_worth_finding(found: Tuned) -> None:
    assert found.loss < np.log(3) - 0.2


def test_the_same_again_with_more_threads(found: Tuned, recipe: Recipe, planted_data: Dataset) -> None:
    assert search(recipe, planted_data, threads=2) == found


def test_another_seed_searches_otherwise(found: Tuned, recipe: Recipe, planted_data: Dataset) -> None:
    assert search(recipe, planted_data, seed=1).params != found.params


def test_begins_with_what_it_is_given(recipe: Recipe, planted_data: Dataset) -> None:
    start = {"max_depth": 4, "learning_rate": 0.123, "min_child_weight": 7.0, "n_estimators": 11}
    one = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 1})})
    params = search(one, planted_data, start=start).params
    assert {name: params[name] for name in SPEC.space} == {name: start[name] for name in SPEC.space}


def test_begins_with_what_its_recipe_says(recipe: Recipe, planted_data: Dataset) -> None:
    start = {"max_depth": 2, "learning_rate": 0.1, "min_child_weight": 3.0}
    one = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 1, "start": start})})
    params = search(one, planted_data).params
    assert {name: params[name] for name in SPEC.space} == start


def test_a_study_goes_on_where_it_was(found: Tuned, recipe: Recipe, planted_data: Dataset, tmp_path: Path) -> None:
    journal = tmp_path / "deep" / "tuning.journal"
    few = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 4})})
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        # The number of trials is not what a study is named for here: it is the same study, broken off.
        patch.setattr(Recipe, "sha256", lambda _: "one recipe")
        search(few, planted_data, journal=journal)
        whole = search(recipe, planted_data, journal=journal, progress=lambda done, _: seen.append(done))
    assert seen == [5, 6, 7, 8, 9]
    assert whole == found


def exit_code(target: Callable[..., None], *arguments: object) -> int | None:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def killed(recipe: Recipe, data: Dataset, journal: Path) -> None:
    def after(done: int, _: int) -> None:
        if done == 3:
            os._exit(9)

    search(recipe, data, journal=journal, progress=after)


def test_a_killed_study_ends_as_an_unbroken_one(
    found: Tuned, recipe: Recipe, planted_data: Dataset, tmp_path: Path
) -> None:
    journal = tmp_path / "tuning.journal"
    assert exit_code(killed, recipe, planted_data, journal) == 9
    assert search(recipe, planted_data, journal=journal) == found


def on_a_full_disk(recipe: Recipe, data: Dataset, journal: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
    try:
        search(recipe, data, journal=journal)
    except TrainingError as error:
        os._exit(9 if str(journal) in str(error) else 8)


def test_a_full_disk_is_said_and_the_study_goes_on(
    found: Tuned, recipe: Recipe, planted_data: Dataset, tmp_path: Path
) -> None:
    journal = tmp_path / "tuning.journal"
    assert exit_code(on_a_full_disk, recipe, planted_data, journal) == 9
    assert not journal.read_bytes().endswith(b"\n")
    assert search(recipe, planted_data, journal=journal) == found


def test_a_damaged_journal_is_named(recipe: Recipe, planted_data: Dataset, tmp_path: Path) -> None:
    journal = tmp_path / "tuning.journal"
    journal.write_text('{"op_code": 0, "worker\n{}\n')
    with pytest.raises(TrainingError, match=r"tuning\.journal"):
        search(recipe, planted_data, journal=journal)


def test_a_study_broken_off_in_its_first_trial_ends_as_an_unbroken_one(
    recipe: Recipe, planted_data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    start = {"max_depth": 2, "learning_rate": 0.1, "min_child_weight": 3.0}
    few = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 4, "start": start})})
    with monkeypatch.context() as patch:
        patch.setattr(FoldCurves, "run", broken)
        with pytest.raises(KeyboardInterrupt):
            search(few, planted_data, journal=tmp_path / "tuning.journal")
    assert search(few, planted_data, journal=tmp_path / "tuning.journal") == search(few, planted_data)


def beside(recipe: Recipe, data: Dataset, journal: Path, results: Any) -> None:
    results.put(search(recipe, data, journal=journal))


def test_two_searches_of_one_journal_take_turns(
    found: Tuned, recipe: Recipe, planted_data: Dataset, tmp_path: Path
) -> None:
    results = SPAWN.Queue()
    pair = [
        SPAWN.Process(target=beside, args=(recipe, planted_data, tmp_path / "tuning.journal", results))
        for _ in range(2)
    ]
    for process in pair:
        process.start()
    assert [results.get(timeout=120) for _ in pair] == [found, found]
    for process in pair:
        process.join(60)


class Scripted:
    """Curves whose losses are given, one after the other."""

    def __init__(self, *losses: Sequence[float]) -> None:
        self._losses = list(losses)

    def run(self, _: object, *, fewest: int, told: Callable[[int, float, int, float], None], **__: object) -> Curve:
        losses = np.repeat(self._losses.pop(0), STEP)
        for trees in range(STEP, len(losses) + 1, STEP):
            so_far = losses[:trees]
            told(trees, so_far[-1], trees - 1 - int(so_far.argmin()), float(min(so_far[fewest - 1 :], default=np.inf)))
        return Curve(losses)


def test_a_curve_that_has_won_is_not_given_up_as_it_rises(recipe: Recipe, planted_data: Dataset) -> None:
    with pytest.MonkeyPatch.context() as patch:
        scripted = Scripted([1.0, 0.9, 1.0], [1.0, 0.8, 1.0, 1.1, 1.2], [1.0, 0.85, 1.2])
        patch.setattr("signals.ml.tuning.FoldCurves", lambda *_, **__: scripted)
        three = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 3})})
        found = search(three, planted_data)
    assert (found.loss, found.params["n_estimators"], found.pruned) == (0.8, STEP + 1, 1)


def test_a_search_is_of_its_columns(recipe: Recipe, planted_data: Dataset, tmp_path: Path) -> None:
    one = recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 2})})
    fewer = replace(planted_data, X=planted_data.X[planted_data.X.columns[:-1]])
    done: list[int] = []
    for data in (planted_data, fewer):
        search(one, data, journal=tmp_path / "tuning.journal", progress=lambda number, _: done.append(number))
    assert done == [1, 2, 1, 2]


def test_sees_the_rows_given_and_no_others(
    recipe: Recipe, planted_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fold's training labels were known before its test rows, and all rows are of the range given."""
    handed: list[tuple[Dataset, Sequence[Split]]] = []

    class Watched(FoldCurves):
        def __init__(self, recipe: Recipe, data: Dataset, splits: Sequence[Split], **options: int) -> None:
            handed.append((data, splits))
            super().__init__(recipe, data, splits, **options)

    monkeypatch.setattr("signals.ml.tuning.FoldCurves", Watched)
    part = planted_data.take(np.arange(600))
    search(recipe.model_copy(update={"search": SPEC.model_copy(update={"trials": 1})}), part)
    (data, splits), *_ = handed
    assert data is part
    assert len(splits) == SPEC.folds
    for split in splits:
        assert part.label_end[split.train].max() < part.timestamps[split.test].min()


def test_a_time_budget_is_said_to_be_unrepeatable(recipe: Recipe, planted_data: Dataset) -> None:
    hasty = recipe.model_copy(update={"search": SPEC.model_copy(update={"seconds": 1e-9})})
    found = search(hasty, planted_data)
    assert (found.trials, found.repeatable) == (1, False)


def test_tuned_puts_the_parameters_into_the_recipe(found: Tuned, recipe: Recipe) -> None:
    made = tuned(recipe, found.params)
    assert made.search is None
    assert made.estimator.params == {**recipe.estimator.params, **found.params}


def test_a_recipe_without_a_search_is_refused(small_recipe: Recipe, planted_data: Dataset) -> None:
    with pytest.raises(TrainingError, match="expected a search"):
        search(small_recipe, planted_data)


def test_too_few_rows_are_refused(recipe: Recipe, planted_data: Dataset) -> None:
    with pytest.raises(TooFewRows):
        search(recipe, planted_data.take(np.arange(50)))
