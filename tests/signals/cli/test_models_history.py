from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.cli.models import app
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.registry import ModelRegistry

LONG_AGO, FAR_AHEAD = "2001-01-01", "2999-01-01T00:00Z"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_bundle: Callable[..., ModelBundle]) -> ModelRegistry:
    """Two versions, promoted one after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    made = ModelRegistry("models")
    for seed, name in enumerate(("v1", "v2")):
        made.register(name, save_bundle(make_bundle(name, seed=seed), tmp_path / name), {})
    made.promote("v1", actor="ann", reason="passed the gate")
    made.promote("v2", actor="ben", reason="newer")
    return made


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def parsed(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


def test_history_says_when_from_to_who_and_why(registry: ModelRegistry) -> None:
    registry.rollback(actor="cleo", reason="drift since Monday")
    lines = [line for line in run("history").splitlines() if line.strip()][1:]
    said = [("nothing", "v1", "ann", "passed the gate"), ("v1", "v2", "ben", "newer")]
    said.append(("v2", "v1 (back to 1)", "cleo", "drift since Monday"))
    for line, words in zip(lines, said, strict=True):
        places = [line.index(word) for word in words]
        assert places == sorted(places)
    assert [entry["number"] for entry in parsed("history")] == [1, 2, 3]


def test_history_of_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "was ever in force" in run("history")
    assert parsed("history") == []


def test_as_of_names_the_version_who_and_why(registry: ModelRegistry) -> None:
    now = datetime.now(UTC).isoformat()
    said = run("as-of", now)
    assert f"v2 was active at {now[:10]}" in said
    assert "put there by ben: newer" in said
    assert "in place of v1" in said
    assert "its gate said then: " in said
    first = registry.history()[0].at.isoformat()
    assert parsed("as-of", first)["version_id"] == "v1"


def test_the_shadow_s_slot_can_be_asked_for(registry: ModelRegistry) -> None:
    assert "was in shadow at" in run("as-of", datetime.now(UTC).isoformat(), "--shadow", code=1)
    registry.promote("v1", slot="shadow")
    assert "v1 was in shadow at" in run("as-of", datetime.now(UTC).isoformat(), "--shadow")


def test_nobody_knows_the_future(registry: ModelRegistry) -> None:
    assert "a time that has passed" in run("as-of", FAR_AHEAD, code=2)


def test_before_the_first_there_was_none(registry: ModelRegistry) -> None:
    assert "No version of direction was active at 2001-01-01 00:00 UTC" in run("as-of", LONG_AGO, code=1)
    assert parsed("as-of", LONG_AGO, code=1)["version_id"] is None


def test_the_answer_is_the_registry_s(registry: ModelRegistry) -> None:
    now = datetime.now(UTC)
    held = registry.as_of(now)
    assert held is not None
    assert parsed("as-of", now.isoformat())["version_id"] == held.version_id


def test_a_time_that_is_none_is_wrong_usage(registry: ModelRegistry) -> None:
    assert "TIME" in run("as-of", "yesterday", code=2)
