from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


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
        (["demo", "--data", "bars.csv"], 1, "--stamped"),
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
