"""The registry's truth in a real PostgreSQL, on a unix socket."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from signals.errors import ActivationConflict, RegistryError
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.postgres import PostgresStore
from signals.ml.registry import ModelRegistry
from signals.ml.source import ActiveModel

MakeBundle = Callable[..., ModelBundle]
Execute = Callable[..., list[Any]]


@pytest.fixture
def execute(postgres_url: str) -> Execute:
    def run(sql: str, *values: Any) -> list[Any]:
        async def go() -> list[Any]:
            connection = await asyncpg.connect(postgres_url)
            try:
                return list(await connection.fetch(sql, *values))
            finally:
                await connection.close()

        return asyncio.run(go())

    return run


@pytest.fixture
def dsn(postgres_url: str, execute: Execute) -> str:
    """An empty database."""
    execute("DROP SCHEMA public CASCADE")
    execute("CREATE SCHEMA public")
    return postgres_url


def opened(folder: Path, dsn: str, refresh_seconds: float = 0.0) -> ModelRegistry:
    return ModelRegistry(folder, store=PostgresStore(dsn, refresh_seconds=refresh_seconds))


@pytest.fixture
def registry(tmp_path: Path, dsn: str, make_bundle: MakeBundle) -> ModelRegistry:
    """Three versions, of which one did not pass."""
    made = opened(tmp_path / "models", dsn)
    for seed, (name, passed) in enumerate((("a", True), ("b", True), ("weak", False))):
        folder = save_bundle(make_bundle(name, seed=seed, passed=passed), tmp_path / name)
        made.register(name, folder, {"log_loss": 1.1, "ece": float("nan")})
    return made


def test_an_empty_database_has_nothing(tmp_path: Path, dsn: str) -> None:
    made = opened(tmp_path / "models", dsn)
    assert (made.list_versions(), made.get_active(), made.history()) == ([], None, [])


def test_another_machine_finds_everything(registry: ModelRegistry, dsn: str, tmp_path: Path) -> None:
    registry.promote("a", actor="me", reason="first")
    registry.promote("weak", slot="shadow")
    registry.promote("b")
    registry.rollback(reason="worse")
    other = opened(tmp_path / "elsewhere", dsn)
    assert other.history() == registry.history()
    assert [entry.version_id for entry in other.history()] == ["a", "weak", "b", "a"]
    assert [version.version_id for version in other.list_versions()] == ["a", "b", "weak"]
    version = other.get_active()
    assert version is not None
    assert (version.version_id, dict(version.metrics)) == ("a", {"log_loss": 1.1})
    other.verify("a")
    for file in (registry.root / "direction" / "a").iterdir():
        assert (other.root / "direction" / "a" / file.name).read_bytes() == file.read_bytes()


def test_one_activation_a_slot_is_in_force(registry: ModelRegistry, execute: Execute) -> None:
    for name in ("a", "b", "a"):
        registry.promote(name)
    registry.promote("weak", slot="shadow")
    held = execute("SELECT number, slot FROM vane_activations WHERE in_force ORDER BY number")
    assert [tuple(row) for row in held] == [(3, "active"), (4, "shadow")]
    with pytest.raises(asyncpg.UniqueViolationError):
        execute("UPDATE vane_activations SET in_force = true WHERE number = 1")


def test_machines_continue_each_other(registry: ModelRegistry, dsn: str, tmp_path: Path) -> None:
    other = opened(tmp_path / "elsewhere", dsn)
    registry.promote("a")
    other.promote("b", expected=1)
    with pytest.raises(ActivationConflict, match="expected 1 as newest activation, was 2"):
        registry.promote("weak", slot="shadow", expected=1)
    assert [entry.previous for entry in registry.history()] == [None, "a"]


def test_promotions_at_once_leave_no_gap(registry: ModelRegistry, dsn: str, tmp_path: Path) -> None:
    def promote(place: int) -> None:
        mine = opened(tmp_path / f"machine{place}", dsn)
        for name in ("a", "b") * 5:
            mine.promote(name)

    threads = [threading.Thread(target=promote, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = registry.history()
    assert len(history) >= 10
    assert [entry.number for entry in history] == list(range(1, len(history) + 1))
    assert [entry.previous for entry in history] == [None, *(entry.version_id for entry in history[:-1])]


def test_a_name_with_other_bytes_is_refused(
    registry: ModelRegistry, dsn: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    again = save_bundle(make_bundle("a", seed=0), tmp_path / "again")
    registry.register("a", again, {})
    other = save_bundle(make_bundle("a", seed=9), tmp_path / "other")
    with pytest.raises(RegistryError, match="expected the registered bytes"):
        opened(tmp_path / "elsewhere", dsn).register("a", other, {})


def test_damage_in_the_database_is_refused(
    registry: ModelRegistry, dsn: str, execute: Execute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.promote("a")
    execute("UPDATE vane_files SET content = set_byte(content, 7, 99) WHERE version_id = 'a' AND name = 'model.ubj'")
    other = opened(tmp_path / "elsewhere", dsn)
    with pytest.raises(RegistryError, match="no version 'a'"):
        other.get_active()
    assert "a/model.ubj in Postgres: expected the bytes that were stored" in capsys.readouterr().out
    assert other.promote("b")  # what is whole is there
    assert registry.verify("a").version_id == "a"  # has its copy


@pytest.mark.parametrize("name", ["../evil", "direction/x", ".hidden"])
def test_names_that_leave_the_folder_are_refused(
    registry: ModelRegistry, dsn: str, execute: Execute, tmp_path: Path, name: str
) -> None:
    execute("UPDATE vane_files SET name = $1 WHERE version_id = 'a' AND name = 'model.ubj'", name)
    with pytest.raises(RegistryError, match="expected a name of letters"):
        opened(tmp_path / "elsewhere", dsn).promote("b")


def test_an_activation_that_cannot_be_read_is_refused(
    registry: ModelRegistry, dsn: str, execute: Execute, tmp_path: Path
) -> None:
    registry.promote("a")
    execute("UPDATE vane_activations SET body = '{}'")
    with pytest.raises(RegistryError, match="expected activation 1 of direction, was not readable"):
        opened(tmp_path / "elsewhere", dsn).promote("b")


def test_a_folder_with_a_log_of_its_own_is_refused(
    registry: ModelRegistry, dsn: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    registry.promote("a")
    alone = ModelRegistry(tmp_path / "alone")
    alone.register("c", save_bundle(make_bundle("c", seed=5), tmp_path / "c"), {})
    alone.promote("c")
    with pytest.raises(RegistryError, match="expected a copy of what Postgres holds"):
        opened(alone.root, dsn).promote("b")


def test_a_damaged_copy_holds_up_no_other_version(
    registry: ModelRegistry, dsn: str, make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.promote("a")
    (registry.root / "direction" / "a" / "manifest.json").unlink()
    assert registry.promote("b")
    assert "registry.damaged" in capsys.readouterr().out
    alone = ModelRegistry(tmp_path / "alone")
    alone.register("a", save_bundle(make_bundle("a", seed=9), tmp_path / "other"), {})
    with pytest.raises(RegistryError, match="expected its bytes in Postgres, were others"):
        opened(alone.root, dsn).promote("a")  # what it meant would be refused on every other machine


def test_a_full_disk_is_no_matter_of_postgres(
    registry: ModelRegistry, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("signals.ml.postgres_copy.write_durably", full)
    with pytest.raises(RegistryError, match="No space left on device"):
        opened(tmp_path / "elsewhere", dsn).list_versions()
    assert not list((tmp_path / "elsewhere").rglob("manifest.json"))


def test_a_version_that_only_the_folder_has_is_not_promoted(
    registry: ModelRegistry, dsn: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    alone = ModelRegistry(tmp_path / "alone")
    folder = save_bundle(make_bundle("c", seed=5), tmp_path / "c")
    version = alone.register("c", folder, {})
    shared = opened(alone.root, dsn)
    with pytest.raises(RegistryError, match="expected its bytes in Postgres, were none"):
        shared.promote("c")
    shared.register("c", version.path, {})
    assert shared.promote("c")


def test_without_postgres_what_was_copied_stays(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.promote("a")
    gone = opened(registry.root, f"postgresql://me:secret@/x?host={tmp_path}/nowhere")
    version = gone.get_active()
    assert version is not None
    assert version.version_id == "a"
    with pytest.raises(RegistryError, match="could not be used") as caught:
        gone.promote("b")
    with pytest.raises(RegistryError, match="could not be used"):
        opened(tmp_path / "nothing yet", "postgresql://localhost:1/x").list_versions()
    assert "secret" not in f"{caught.value}{capsys.readouterr()}"
    assert len(registry.history()) == 1


def test_a_live_model_follows_another_machine(registry: ModelRegistry, dsn: str, tmp_path: Path) -> None:
    now = datetime(2024, 1, 2, tzinfo=UTC)
    registry.promote("a")
    live = ActiveModel(opened(tmp_path / "elsewhere", dsn))
    first = live.at(now)
    registry.promote("b")
    live.at(now)
    live.wait()
    second = live.at(now)
    assert first is not None
    assert second is not None
    assert (first.version_id, second.version_id) == ("a", "b")


def test_within_the_refresh_nobody_is_asked(registry: ModelRegistry, dsn: str, tmp_path: Path) -> None:
    other = opened(tmp_path / "elsewhere", dsn, refresh_seconds=3600)
    assert other.stale
    assert other.history() == []
    registry.promote("a")
    assert not other.stale
    assert other.history() == []
    other.promote("b", expected=1)  # what changes something looks first
    assert len(other.history()) == 2


def test_works_inside_an_event_loop(registry: ModelRegistry) -> None:
    async def promote() -> bool:
        return registry.promote("a")

    assert asyncio.run(promote())
