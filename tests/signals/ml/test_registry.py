from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signals.errors import ActivationConflict, BundleDamaged, BundleError, EventLogError, RegistryError
from signals.events.log import EventLog
from signals.events.schema import EventKind
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.registry import ModelRegistry
from strategy.signal import canonical_json

MakeBundle = Callable[..., ModelBundle]
Register = Callable[..., str]


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def register(registry: ModelRegistry, make_bundle: MakeBundle, tmp_path: Path) -> Register:
    def make(version_id: str, **more: Any) -> str:
        folder = save_bundle(make_bundle(version_id, **more), tmp_path / f"{version_id}-{len(more)}")
        registry.register(version_id, folder, {"log_loss": 1.08, "ece": float("nan")})
        return version_id

    return make


def active(registry: ModelRegistry) -> str | None:
    version = registry.get_active()
    return None if version is None else version.version_id


def test_an_empty_registry_has_nothing(registry: ModelRegistry) -> None:
    assert (registry.list_versions(), registry.get_active(), registry.history()) == ([], None, [])
    assert not registry.root.exists()


def test_register_moves_the_folder_in(registry: ModelRegistry, make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = save_bundle(make_bundle("v1"), tmp_path / "v1")
    version = registry.register("v1", folder, {"log_loss": 1.08, "ece": float("nan")})
    assert version.path == registry.root / "direction" / "v1"
    assert (version.metrics, version.passed, version.is_active) == ({"log_loss": 1.08}, True, False)
    assert not folder.exists()
    registry.verify("v1")


def test_the_same_bytes_again_change_nothing(
    registry: ModelRegistry, register: Register, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    register("v1")
    again = save_bundle(make_bundle("v1"), tmp_path / "again")
    assert registry.register("v1", again, {"log_loss": 9.0}).metrics == {"log_loss": 1.08}
    assert registry.register("v1", registry.root / "direction" / "v1", {}).version_id == "v1"


def test_a_taken_name_is_refused(registry: ModelRegistry, register: Register) -> None:
    register("v1")
    with pytest.raises(RegistryError, match="use a new id"):
        register("v1", seed=1)
    with pytest.raises(RegistryError, match="use a new id"):
        register("v1", recipe="ranking", passed=False)


def test_another_name_than_the_bundle_s_is_refused(
    registry: ModelRegistry, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="expected version 'v2', was 'v1'"):
        registry.register("v2", save_bundle(make_bundle("v1"), tmp_path / "v1"), {})


@pytest.mark.parametrize("name", ["../v1", "a/b", "", ".hidden", "x" * 65, "activations", "v1\n", "/etc"])
def test_names_that_are_paths_are_refused(registry: ModelRegistry, name: str, tmp_path: Path) -> None:
    for call in (lambda: registry.register(name, tmp_path, {}), lambda: registry.promote(name)):
        with pytest.raises(RegistryError, match="version id"):
            call()


def test_a_recipe_that_is_a_path_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(RegistryError, match="recipe"):
        registry.history("../direction")


def test_a_damaged_bundle_is_not_registered(registry: ModelRegistry, make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = save_bundle(make_bundle("v1"), tmp_path / "v1")
    (folder / "model.ubj").write_bytes(b"\0" + (folder / "model.ubj").read_bytes()[1:])
    with pytest.raises(BundleDamaged):
        registry.register("v1", folder, {})
    assert registry.list_versions() == []


def test_promote_puts_in_force(registry: ModelRegistry, register: Register) -> None:
    register("v1")
    assert registry.promote("v1", actor="me", reason="first")
    entry = registry.history()[0]
    assert (entry.number, entry.slot, entry.version_id, entry.previous) == (1, "active", "v1", None)
    assert (entry.actor, entry.reason, entry.verdict["passed"]) == ("me", "first", True)
    assert [version.is_active for version in registry.list_versions()] == [True]


def test_promoting_what_is_in_force_changes_nothing(registry: ModelRegistry, register: Register) -> None:
    register("v1")
    assert registry.promote("v1")
    assert not registry.promote("v1")
    assert len(registry.history()) == 1


def test_the_gate_is_not_lowered(registry: ModelRegistry, register: Register) -> None:
    register("v1", passed=False)
    with pytest.raises(RegistryError, match="shadow"):
        registry.promote("v1")
    assert registry.promote("v1", slot="shadow")
    assert (active(registry), registry.history()[0].slot) == (None, "shadow")
    shadow = registry.get_active(slot="shadow")
    assert shadow is not None
    assert (shadow.version_id, shadow.is_active, shadow.passed) == ("v1", False, False)


def test_slots_do_not_disturb_each_other(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("v1"))
    registry.promote(register("v2", seed=1), slot="shadow")
    assert active(registry) == "v1"
    assert [entry.previous for entry in registry.history()] == [None, None]


def test_an_unknown_version_is_named(registry: ModelRegistry, register: Register) -> None:
    register("v1")
    with pytest.raises(RegistryError, match=r"no version 'v9'.*v1"):
        registry.promote("v9")


def test_compare_and_set(registry: ModelRegistry, register: Register) -> None:
    register("v1")
    register("v2", seed=1)
    assert registry.promote("v1", expected=0)
    with pytest.raises(ActivationConflict, match="expected 0 as newest activation, was 1"):
        registry.promote("v2", expected=0)
    assert registry.promote("v2", expected=1)


def test_a_damaged_version_is_not_promoted(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("v1"))
    register("v2", seed=1)
    (registry.root / "direction" / "v2" / "model.ubj").unlink()
    with pytest.raises(BundleError):
        registry.promote("v2")
    with pytest.raises(BundleError):
        registry.verify("v2")
    assert active(registry) == "v1"


def test_rollback_goes_one_further_back_each_time(registry: ModelRegistry, register: Register) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        registry.promote(register(name, seed=seed))
    assert registry.rollback(reason="c is worse")
    assert active(registry) == "b"
    assert registry.rollback()
    assert active(registry) == "a"
    with pytest.raises(RegistryError, match="no earlier activation to go back to"):
        registry.rollback()
    registry.promote("c")
    assert registry.rollback()
    assert active(registry) == "a"
    assert [entry.version_id for entry in registry.history()] == ["a", "b", "c", "b", "a", "c", "a"]


def test_a_rollback_onto_damage_names_an_older_version(registry: ModelRegistry, register: Register) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        registry.promote(register(name, seed=seed))
    (registry.version("b").path / "model.ubj").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="vane models rollback a"):
        registry.rollback()
    assert active(registry) == "c"
    assert registry.rollback("a")


def test_a_rollback_onto_damage_names_nothing_damaged_either(registry: ModelRegistry, register: Register) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        registry.promote(register(name, seed=seed))
    for name in ("a", "b"):
        (registry.version(name).path / "model.ubj").write_bytes(b"damaged")
    with pytest.raises(BundleError) as caught:
        registry.rollback()
    assert "further back" not in str(caught.value)


def test_a_promotion_back_is_undone_like_any_other(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    registry.promote("a")
    registry.rollback()
    assert active(registry) == "b"


def test_rollback_to_a_named_version(registry: ModelRegistry, register: Register) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        registry.promote(register(name, seed=seed))
    register("never", seed=9)
    assert registry.rollback("a", expected=3)
    assert active(registry) == "a"
    assert not registry.rollback("a")
    with pytest.raises(RegistryError, match="never"):
        registry.rollback("never")


def test_rollback_of_another_recipe(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a", recipe="ranking"))
    registry.promote(register("b", recipe="ranking", seed=1))
    assert registry.rollback(recipe="ranking")
    version = registry.get_active("ranking")
    assert version is not None
    assert version.version_id == "a"


def test_as_of_answers_what_was_active_when(registry: ModelRegistry, register: Register) -> None:
    before = datetime.now(UTC)
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    first, second = (entry.at for entry in registry.history())
    names = [registry.as_of(at) for at in (before, first, second - timedelta(microseconds=1), second)]
    assert [None if version is None else version.version_id for version in names] == [None, "a", "a", "b"]


def test_a_damaged_activation_is_named(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    path = registry.activations().path(1)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    with pytest.raises(RegistryError, match=r"00000001\.json"):
        registry.get_active()
    path.write_bytes(whole.replace(b'"reason":""', b'"reason":"?"'))
    with pytest.raises(RegistryError, match=r"00000001\.json.*changed since it was written"):
        registry.get_active()


def test_an_activation_that_was_written_anew_is_refused_by_the_next(
    registry: ModelRegistry, register: Register
) -> None:
    registry.promote(register("a"), reason="told")
    registry.promote(register("b", seed=1))
    first, second = registry.history()
    assert second.before == first.sha256
    path = registry.activations().path(1)
    path.write_text(canonical_json(replace(first, reason="forged").to_json()) + "\n")
    with pytest.raises(RegistryError, match=r"00000001\.json: expected the activation that number 2 follows"):
        registry.history()


@pytest.mark.parametrize(
    ("whole", "flipped"),
    [
        (b'"slot":"active"', b'"slot":"actjve"'),
        (b'+00:00"', b'"'),
        (b'"restores":null', b'"restores":7'),
        (b'"restores":null', b'"restores":"x"'),
    ],
)
def test_an_activation_that_cannot_be_is_refused(
    registry: ModelRegistry, register: Register, whole: bytes, flipped: bytes
) -> None:
    registry.promote(register("a"))
    registry.promote(register("b", seed=1))
    path = registry.activations().path(2)
    content = path.read_bytes()
    assert whole in content
    path.write_bytes(content.replace(whole, flipped))
    with pytest.raises(RegistryError, match=r"00000002\.json.*restore it"):
        registry.get_active()  # never a, which was in force before


def test_an_activation_of_another_version_s_bytes_is_refused(registry: ModelRegistry, register: Register) -> None:
    registry.promote(register("a"))
    register("b", seed=1)
    path = registry.activations().path(1)
    (entry,) = registry.history()
    path.write_text(canonical_json(replace(entry, version_id="b").to_json()) + "\n")
    with pytest.raises(BundleDamaged, match="activation 1"):
        registry.get_active()


@pytest.mark.parametrize("content", [b'{"log_loss":1.0', b"[]", b'{"log_loss":null}', b"\xff"])
def test_damaged_figures_are_named(registry: ModelRegistry, register: Register, content: bytes) -> None:
    registry.promote(register("a"))
    (registry.root / "direction" / "a.metrics.json").write_bytes(content)
    with pytest.raises(BundleDamaged, match=r"a\.metrics\.json.*restore or delete"):
        registry.verify("a")
    assert registry.version("a").metrics == {}
    assert active(registry) == "a"


def test_a_promotion_whose_event_is_refused_is_said_to_be_made(
    registry: ModelRegistry, register: Register, tmp_path: Path
) -> None:
    register("a")
    (tmp_path / "file").touch()
    with pytest.raises(EventLogError, match="a is in force as active"):
        ModelRegistry(registry.root, log=EventLog(tmp_path / "file" / "events.db")).promote("a")
    assert active(registry) == "a"


def test_listing_passes_over_a_damaged_version(registry: ModelRegistry, register: Register) -> None:
    register("a")
    register("b", seed=1)
    (registry.root / "direction" / "a" / "manifest.json").unlink()
    assert [version.version_id for version in registry.list_versions()] == ["b"]
    assert [home.name for home in registry.versions_on_disk()] == ["a", "b"]


def test_attempts_are_the_judged_versions_of_a_recipe(registry: ModelRegistry, register: Register) -> None:
    assert registry.attempts() == 0
    register("a")
    register("b", seed=1, passed=False)
    register("c", seed=2, recipe="other")
    assert (registry.attempts(), registry.attempts("other")) == (2, 1)
    (registry.root / "direction" / "a" / "manifest.json").unlink()
    assert registry.attempts() == 2


def test_load_refuses_other_bytes_than_were_activated(
    registry: ModelRegistry, register: Register, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    registry.promote(register("a"))
    home = registry.root / "direction" / "a"
    home.rename(tmp_path / "gone")
    save_bundle(make_bundle("a", seed=5), home)
    with pytest.raises(BundleDamaged, match="were others"):
        registry.load(registry.history()[0])


def test_activations_are_told_as_events(registry: ModelRegistry, register: Register, tmp_path: Path) -> None:
    registry.promote(register("a"))  # without a log: as if a crash had come before the event
    with EventLog(tmp_path / "events.db") as log:
        ModelRegistry(registry.root, log=log).promote(register("b", seed=1))
        events = log.read()
    assert [event.kind for event in events] == [EventKind.ACTIVATION] * 2
    assert [event.body["version_id"] for event in events] == ["a", "b"]
    assert events[1].body["recipe"] == "direction"


def test_moving_across_file_systems_copies_whole(
    registry: ModelRegistry, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, refused = Path.rename, []

    def across(self: Path, target: Path) -> Path:
        if self.name == "a-0":  # only the source lies on the other file system
            refused.append(self)
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    register("a")
    registry.verify("a")
    assert not refused[0].exists()
    assert sorted(path.name for path in (registry.root / "direction").iterdir()) == ["a", "a.metrics.json"]


def test_a_folder_that_cannot_be_moved_is_named(
    registry: ModelRegistry, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        if self.name == "a-0":
            raise OSError(errno.EACCES, "Permission denied")
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(RegistryError, match="Permission denied"):
        register("a")


def test_threads_promote_without_gaps_or_lost_updates(registry: ModelRegistry, register: Register) -> None:
    names = [register(name, seed=seed) for seed, name in enumerate(("a", "b", "c"))]
    barrier, made = threading.Barrier(3), list[bool]()

    def promote(start: int) -> None:
        barrier.wait()
        for step in range(10):
            made.append(registry.promote(names[(start + step) % 3]))

    threads = [threading.Thread(target=promote, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = registry.history()
    assert (len(made), sum(made)) == (30, len(history))
    assert [entry.previous for entry in history] == [None, *(entry.version_id for entry in history[:-1])]
