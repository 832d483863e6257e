from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from signals import errors
from signals.data.parquet import read_bars
from signals.data.records import from_micros


def times(path: Path, **how: Any) -> list[str]:
    table = read_bars(path, **how)
    return [from_micros(each).isoformat() for columns in table.columns.values() for each in columns.time]


def write_parquet(path: Path, date: Any, **changed: Any) -> Path:
    n = len(date)
    cells = {name: [10.0] * n for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table({"date": date, **cells, **changed}), path)
    return path


def stamps(kind: pa.DataType, *texts: str) -> pa.Array:
    """Instants, or times on the wall where the type has no zone."""
    micros = np.array(texts, "datetime64[us]").astype(np.int64)
    return pa.array(micros).cast(pa.timestamp("us", kind.tz)).cast(kind)


NEW_YORK = pa.timestamp("us", "America/New_York")


NAIVE = pa.timestamp("us")


@pytest.mark.parametrize(
    ("date", "how"),
    [
        (pa.array([dt.date(2024, 1, 2)]), {"stamped": "session"}),
        (stamps(pa.timestamp("ns"), "2024-01-02"), {"stamped": "session"}),
        (stamps(NEW_YORK, "2024-01-02T05:00"), {"stamped": "session"}),
        (stamps(pa.timestamp("us", "UTC"), "2024-01-02T21:00"), {"stamped": "close"}),
        (stamps(pa.timestamp("s"), "2024-01-02T16:00"), {"stamped": "close", "tz": "America/New_York"}),
        (pa.array(["2024-01-02"], pa.large_string()), {"stamped": "session"}),
        (pa.array([dt.date(2024, 1, 2)], pa.date64()), {"stamped": "session"}),
        (stamps(pa.timestamp("ms", "+05:30"), "2024-01-02T21:00"), {"stamped": "close"}),
    ],
)
def test_parquet_times(tmp_path: Path, date: pa.Array, how: dict[str, str]) -> None:
    assert times(write_parquet(tmp_path / "A.parquet", date), **how) == ["2024-01-02T21:00:00+00:00"]


def test_a_named_zone_has_two_offsets(tmp_path: Path) -> None:
    date = stamps(NEW_YORK, "2024-01-02T21:00", "2024-07-02T20:00")
    assert len(times(write_parquet(tmp_path / "A.parquet", date), stamped="close")) == 2


@pytest.mark.parametrize(
    ("date", "how", "kind"),
    [
        (stamps(NAIVE, "2024-01-02T17:00"), {"stamped": "close"}, errors.NaiveTime),
        (stamps(NAIVE, "2024-01-02"), {"stamped": "close", "tz": "UTC"}, errors.WrongType),
        (pa.array([dt.date(2024, 1, 2)]), {"stamped": "close", "tz": "UTC"}, errors.WrongType),
        (pa.array([20240102]), {"stamped": "session"}, errors.WrongType),
        (pa.array([None], pa.timestamp("us")), {"stamped": "session"}, errors.NullValue),
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), {"stamped": "session"}, errors.WrongType),
        (pa.array([2**60]).cast(pa.timestamp("ms", "UTC")), {"stamped": "close"}, errors.WrongType),
        (pa.array([0]).cast(pa.timestamp("us", "Nowhere/City")), {"stamped": "close"}, errors.WrongType),
        (pa.array(["9999-12-31T23:59:59Z"]), {"stamped": "close"}, errors.FutureTime),
        (pa.array([None], pa.timestamp("us", "UTC")), {"stamped": "close"}, errors.NullValue),
    ],
)
def test_bad_parquet_times(tmp_path: Path, date: pa.Array, how: dict[str, Any], kind: type[errors.RowError]) -> None:
    with pytest.raises(errors.RowError) as caught:
        read_bars(write_parquet(tmp_path / "A.parquet", date), **how)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"open": pa.array([None], pa.float64())}, errors.NullValue),
        ({"open": pa.array([float("nan")])}, errors.NotFinite),
        ({"open": pa.array([True])}, errors.WrongType),
        ({"open": pa.array(["ten"])}, errors.WrongType),
        ({"symbol": pa.array([None], pa.string())}, errors.NullValue),
        ({"symbol": pa.array([" "])}, errors.NullValue),
    ],
)
def test_bad_parquet_cells(tmp_path: Path, cells: dict[str, pa.Array], kind: type[errors.RowError]) -> None:
    with pytest.raises(errors.RowError) as caught:
        read_bars(write_parquet(tmp_path / "A.parquet", [dt.date(2024, 1, 2)], **cells), stamped="session")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "column",
    [
        pa.array([10], pa.int64()),
        pa.array([10], pa.decimal128(10, 2)),
        pa.array(["10"]).dictionary_encode(),
        pa.array([" 1e1 "]),
    ],
    ids=["int", "decimal", "dictionary", "text"],
)
def test_numbers_come_in_many_types(tmp_path: Path, column: pa.Array) -> None:
    path = write_parquet(tmp_path / "A.parquet", [dt.date(2024, 1, 2)], close=column)
    assert read_bars(path, stamped="session").columns["A"].values[0, 3] == 10


def test_dates_of_a_dictionary(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "ABC.parquet", pa.array(["2024-01-02", "2024-01-03"]).dictionary_encode())
    assert times(path, stamped="session") == ["2024-01-02T21:00:00+00:00", "2024-01-03T21:00:00+00:00"]
