from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.cli.data import app
from signals.data.parquet import read_bars
from signals.errors import NullValue

GOOD = ["2024-01-02,1,2,1,2,10", "2024-01-04,1,2,1,2,0"]
BAD = "2024-01-05,,2,1,2,10"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return written(tmp_path / "ABC.csv", GOOD)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return written(tmp_path / "ABC.csv", [*GOOD, BAD])


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["date,open,high,low,close,volume", *lines]) + "\n")
    return path


def run(*arguments: str | Path, columns: int = 200) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": str(columns), "TERM": "dumb"})


def told(*arguments: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return answer


def test_check_of_good_bars(bars: Path) -> None:
    result = run("check", bars, "--stamped", "session")
    assert result.exit_code == 0
    assert "1 symbol, closes" in result.stdout
    assert "2 rows read = 2 kept + 0 refused" in result.stdout
    assert "ABC 2024-01-03" in result.stdout  # a missing session
    assert "fewer bars than the warm-up of 512" in result.stdout


def test_check_of_bad_bars_fails_and_reports_all(bad: Path) -> None:
    result = run("check", bad, "--stamped", "session")
    assert result.exit_code == 1
    assert "3 rows read = 2 kept + 1 refused" in result.stdout
    assert "NullValue" in result.stdout


def test_an_example_at_80_columns_tells_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "a-folder-whose-name-alone-is-longer-than-the-whole-line-of-a-terminal-could-be"
    folder.mkdir()
    path = written(folder / "ABC.csv", ["2024-01-02 16:00:00,1,1,1,1,1"])
    result = run("check", path, "--stamped", "close", columns=80)
    assert result.exit_code == 1
    cells = [line.split("│")[-2].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert " ".join(cells) == (
        "ABC.csv, row 1, symbol ABC: expected an unambiguous time with its zone, was '2024-01-02 16:00:00'; "
        "give the zone: --tz America/New_York (tz=...); for session dates: --stamped session"
    )
    assert "NaiveTime" in result.stdout
    assert "1 row read = 0 kept + 1 refused" in result.stdout
    assert "nothing odd" not in result.stdout


def test_a_symbol_is_shown_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text(
        "symbol,date,open,high,low,close,volume\n[/red]X,2024-01-02,1,1,1,1,1\n[/red]X,2024-01-03,,1,1,1,1\n"
    )
    result = run("check", path, "--stamped", "session")
    assert result.exit_code == 1
    assert "[/red]X (1)" in result.stdout
    assert "symbol [/red]X: expected a value for open" in result.stdout


def test_check_tells_stamps_that_are_no_closes(tmp_path: Path) -> None:
    path = written(tmp_path / "A.csv", [f"2024-12-{day} 16:00:00,1,1,1,1,1" for day in (23, 24, 26)])
    result = run("check", path, "--stamped", "close", "--tz", "America/New_York")
    assert result.exit_code == 0
    assert "A (1 bar, from 2024-12-24 21:00 UTC)" in result.stdout
    assert "missing sessions" not in result.stdout


def test_check_as_json(bad: Path) -> None:
    assert run("check", bad, "--stamped", "session", "--json").exit_code == 1
    answer = told("check", bad, "--stamped", "session")
    assert (answer["read"], answer["kept"], answer["quarantined"]) == (3, 2, 1)
    assert answer["problems"]["NullValue"]["fields"] == {"open": 1}
    assert answer["warnings"]["missing_sessions"]["count"] == 1


def test_check_names_the_inferred_bar_length(tmp_path: Path) -> None:
    path = written(tmp_path / "A.csv", [f"2024-01-02 09:{minute}:00,1,1,1,1,1" for minute in (30, 31, 32)])
    result = run("check", path, "--stamped", "open", "--tz", "America/New_York")
    assert result.exit_code == 0
    assert "60 s" in result.stdout


def test_check_of_nothing_odd(tmp_path: Path) -> None:
    days = [f"2024-01-02T{hour:02}:{minute:02}:00Z,1,1,1,1,1" for hour in range(9) for minute in range(60)]
    assert "nothing odd" in run("check", written(tmp_path / "A.csv", days), "--stamped", "close").stdout


def test_check_some_symbols(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("symbol,date,open,high,low,close,volume\nA,2024-01-02,1,1,1,1,1\nB,2024-01-02,,1,1,1,1\n")
    assert run("check", path, "--stamped", "session", "--symbols", "A").exit_code == 0
    assert told("check", path, "--stamped", "session", "--symbols", " A,B ")["read"] == 2


def test_stamped_has_no_default(bars: Path) -> None:
    assert run("check", bars).exit_code == 2


@pytest.mark.parametrize("wrong", [("--stamped", "end"), ("--stamped", "session", "--on-bad", "skip")])
def test_usage_errors(bars: Path, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    assert run("import", bars, *wrong, "--to", tmp_path / "clean").exit_code == 2
    assert not (tmp_path / "clean").exists()


def test_import_writes_bars_to_read_as_closes(bars: Path, tmp_path: Path) -> None:
    result = run("import", bars, "--stamped", "session", "--to", tmp_path / "clean")
    assert result.exit_code == 0
    assert "1 file in" in result.stdout
    assert "read it with --stamped close" in result.stdout
    back = read_bars(tmp_path / "clean", stamped="close")
    assert back.fingerprint == read_bars(bars, stamped="session").fingerprint


def test_import_stops_at_a_bad_row(bad: Path, tmp_path: Path) -> None:
    result = run("import", bad, "--stamped", "session", "--to", tmp_path / "clean")
    assert isinstance(result.exception, NullValue)
    assert not (tmp_path / "clean").exists()


def test_import_sets_bad_rows_aside(bad: Path, tmp_path: Path) -> None:
    how = ("import", bad, "--stamped", "session", "--to", tmp_path / "clean", "--on-bad", "quarantine")
    result = run(*how)
    assert result.exit_code == 0
    aside = tmp_path / "clean.quarantine.csv"
    assert str(aside) in result.stdout
    assert "NullValue" in aside.read_text()
    answer = told(*how)
    assert (answer["kept"], answer["files_written"], answer["quarantine"]) == (2, 1, str(aside))
    assert answer["fingerprint"] == read_bars(tmp_path / "clean", stamped="close").fingerprint


def test_import_into_the_present_folder(bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    answer = told("import", bad, "--stamped", "session", "--to", ".", "--on-bad", "quarantine")
    assert answer["quarantine"] == str(tmp_path / "here.quarantine.csv")
    assert Path(answer["quarantine"]).exists()


@pytest.mark.real_data
def test_check_of_the_real_stocks(real_data: Path) -> None:
    path = real_data / "stocks_daily_2013_2018.parquet"
    result = run("check", path, "--stamped", "session", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["problems"]["NullValue"]["fields"]["open"] == 11
    assert {jump["symbol"] for jump in answer["warnings"]["split_like_jumps"]} >= {"EBAY", "BAX", "NI", "BHGE"}
