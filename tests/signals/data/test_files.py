from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from signals import errors
from signals.data.parquet import read_bars

Write = Callable[..., Path]


GOOD = ["2024-01-02,10,11,9,10.5,100", "2024-01-03,10.5,12,10,11,200", "2024-01-04,11,11.5,10.5,11,0"]


def write_parquet(path: Path, date: Any, **changed: Any) -> Path:
    n = len(date)
    cells = {name: [10.0] * n for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table({"date": date, **cells, **changed}), path)
    return path


def test_names_of_columns_have_no_case(write: Write) -> None:
    path = write(["x,2024-01-02,1,1,1,1,1,9"], header="Symbol, Timestamp,Open,HIGH,low,Close,Volume,adj_close")
    assert read_bars(path, stamped="session").symbols == ("x",)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "ABC.csv"
    path.write_text("date,open,high,low,close,volume\n" + GOOD[0] + "\n", encoding="utf-8-sig")
    assert read_bars(path, stamped="session").report.kept == 1


def test_a_folder_mixes_kinds(write: Write, tmp_path: Path) -> None:
    write(GOOD)
    write_parquet(tmp_path / "XYZ.parquet", [dt.date(2024, 1, 2)])
    (tmp_path / "notes.txt").write_text("not bars")
    assert read_bars(tmp_path, stamped="session").symbols == ("ABC", "XYZ")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("ABC.csv", b"", errors.EmptyFile),
        ("ABC.csv", b"date,open,high,low,close,volume\n", errors.EmptyFile),
        ("ABC.csv", b"date,open,high,low,close\n2024-01-02,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"open,high,low,close,volume\n1,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"date,time,open,high,low,close,volume\n2024-01-02,1,1,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"\xff\xfed\x00a\x00t\x00e\x00", errors.UnreadableFile),
        ("ABC.parquet", b"", errors.EmptyFile),
        ("ABC.parquet", b"PAR1 and then nothing", errors.UnreadableFile),
        ("ABC.xlsx", b"PK", errors.UnreadableFile),
    ],
)
def test_a_bad_file_has_its_own_error(tmp_path: Path, name: str, content: bytes, kind: type[errors.FileError]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind) as caught:
        read_bars(path, stamped="session")
    assert caught.value.file == str(path)


def test_a_truncated_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "ABC.parquet", [dt.date(2024, 1, 2)] * 500)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(errors.UnreadableFile, match="a readable parquet file"):
        read_bars(path, stamped="session")


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingFile, match="nothing there"):
        read_bars(tmp_path / "no.csv", stamped="session")
    with pytest.raises(errors.MissingFile, match="in the folder"):
        read_bars(tmp_path, stamped="session")


def test_a_link_to_nothing_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "ABC.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(errors.UnreadableFile, match="No such file"):
        read_bars(tmp_path, stamped="session")


NO_TEXT = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])


@pytest.mark.parametrize("column", ["symbol", "date", "open"])
def test_text_that_is_no_utf8_is_unreadable(tmp_path: Path, column: str) -> None:
    changed = {"date": [dt.date(2024, 1, 2)], column: NO_TEXT}
    path = write_parquet(tmp_path / "ABC.parquet", changed.pop("date"), **changed)
    with pytest.raises(errors.UnreadableFile, match="UTF8"):
        read_bars(path, stamped="session", on_bad="quarantine")


@pytest.mark.parametrize("symbol", [["A"], {"name": "A"}, b"\xff"])
def test_symbols_that_are_no_text_are_refused(tmp_path: Path, symbol: object) -> None:
    path = write_parquet(tmp_path / "ABC.parquet", [dt.date(2024, 1, 2)], symbol=[symbol])
    with pytest.raises(errors.UnreadableFile, match="symbol column of text"):
        read_bars(path, stamped="session", on_bad="quarantine")


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(tmp_path: Path, sign: str, word: str) -> None:
    path = tmp_path / "ABC.csv"
    path.write_text(f"date,open,high,low,close,volume\n{GOOD[0]}\n".replace(",", sign))
    with pytest.raises(errors.MissingColumns, match=f"seem to be separated by {word}: write the file with commas"):
        read_bars(path, stamped="session")
