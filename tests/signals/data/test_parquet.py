from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals import errors
from signals.data.parquet import FileLoader, read_bars
from signals.data.provider import InMemoryProvider
from signals.data.records import Adjusted, from_micros

Write = Callable[..., Path]

GOOD = ["2024-01-02,10,11,9,10.5,100", "2024-01-03,10.5,12,10,11,200", "2024-01-04,11,11.5,10.5,11,0"]


def times(path: Path, **how: Any) -> list[str]:
    table = read_bars(path, **how)
    return [from_micros(each).isoformat() for columns in table.columns.values() for each in columns.time]


def write_parquet(path: Path, date: Any, **changed: Any) -> Path:
    n = len(date)
    cells = {name: [10.0] * n for name in ("open", "high", "low", "close", "volume")}
    pq.write_table(pa.table({"date": date, **cells, **changed}), path)
    return path


def test_a_session_date_becomes_the_close(write: Write) -> None:
    assert times(write(GOOD), stamped="session") == [f"2024-01-0{day}T21:00:00+00:00" for day in (2, 3, 4)]


def test_values_keep_their_order(write: Write) -> None:
    columns = read_bars(write(GOOD), stamped="session").columns["ABC"]
    assert columns.values[1].tolist() == [10.5, 12, 10, 11, 200]
    assert columns.values.flags.c_contiguous


def test_names_of_columns_have_no_case(write: Write) -> None:
    path = write(["x,2024-01-02,1,1,1,1,1,9"], header="Symbol, Timestamp,Open,HIGH,low,Close,Volume,adj_close")
    assert read_bars(path, stamped="session").symbols == ("x",)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "ABC.csv"
    path.write_text("date,open,high,low,close,volume\n" + GOOD[0] + "\n", encoding="utf-8-sig")
    assert read_bars(path, stamped="session").report.kept == 1


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


def test_one_open_does_not_tell_a_length(write: Write) -> None:
    with pytest.raises(errors.ConfigError, match="two bars of a symbol"):
        read_bars(write(["2024-01-02T14:30:00Z,1,1,1,1,1"]), stamped="open")


def test_dates_stamped_open_are_refused_for_what_they_are(write: Write) -> None:
    with pytest.raises(errors.WrongType, match="dates are read with stamped='session'"):
        read_bars(write(GOOD), stamped="open")
    assert read_bars(write(GOOD), stamped="open", on_bad="quarantine").report.quarantined == 3


def test_an_open_at_the_end_of_time_is_refused(write: Write) -> None:
    path = write([f"2024-01-02T14:{m}:00Z,1,1,1,1,1" for m in (30, 31)] + ["9999-12-31T23:59:59Z,1,1,1,1,1"])
    with pytest.raises(errors.FutureTime, match="row 3"):
        read_bars(path, stamped="open")


def test_daily_opens_need_sessions(write: Write) -> None:
    path = write(["2024-01-02T14:30:00Z,1,1,1,1,1", "2024-01-03T14:30:00Z,1,1,1,1,1"])
    with pytest.raises(errors.ConfigError, match="stamped='session'"):
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


