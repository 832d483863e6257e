from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from signals.data.short_interest import read_short_interest

Write = Callable[..., Path]


def row(month: int, day: int, shares: int, **cells: object) -> dict[str, object]:
    settled = datetime(2018, month, day)  # noqa: DTZ001 (as in the file)
    given: dict[str, object] = {"symbol": "A", "settlement_date": settled, "short_interest": shares}
    given |= {"prev_short_interest": 50, "days_to_cover": 2.5, "revision_flag": "", "split_flag": ""}
    return given | cells


def test_known_at_the_open_of_the_eighth_session(parquet_file: Write) -> None:
    (fact,) = read_short_interest(parquet_file([row(1, 12, 100)])).facts
    # The 15th was a holiday: 16, 17, 18, 19, 22, 23, 24, 25.
    assert fact.known_at == datetime(2018, 1, 25, 14, 30, tzinfo=UTC)
    assert (fact.settled, fact.shares, fact.days_to_cover) == (date(2018, 1, 12), 100.0, 2.5)


def test_a_restatement_is_a_new_fact_about_the_report_before(parquet_file: Write) -> None:
    path = parquet_file([row(1, 31, 120, revision_flag="R", prev_short_interest=90), row(1, 12, 100)])
    first, *later = read_short_interest(path).facts
    assert (first.settled, first.shares) == (date(2018, 1, 12), 100.0)
    assert {(fact.settled, fact.shares) for fact in later} == {(date(2018, 1, 31), 120.0), (date(2018, 1, 12), 90.0)}
    assert {fact.known_at for fact in later} == {datetime(2018, 2, 12, 14, 30, tzinfo=UTC)}


@pytest.mark.parametrize("cover", [999.99, 1000.0, None])
def test_days_cut_off_are_missing(parquet_file: Write, cover: float | None) -> None:
    (_, fact) = read_short_interest(parquet_file([row(1, 12, 9), row(1, 31, 9, days_to_cover=cover)])).facts
    assert math.isnan(fact.days_to_cover)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"settlement_date": datetime(2018, 3, 15)}, "a restatement of a report not in the file"),  # noqa: DTZ001
        ({"symbol": "B"}, "a restatement of a report not in the file"),
        ({"split_flag": "S"}, "a restatement across a split"),
        ({"prev_short_interest": None}, "a restatement without its figure"),
    ],
)
def test_restatements_left_out_are_counted(parquet_file: Write, cells: dict[str, object], reason: str) -> None:
    table = read_short_interest(parquet_file([row(1, 12, 100), row(1, 31, 120, revision_flag="R", **cells)]))
    assert (len(table.facts), table.left_out) == (2, {reason: 1})


def test_rows_without_a_figure_are_counted(parquet_file: Write) -> None:
    table = read_short_interest(parquet_file([row(1, 12, 100), row(1, 31, 1, short_interest=None)]))
    assert (len(table.facts), table.left_out) == (1, {"an empty cell": 1})


@pytest.mark.real_data
def test_every_real_row_is_a_fact(real_data: Path) -> None:
    table = read_short_interest(real_data / "short_interest_2017_2025.parquet")
    restated = 2552 - sum(table.left_out.values())
    assert table.left_out == {"a restatement across a split": 7, "a restatement of a report not in the file": 1}
    assert len(table.facts) == 83_266 + restated
