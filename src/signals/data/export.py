"""Clean bars written out, one Parquet file a symbol."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from signals.data.atomic import replacing
from signals.data.files import FIELDS
from signals.data.parquet import read_bars
from signals.data.records import BarColumns
from signals.data.table import BarTable, fingerprint_of
from signals.errors import ConfigError

__all__ = ["write_bars"]


def write_bars(table: BarTable, folder: Path) -> list[Path]:
    """Write one file a symbol, to be read back with ``stamped="close"``; return all the files.

    The columns are ``date`` (the close, ``timestamp[us, UTC]``), ``symbol``, open, high, low, close, volume.

    Raises
    ------
    ConfigError
        If a file is there with other bars; nothing has then been written.
    """
    paths = {symbol: folder / _file_name(symbol) for symbol in table.symbols}
    present = {symbol for symbol, path in paths.items() if path.exists()}
    for symbol in sorted(present):
        held = read_bars(paths[symbol], stamped="close", adjusted=table.adjusted)
        if held.fingerprint != fingerprint_of([table.columns[symbol]], table.adjusted):
            raise ConfigError(f"{paths[symbol]} holds other bars of {symbol}: remove it, or choose another folder")
    for symbol, path in paths.items():
        if symbol not in present:
            _write(table.columns[symbol], path)
    return list(paths.values())


def _file_name(symbol: str) -> str:
    name = quote(symbol, safe="^=-.")
    return f"{name.replace('.', '%2E', 1) if name.startswith('.') else name}.parquet"  # readers pass hidden files over


def _write(columns: BarColumns, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    date = pa.array(columns.time, pa.timestamp("us", "UTC"))
    values = {name: columns.values[:, position] for position, name in enumerate(FIELDS)}
    bars = pa.table({"date": date, "symbol": [columns.symbol] * len(columns), **values})
    with replacing(path) as temporary:
        pq.write_table(bars, temporary, write_page_checksum=True)
