from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.cli.common import console
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
    assert "No models yet in models/. vane train" in run("list")
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


def test_an_id_is_never_cut(
    registry: ModelRegistry, make_bundle: Callable[..., ModelBundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "direction-of-the-large-companies-20240315_120000_000000000000001"
    registry.register(name, save_bundle(make_bundle(name, seed=9), registry.root / ".new"), {"log_loss": 1.08})
    for width in (20, 80):
        monkeypatch.setattr(console, "width", width)
        table = run("list")
        assert name in table
        assert "refused" in table


def test_list_says_what_it_could_not_read(registry: ModelRegistry) -> None:
    (registry.root / "direction" / "v1" / "manifest.json").unlink()
    result = CliRunner().invoke(app, ["list", "--json"])
    assert [row["version_id"] for row in json.loads(result.stdout)] == ["v2", "weak"]
    assert "vane models verify v1" in result.stderr


def test_a_damaged_shadow_does_not_keep_from_listing(registry: ModelRegistry) -> None:
    registry.promote("v2", slot="shadow")
    (registry.root / "direction" / "v2" / "manifest.json").write_bytes(b"{")
    result = CliRunner().invoke(app, ["list", "--json"])
    assert [row["version_id"] for row in json.loads(result.stdout)] == ["v1", "weak"]


def test_figures_that_cannot_be_read_are_left_out_and_told(registry: ModelRegistry) -> None:
    (registry.root / "direction" / "v1.metrics.json").write_text('{"log_l')
    assert "registry.no_figures" in run("show", "v1")
    assert "is now active" in run("promote", "v1")
    assert "v1.metrics.json" in parsed("verify", "v1", code=1)[0]["error"]


def test_show(registry: ModelRegistry) -> None:
    registry.promote("v1", reason="first [of all]")
    text = run("show", "v1")
    for words in ("v1", "2 sessions ahead", "UP above +1.00%", "passed", "Made for a test.", "first [of all]"):
        assert words in text
    document = parsed("show", "v1")
    assert document["manifest"]["version_id"] == "v1"
    assert [entry["reason"] for entry in document["activations"]] == ["first [of all]"]


def test_show_reads_like_the_verdict(registry: ModelRegistry, make_bundle: Callable[..., ModelBundle]) -> None:
    figures = {"rows": 1234.0, "windows_skipped": 0.0, "skill_volatility": -0.00123, "ece": 0.0312, "log_loss": 1.08}
    made = make_bundle("v3", seed=7)
    notes = ["6 of 9 features had no value in training: a, b, c, d, e, f", "1 of 9 features had no value: g"]
    noted = replace(made, manifest=made.manifest.model_copy(update={"notes": notes}))
    registry.register("v3", save_bundle(noted, registry.root / ".new"), figures)
    lines = [line.rstrip() for line in run("show", "v3").splitlines()]
    shown = [line for line in lines if line.split()[0] in figures]
    assert shown == [
        "  ece                     3.12%",
        "  log_loss              1.0800",
        "  rows                   1,234",
        "  skill_volatility       -0.12%",
        "  windows_skipped            0",
    ]
    assert [line.strip() for line in lines if "features had" in line] == [
        "6 of 9 features had no value in training (--json lists them)",
        notes[1],
    ]
    assert parsed("show", "v3")["manifest"]["notes"] == notes


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
    assert "vane models promote weak --shadow" in str(result.exception)
    assert "is now shadow" in run("promote", "weak", "--shadow")


def test_rollback(registry: ModelRegistry) -> None:
    run("promote", "v1")
    run("promote", "v2")
    assert "v1 is now active" in run("rollback", "--reason", "worse")
    assert parsed("rollback", "v2") == {"version_id": "v2", "slot": "active", "changed": True}
    assert [entry.version_id for entry in registry.history()] == ["v1", "v2", "v1", "v2"]


def test_rollback_without_history(registry: ModelRegistry) -> None:
    error = CliRunner().invoke(app, ["rollback"]).exception
    assert isinstance(error, RegistryError)
    assert "there is no earlier activation to go back to" in str(error)


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


def test_verify_reads_the_history_too(registry: ModelRegistry) -> None:
    registry.promote("v1")
    path = registry.activations().path(1)
    path.write_bytes(path.read_bytes().replace(b'"version_id":"v1"', b'"version_id":"v2"'))
    rows = parsed("verify", code=1)
    assert [(row["version_id"], row["sound"]) for row in rows][-1] == ("history of direction", False)
    assert "changed since it was written" in rows[-1]["error"]


def test_an_active_version_that_cannot_be_read_is_told(registry: ModelRegistry) -> None:
    registry.promote("v1")
    (registry.root / "direction" / "v1" / "manifest.json").unlink()
    assert "though it is the active version" in CliRunner().invoke(app, ["list"]).stderr


def test_usage_errors_exit_with_2(registry: ModelRegistry) -> None:
    run("promote", code=2)
    run("list", "--nonsense", code=2)


def test_the_actor_is_named_even_without_a_user(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    run("promote", "v1")
    assert registry.history()[0].actor == "cli"


def test_a_mirror_needs_an_address(registry: ModelRegistry) -> None:
    result = CliRunner().invoke(app, ["mirror"])
    assert "redis.url: expected an address, was null" in str(result.exception)


def test_a_mirror_that_does_not_answer_is_told_and_holds_up_nothing(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SA_REDIS__URL", f"unix://{tmp_path}/nobody.sock")
    assert "is now active" in run("promote", "v1")
    assert isinstance(CliRunner().invoke(app, ["mirror"]).exception, RegistryError)
