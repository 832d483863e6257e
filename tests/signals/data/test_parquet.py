from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals import errors
from signals.data.parquet import FileLoader, read_bars
from signals.data.provider import InMemoryProvider
from signals.data.records import Adjusted, from_micros

Write = Callable[..., Path]


GOOD = ["2024-01-02,10,11,9,10.5,100", "2024-01-03,10.5,12,10,11,200", "2024-01-04,11,11.5,10.5,11,0"]


def times(path: Path, **how: Any) -> list[str]:
    table = read_bars(path, **how)
    return [from_micros(each).isoformat() for columns in table.columns.values() for each in columns.time]


def test_a_session_date_becomes_the_close(write: Write) -> None:
    assert times(write(GOOD), stamped="session") == [f"2024-01-0{day}T21:00:00+00:00" for day in (2, 3, 4)]


def test_values_keep_their_order(write: Write) -> None:
    columns = read_bars(write(GOOD), stamped="session").columns["ABC"]
    assert columns.values[1].tolist() == [10.5, 12, 10, 11, 200]
    assert columns.values.flags.c_contiguous


def test_the_vix_is_stamped_later(write: Write) -> None:
    assert times(write(GOOD[:1], name="^VIX.csv"), stamped="session") == ["2024-01-02T21:15:00+00:00"]


def test_round_the_clock_days_close_at_the_next_midnight(write: Write) -> None:
    path = write(["2024-01-06,1,1,1,1,1"])
    assert times(path, stamped="session", calendar="24/7") == ["2024-01-07T00:00:00+00:00"]


def test_opens_close_a_bar_later(write: Write) -> None:
    path = write([f"2024-01-02T14:{minute}:00Z,1,1,1,1,1" for minute in (30, 31, 32, 35)])
    table = read_bars(path, stamped="open")
    assert times(path, stamped="open")[0] == "2024-01-02T14:31:00+00:00"
    assert times(path, stamped="open")[-1] == "2024-01-02T14:36:00+00:00"
    assert table.report.bar_seconds == (60.0,)


def test_each_symbol_has_its_own_bar_length(write: Write) -> None:
    header = "symbol,date,open,high,low,close,volume"
    lines = [f"A,2024-01-02T14:{m}:00Z,1,1,1,1,1" for m in (30, 31, 32)]
    lines += [f"B,2024-01-02T14:{m}:00Z,1,1,1,1,1" for m in (30, 35)]
    lines += ["C,2024-01-02T14:30:00Z,1,1,1,1,1"]  # one bar: the length that is most common of all
    table = read_bars(write(lines, header=header), stamped="open")
    ends = {symbol: from_micros(columns.time[-1]).minute for symbol, columns in table.columns.items()}
    assert ends == {"A": 33, "B": 40, "C": 31}


def test_a_bar_cut_short_closes_with_its_session(write: Write) -> None:
    opens = [f"2024-07-03T{hour}:30:00Z,1,1,1,1,1" for hour in (13, 14, 15, 16)]  # a half day
    closes = [time[11:16] for time in times(write(opens), stamped="open")]
    assert closes == ["14:30", "15:30", "16:30", "17:00"]
    late = [time[11:16] for time in times(write(opens, name="^VIX.csv"), stamped="open")]
    assert late == ["14:30", "15:30", "16:30", "17:15"]


def test_a_symbol_that_trades_after_hours_is_not_cut(write: Write) -> None:
    path = write([f"2024-07-03T{hour}:30:00Z,1,1,1,1,1" for hour in (13, 14, 15, 16, 17)])
    assert [time[11:16] for time in times(path, stamped="open")][3:] == ["17:30", "18:30"]


def test_one_open_does_not_tell_a_length(write: Write) -> None:
    with pytest.raises(errors.ConfigError, match="two bars of a symbol"):
        read_bars(write(["2024-01-02T14:30:00Z,1,1,1,1,1"]), stamped="open")


def test_dates_stamped_open_are_refused_for_what_they_are(write: Write) -> None:
    with pytest.raises(errors.WrongType, match="dates are read with --stamped session"):
        read_bars(write(GOOD), stamped="open")
    assert read_bars(write(GOOD), stamped="open", on_bad="quarantine").report.quarantined == 3


def test_an_open_at_the_end_of_time_is_refused(write: Write) -> None:
    path = write([f"2024-01-02T14:{m}:00Z,1,1,1,1,1" for m in (30, 31)] + ["9999-12-31T23:59:59Z,1,1,1,1,1"])
    with pytest.raises(errors.FutureTime, match="row 3"):
        read_bars(path, stamped="open")


def test_daily_opens_need_sessions(write: Write) -> None:
    path = write(["2024-01-02T14:30:00Z,1,1,1,1,1", "2024-01-03T14:30:00Z,1,1,1,1,1"])
    with pytest.raises(errors.ConfigError, match="give dates with --stamped session"):
        read_bars(path, stamped="open")
    assert times(path, stamped="open", calendar="24/7")[0] == "2024-01-03T14:30:00+00:00"


