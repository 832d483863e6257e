from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from signals.data.parquet import read_bars
from signals.data.quality import WARMUP_BARS, QualityReport

Write = Callable[..., Path]

HEADER = "symbol,date,open,high,low,close,volume"


def report(write: Write, lines: list[str], stamped: str = "session") -> QualityReport:
    return read_bars(write(lines, header=HEADER), stamped=stamped, on_bad="quarantine").report


def bars(symbol: str, *days: str) -> list[str]:
    return [f"{symbol},2024-01-{day},1,1,1,1,1" for day in days]


def test_sessions_missing_inside_a_history(write: Write) -> None:
    found = report(write, bars("A", "02", "03", "08") + bars("B", "02", "03", "04", "05", "08"))
    assert found.missing_sessions == {"A": (date(2024, 1, 4), date(2024, 1, 5))}
    assert found.incomplete == ("A",)


def test_a_refused_row_is_not_missing(write: Write) -> None:
    found = report(write, [*bars("A", "02"), "A,2024-01-03,,1,1,1,1", *bars("A", "04")])
    assert found.missing_sessions == {}
    assert found.quarantined == 1


def test_late_starters(write: Write) -> None:
    found = report(write, bars("A", "02", "03", "04") + bars("B", "03", "04"))
    assert found.late_starters == {"B": date(2024, 1, 3)}


def test_early_leavers_are_incomplete(write: Write) -> None:
    found = report(write, bars("A", "02", "03") + bars("B", "02"))
    assert found.late_starters == {}
    assert found.incomplete == ("B",)


def test_the_late_close_of_the_vix_is_its_own_session(write: Write) -> None:
    assert report(write, bars("^VIX", "02", "03") + bars("A", "02", "03")).incomplete == ()


def test_intraday_bars_fill_their_session(write: Write) -> None:
    lines = [f"A,2024-01-{day}T15:{minute}:00Z,1,1,1,1,1" for day in ("02", "04") for minute in (30, 31)]
    assert report(write, lines, "close").missing_sessions == {"A": (date(2024, 1, 3),)}


def test_a_full_days_stamp_on_a_half_day_is_no_missing_session(write: Write) -> None:
    # 24 December closed at 18:00 UTC; the last day counts too.
    lines = [f"A,2024-12-{day}T21:00:00Z,1,1,1,1,1" for day in (23, 24, 26)]
    found = report(write, lines, "close")
    assert (found.missing_sessions, found.incomplete) == ({}, ())
    assert found.off_session == {"A": (1, datetime(2024, 12, 24, 21, tzinfo=UTC))}
    assert report(write, lines[:2], "close").off_session == found.off_session
    told = found.to_json()["warnings"]["off_session"]
    assert told == {"count": 1, "symbols": {"A": {"bars": 1, "first": "2024-12-24T21:00:00+00:00"}}}


def test_a_day_without_any_bar_stays_missing_beside_odd_stamps(write: Write) -> None:
    lines = [f"A,2024-01-0{day}T22:00:00Z,1,1,1,1,1" for day in (2, 4)]
    found = report(write, lines, "close")
    assert found.missing_sessions == {"A": (date(2024, 1, 3),)}
    assert found.off_session["A"].bars == 2


def test_hours_before_and_after_a_session_with_bars_are_not_off_session(write: Write) -> None:
    lines = [f"A,2024-01-02T{clock}:00Z,1,1,1,1,1" for clock in ("13:00", "15:30", "21:30")]
    found = report(write, [*lines, "A,2024-01-03T13:00:00Z,1,1,1,1,1"], "close")
    assert (found.off_session, found.missing_sessions, found.incomplete) == ({}, {}, ())


def test_zero_volumes_are_counted_by_symbol(write: Write) -> None:
    lines = [*bars("A", "02"), "A,2024-01-03,1,1,1,1,0", "B,2024-01-02,,1,1,1,0"]
    assert report(write, lines).zero_volumes == {"A": 1, "B": 1}


def test_short_histories(write: Write) -> None:
    assert report(write, bars("A", "02", "03")).short_histories == {"A": 2}


def test_enough_history_is_no_warning(write: Write) -> None:
    days = [f"2024-01-02T{hour:02}:{minute:02}:00Z" for hour in range(14, 24) for minute in range(60)]
    lines = [f"A,{day},1,1,1,1,1" for day in days[:WARMUP_BARS]]
    assert report(write, lines, "close").short_histories == {}


