"""Train, register and fit again, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from signals.cli.app import app
from signals.ml.registry import ModelRegistry


def invoke(*arguments: str | Path, code: int = 0) -> Result:
    made = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, [str(each) for each in arguments])
    assert made.exit_code == code, made.output
    return made


@pytest.fixture(scope="module")
def trained(noise_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one registered version, trained on part of the bars."""
    folder = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "3")
        patch.setenv("SA_ML__XGB_PARAMS__MAX_DEPTH", "2")
        until: Sequence[str] = ("--until", "2018-06-01")
        invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "N3,N1", "--trials", "2", *until)
        (version,) = ModelRegistry("models").list_versions()
    return folder, version.version_id


def test_the_same_bars_give_the_same_bytes(
    trained: tuple[Path, str], noise_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, version = trained
    monkeypatch.chdir(folder)
    said = invoke("models", "reproduce", version, "--data", noise_csv, "--stamped", "session", "--json")
    document = json.loads(said.stdout)
    assert document["files"] == {"model.ubj": True, "calibration.json": True}
    assert document["same_data"]
    assert document["libraries"] == {}


def test_a_damaged_version_is_said_to_be_damaged(
    trained: tuple[Path, str], noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, version = trained
    shutil.copytree(folder / "models", tmp_path / "models")
    (tmp_path / "models" / "direction" / version / "model.ubj").write_bytes(b"damaged")
    monkeypatch.chdir(tmp_path)
    said = invoke("models", "reproduce", version, "--data", noise_csv, "--stamped", "session", code=1).output
    assert "fitted again: the same bytes" in said
    assert "what is registered is damaged" in said


def test_other_bars_are_noticed(
    trained: tuple[Path, str], noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, version = trained
    monkeypatch.chdir(folder)
    head, *lines = noise_csv.read_text().splitlines()
    other = tmp_path / "other.csv"
    gone = [line for line in lines if ",N1," in line][:300]
    other.write_text("\n".join([head, *(line for line in lines if line not in gone)]) + "\n")
    said = invoke("models", "reproduce", version, "--data", other, "--stamped", "session", code=1).output
    assert "other bytes" in said
    assert "the data is not what it was trained on" in said
