from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from signals.data.parquet import read_bars

Write = Callable[..., Path]


def refused(path: Path, to: Path) -> list[dict[str, str]]:
    read_bars(path, stamped="session", on_bad="quarantine", quarantine_to=to)
    with to.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_refused_rows_are_written_as_they_came(write: Write, tmp_path: Path) -> None:
    path = write(["2024-01-02,1,1,1,1,1", '2024-01-03,1,1,1,1,"1,000"', "2024-01-04,1,1,1"])
    first, second = refused(path, tmp_path / "bad" / "rows.txt")
    assert (first["file"], first["row"], first["symbol"], first["time"]) == (str(path), "2", "ABC", "2024-01-03")
    assert (first["volume"], first["reason"]) == ("1,000", "ThousandsSeparator")
    assert (second["row"], second["reason"], second["got"]) == ("3", "WrongType", "'2024-01-04,1,1,1'")


def test_nothing_refused_leaves_a_header(write: Write, tmp_path: Path) -> None:
    to = tmp_path / "rows.txt"
    assert refused(write(["2024-01-02,1,1,1,1,1"]), to) == []
    assert to.read_text().startswith("file,row,symbol,time,open")


def test_raising_writes_nothing(write: Write, tmp_path: Path) -> None:
    to = tmp_path / "rows.txt"
    read_bars(write(["2024-01-02,1,1,1,1,1"]), stamped="session", quarantine_to=None)
    assert not to.exists()
