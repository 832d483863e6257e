from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from signals.data.fact_files import FactLoader, FactTable, instant, opens_after, read_rows
from signals.data.provider import InMemoryProvider
from signals.data.records import ShortInterest
from signals.errors import (
    ConfigError,
    EmptyFile,
    MissingColumns,
    MissingFile,
    NaiveTime,
    NullValue,
    UnreadableFile,
    WrongType,
)

Write = Callable[..., Path]
NEW_YORK = "America/New_York"


def fact(day: int) -> ShortInterest:
    return ShortInterest("A", datetime(2024, 1, day, tzinfo=UTC), date(2023, 12, 1), float(day), 1.0)


def test_first_name_that_the_file_has(parquet_file: Write) -> None:
    path = parquet_file([{"b": 1, "extra": 2, "unread": 3}])
    assert read_rows(path, [("a", "b")], optional=("extra", "absent")) == [{"a": 1, "extra": 2}]


def test_missing_columns_are_named(parquet_file: Write) -> None:
    with pytest.raises(MissingColumns, match="a or b, c"):
        read_rows(parquet_file([{"d": 1}]), [("a", "b"), "c", "d"])


def test_files_that_cannot_be_used(tmp_path: Path, parquet_file: Write) -> None:
    with pytest.raises(MissingFile):
        read_rows(tmp_path / "none.parquet", ["a"])
    (tmp_path / "text.parquet").write_text("a,b")
    with pytest.raises(UnreadableFile, match=r"text\.parquet"):
        read_rows(tmp_path / "text.parquet", ["a"])
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "empty.parquet")
    with pytest.raises(EmptyFile):
        read_rows(tmp_path / "empty.parquet", ["a"])


def test_a_date_is_known_at_the_next_open() -> None:
    friday, monday = date(2024, 1, 12), date(2024, 1, 15)  # a holiday follows
    assert opens_after("XNYS")(friday) == datetime(2024, 1, 16, 14, 30, tzinfo=UTC)
    assert opens_after("XNYS", same_day=True)(friday) == datetime(2024, 1, 12, 14, 30, tzinfo=UTC)
    assert opens_after("XNYS", same_day=True)(monday) == datetime(2024, 1, 16, 14, 30, tzinfo=UTC)


def test_a_time_without_zone_needs_one() -> None:
    with pytest.raises(NaiveTime, match="tz="):
        instant(datetime(2024, 7, 1, 16, 30), None)  # noqa: DTZ001 (that is the point)
    assert instant(datetime(2024, 7, 1, 16, 30), NEW_YORK) == datetime(2024, 7, 1, 20, 30, tzinfo=UTC)  # noqa: DTZ001


def test_a_time_with_a_zone_keeps_it() -> None:
    tokyo = datetime(2024, 7, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert instant(tokyo, NEW_YORK) == datetime(2024, 7, 1, 0, tzinfo=UTC)


def test_an_hour_shown_twice_is_the_later_one() -> None:
    assert instant(datetime(2024, 11, 3, 1, 30), NEW_YORK) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)  # noqa: DTZ001


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(NullValue):
        instant(None, NEW_YORK)
    with pytest.raises(WrongType, match="'noon'"):
        instant("noon", NEW_YORK)
    with pytest.raises(ConfigError, match="Nowhere"):
        instant(datetime(2024, 7, 1), "Nowhere")  # noqa: DTZ001


def test_dates_are_midnights_and_nan_is_an_empty_cell(parquet_file: Write) -> None:
    path = parquet_file([{"when": date(2024, 1, 2), "value": float("nan")}, {"when": None, "value": 2.0}])
    rows = read_rows(path, ["when", "value"], times=["when"])
    assert rows == [{"when": datetime(2024, 1, 2), "value": None}, {"when": None, "value": 2.0}]  # noqa: DTZ001


def test_dates_as_text_are_refused_with_their_column(parquet_file: Write) -> None:
    with pytest.raises(WrongType, match="dates in the column 'when', was string"):
        read_rows(parquet_file([{"when": "2024-01-02"}]), ["when"], times=["when"])


def test_reasons_are_counted_and_facts_sorted() -> None:
    table: FactTable[ShortInterest] = FactTable.of([fact(3), "late", fact(2), "late", "odd"])
    assert [each.shares for each in table.facts] == [2.0, 3.0]
    assert table.left_out == {"late": 2, "odd": 1}


def test_loader_adds_what_the_provider_does_not_hold() -> None:
    """A row may come to the file after the instant from which its fact counts as known."""
    provider, rows = InMemoryProvider(), [fact(2), fact(4)]
    loader = FactLoader(lambda: FactTable.of(rows))
    asyncio.run(loader.refresh(provider, None))
    rows.append(fact(3))
    asyncio.run(loader.refresh(provider, datetime(2025, 1, 1, tzinfo=UTC)))
    assert [each.shares for each in provider.facts(ShortInterest, "A")] == [2.0, 3.0, 4.0]
    revision = provider.revision
    asyncio.run(loader.refresh(provider, None))
    assert provider.revision == revision
