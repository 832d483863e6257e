"""Every rule of the table in bars.py that is an error, and what an error says."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy import OHLCV, BarError, BarFault

CLOSE = datetime(2024, 1, 2, 21, tzinfo=UTC)
SOUND: dict[str, Any] = {
    "symbol": "A",
    "timestamp": CLOSE,
    "open": 10.0,
    "high": 12.0,
    "low": 9.0,
    "close": 11.0,
    "volume": 5.0,
}


def fault_of(**changed: Any) -> BarFault:
    with pytest.raises(BarError) as caught:
        OHLCV(**{**SOUND, **changed})
    return caught.value.fault


def test_sound_bar() -> None:
    bar = OHLCV(**SOUND)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10.0, 12.0, 9.0, 11.0, 5.0)


def test_bar_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        OHLCV(**SOUND).close = 1.0  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize("symbol", ["", None, 7])
def test_symbol_must_be_text(symbol: object) -> None:
    assert fault_of(symbol=symbol) is BarFault.WRONG_TYPE


@pytest.mark.parametrize("value", ["10", None, [1.0]])
@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_numbers_must_be_numbers(name: str, value: object) -> None:
    assert fault_of(**{name: value}) is BarFault.WRONG_TYPE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_numbers_must_be_finite(name: str, value: float) -> None:
    assert fault_of(**{name: value}) is BarFault.NOT_FINITE


@pytest.mark.parametrize("value", [0.0, -1.0, np.int64(-1)])
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_prices_must_be_positive(name: str, value: float) -> None:
    assert fault_of(**{name: value}) is BarFault.NOT_POSITIVE


@pytest.mark.parametrize(
    "changed", [{"high": 10.5}, {"low": 10.5}, {"open": 13.0}, {"open": 8.0}, {"low": 12.5}, {"close": 12.5}]
)
def test_prices_must_be_in_order(changed: dict[str, float]) -> None:
    assert fault_of(**changed) is BarFault.BROKEN_ORDER


def test_volume_must_not_be_negative() -> None:
    assert fault_of(volume=-1.0) is BarFault.NEGATIVE_VOLUME


def test_zero_volume_is_sound() -> None:
    assert OHLCV(**{**SOUND, "volume": 0}).volume == 0


def test_time_must_be_a_datetime() -> None:
    assert fault_of(timestamp="2024-01-02") is BarFault.WRONG_TYPE
    assert fault_of(timestamp=CLOSE.date()) is BarFault.WRONG_TYPE


def test_time_must_be_aware() -> None:
    assert fault_of(timestamp=CLOSE.replace(tzinfo=None)) is BarFault.NAIVE_TIME


def test_time_must_be_utc() -> None:
    assert fault_of(timestamp=CLOSE.astimezone(timezone(timedelta(hours=1)))) is BarFault.NOT_UTC


def test_any_name_of_utc_is_utc() -> None:
    assert OHLCV(**{**SOUND, "timestamp": CLOSE.astimezone(ZoneInfo("UTC"))}).timestamp == CLOSE


def test_error_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(BarError, match=r"bar of 'A' refused \(not_positive\): expected a close above zero, was -1.0"):
        OHLCV(**{**SOUND, "close": -1.0})


PRICES = st.floats(min_value=1e-6, max_value=1e9)


@given(PRICES, PRICES, PRICES, PRICES)
def test_a_bar_exists_exactly_when_its_prices_are_in_order(open_: float, high: float, low: float, close: float) -> None:
    def build() -> OHLCV:
        return OHLCV("A", CLOSE, open_, high, low, close, 0.0)

    if low <= min(open_, close) and max(open_, close) <= high:
        assert build().high == high
    else:
        with pytest.raises(BarError, match="broken_order"):
            build()
