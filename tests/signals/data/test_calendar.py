from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.data.calendar import NO_SESSION, TradingCalendar, closing_delay
from signals.data.records import from_micros, to_micros
from signals.errors import ConfigError, DataError

NEW_YORK = TradingCalendar("XNYS")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def micros(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([to_micros(at(text)) for text in texts], np.int64)


@pytest.mark.parametrize(
    ("day", "close"),
    [
        (date(2024, 1, 2), "2024-01-02T21:00"),
        (date(2024, 7, 2), "2024-07-02T20:00"),  # summer time
        (date(2024, 7, 3), "2024-07-03T17:00"),  # a half day
    ],
)
def test_session_close(day: date, close: str) -> None:
    assert NEW_YORK.session_close(day) == at(close)


def test_no_session_on_a_holiday() -> None:
    with pytest.raises(DataError, match="a session of XNYS, was 2024-07-04"):
        NEW_YORK.session_close(date(2024, 7, 4))


def test_closes_of_marks_days_without_session() -> None:
    days = np.array(["2024-07-03", "2024-07-04", "2024-07-06", "1950-01-03"], "datetime64[D]").astype(np.int64)
    assert NEW_YORK.closes_of(days).tolist() == [to_micros(at("2024-07-03T17:00"))] + [NO_SESSION] * 3


def test_round_the_clock_closes_at_the_following_midnight() -> None:
    assert TradingCalendar("24/7").session_close(date(2024, 2, 29)) == at("2024-03-01T00:00")


def test_a_date_fact_is_known_at_the_next_open() -> None:
    assert NEW_YORK.next_open_after(date(2024, 7, 3)) == at("2024-07-05T13:30")
    assert NEW_YORK.next_open_after(date(2024, 7, 6)) == at("2024-07-08T13:30")


@pytest.mark.parametrize(("name", "known"), [("24/7", "2024-01-04T00:00"), ("XASX", "2024-01-03T23:00")])
def test_a_date_ends_in_new_york_wherever_is_traded(name: str, known: str) -> None:
    """A filing of the evening of 2 January, New York, must not count before it was made."""
    assert TradingCalendar(name).next_open_after(date(2024, 1, 2)) == at(known)


def test_a_close_belongs_to_the_nearer_session() -> None:
    half_day = "2014-11-28T18:00"
    for text in (half_day, "2014-11-28T15:00", "2014-11-28T21:00", "2014-11-29T12:00"):
        (session,) = NEW_YORK.sessions_of(np.array([to_micros(at(text))]))
        assert from_micros(int(NEW_YORK.closes[session])) == at(half_day)
    (following,) = NEW_YORK.sessions_of(np.array([to_micros(at("2014-12-01T13:00"))]))
    assert from_micros(int(NEW_YORK.closes[following])) == at("2014-12-01T21:00")


def test_same_day_takes_the_session_of_the_date() -> None:
    assert NEW_YORK.next_open_after(date(2024, 7, 3), same_day=True) == at("2024-07-03T13:30")
    assert NEW_YORK.next_open_after(date(2024, 7, 4), same_day=True) == at("2024-07-05T13:30")


def test_short_interest_is_known_at_the_eighth_open() -> None:
    # 2018-01-01 was a holiday: sessions after 2017-12-29 are 2, 3, 4, 5, 8, 9, 10, 11 January.
    assert NEW_YORK.nth_session_open_after(date(2017, 12, 29), 8) == at("2018-01-11T14:30")


def test_zeroth_open_is_the_own_session() -> None:
    assert NEW_YORK.nth_session_open_after(date(2024, 7, 3), 0) == at("2024-07-03T13:30")


def test_close_after_counts_sessions() -> None:
    assert NEW_YORK.close_after(at("2024-07-02T20:00"), 2) == at("2024-07-05T20:00")
    assert NEW_YORK.close_after(at("2024-07-02T20:15"), 2) == at("2024-07-05T20:00")
    assert NEW_YORK.close_after(at("2024-07-02T19:59"), 2) == at("2024-07-03T17:00")


def test_sessions_between_is_open_below_and_closed_above() -> None:
    older = micros("2024-07-02T20:00", "2024-07-02T20:00", "2024-07-02T19:59", "2024-07-05T20:00")
    newer = micros("2024-07-02T20:00", "2024-07-05T20:00", "2024-07-02T20:00", "2024-07-02T20:00")
    assert NEW_YORK.sessions_between(older, newer).tolist() == [0, 2, 1, -2]


@given(st.integers(0, 1000), st.integers(0, 60))
def test_close_after_and_sessions_between_agree(position: int, sessions: int) -> None:
    start = datetime.fromtimestamp(int(NEW_YORK.closes[position]) / 1e6, UTC)
    end = NEW_YORK.close_after(start, sessions)
    assert NEW_YORK.sessions_between(np.array([to_micros(start)]), np.array([to_micros(end)])).tolist() == [sessions]


def test_covers_1990_to_some_years_ahead() -> None:
    assert NEW_YORK.session_close(date(1990, 1, 2)) == at("1990-01-02T21:00")
    assert NEW_YORK.session_close(date(2035, 1, 2)) == at("2035-01-02T21:00")


@pytest.mark.parametrize("text", ["1959-01-01T00:00", "2099-01-01T00:00"])
def test_times_outside_the_range_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="the range of XNYS"):
        NEW_YORK.session_index(micros(text))


def test_counting_beyond_the_range_is_refused() -> None:
    with pytest.raises(DataError, match="the range of XNYS"):
        NEW_YORK.close_after(at("2040-12-30T22:00"), 5)


def test_exchanges_with_a_shorter_range_still_load() -> None:
    tokyo = TradingCalendar("XTKS")
    assert tokyo.session_close(date(2024, 1, 4)) == at("2024-01-04T06:00")


def test_an_alias_is_the_same_calendar() -> None:
    alias = TradingCalendar("NYSE")
    assert alias.name == "XNYS"
    assert np.array_equal(alias.closes, NEW_YORK.closes)


def test_an_unknown_name_says_which_are_valid() -> None:
    with pytest.raises(ConfigError, match="such as XNYS, XLON or 24/7, was 'NYC'"):
        TradingCalendar("NYC")


def test_a_calendar_that_cannot_be_built_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import exchange_calendars

    def refuse(name: str, **bounds: str) -> None:
        raise ValueError("no holidays known")

    monkeypatch.setattr(exchange_calendars, "get_calendar", refuse)
    with pytest.raises(ConfigError, match="cannot build XWBO with this pandas: no holidays known"):
        TradingCalendar("XWBO")


def test_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        NEW_YORK.closes[0] = 0


@pytest.mark.parametrize("name", ["^VIX", "VIX", "VIXCLS", "^VXN", "OWN"])
def test_volatility_indices_close_a_quarter_of_an_hour_later(name: str) -> None:
    assert closing_delay("XNYS", name, {"OWN"}).total_seconds() == 900
    assert closing_delay("XLON", name, {"OWN"}).total_seconds() == 900
    assert closing_delay("24/7", name, {"OWN"}).total_seconds() == 0


def test_everything_else_closes_with_the_session() -> None:
    assert closing_delay("XNYS", "SPY").total_seconds() == 0
    assert closing_delay("XNYS", "OWN").total_seconds() == 0