ROWS = [
    pytest.param("2024-01-03,,12,10,11,1", errors.NullValue, "a value for open, was an empty cell", id="null"),
    pytest.param(",10,12,10,11,1", errors.NullValue, "a value for time", id="null-time"),
    pytest.param("2024-01-03,nan,12,10,11,1", errors.NotFinite, "a finite open, was 'nan'", id="nan"),
    pytest.param("2024-01-03,10,inf,10,11,1", errors.NotFinite, "a finite high, was 'inf'", id="infinite"),
    pytest.param("2024-01-03,10,12,0,11,1", errors.NotPositive, "low above zero, was '0'", id="zero"),
    pytest.param("2024-01-03,10,12,-1,11,1", errors.NotPositive, "low above zero, was '-1'", id="negative"),
    pytest.param("2024-01-03,10,12,10.5,11,1", errors.BrokenOrder, "open 10, high 12, low 10.5", id="order-open"),
    pytest.param("2024-01-03,10,12,9,13,1", errors.BrokenOrder, "close 13", id="order-close"),
    pytest.param("2024-01-03,10,12,9,11,-5", errors.NegativeVolume, "zero or more, was '-5'", id="negative-volume"),
    pytest.param("2024-01-03,10,abc,9,11,1", errors.WrongType, "high as a number, was 'abc'", id="word"),
    pytest.param("03/01/2024,10,12,9,11,1", errors.WrongType, "ISO 8601", id="date-format"),
    pytest.param("2024-02-30,10,12,9,11,1", errors.WrongType, "ISO 8601", id="no-such-date"),
    pytest.param('2024-01-03,10,"1,200.5",9,11,1', errors.ThousandsSeparator, "was '1,200.5'", id="thousands"),
    pytest.param("2024-01-03,10,1,200.5,9,11,1", errors.WrongType, "as many cells", id="thousands-unquoted"),
    pytest.param("2024-01-03,10,12", errors.WrongType, "as many cells", id="short-line"),
    pytest.param("2024-01-02,10,12,9,11,1", errors.DuplicateTime, "one bar a symbol and time", id="duplicate"),
    pytest.param("2023-12-29,10,12,9,11,1", errors.BackwardsTime, "was '2023-12-29'", id="backwards"),
    pytest.param("2024-01-06,10,12,9,11,1", errors.NoSession, "a session of XNYS, was '2024-01-06'", id="saturday"),
    pytest.param("2039-01-04,10,12,9,11,1", errors.FutureTime, "closes at 2039-01-04T21:00", id="future"),
    pytest.param("2024-01-03 09:30:00,10,12,9,11,1", errors.WrongType, "without a time of day", id="clock"),
]


@pytest.mark.parametrize(("line", "kind", "words"), ROWS)
def test_a_bad_row_has_its_own_error(write: Write, line: str, kind: type[errors.RowError], words: str) -> None:
    path = write([GOOD[0], line, GOOD[2]])
    with pytest.raises(kind) as caught:
        read_bars(path, stamped="session")
    assert type(caught.value) is kind
    assert (caught.value.file, caught.value.row, caught.value.symbol) == (str(path), 2, "ABC")
    assert words in str(caught.value)


@pytest.mark.parametrize(("line", "kind", "words"), ROWS)
def test_quarantine_keeps_the_rest(write: Write, line: str, kind: type[errors.RowError], words: str) -> None:
    report = read_bars(write([GOOD[0], line, GOOD[2]]), stamped="session", on_bad="quarantine").report
    assert (report.read, report.kept, report.quarantined) == (3, 2, 1)
    assert [(problem.kind, problem.rows) for problem in report.problems] == [(kind.__name__, 1)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("2024-01-03 16:00:00", errors.NaiveTime),
        ("2024-01-03", errors.WrongType),
        ("2024-01-03T16:00:00+09:00", errors.MixedZones),
    ],
)
def test_bad_times_of_closes(write: Write, line: str, kind: type[errors.RowError]) -> None:
    path = write(["2024-01-02T21:00:00Z,1,1,1,1,1", f"{line},1,1,1,1,1"])
    with pytest.raises(errors.RowError) as caught:
        read_bars(path, stamped="close")
    # One naive time among aware ones is a second zone; a file of naive ones has none.
    assert type(caught.value) is (errors.MixedZones if kind is errors.NaiveTime else kind)
    if kind is errors.NaiveTime:
        with pytest.raises(errors.NaiveTime, match="say tz="):
            read_bars(write([f"{line},1,1,1,1,1"]), stamped="close")


def test_a_file_sorted_newest_first_is_told_so(write: Write) -> None:
    with pytest.raises(errors.BackwardsTime, match="newest first"):
        read_bars(write(GOOD[::-1]), stamped="session")


