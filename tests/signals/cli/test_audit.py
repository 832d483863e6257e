from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from signals.cli.app import app
from signals.features.feature import Feature


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | int | Path) -> Any:
    return CliRunner().invoke(app, ["audit", *(str(each) for each in arguments)], env={"TERM": "dumb"})


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory, trending_csv: Path) -> Path:
    """Two symbols, 70 bars each."""
    path = tmp_path_factory.mktemp("audit") / "bars.csv"
    head, *lines = trending_csv.read_text().splitlines()
    kept = [line for name in ("T0", "T1") for line in [each for each in lines if f",{name}," in each][:70]]
    path.write_text("\n".join([head, *kept]) + "\n")
    return path


def test_clean_audit_says_how_much_was_compared(bars: Path) -> None:
    result = run("--data", bars, "--stamped", "session", "--cuts", 2)
    assert result.exit_code == 0, result.output
    assert "0 violations in" in result.stdout
    assert "made up, as it was not given" in result.stdout
    assert "a split, in bars and facts together" in result.stdout


def test_json_has_kinds_and_comparisons(bars: Path) -> None:
    result = run("--data", bars, "--stamped", "session", "--cuts", 1, "--symbols", "T0", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["violations"] == []
    assert told["symbols"] == ["T0"]
    assert told["comparisons"] == sum(kind["comparisons"] for kind in told["kinds"].values()) > 1000


def test_no_cuts_is_wrong_usage(bars: Path) -> None:
    assert run("--data", bars, "--stamped", "session", "--cuts", 0).exit_code == 2


class Peek:
    name = "peek"
    features = tuple(Feature(f"peek_{n}", "peek", 0, 5, True, "the close to come") for n in range(1, 23))

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({f"peek_{n}": bars["close"].shift(-n) / bars["close"] for n in range(1, 23)})


def test_violations_are_shown_by_feature_and_kind(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals.feature_store.installed", lambda: (Peek(),))
    result = run("--data", bars, "--stamped", "session", "--cuts", 1, "--symbols", "T0")
    assert result.exit_code == 1
    lines = [line for line in result.stdout.splitlines() if line.lstrip().startswith("peek_")]
    assert len(lines) == 20
    assert any("future bars" in line and "T0 2014-" in line and " cut after " in line for line in lines)
    assert "more lines: see --json" in result.stdout
    assert "return_1 " not in result.stdout
