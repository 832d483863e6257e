from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.cli.app import app
from signals.cli.common import console
from signals.features.catalog import CATALOGUE, names

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | int | Path) -> Any:
    return CliRunner().invoke(app, ["features", *(str(each) for each in arguments)], env={"TERM": "dumb"})


def test_list_reads_well_at_80_columns() -> None:
    console.width = 80
    lines = run("list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    shown = {words[0]: words for words in (line.split() for line in lines) if words}
    for feature in CATALOGUE:
        words = shown[feature.name]
        assert words[1:3] == [str(feature.first_value), str(feature.lookback)], feature.name
        assert (words[4] if words[4] in ("yes", "peers") else "") == feature.wide, feature.name


def test_list_as_json_is_the_catalogue() -> None:
    told = json.loads(run("list", "--json").stdout)
    assert [each["name"] for each in told] == list(names())
    assert told[0].keys() >= {"calculator", "first_value", "lookback", "scale_free", "meaning"}


def test_page_and_catalogue_are_equal() -> None:
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == run("list", "--markdown").stdout, "run: vane features list --markdown > docs/features.md"


def test_build_computes_once_and_then_what_changed(trending_csv: Path, tmp_path: Path) -> None:
    head, *lines = trending_csv.read_text().splitlines()
    bars = tmp_path / "bars.csv"
    bars.write_text("\n".join([head, *lines]) + "\n")
    arguments = ("build", "--data", bars, "--stamped", "session", "--workers", 1)
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert "4 symbols computed, 0 there already" in first.stdout
    bars.write_text("\n".join([head, *lines[:-1]]) + "\n")  # the last bar of T3 is gone
    told = json.loads(run(*arguments, "--json").stdout)
    assert told.pop("data")["quarantined"] == 0
    assert told == {"computed": ["T3"], "kept": ["T0", "T1", "T2"], "folder": "data/features"}


def test_build_says_what_was_refused(trending_csv: Path, tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    head, *lines = trending_csv.read_text().splitlines()
    bars.write_text("\n".join([head, *lines, lines[-1]]) + "\n")
    said = run("build", "--data", bars, "--stamped", "session", "--workers", 1, "--symbols", 1).stdout
    assert "+ 1 refused" in said
    assert "var/quarantine/bars.csv" in said


def test_no_worker_is_wrong_usage(trending_csv: Path) -> None:
    assert run("build", "--data", trending_csv, "--stamped", "session", "--workers", 0).exit_code == 2
