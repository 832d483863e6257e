from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.strategy.test_html import parsed

from signals.ml.artifact import ModelBundle
from signals.ml.dataset import Dataset
from signals.ml.gate import Gate, Verdict
from signals.ml.manifest import TargetEntry
from signals.ml.recipe import Recipe
from signals.ml.report import training_report
from signals.ml.splits import WalkForward
from signals.ml.validation import WalkForwardValidator
from signals.ml.windows import WindowResult, pooled


@pytest.fixture(scope="module")
def windows(small_recipe: Recipe, planted_data: Dataset) -> list[WindowResult]:
    return WalkForwardValidator(small_recipe).run_dataset(planted_data, WalkForward(6, 3, 3, small_recipe.embargo))


@pytest.fixture(scope="module")
def verdict(small_recipe: Recipe, windows: list[WindowResult]) -> Verdict:
    return Gate(small_recipe.gate).judge(pooled(windows))


def test_it_says_everything_that_was_judged(
    planted_bundle: ModelBundle, windows: list[WindowResult], verdict: Verdict
) -> None:
    page = training_report(planted_bundle, windows, verdict)
    texts = " ".join(parsed(page).texts)
    for said in (*verdict.sentences, *planted_bundle.manifest.notes, planted_bundle.version_id, "survivorship-biased"):
        assert said in texts
    for title in ("How the windows are cut", "Skill by window", "Coverage by window", "Does confidence mean"):
        assert title in texts
    assert "nan" not in texts.lower().split()


def test_the_features_are_ranked_by_what_the_trees_gained(
    planted_bundle: ModelBundle, windows: list[WindowResult], verdict: Verdict
) -> None:
    shares = planted_bundle.estimator.importance()
    assert shares.sum() == pytest.approx(1.0)
    assert planted_bundle.features[int(shares.argmax())] == "planted"
    texts = parsed(training_report(planted_bundle, windows, verdict)).texts
    assert texts.index("planted") < texts.index("noise")
    assert "constant" not in texts  # nothing was gained by it


def test_a_window_that_was_skipped_says_why(
    planted_bundle: ModelBundle, windows: list[WindowResult], verdict: Verdict
) -> None:
    nothing: dict[str, Any] = {**windows[0], "skipped": "the training rows hold a <single> class"}
    page = training_report(planted_bundle, [WindowResult(nothing, None), *windows[1:]], verdict)
    assert "skipped: the training rows hold a <single> class" in parsed(page).texts


def test_a_model_without_a_judged_window_has_a_page(planted_bundle: ModelBundle) -> None:
    page = training_report(planted_bundle, [], Verdict(False, {}, ("Refused: nothing could be judged.",)))
    assert "Refused: nothing could be judged." in parsed(page).texts


def test_the_label_is_told_with_its_unit_and_prices(
    planted_bundle: ModelBundle, windows: list[WindowResult], verdict: Verdict
) -> None:
    target = TargetEntry(horizon=3, up=0.5, down=-0.25, unit="volatility", prices="open_open")
    bundle = replace(planted_bundle, manifest=planted_bundle.manifest.model_copy(update={"target": target}))
    said = "3 sessions ahead, from the next open: UP above +0.5, DOWN below -0.25 standard deviations"
    assert said in " ".join(parsed(training_report(bundle, windows, verdict)).texts)


@pytest.mark.parametrize(
    ("sectors", "said"), [("current-only", "Sectors come from a map of one day"), ("none", "No sectors were given")]
)
def test_what_the_data_cannot_say_is_said(
    planted_bundle: ModelBundle, windows: list[WindowResult], verdict: Verdict, sectors: str, said: str
) -> None:
    data = planted_bundle.manifest.data.model_copy(update={"sectors": sectors})
    bundle = replace(planted_bundle, manifest=planted_bundle.manifest.model_copy(update={"data": data}))
    assert said in " ".join(parsed(training_report(bundle, windows, verdict)).texts)
