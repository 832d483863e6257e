"""What the active version is compared on: never a row that it was trained on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from signals.data.records import to_micros
from signals.ml.artifact import ModelBundle
from signals.ml.assembly import assemble
from signals.ml.dataset import Dataset
from signals.ml.evidence import Evidence
from signals.ml.fitting import fit_calibrated
from signals.ml.manifest import DataOrigin
from signals.ml.metrics import log_loss
from signals.ml.recipe import Recipe, SplitSpec, TargetSpec, WeightSpec
from signals.ml.rival import rival_record

REFITTED = Evidence({}, (1, 2), {"model": (1.0, 1.1)}, {})


class Refit:
    """Takes note of what it is to fit."""

    def __init__(self) -> None:
        self.asked: list[tuple[Recipe, Dataset]] = []

    def __call__(self, recipe: Recipe, data: Dataset) -> Evidence:
        self.asked.append((recipe, data))
        return REFITTED


@pytest.fixture(scope="module")
def early(small_recipe: Recipe, planted_data: Dataset) -> ModelBundle:
    """Return a version trained on the first 200 sessions."""
    ends = np.unique(planted_data.label_end)
    rows = planted_data.take(np.flatnonzero(planted_data.label_end <= ends[199]))
    return assemble(
        small_recipe,
        rows,
        fit_calibrated(small_recipe, rows, threads=1),
        created_at=datetime(2016, 3, 15, 12, tzinfo=UTC),
        origin=DataOrigin(fingerprint=rows.fingerprint),
    )


def told(bundle: ModelBundle, recipe: Recipe) -> ModelBundle:
    """Return the version with its recipe in the manifest."""
    spec = {"recipe_spec": recipe.model_dump(mode="json")}
    return replace(bundle, manifest=bundle.manifest.model_copy(update=spec))


def test_without_its_recipe_it_speaks_on_later_rows_itself(
    early: ModelBundle, small_recipe: Recipe, planted_data: Dataset
) -> None:
    refit = Refit()
    found = rival_record(early, small_recipe, planted_data, refit)
    dates = np.unique(planted_data.timestamps)
    behind = dates[dates > to_micros(early.last_label_end)]
    assert found.dates == tuple(behind[5:].tolist())
    assert len(found.dates) == 300 - 205 - 5
    later = planted_data.take(np.flatnonzero(np.isin(planted_data.timestamps, behind[5:])))
    assert np.mean(found.losses["model"]) == pytest.approx(log_loss(early.predict(later.x), later.y, later.timestamps))
    assert f"{early.last_label_end:%Y-%m-%d}" in found.source
    assert not refit.asked


def test_trained_on_everything_it_says_nothing(
    planted_bundle: ModelBundle, small_recipe: Recipe, planted_data: Dataset
) -> None:
    assert rival_record(planted_bundle, small_recipe, planted_data, Refit()).dates == ()


def test_the_same_recipe_is_not_fitted_anew(early: ModelBundle, small_recipe: Recipe, planted_data: Dataset) -> None:
    refit = Refit()
    other_gate = small_recipe.model_copy(update={"gate": (), "split": SplitSpec(train_months=6)})
    found = rival_record(told(early, other_gate), small_recipe, planted_data, refit)
    assert len(found.dates) == 90
    assert not refit.asked


def test_another_recipe_is_fitted_anew_on_the_candidates_windows(
    early: ModelBundle, small_recipe: Recipe, planted_data: Dataset
) -> None:
    refit = Refit()
    other = small_recipe.model_copy(update={"weights": WeightSpec(kind="balanced"), "split": SplitSpec(train_months=6)})
    found = rival_record(told(early, other), small_recipe, planted_data, refit)
    assert (found.dates, found.losses) == (REFITTED.dates, REFITTED.losses)
    assert found.source == "its recipe fitted anew at the start of each window"
    ((recipe, rows),) = refit.asked
    assert recipe == other.model_copy(update={"split": small_recipe.split})
    assert rows.X.equals(planted_data.X)


def test_the_same_recipe_on_other_features_is_fitted_anew(
    early: ModelBundle, small_recipe: Recipe, planted_data: Dataset
) -> None:
    refit = Refit()
    wider = replace(planted_data, X=planted_data.X.assign(more=np.float32(1.0)))
    rival_record(told(early, small_recipe), small_recipe, wider, refit)
    ((_, rows),) = refit.asked
    assert list(rows.X.columns) == list(early.features)


def test_another_target_is_not_compared(early: ModelBundle, small_recipe: Recipe, planted_data: Dataset) -> None:
    refit = Refit()
    far = small_recipe.model_copy(update={"target": TargetSpec(up=0.02)})
    found = rival_record(told(early, small_recipe), far, planted_data, refit)
    assert (found.dates, found.source) == ((), "it predicts another target")
    assert not refit.asked


def test_features_that_are_missing_are_named(early: ModelBundle, small_recipe: Recipe, planted_data: Dataset) -> None:
    narrow = replace(planted_data, X=planted_data.X.drop(columns=["planted"]))
    found = rival_record(early, small_recipe, narrow, Refit())
    assert found.dates == ()
    assert found.source.endswith("lack: planted")


def test_a_recipe_of_another_time_is_as_none(early: ModelBundle, small_recipe: Recipe, planted_data: Dataset) -> None:
    strange = replace(
        early, manifest=early.manifest.model_copy(update={"recipe_spec": {"name": "direction", "age": 3}})
    )
    refit = Refit()
    assert len(rival_record(strange, small_recipe, planted_data, refit).dates) == 90
    assert not refit.asked
