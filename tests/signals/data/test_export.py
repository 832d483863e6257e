from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from signals.data.export import write_bars
from signals.data.parquet import read_bars
from signals.data.table import BarTable
from signals.errors import ConfigError, UnreadableFile

Write = Callable[..., Path]


@pytest.fixture
def table(write: Write) -> BarTable:
    lines = ["^VIX,2024-01-02,1,2,1,2,0", "BTC/USD,2024-01-02,1,2,1,2,0.25", "A,2024-01-02,1,2,1,2,3"]
    return read_bars(write(lines, header="symbol,date,open,high,low,close,volume"), stamped="session")


def test_what_is_written_reads_back_the_same(table: BarTable, tmp_path: Path) -> None:
    paths = write_bars(table, tmp_path / "clean")
    assert sorted(path.name for path in paths) == ["A.parquet", "BTC%2FUSD.parquet", "^VIX.parquet"]
    back = read_bars(tmp_path / "clean", stamped="close")
    assert back.symbols == table.symbols
    assert back.fingerprint == table.fingerprint


def test_the_same_bars_may_be_written_again(table: BarTable, tmp_path: Path) -> None:
    (first, *_) = write_bars(table, tmp_path / "clean")
    before = first.stat().st_mtime_ns
    write_bars(table, tmp_path / "clean")
    assert first.stat().st_mtime_ns == before


def test_other_bars_are_never_overwritten(table: BarTable, write: Write, tmp_path: Path) -> None:
    write_bars(table, tmp_path / "clean")
    other = read_bars(write(["2024-01-03,1,2,1,2,3"], name="A.csv"), stamped="session")
    with pytest.raises(ConfigError, match="holds other bars of A"):
        write_bars(other, tmp_path / "clean")
    assert read_bars(tmp_path / "clean", stamped="close").fingerprint == table.fingerprint


def test_a_flipped_bit_in_a_value_is_noticed(table: BarTable, tmp_path: Path) -> None:
    path = write_bars(table, tmp_path / "clean")[0]
    content = bytearray(path.read_bytes())
    value = struct.pack("<d", 3.0)  # the volume of A
    content[content.index(value)] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFile):
        read_bars(path, stamped="close")


def test_a_name_that_begins_with_a_dot_is_not_hidden(write: Write, tmp_path: Path) -> None:
    lines = [".SPX,2024-01-02,1,2,1,2,0", "%2ESPX,2024-01-02,1,2,1,2,0"]
    table = read_bars(write(lines, header="symbol,date,open,high,low,close,volume"), stamped="session")
    write_bars(table, tmp_path / "clean")
    assert read_bars(tmp_path / "clean", stamped="close").fingerprint == table.fingerprint
