from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

HEADER = "date,open,high,low,close,volume"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines under a header as a CSV; by default daily bars of the symbol that the file's stem names."""

    def make(lines: Sequence[str], *, header: str = HEADER, name: str = "ABC.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return make


@pytest.fixture
def parquet_file(tmp_path: Path) -> Callable[[Sequence[Mapping[str, object]]], Path]:
    """Write rows as a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    def make(rows: Sequence[Mapping[str, object]]) -> Path:
        parquet.write_table(pa.Table.from_pylist(list(rows)), tmp_path / "facts.parquet")
        return tmp_path / "facts.parquet"

    return make
