"""Fill rules and costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from strategy import OHLCV
from strategy.backtest import BacktestError, Execution
from strategy.backtest.execution import session_of


def test_default_fills_at_the_next_open() -> None:
    assert Execution().fill == "next_open"


@pytest.mark.parametrize(
    "wrong",
    [
        {"fill": "this_close"},
        {"commission_bps": -1},
        {"slippage_bps": float("nan")},
        {"slippage_bps": 10_000},
        {"capital": 0},
        {"capital": float("inf")},
        {"capital": float("nan")},
        {"max_positions": 0},
        {"max_positions": 1.5},
    ],
)
def test_impossible_value_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(BacktestError, match=f"^{next(iter(wrong))}: expected"):
        Execution(**wrong)


def test_price_by_rule(bar: Callable[..., OHLCV]) -> None:
    made = bar("A", open=90.0, close=110.0)
    assert Execution(fill="next_open").price(made) == 90.0
    assert Execution(fill="next_close").price(made) == 110.0


@pytest.mark.parametrize("quantity", [10.0, -10.0])
def test_costs_are_shares_of_the_traded_value(bar: Callable[..., OHLCV], quantity: float) -> None:
    fill = Execution(commission_bps=1, slippage_bps=4).trade(bar("A", close=100.0), quantity, "id", "entry")
    assert fill.value == 1000.0
    assert fill.commission == pytest.approx(0.1)
    assert fill.slippage == pytest.approx(0.4)
    assert fill.cost == pytest.approx(0.5)
    assert fill.price == 100.0


def test_a_bar_that_closes_at_midnight_belongs_to_the_day_before() -> None:
    assert session_of(datetime(2024, 1, 2, tzinfo=UTC)) == date(2024, 1, 1)
    assert session_of(datetime(2024, 1, 2, 21, tzinfo=UTC)) == date(2024, 1, 2)
