from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from signals.data.sec import read_company_facts

Write = Callable[..., Path]
ROW: dict[str, object] = {
    "symbol": "AAPL",
    "concept": "NetIncomeLoss",
    "unit": "USD",
    "start": datetime(2012, 9, 30),  # noqa: DTZ001 (as in the file)
    "end": datetime(2012, 12, 29),  # noqa: DTZ001
    "val": 13_078e6,
    "filed": datetime(2013, 1, 24),  # noqa: DTZ001
}


def rows(**cells: object) -> list[dict[str, object]]:
    return [ROW, {**ROW, **cells}]


def test_a_filing_is_known_at_the_next_open(parquet_file: Write) -> None:
    (fact,) = read_company_facts(parquet_file([ROW])).facts
    assert fact.known_at == datetime(2013, 1, 25, 14, 30, tzinfo=UTC)
    assert fact.filed == date(2013, 1, 24)
    assert (fact.start, fact.end, fact.days, fact.value) == (date(2012, 9, 30), date(2012, 12, 29), 91, 13_078e6)


def test_the_same_day_only_where_told(parquet_file: Write) -> None:
    (fact,) = read_company_facts(parquet_file([ROW]), same_day=True).facts
    assert fact.known_at == datetime(2013, 1, 24, 14, 30, tzinfo=UTC)


def test_a_balance_sheet_has_no_start(parquet_file: Write) -> None:
    facts = read_company_facts(parquet_file(rows(start=None))).facts
    assert [fact.start for fact in facts] == [date(2012, 9, 30), None]


def test_a_restatement_is_a_fact_of_its_own(parquet_file: Write) -> None:
    facts = read_company_facts(parquet_file(rows(filed=datetime(2014, 1, 28), val=13_072e6))).facts  # noqa: DTZ001
    assert [fact.value for fact in facts] == [13_078e6, 13_072e6]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({}, "a repeated row"),
        ({"filed": datetime(2012, 12, 28)}, "filed before its period ended"),  # noqa: DTZ001
        ({"val": None}, "an empty cell"),
        ({"start": datetime(2012, 12, 30)}, "a period that ends before it starts"),  # noqa: DTZ001
    ],
)
def test_rows_left_out_are_counted(parquet_file: Write, cells: dict[str, object], reason: str) -> None:
    table = read_company_facts(parquet_file(rows(**cells)))
    assert (len(table.facts), table.left_out) == (1, {reason: 1})


def test_only_what_is_asked_for(parquet_file: Write) -> None:
    path = parquet_file([ROW, {**ROW, "symbol": "NVDA"}, {**ROW, "concept": "Revenues"}])
    table = read_company_facts(path, symbols=["AAPL"], concepts=["NetIncomeLoss"])
    assert (len(table.facts), table.left_out) == (1, {})


@pytest.mark.real_data
def test_eight_real_rows_were_filed_before_their_period_ended(real_data: Path) -> None:
    table = read_company_facts(real_data / "sec_companyfacts.parquet")
    assert table.left_out == {"filed before its period ended": 8, "a repeated row": 281}
    assert len(table.facts) == 106_508 - 8 - 281