def test_tz_gives_naive_times_their_zone(write: Write) -> None:
    path = write(["2024-01-02 16:00:00,1,1,1,1,1", "2024-07-02 16:00:00,1,1,1,1,1"])
    expected = ["2024-01-02T21:00:00+00:00", "2024-07-02T20:00:00+00:00"]
    assert times(path, stamped="close", tz="America/New_York") == expected


def test_tz_explains_summer_and_winter_offsets(write: Write) -> None:
    path = write(["2024-01-02T16:00:00-05:00,1,1,1,1,1", "2024-07-02T16:00:00-04:00,1,1,1,1,1"])
    assert len(times(path, stamped="close", tz="America/New_York")) == 2
    with pytest.raises(errors.MixedZones, match="row 2"):
        read_bars(path, stamped="close")
    with pytest.raises(errors.MixedZones, match="row 1"):
        read_bars(path, stamped="close", tz="Europe/Berlin")


def test_midnights_with_an_offset_are_session_dates(write: Write) -> None:
    path = write(["2024-01-02T00:00:00-05:00,1,1,1,1,1", "2024-07-02T00:00:00-04:00,1,1,1,1,1"])
    expected = ["2024-01-02T21:00:00+00:00", "2024-07-02T20:00:00+00:00"]
    assert times(path, stamped="session", tz="America/New_York") == expected


@pytest.mark.parametrize("line", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"])
def test_a_time_that_the_clock_change_makes_ambiguous(write: Write, line: str) -> None:
    with pytest.raises(errors.NaiveTime, match="row 1"):
        read_bars(write([f"{line},1,1,1,1,1"]), stamped="close", tz="America/New_York")


def test_files_of_a_folder_may_come_in_any_order(write: Write, tmp_path: Path) -> None:
    header = "symbol,date,open,high,low,close,volume"
    write([f"A,{GOOD[1]}"], header=header, name="1.csv")
    write([f"A,{GOOD[0]}"], header=header, name="2.csv")
    assert np.all(np.diff(read_bars(tmp_path, stamped="session").columns["A"].time) > 0)


def test_some_symbols_only(write: Write) -> None:
    header = "symbol,date,open,high,low,close,volume"
    path = write([f"A,{GOOD[0]}", f"B,{GOOD[0]}", "C,2024-01-02,,1,1,1,1"], header=header)
    table = read_bars(path, stamped="session", symbols=["B", "A"])
    assert (table.symbols, table.report.read) == (("A", "B"), 2)


@pytest.mark.parametrize("symbols", [["ABC", "NO"], []])
def test_symbols_that_are_not_there(write: Write, symbols: list[str]) -> None:
    with pytest.raises(errors.EmptyFile, match="every symbol asked for"):
        read_bars(write(GOOD), stamped="session", symbols=symbols)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"stamped": "end"}, "expected open, close or session, was 'end'"),
        ({"stamped": "session", "on_bad": "skip"}, "expected raise or quarantine"),
        ({"stamped": "close", "tz": "New York"}, "IANA zone"),
        ({"stamped": "session", "calendar": "NYC"}, "exchange_calendars"),
    ],
)
def test_impossible_arguments(write: Write, how: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.ConfigError, match=words):
        read_bars(write(GOOD), **how)


def test_now_is_the_moment_of_reading(write: Write) -> None:
    path = write(GOOD)
    assert read_bars(path, stamped="session", now=datetime(2024, 1, 4, 21, tzinfo=UTC)).report.kept == 3
    with pytest.raises(errors.FutureTime, match="row 3"):
        read_bars(path, stamped="session", now=datetime(2024, 1, 4, 20, 59, tzinfo=UTC))


def test_every_row_refused_is_still_a_report(write: Write) -> None:
    table = read_bars(write([",,,,,"]), stamped="session", on_bad="quarantine")
    assert (table.symbols, table.report.kept, table.report.first) == ((), 0, None)


def test_loader_fills_a_provider(write: Write) -> None:
    provider = InMemoryProvider()
    loader = FileLoader(partial(read_bars, write(GOOD), stamped="session", adjusted=Adjusted.NONE))
    asyncio.run(loader.refresh(provider, None))
    assert provider.symbols() == ["ABC"]
    assert provider.adjusted is Adjusted.NONE


@pytest.mark.parametrize(("since", "revisions"), [("2024-01-03T21:00+00:00", 1), ("2024-01-04T21:00+00:00", 0)])
def test_loader_swaps_only_for_newer_bars(write: Write, since: str, revisions: int) -> None:
    provider = InMemoryProvider()
    before = provider.revision
    loader = FileLoader(partial(read_bars, write(GOOD), stamped="session"))
    asyncio.run(loader.refresh(provider, datetime.fromisoformat(since)))
    assert provider.revision - before == revisions
    assert len(provider.columns("ABC")) == (3 if revisions else 0)
