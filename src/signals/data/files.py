"""CSV and Parquet files as they came: which files, which columns, which row is which. Only the file is judged here.

A column is found by its name, whatever its case: one of ``date``, ``datetime``, ``timestamp``, ``time``; ``open``,
``high``, ``low``, ``close``, ``volume``; and ``symbol``, without which the file's stem is the symbol. Other columns are
not read (``adj_close`` restates the past).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.data.records import I8
from signals.errors import EmptyFile, MissingColumns, MissingFile, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FIELDS", "RawFile", "find_files", "read_raw"]

FIELDS = ("open", "high", "low", "close", "volume")
_TIMES = ("date", "datetime", "timestamp", "time")
_SUFFIXES = (".csv", ".parquet")
_SEPARATORS = {";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class RawFile:
    """One file's needed columns, unchecked.

    Parameters
    ----------
    name
        As the user named it.
    cells
        A `pyarrow.Table` with the columns ``time``, ``open``, ..., ``volume`` and ``symbol``, of whatever types came.
    rows
        Row of the file for each row of `cells`, from 1 after the header; blank lines do not count. Shape (n,).
    misfits
        Lines of a CSV that have more or fewer cells than its header, by row; their cells are null.
    """

    name: str
    cells: Any
    rows: I8
    misfits: Mapping[int, str] = field(default_factory=dict)


def find_files(path: Path) -> list[Path]:
    """Return the file, or the folder's CSV and Parquet files by name.

    Raises
    ------
    MissingFile, UnreadableFile
        Nothing there, nothing of these kinds in the folder, or a file of another kind.
    """
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES and not each.name.startswith("."))
        if not found:
            raise MissingFile("a .csv or .parquet file in the folder", "none", file=str(path))
        return found
    if not path.exists():
        raise MissingFile("a file or folder", "nothing there", file=str(path))
    if path.suffix not in _SUFFIXES:
        raise UnreadableFile("a name that ends in .csv or .parquet", repr(path.name), file=str(path))
    return [path]


def read_raw(path: Path) -> RawFile:
    """Read one file.

    Raises
    ------
    EmptyFile, UnreadableFile, MissingColumns
        The file as a whole cannot be used.
    """
    import pyarrow as pa

    try:
        if path.stat().st_size == 0:
            raise EmptyFile("bars", "a file of 0 bytes", file=str(path))
        raw = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        reason = " ".join(str(error).split())[:200]
        hint = "the file is damaged, cut short or not what its name says: fetch it again"
        raise UnreadableFile(f"a readable {path.suffix[1:]} file", reason, file=str(path), hint=hint) from None
    if not len(raw.rows):
        raise EmptyFile("bars", "a header and no rows", file=str(path))
    return raw


def _read_parquet(path: Path) -> RawFile:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        wanted = _columns(path, file.schema_arrow.names)
        table = file.read(columns=list(wanted.values())).select(list(wanted.values())).rename_columns(list(wanted))
        table.validate(full=True)  # text that is no UTF-8, most of all
    return RawFile(str(path), _with_symbol(table, path), np.arange(1, table.num_rows + 1))


def _read_csv(path: Path) -> RawFile:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next((row for row in csv.reader(lines) if row), [])
    wanted = _columns(path, header)
    misfits: dict[int, str] = {}

    def set_aside(row: Any) -> str:
        misfits[row.number - 1] = row.text  # the header is number 1
        return "skip"

    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False),  # rows have numbers only without threads
        parse_options=arrow_csv.ParseOptions(invalid_row_handler=set_aside),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(wanted.values(), pa.string()),
            include_columns=list(wanted.values()),
            strings_can_be_null=False,
        ),
    ).rename_columns(list(wanted))
    total = table.num_rows + len(misfits)
    refused = np.array(sorted(misfits), np.int64)
    whole = np.setdiff1d(np.arange(1, total + 1), refused)
    order = np.argsort(np.concatenate([whole, refused]))
    empty = pa.table({name: pa.nulls(len(misfits), pa.string()) for name in table.column_names})
    return RawFile(
        str(path), _with_symbol(pa.concat_tables([table, empty]).take(order), path), np.arange(1, total + 1), misfits
    )


def _columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the file's name of each needed column, under our name."""
    known: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower()
        ours = "time" if plain in _TIMES else plain
        if ours not in ("time", "symbol", *FIELDS):
            continue
        if ours in known:
            got = f"{known[ours]!r} and {name!r}"
            raise MissingColumns(f"one {ours} column", got, file=str(path), hint="leave one of them out")
        known[ours] = name
    missing = [name for name in ("time", *FIELDS) if name not in known]
    if missing:
        hint = f"a time column is named one of {', '.join(_TIMES)}" if "time" in missing else ""
        if missing == ["volume"]:
            hint = "where nothing is counted, add a column of zeros"
        if len(names) == 1 and (seen := [word for sign, word in _SEPARATORS.items() if sign in names[0]]):
            hint = f"the columns seem to be separated by {seen[0]}: write the file with commas"
        expected = f"the columns {', '.join(missing)}"
        raise MissingColumns(expected, f"only {', '.join(map(repr, names))}", file=str(path), hint=hint)
    return known


def _with_symbol(table: Any, path: Path) -> Any:
    import pyarrow as pa

    if "symbol" not in table.column_names:
        return table.append_column("symbol", pa.repeat(path.stem, table.num_rows))
    symbols = table["symbol"]
    try:
        text = symbols.cast(pa.string())
    except pa.ArrowException:
        got = f"a column of {symbols.type}"
        raise UnreadableFile("a symbol column of text", got, file=str(path), hint="write names as text") from None
    return table.set_column(table.column_names.index("symbol"), "symbol", text)
