from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from signals.errors import BundleError
from signals.features.catalog import CATALOGUE, catalogue_hash
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.registry import ModelRegistry
from signals.ml.source import ActiveModel, AsOfModels, FixedModel, ModelSource

NOW = datetime(2024, 1, 2, tzinfo=UTC)
Register = Callable[..., str]


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def register(registry: ModelRegistry, make_bundle: Callable[..., ModelBundle], tmp_path: Path) -> Register:
    def make(version_id: str, **more: Any) -> str:
        registry.register(version_id, save_bundle(make_bundle(version_id, **more), tmp_path / version_id), {})
        return version_id

    return make


def named(source: ModelSource, at: datetime = NOW) -> str | None:
    bundle = source.at(at)
    return None if bundle is None else bundle.version_id


def test_a_fixed_model_is_the_same_at_every_instant(make_bundle: Callable[..., ModelBundle]) -> None:
    assert named(FixedModel(make_bundle("v1"))) == "v1"


def test_without_activations_there_is_no_model(registry: ModelRegistry) -> None:
    source = ActiveModel(registry)
    assert (named(source), named(source), source.failures) == (None, None, ())


def test_the_first_load_answers_at_once(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    assert named(ActiveModel(registry)) == "a"


def test_a_promotion_is_picked_up(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    source = ActiveModel(registry)
    first = source.at(NOW)
    registry.promote(register("b", seed=1))
    assert source.at(NOW) in (first, source.at(NOW))
    source.wait()
    assert named(source) == "b"


def test_a_rollback_is_picked_up(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    source = ActiveModel(registry)
    assert named(source) == "b"
    registry.rollback()
    source.at(NOW)
    source.wait()
    assert named(source) == "a"


def test_slices_never_wait_for_a_load(
    registry: ModelRegistry, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(register("a"))
    source = ActiveModel(registry)
    source.at(NOW)
    go, load = threading.Event(), registry.load

    def slow(*arguments: Any) -> ModelBundle | None:
        go.wait(10)
        return load(*arguments)

    monkeypatch.setattr(registry, "load", slow)
    registry.promote(register("b", seed=1))
    assert [named(source) for _ in range(3)] == ["a"] * 3
    go.set()
    source.wait()
    assert named(source) == "b"


def test_a_damaged_model_keeps_the_one_in_use(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    source = ActiveModel(registry)
    source.at(NOW)
    registry.promote(register("b", seed=1))
    (registry.root / "direction" / "b" / "model.ubj").write_bytes(b"\0")
    source.at(NOW)
    source.wait()
    assert named(source) == "a"
    assert len(source.failures) == 1
    assert "model.ubj" in source.failures[0]


def test_a_model_of_other_features_keeps_the_one_in_use(registry: ModelRegistry, register: Register) -> None:
    one, other = CATALOGUE[:2], CATALOGUE[:3]
    registry.promote(register("a", catalogue=catalogue_hash(one)))
    source = ActiveModel(registry, features=one)
    source.at(NOW)
    registry.promote(register("b", seed=1, catalogue=catalogue_hash(other)))
    source.at(NOW)
    source.wait()
    assert named(source) == "a"
    assert "another feature catalogue" in source.failures[0]
    assert named(ActiveModel(registry)) == "b"


def test_a_damaged_model_is_not_tried_again_but_the_next_is(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    source = ActiveModel(registry)
    source.at(NOW)
    registry.promote(register("b", seed=1))
    (registry.root / "direction" / "b" / "model.ubj").unlink()
    for _ in range(3):
        source.at(NOW)
        source.wait()
    assert len(source.failures) == 1
    registry.promote(register("c", seed=2))
    source.at(NOW)
    source.wait()
    assert named(source) == "c"


def test_any_failure_keeps_the_model_in_use_and_is_logged(
    registry: ModelRegistry, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(register("a"))
    source = ActiveModel(registry)
    source.at(NOW)

    def broken(*_: Any) -> None:
        raise MemoryError("no more")

    registry.promote(register("b", seed=1))
    monkeypatch.setattr(registry, "load", broken)
    with capture_logs() as logged:
        source.at(NOW)
        source.wait()
    assert named(source) == "a"
    assert source.failures == ("activation 2: no more",)
    assert [(line["log_level"], line["activation"]) for line in logged] == [("error", 2)]


def test_failures_are_kept_within_bounds(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    source = ActiveModel(registry)
    (registry.root / "direction" / "b" / "model.ubj").unlink()
    for _ in range(25):
        source._number = 0
        source._load()
    assert len(source.failures) == 20


def test_the_other_slot_s_activations_change_nothing(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    source, shadow = ActiveModel(registry), ActiveModel(registry, slot="shadow")
    first = source.at(NOW)
    assert shadow.at(NOW) is None
    registry.promote(register("b", seed=1), slot="shadow")
    for each in (source, shadow):
        each.at(NOW)
        each.wait()
    assert source.at(NOW) is first
    assert named(shadow) == "b"


def test_as_of_replays_what_was_active(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    registry.promote(register("c", seed=2), slot="shadow")
    source = AsOfModels(registry)
    first, second = (entry.at for entry in registry.history()[:2])
    instants = (first - timedelta(days=1), first, second, second + timedelta(days=1))
    assert [named(source, at) for at in instants] == [None, "a", "b", "b"]
    assert source.at(second) is source.at(second + timedelta(days=1))


def test_as_of_refuses_a_damaged_model(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    (registry.root / "direction" / "a" / "model.ubj").unlink()
    with pytest.raises(BundleError):
        AsOfModels(registry).at(datetime.now(UTC))
