from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals import errors
from signals.data.parquet import read_bars

Write = Callable[..., Path]


GOOD = ["2024-01-02,10,11,9,10.5,100", "2024-01-03,10.5,12,10,11,200", "2024-01-04,11,11.5,10.5,11,0"]


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
    pytest.param("03/01/2024,10,12,9,11,1", errors.WrongType, "is not guessed", id="date-format"),
    pytest.param("2024-02-30,10,12,9,11,1", errors.WrongType, "a date such as 2017-01-13", id="no-such-date"),
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
        with pytest.raises(errors.NaiveTime, match=r"give the zone: --tz America/New_York \(tz=\.\.\.\)"):
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


LINES = st.lists(
    st.sampled_from([*GOOD, "2024-01-03,,1,1,1,1", "x,1,1,1,1,1", "2024-01-06,1,1,1,1,1", "2024-01-05,1,1"]), min_size=1
)


@given(LINES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_counts_add_up_and_what_is_kept_is_sound(write: Write, lines: Sequence[str]) -> None:
    table = read_bars(write(lines), stamped="session", on_bad="quarantine")
    report = table.report
    assert report.read == len(lines) == report.kept + report.quarantined
    assert report.quarantined == sum(problem.rows for problem in report.problems)
    for columns in table.columns.values():
        assert len(columns.bars()) == len(columns)  # every bar passes the rules of the strategy room
        assert (np.diff(columns.time) > 0).all()


def test_dates_with_the_day_first_are_not_guessed(write: Write) -> None:
    with pytest.raises(errors.WrongType, match=r"such as 2017-01-13 .* was '13/01/2017'; rewrite the column"):
        read_bars(write(["13/01/2017,10,12,9,11,1"]), stamped="session")
