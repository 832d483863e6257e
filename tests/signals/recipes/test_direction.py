"""The recipe `direction` says what the settings say."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from signals.config import MLSettings, Settings, XGBParams
from signals.ml.recipe import Recipe
from signals.recipes.direction import CONFIGURATIONS, CONSERVATIVE, recipe


def test_defaults_are_those_of_the_settings() -> None:
    made = recipe()
    assert made == recipe(Settings())
    assert made.name == "direction"
    assert (made.target.horizon, made.target.up, made.target.down) == (5, 0.01, -0.01)
    assert made.min_rows == 500
    assert made.weights.kind == "none"
    assert not made.features.market_wide
    assert made.embargo == 5


def test_settings_reach_the_recipe() -> None:
    ml = MLSettings(
        prediction_horizon=3,
        up_threshold=0.02,
        down_threshold=-0.03,
        min_training_samples=77,
        xgb_params=XGBParams(n_estimators=9),
    )
    made = recipe(Settings(ml=ml))
    assert (made.target.horizon, made.target.up, made.target.down) == (3, 0.02, -0.03)
    assert made.min_rows == 77
    assert made.estimator.params["n_estimators"] == 9
    assert made.embargo == 3


def test_every_documented_parameter_is_passed_on() -> None:
    assert XGBParams().model_dump().items() <= recipe().estimator.params.items()


@pytest.mark.parametrize("metric", ["skill_frequencies_lower", "skill_volatility_lower", "skill_direction_lower"])
def test_gate_asks_for_skill_beyond_luck(metric: str) -> None:
    rule = next(rule for rule in recipe().gate if rule.metric == metric)
    assert not rule.holds(0.0)
    assert rule.holds(1e-6)
    assert not rule.holds(float("nan"))


def test_gate_asks_for_calibration() -> None:
    rule = next(rule for rule in recipe().gate if rule.metric == "ece")
    assert rule.holds(0.03)
    assert not rule.holds(0.0301)


def test_gate_asks_for_calibration_in_each_window() -> None:
    rule = next(rule for rule in recipe().gate if rule.metric == "ece_windows")
    assert rule.holds(0.02)
    assert not rule.holds(0.0201)


def test_gate_asks_for_no_worse_than_the_active_version() -> None:
    rule = next(rule for rule in recipe().gate if rule.metric == "skill_active")
    assert rule.holds(0.0)
    assert not rule.holds(-1e-6)


def test_hash_follows_the_content() -> None:
    assert recipe().sha256() == recipe().sha256()
    assert recipe().sha256() != recipe(Settings(ml=MLSettings(prediction_horizon=4))).sha256()


def test_json_round_trip() -> None:
    assert Recipe.model_validate_json(recipe().model_dump_json()) == recipe()


def test_found_by_name() -> None:
    (found,) = (entry for entry in entry_points(group="vane.recipes") if entry.name == "direction")
    assert found.load() is recipe


def test_configurations_are_different_and_lie_in_the_conservative_space() -> None:
    assert len(CONFIGURATIONS) >= 20
    assert len({tuple(sorted(each.items())) for each in CONFIGURATIONS}) == len(CONFIGURATIONS)
    for name, span in CONSERVATIVE.space.items():
        assert all(span.low <= each[name] <= span.high for each in CONFIGURATIONS)
