from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from signals.cli.common import console, tell


def vane(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SA_")}
    return subprocess.run(  # noqa: S603 (our own command, arguments from this file)
        [sys.executable, "-c", "from signals.cli import main; main()", *arguments],
        cwd=cwd,
        env=environment | {"COLUMNS": "160", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "demo"),
        (["demo", "--data", "bars.csv", "--stamped", "session"], 1, "bars.csv"),
        (["demo", "--data", "bars.csv"], 2, "--stamped"),
        (["demo", "--data", "bars.csv", "--stamped", "noon"], 2, "noon"),
        (["train", "--data", "bars.csv", "--stamped", "noon"], 2, "noon"),
        (["train", "--data", "bars.csv", "--stamped", "session", "--until", "noon"], 2, "noon"),
        (["backtest", "--data", "bars.csv", "--stamped", "session", "--start", "2017-02-01T12:00"], 2, "zone"),
        (["models", "promote", "20000101_000000"], 1, "20000101_000000"),
        (["train"], 2, "--data"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_errors_are_a_line_and_an_exit_code(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    result = vane(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    lines = [f"2024-01-{day:02d},1,1,1,1,1" for day in (2, 3, 4)] + ["2024-01-05,1,1,1,1,-1"]
    (tmp_path / "bars.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines]) + "\n")
    result = vane("train", "--data", "bars.csv", "--stamped", "session", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert "var" in result.stderr


@pytest.mark.parametrize("command", ["demo", "train", "backtest", "events", "models list", "models show"])
def test_help_gives_an_example(tmp_path: Path, command: str) -> None:
    assert f"vane {command}" in vane(*command.split(), "--help", cwd=tmp_path).stdout.partition("Example")[2]


def test_wrapped_lines_stand_under_their_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 30)
    with console.capture() as captured:
        tell("[bold]Skill[/] over the class frequencies: above 0", bullet=True)
    assert captured.get().splitlines() == ["  · Skill over the class", "    frequencies: above 0"]
