"""The Parquet cache of features: one file a symbol, written atomically, never used when it is stale."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from signals.data.records import BarColumns
from signals.features.batch import SymbolInputs
from signals.features.catalog import catalogue_hash, names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["file_of", "fingerprint", "read", "write"]

_CATALOGUE, _FINGERPRINT = b"vane.catalogue", b"vane.fingerprint"


def file_of(folder: Path, symbol: str) -> Path:
    """Return a symbol's file; characters that a file name must not have are written as %XX."""
    return folder / f"{quote(symbol, safe='')}.parquet"


@cache
def _code_hash() -> str:
    # A formula that changed under the same name must not be served from an old file.
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def fingerprint(inputs: SymbolInputs, calendar: str) -> str:
    """Return the SHA-256 of everything that the features are computed from: bars, references, facts and formulas."""
    digest = hashlib.sha256(f"{_code_hash()} {calendar} {inputs.sectors!r} {inputs.facts!r}".encode())
    rows = repr([row for row, _ in inputs.sector_series])
    digest.update(rows.encode())
    for columns in (inputs.columns, inputs.market, inputs.volatility, *(series for _, series in inputs.sector_series)):
        digest.update(_digest(columns))
    return digest.hexdigest()


def _digest(columns: BarColumns | None) -> bytes:
    if columns is None:
        return b"none"
    digest = hashlib.sha256(columns.symbol.encode())
    digest.update(np.ascontiguousarray(columns.time).tobytes())
    digest.update(np.ascontiguousarray(columns.values).tobytes())
    return digest.digest()


def write(path: Path, features: pd.DataFrame, data_fingerprint: str) -> None:
    """Write one symbol's features, indexed by ``date``: a temporary file, fsynced, then renamed over the old one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(features, preserve_index=True)
    keys = {_CATALOGUE: catalogue_hash().encode(), _FINGERPRINT: data_fingerprint.encode()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **keys})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            # Floats hardly compress: plain pages are read ten times faster, and their checksums find flipped bits.
            pq.write_table(table, file, compression="none", use_dictionary=False, write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path, data_fingerprint: str) -> pd.DataFrame | None:
    """Return what `write` wrote for this fingerprint and this catalogue; None for anything else, damage included."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.read_table(file, use_threads=False, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    metadata = table.schema.metadata or {}
    if (metadata.get(_CATALOGUE), metadata.get(_FINGERPRINT)) != (catalogue_hash().encode(), data_fingerprint.encode()):
        return None
    frame: pd.DataFrame = table.to_pandas()
    return frame if tuple(frame.columns) == names() else None
