"""Figures against sums done by hand, and None where there is nothing to say."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from strategy import OHLCV
from strategy.backtest import Execution
from strategy.backtest.buy_and_hold import BuyAndHold
from strategy.backtest.performance import MIN_DATES, account_figures, curve_figures

Day = Callable[[float], datetime]


def test_total_return_and_drawdown(day: Day) -> None:
    made = curve_figures([day(number) for number in range(4)], [100, 120, 90, 110], 100)
    assert made.values["total_return"] == pytest.approx(0.1)
    assert made.values["max_drawdown"] == pytest.approx(0.25)


def test_drawdown_counts_from_the_capital(day: Day) -> None:
    assert curve_figures([day(0)], [80], 100).values["max_drawdown"] == pytest.approx(0.2)


def test_volatility_and_sharpe_by_hand(day: Day) -> None:
    # Weekdays only, up 2 % and down 1 % in turn: 261 dates in 364 days are 260 returns in 0.99658 years.
    stamps = [day(number) for number in range(365) if number % 7 < 5]
    values = [100.0]
    for number in range(260):
        values.append(values[-1] * (1.02 if number % 2 == 0 else 0.99))
    made = curve_figures(stamps, values, 100)
    deviation = 0.015 * math.sqrt(260 / 259)
    scale = math.sqrt(260 / (364 / 365.25))
    assert made.values["dates"] == len(stamps) == 261
    assert made.values["annual_volatility"] == pytest.approx(deviation * scale)
    assert made.values["sharpe"] == pytest.approx(0.005 / deviation * scale)
    assert made.undefined == {}


def test_intraday_slices_are_one_observation_a_date(day: Day) -> None:
    daily = [100.0 + number % 7 for number in range(40)]
    stamps = [day(number) + timedelta(hours=hour - 5) for number in range(40) for hour in range(6)]
    inside = [value if hour == 5 else 50.0 for value in daily for hour in range(6)]
    fine = curve_figures(stamps, inside, 100).values
    coarse = curve_figures([day(number) for number in range(40)], daily, 100).values
    assert fine["sharpe"] == coarse["sharpe"]
    assert fine["dates"] == 40


@pytest.mark.parametrize(("dates", "known"), [(MIN_DATES - 1, False), (MIN_DATES, True)])
def test_few_dates_say_nothing_about_volatility(day: Day, dates: int, known: bool) -> None:
    made = curve_figures([day(number) for number in range(dates)], [100 + number % 3 for number in range(dates)], 100)
    for name in ("annual_volatility", "sharpe"):
        assert (made.values[name] is not None) is known
        assert (made.undefined.get(name) == "fewer than 30 dates") is not known


def test_an_account_that_never_moved_has_no_sharpe(day: Day) -> None:
    made = curve_figures([day(number) for number in range(40)], [100.0] * 40, 100)
    assert made.values["annual_volatility"] == 0
    assert made.undefined == {"sharpe": "the account never moved"}


def test_ruin_has_no_returns(day: Day) -> None:
    made = curve_figures([day(number) for number in range(40)], [100.0] * 39 + [-5.0], 100)
    assert made.values["total_return"] == pytest.approx(-1.05)
    assert made.undefined["sharpe"] == "the account fell to zero or below"


def test_account_figures_by_hand(bar: Callable[..., OHLCV]) -> None:
    rules = Execution(commission_bps=10, slippage_bps=0, capital=1000)
    fills = [
        rules.trade(bar("A", close=100.0), 5, "x", "entry"),
        rules.trade(bar("A", 3, close=110.0), -5, "x", "expiry"),
    ]
    made = account_figures([48.95, -1.0, 0.0, 2.0], fills, [1000.0, 1050.0], [500.0, 0.0], 1000).values
    assert made == {
        "trades": 4,
        "hit_rate": 0.5,
        "fills": 2,
        "costs": pytest.approx(1.05),
        "cost_share": pytest.approx(0.00105),
        "turnover": pytest.approx(1.05),
        "exposure": pytest.approx(0.25),
    }


def test_account_without_trades() -> None:
    made = account_figures([], [], [1000.0, -1.0], [0.0, 0.0], 1000)
    assert made.undefined == {"hit_rate": "no trades", "exposure": "the account fell to zero or below"}


@pytest.mark.parametrize(("rule", "paid"), [("next_open", 104.0), ("next_close", 108.0)])
def test_buy_and_hold_buys_on_the_second_bar(bar: Callable[..., OHLCV], rule: str, paid: float) -> None:
    rules = Execution(fill="next_open" if rule == "next_open" else "next_close", commission_bps=100, capital=1000)
    passive = BuyAndHold(rules, symbols=2)
    assert passive.advance([bar("A", 0, close=50.0)]) == 1000
    part = 500 / 1.0102
    value = passive.advance([bar("A", 1, open=104.0, close=108.0), bar("B", 1)])
    assert value == pytest.approx(500 + part / paid * 108.0)
    assert passive.advance([bar("A", 2, close=54.0)]) == pytest.approx(500 + part / paid * 54.0)
