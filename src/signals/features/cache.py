"""The Parquet cache of features: one file a symbol, written atomically, never used when it is stale."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from signals.data import records
from signals.data.atomic import replacing
from signals.data.calendar import TradingCalendar
from signals.data.records import I8, BarColumns
from signals.features.batch import SymbolInputs
from signals.features.catalog import catalogue_hash, names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["file_of", "fingerprint", "read", "write"]

_DATE, _SEAL = "date", b"vane.seal"


def file_of(folder: Path, symbol: str) -> Path:
    """Return a symbol's file; characters that a file name must not have are written as %XX."""
    return folder / f"{quote(symbol, safe='')}.parquet"


@cache
def _code_hash() -> str:
    # A formula that changed under the same name must not be served from an old file.
    digest = hashlib.sha256()
    # Records say on which basis a figure stands.
    for path in [*sorted(Path(__file__).parent.glob("*.py")), Path(records.__file__)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _sessions_hash(calendar: str) -> str:
    # Holidays are added to a calendar of the same name, on which months end and references age.
    sessions = TradingCalendar(calendar)
    return hashlib.sha256(np.stack([sessions.days, sessions.opens, sessions.closes]).tobytes()).hexdigest()


def fingerprint(inputs: SymbolInputs, calendar: str) -> str:
    """Return the SHA-256 of all that features are computed from: bars, references, facts, sessions and formulas."""
    given = f"{_code_hash()} {_sessions_hash(calendar)} {inputs.sectors!r} {inputs.facts!r}"
    digest = hashlib.sha256(given.encode())
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
    """Write one symbol's features, indexed by ``date``, as a whole or not at all."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    time = pd.DatetimeIndex(features.index).tz_convert("UTC").as_unit("us").asi8
    values = np.ascontiguousarray(features.to_numpy(np.float32).T)
    columns = {_DATE: pa.array(time, pa.timestamp("us", "UTC"))}
    columns |= {str(name): pa.array(column) for name, column in zip(features.columns, values, strict=True)}
    table = pa.table(columns).replace_schema_metadata({_SEAL: _seal(data_fingerprint, time, values)})
    with replacing(path) as temporary:
        # Floats hardly compress: plain pages are read ten times faster.
        pq.write_table(table, temporary, compression="none", use_dictionary=False)


def read(path: Path, data_fingerprint: str) -> pd.DataFrame | None:
    """Return what `write` wrote for this fingerprint and this catalogue; None for anything else, damage included."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.read_table(file, use_threads=False)
        if table.schema.names != [_DATE, *names()]:
            return None
        time, *columns = (column.to_numpy() for column in table.columns)
        time, values = time.astype("datetime64[us]").astype(np.int64), np.array(columns)
    except (OSError, ValueError, TypeError, pa.ArrowException):
        return None
    if (table.schema.metadata or {}).get(_SEAL) != _seal(data_fingerprint, time, values):
        return None
    index = pd.DatetimeIndex(time.astype("datetime64[us]"), name=_DATE).tz_localize("UTC")
    return pd.DataFrame(values.T, index, names())


def _seal(data_fingerprint: str, time: I8, values: NDArray[np.float32]) -> bytes:
    """Return a digest of what a file must hold and for whom; Parquet's own checksums leave its footer out."""
    digest = hashlib.sha256(f"{catalogue_hash()} {data_fingerprint} {values.dtype} {values.shape}".encode())
    digest.update(time.tobytes())
    digest.update(values.tobytes())
    return digest.hexdigest().encode()
