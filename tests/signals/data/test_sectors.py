from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signals.data.provider import InMemoryProvider
from signals.data.sectors import read_sectors
from signals.errors import NaiveTime

Write = Callable[..., Path]
MADE = datetime(2024, 5, 1, tzinfo=UTC)
ROW = {"symbol": "XOM", "sector": "Energy"}


def test_a_map_counts_from_when_it_was_made(parquet_file: Write) -> None:
    provider = InMemoryProvider(facts=read_sectors(parquet_file([ROW]), known_at=MADE).facts)
    assert provider.sector("XOM", MADE) == "Energy"
    assert provider.sector("XOM", MADE - timedelta(seconds=1)) is None


def test_rows_without_sector_are_counted(parquet_file: Write) -> None:
    table = read_sectors(parquet_file([ROW, {"symbol": "A", "sector": None}]), known_at=MADE)
    assert (len(table.facts), table.left_out) == (1, {"no symbol or sector": 1})


def test_an_instant_without_zone_is_refused(parquet_file: Write) -> None:
    with pytest.raises(NaiveTime):
        read_sectors(parquet_file([ROW]), known_at=datetime(2024, 5, 1))  # noqa: DTZ001 (that is the point)


@pytest.mark.real_data
def test_real_map_has_the_eleven_sectors(real_data: Path) -> None:
    facts = read_sectors(real_data / "sectors_current.parquet", known_at=MADE).facts
    assert (len(facts), len({fact.group for fact in facts})) == (503, 11)
