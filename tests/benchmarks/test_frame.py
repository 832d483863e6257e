from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.data import bars
from benchmarks.page import page
from benchmarks.timer import absent, medians


def test_list_names_each_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line.split()) > 2 for line in lines)
    assert "features_batch" in [line.split()[0] for line in lines]
    assert not {"timer", "page", "data"} & {line.split()[0] for line in lines}


def test_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["nonsense"])
    assert refused.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_systems_take_turns_and_medians_leave_the_warm_up_out(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    clock = itertools.accumulate([0, 2, 0, 1, 0, 90, 0, 4, 0, 3, 0, 8])
    monkeypatch.setattr("benchmarks.timer.time.perf_counter", lambda: next(clock))
    found = medians({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, repeats=3)
    assert turns == ["a", "b"] * 4
    assert found == {"a": 3, "b": 4}


def test_peak_memory_counts_what_a_run_holds_for_a_while() -> None:
    # In a process of its own: one that has run many tests may hold enough memory already, and grow by nothing.
    code = "import numpy as np; from benchmarks.timer import peak_mb; print(peak_mb(lambda: np.ones(8 * 2**20).sum()))"
    said = subprocess.run(  # noqa: S603 (this interpreter, code from this file)
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    grown = float(said.stdout)
    assert math.isnan(grown) or 60 < grown < 100


def test_page_marks_what_is_not_reached() -> None:
    found = {
        "rows": [{"system": "ours", "case": "x", "seconds": 0.5}, absent("peer", "x")],
        "ratios": {"vs_peer": 0.4, "growth": 1.0, "other": 2.0},
        "reach": {"vs_peer": "≥ 0.5", "growth": "≤ 1.05"},
        "notes": ["counted so"],
    }
    text = page([("toy", "Says what.", found)])
    assert "| vs_peer | 0.4 | ≥ 0.5: **not reached** |" in text
    assert "| growth | 1 | ≤ 1.05 |" in text
    assert "| other | 2 | no bound |" in text
    assert "| peer | x |  | 1 |" in text
    assert "- counted so" in text


def test_bars_without_the_folder_are_generated_and_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.data.REAL", tmp_path)
    table, says = bars()
    assert "generated" in says
    assert (table["high"] >= table[["open", "close"]].max(axis=1)).all()
    assert (table["low"] <= table[["open", "close"]].min(axis=1)).all()