def test_the_row_that_mends_a_bad_one_is_no_duplicate(write: Write) -> None:
    report = read_bars(write(["2024-01-02,,11,9,10,1", GOOD[0]]), stamped="session", on_bad="quarantine").report
    assert [problem.kind for problem in report.problems] == ["NullValue"]


def test_the_first_bad_row_of_the_file_is_raised(write: Write) -> None:
    path = write([GOOD[0], "2024-01-03,10,12,9,11,-5", "2024-01-04,,12,9,11,1"])
    with pytest.raises(errors.NegativeVolume):
        read_bars(path, stamped="session")


def test_duplicates_are_found_across_files(write: Write, tmp_path: Path) -> None:
    header = "symbol,date,open,high,low,close,volume"
    for name in ("one", "two"):
        write([f"A,{GOOD[0]}"], header=header, name=f"{name}.csv")
    with pytest.raises(errors.DuplicateTime, match=r"two\.csv, row 1"):
        read_bars(tmp_path, stamped="session")


def test_files_of_a_folder_may_come_in_any_order(write: Write, tmp_path: Path) -> None:
    header = "symbol,date,open,high,low,close,volume"
    write([f"A,{GOOD[1]}"], header=header, name="1.csv")
    write([f"A,{GOOD[0]}"], header=header, name="2.csv")
    assert np.all(np.diff(read_bars(tmp_path, stamped="session").columns["A"].time) > 0)


def test_a_folder_mixes_kinds(write: Write, tmp_path: Path) -> None:
    write(GOOD)
    write_parquet(tmp_path / "XYZ.parquet", [dt.date(2024, 1, 2)])
    (tmp_path / "notes.txt").write_text("not bars")
    assert read_bars(tmp_path, stamped="session").symbols == ("ABC", "XYZ")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("ABC.csv", b"", errors.EmptyFile),
        ("ABC.csv", b"date,open,high,low,close,volume\n", errors.EmptyFile),
        ("ABC.csv", b"date,open,high,low,close\n2024-01-02,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"open,high,low,close,volume\n1,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"date,time,open,high,low,close,volume\n2024-01-02,1,1,1,1,1,1\n", errors.MissingColumns),
        ("ABC.csv", b"\xff\xfed\x00a\x00t\x00e\x00", errors.UnreadableFile),
        ("ABC.parquet", b"", errors.EmptyFile),
        ("ABC.parquet", b"PAR1 and then nothing", errors.UnreadableFile),
        ("ABC.xlsx", b"PK", errors.UnreadableFile),
    ],
)
def test_a_bad_file_has_its_own_error(tmp_path: Path, name: str, content: bytes, kind: type[errors.FileError]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind) as caught:
        read_bars(path, stamped="session")
    assert caught.value.file == str(path)


def test_a_truncated_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "ABC.parquet", [dt.date(2024, 1, 2)] * 500)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(errors.UnreadableFile, match="a readable parquet file"):
        read_bars(path, stamped="session")


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingFile, match="nothing there"):
        read_bars(tmp_path / "no.csv", stamped="session")
    with pytest.raises(errors.MissingFile, match="in the folder"):
        read_bars(tmp_path, stamped="session")


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


LINES = st.lists(
    st.sampled_from([*GOOD, "2024-01-03,,1,1,1,1", "x,1,1,1,1,1", "2024-01-06,1,1,1,1,1", "2024-01-05,1,1"]), min_size=1
)


@given(LINES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_add_up_and_what_is_kept_is_sound(write: Write, lines: Sequence[str]) -> None:
    table = read_bars(write(lines), stamped="session", on_bad="quarantine")
    report = table.report
    assert report.read == len(lines) == report.kept + report.quarantined
    assert report.quarantined == sum(problem.rows for problem in report.problems)
    for columns in table.columns.values():
        assert len(columns.bars()) == len(columns)  # every bar passes the rules of the strategy room
        assert (np.diff(columns.time) > 0).all()


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