def test_one_cell_after_another_of_one_row(write: Write) -> None:
    found = report(write, [*bars("A", "02"), "A,2024-01-03,,,1,1,1", "A,2024-01-04,1,,1,1,1"])
    (problem,) = found.problems
    assert (problem.kind, problem.rows, problem.fields) == ("NullValue", 2, {"open": 1, "high": 2})


def test_problems_come_most_rows_first_with_three_examples(write: Write) -> None:
    lines = [f"A,2024-01-{day},1,1,1,1,-1" for day in ("02", "03", "04", "05")] + ["A,2024-01-06,1,1,1,1,1"]
    found = report(write, lines)
    assert [(each.kind, each.rows, len(each.examples)) for each in found.problems] == [
        ("NegativeVolume", 4, 3),
        ("NoSession", 1, 1),
    ]


def test_first_and_last_are_closes(write: Write) -> None:
    found = report(write, bars("A", "02", "03"))
    assert (found.first, found.last) == (datetime(2024, 1, 2, 21, tzinfo=UTC), datetime(2024, 1, 3, 21, tzinfo=UTC))


def test_json_says_all_of_it(write: Write) -> None:
    lines = [*bars("A", "02", "04"), "A,2024-01-05,0,1,1,1,1", "B,2024-01-03,1,1,1,1,0"]
    lines += ["C,2024-01-02,8,8,8,8,1", "C,2024-01-03,4,4,4,4,2"]
    told = json.loads(json.dumps(report(write, lines).to_json(), allow_nan=False))
    assert (told["read"], told["kept"], told["quarantined"]) == (6, 5, 1)
    assert told["problems"]["NotPositive"]["rows"] == 1
    warnings = told["warnings"]
    assert warnings["missing_sessions"] == {"count": 1, "symbols": {"A": ["2024-01-03"]}}
    assert warnings["late_starters"]["symbols"] == {"B": "2024-01-03"}
    assert warnings["zero_volumes"] == {"count": 1, "symbols": {"B": 1}}
    assert warnings["split_like_jumps"] == [{"symbol": "C", "time": "2024-01-03T21:00:00+00:00", "ratio": 0.5}]


def test_json_of_nothing_kept(write: Write) -> None:
    told = report(write, ["A,2024-01-06,1,1,1,1,1"]).to_json()
    assert (told["first"], told["last"], told["symbols"]) == (None, None, 0)


@pytest.mark.real_data
def test_flaws_of_the_real_stocks(real_data: Path) -> None:
    path = real_data / "stocks_daily_2013_2018.parquet"
    told = read_bars(path, stamped="session", on_bad="quarantine").report.to_json()
    assert (told["read"], told["kept"], told["quarantined"], told["symbols"]) == (619_040, 619_017, 23, 505)
    assert told["problems"]["NullValue"]["fields"] == {"open": 11, "high": 8, "low": 8}
    assert told["problems"]["BrokenOrder"]["rows"] == 12
    counts = {name: each["count"] for name, each in told["warnings"].items() if name != "split_like_jumps"}
    # 35 symbols do not span all sessions: 29 start late, the other 6 have holes.
    assert counts == {
        "missing_sessions": 51,
        "late_starters": 29,
        "incomplete_symbols": 35,
        "off_session": 0,
        "zero_volumes": 4,
        "short_histories": 9,
    }


@pytest.mark.real_data
def test_the_real_market_series_have_none(real_data: Path) -> None:
    told = read_bars(real_data / "market_daily_2006_2021.parquet", stamped="session").report.to_json()
    assert (told["quarantined"], told["warnings"]["missing_sessions"]["count"]) == (0, 0)
    assert told["warnings"]["late_starters"]["symbols"] == {"XLC": "2018-06-19", "XLRE": "2015-10-08"}


def test_a_stamp_from_the_future_makes_no_session_missing(write: Write) -> None:
    found = report(write, [*bars("A", "02", "03"), "A,2039-01-04,1,1,1,1,1", *bars("B", "02", "03")])
    assert (found.quarantined, found.missing_sessions, found.incomplete) == (1, {}, ())
