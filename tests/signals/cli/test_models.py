from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.cli.models import app
from signals.errors import RegistryError
from signals.events.log import EventLog
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.registry import ModelRegistry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: Callable[..., ModelBundle]) -> ModelRegistry:
    """Two versions that passed their gate and one that did not, in a working folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    made = ModelRegistry("models")
    for seed, (name, passed) in enumerate((("v1", True), ("v2", True), ("weak", False))):
        folder = save_bundle(make_bundle(name, seed=seed, passed=passed), tmp_path / name)
        made.register(name, folder, {"log_loss": 1.08})
    return made


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def parsed(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


def test_list_without_models_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "vane train" in run("list")
    assert "vane train" in run("verify")
    assert (parsed("list"), parsed("verify")) == ([], [])


def test_list(registry: ModelRegistry) -> None:
    registry.promote("v1")
    registry.promote("weak", slot="shadow")
    rows = {row["version_id"]: row for row in parsed("list")}
    assert {name: (row["passed"], row["slots"]) for name, row in rows.items()} == {
        "v1": (True, ["active"]),
        "v2": (True, []),
        "weak": (False, ["shadow"]),
    }
    table = run("list")
    assert all(word in table for word in ("v1", "active", "weak", "refused", "shadow", "1.0800"))


def test_list_says_what_it_could_not_read(registry: ModelRegistry) -> None:
    (registry.root / "direction" / "v1" / "manifest.json").unlink()
    result = CliRunner().invoke(app, ["list", "--json"])
    assert [row["version_id"] for row in json.loads(result.stdout)] == ["v2", "weak"]
    assert "vane models verify v1" in result.stderr


def test_show(registry: ModelRegistry) -> None:
    registry.promote("v1", reason="first [of all]")
    text = run("show", "v1")
    for words in ("v1", "2 sessions ahead", "UP above +1.00%", "passed", "Made for a test.", "first [of all]"):
        assert words in text
    document = parsed("show", "v1")
    assert document["manifest"]["version_id"] == "v1"
    assert [entry["reason"] for entry in document["activations"]] == ["first [of all]"]


def test_show_of_an_unknown_version(registry: ModelRegistry) -> None:
    result = CliRunner().invoke(app, ["show", "v9"])
    assert isinstance(result.exception, RegistryError)
    assert "no version 'v9'" in str(result.exception)


def test_promote_and_its_event(registry: ModelRegistry) -> None:
    assert "is now active" in run("promote", "v1", "--reason", "first")
    assert "was already active" in run("promote", "v1")
    assert parsed("promote", "v2") == {"version_id": "v2", "slot": "active", "changed": True}
    entry = registry.history()[0]
    assert (entry.reason, bool(entry.actor)) == ("first", True)
    with EventLog("var/events.db") as log:
        assert [event.body["version_id"] for event in log.read()] == ["v1", "v2"]


def test_promote_of_a_refused_version_only_to_shadow(registry: ModelRegistry) -> None:
    result = CliRunner().invoke(app, ["promote", "weak"])
    assert isinstance(result.exception, RegistryError)
    assert "is now shadow" in run("promote", "weak", "--shadow")


def test_rollback(registry: ModelRegistry) -> None:
    run("promote", "v1")
    run("promote", "v2")
    assert "v1 is now active" in run("rollback", "--reason", "worse")
    assert parsed("rollback", "v2") == {"version_id": "v2", "slot": "active", "changed": True}
    assert [entry.version_id for entry in registry.history()] == ["v1", "v2", "v1", "v2"]


def test_rollback_without_history(registry: ModelRegistry) -> None:
    assert isinstance(CliRunner().invoke(app, ["rollback"]).exception, RegistryError)


def test_verify(registry: ModelRegistry) -> None:
    assert [row["sound"] for row in parsed("verify")] == [True, True, True]
    (registry.root / "direction" / "v2" / "model.ubj").write_bytes(b"\0")
    rows = parsed("verify", code=1)
    assert [(row["version_id"], row["sound"]) for row in rows] == [("v1", True), ("v2", False), ("weak", True)]
    assert "model.ubj" in rows[1]["error"]
    text = run("verify", code=1)
    assert "refused v2" in text
    assert "model.ubj" in text
    assert "sound" in run("verify", "v1")


def test_usage_errors_exit_with_2(registry: ModelRegistry) -> None:
    run("promote", code=2)
    run("list", "--nonsense", code=2)


def test_the_actor_is_named_even_without_a_user(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    run("promote", "v1")
    assert registry.history()[0].actor == "cli"
