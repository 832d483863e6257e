from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from signals.data.insider import read_form4
from signals.errors import MissingColumns, NaiveTime

Write = Callable[..., Path]
ROW: dict[str, object] = {
    "symbol": "NVDA",
    "transaction_code": "S",
    "transaction_date": datetime(2024, 6, 3),  # noqa: DTZ001 (as in the file)
    "filing_date": datetime(2024, 6, 5),  # noqa: DTZ001
    "shares": 100.0,
    "price_per_share": 20.0,
    "is_derivative": False,
}
TIMED: dict[str, object] = {
    "symbol": "FBK ",
    "trade_type": "P - Purchase",
    "trade_date": datetime(2024, 10, 30),  # noqa: DTZ001
    "filing_datetime": datetime(2024, 11, 1, 18, 4, 41),  # noqa: DTZ001
    "qty": 500,
    "price": 51.0,
}


def test_a_sale_is_below_zero_and_known_at_the_next_open(parquet_file: Write) -> None:
    (fact,) = read_form4(parquet_file([ROW])).facts
    assert (fact.shares, fact.value, fact.transacted) == (-100.0, -2000.0, date(2024, 6, 3))
    assert fact.known_at == datetime(2024, 6, 6, 13, 30, tzinfo=UTC)


def test_a_filing_time_is_of_the_zone_given(parquet_file: Write) -> None:
    (fact,) = read_form4(parquet_file([TIMED]), tz="America/New_York").facts
    assert (fact.symbol, fact.shares, fact.value) == ("FBK", 500.0, 25_500.0)
    assert fact.known_at == datetime(2024, 11, 1, 22, 4, 41, tzinfo=UTC)


def test_a_filing_time_without_zone_is_refused(parquet_file: Write) -> None:
    with pytest.raises(NaiveTime, match="tz="):
        read_form4(parquet_file([TIMED]))


def test_a_file_without_filing_times_is_refused(parquet_file: Write) -> None:
    with pytest.raises(MissingColumns, match="filing_datetime or filing_date"):
        read_form4(parquet_file([{name: cell for name, cell in ROW.items() if name != "filing_date"}]))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"transaction_code": "A"}, "no open-market purchase or sale"),
        ({"transaction_code": None}, "no open-market purchase or sale"),
        ({"is_derivative": True}, "a derivative"),
        ({"symbol": None}, "no symbol or date"),
        ({"filing_date": None}, "no symbol or date"),
        ({"price_per_share": 0.0}, "no count or price above zero"),
        ({"shares": None}, "no count or price above zero"),
    ],
)
def test_rows_left_out_are_counted(parquet_file: Write, cells: dict[str, object], reason: str) -> None:
    table = read_form4(parquet_file([ROW, {**ROW, **cells}]))
    assert (len(table.facts), table.left_out) == (1, {reason: 1})


@pytest.mark.real_data
def test_no_real_trade_is_known_before_it_was_made(real_data: Path) -> None:
    facts = read_form4(real_data / "insider_form4.parquet").facts
    facts += read_form4(real_data / "insider_buys_2024.parquet", tz="America/New_York").facts
    assert len(facts) == 1620 + 943
    assert all(fact.known_at.date() >= fact.transacted for fact in facts)


def filing(number: str, day: int, owner: str, *rows: tuple[float, float], **cells: object) -> list[dict[str, object]]:
    """Rows of one filing: shares, and shares owned after."""
    filed = {"accession_number": number, "filing_date": datetime(2024, 6, day), "reporting_owner_cik": owner}  # noqa: DTZ001
    return [ROW | filed | {"shares": shares, "shares_owned_following": owned} | cells for shares, owned in rows]


def days(path: Path) -> list[tuple[int, float]]:
    """Day of becoming known, and shares, of every fact."""
    return [(fact.known_at.day, -fact.shares) for fact in read_form4(path).facts]


def test_an_amendment_adds_only_what_was_not_filed_before(parquet_file: Write) -> None:
    first = filing("1", 4, "A", (100, 900), (50, 850))
    again = filing("2", 10, "A", (100, 900), (50, 850), (25, 825))
    assert days(parquet_file(again + first)) == [(5, 100), (5, 50), (11, 25)]
    assert read_form4(parquet_file(again + first)).left_out == {"filed before, or by another owner": 2}


def test_until_it_is_amended_a_filing_stands(parquet_file: Write) -> None:
    alone = read_form4(parquet_file(filing("1", 4, "A", (100, 900)))).facts
    both = read_form4(parquet_file(filing("1", 4, "A", (100, 900)) + filing("2", 10, "A", (100, 900)))).facts
    assert alone == both


def test_what_several_own_together_is_sold_once(parquet_file: Write) -> None:
    assert days(parquet_file(filing("1", 4, "A", (100, 900)) + filing("1", 4, "B", (100, 900)))) == [(5, 100)]
    assert days(parquet_file(filing("1", 4, "A", (100, 900)) + filing("2", 4, "B", (100, 900)))) == [(5, 100)]


def test_equal_sales_of_two_owners_are_two(parquet_file: Write) -> None:
    assert days(parquet_file(filing("1", 4, "A", (100, 900)) + filing("2", 4, "B", (100, 300)))) == [(5, 100), (5, 100)]


def test_equal_lines_of_one_filing_are_as_many_sales(parquet_file: Write) -> None:
    assert days(parquet_file(filing("1", 4, "A", (100, 900), (100, 800)))) == [(5, 100), (5, 100)]
    twice = filing("1", 4, "A", (100, 900), (100, 800)) + filing("2", 10, "A", (100, 900), (100, 800), (100, 700))
    assert days(parquet_file(twice)) == [(5, 100), (5, 100), (11, 100)]


def test_without_owners_what_is_held_tells_apart(parquet_file: Write) -> None:
    later = {"filing_datetime": datetime(2024, 11, 4, 18, 0)}  # noqa: DTZ001
    rows = [TIMED | {"owned": 900}, TIMED | later | {"owned": 900}, TIMED | later | {"owned": 300}]
    assert [fact.known_at.day for fact in read_form4(parquet_file(rows), tz="America/New_York").facts] == [1, 4]
