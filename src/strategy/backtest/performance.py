"""Figures of a replay: each a finite number, or None with a reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from strategy.backtest.execution import Fill, session_of

__all__ = ["MIN_DATES", "Figures", "account_figures", "curve_figures"]

MIN_DATES = 30
"""Fewer dates than this say nothing about volatility: it and the Sharpe ratio are None."""

_YEAR_SECONDS = 365.25 * 86_400


@dataclass(frozen=True, slots=True)
class Figures:
    """Named figures; a name under `undefined` has the value None and a reason."""

    values: dict[str, float | int | None] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: float | None, reason: str = "not a finite number") -> None:
        """Keep a figure, or None with `reason` where there is none."""
        if value is None or not math.isfinite(value):
            self.values[name] = None
            self.undefined[name] = reason
        else:
            self.values[name] = value


def curve_figures(timestamps: Sequence[datetime], values: Sequence[float], capital: float) -> Figures:
    """Return the figures of an equity curve.

    Parameters
    ----------
    timestamps, values
        Slices (aware UTC) and the account's value at each, shape (n,), n >= 1.
    capital
        What the curve started from.

    Returns
    -------
    Figures
        ``total_return`` and ``max_drawdown`` (fractions; the drawdown is zero or more, from the highest value before),
        ``annual_volatility`` and ``sharpe`` (per year, no interest subtracted) from the returns between the last
        values of each date, annualised by the dates a year that the curve itself has.
    """
    made = Figures()
    curve = np.asarray(values, dtype=np.float64)
    made.put("total_return", float(curve[-1]) / capital - 1)
    peaks = np.maximum.accumulate(np.maximum(curve, capital))
    made.put("max_drawdown", float(np.max(1 - curve / peaks)))
    daily, years = _daily(timestamps, curve)
    made.values["dates"] = len(daily)
    reason = None
    if len(daily) < MIN_DATES:
        reason = f"fewer than {MIN_DATES} dates"
    elif np.any(daily <= 0):
        reason = "the account fell to zero or below"
    if reason is not None:
        made.put("annual_volatility", None, reason)
        made.put("sharpe", None, reason)
        return made
    returns = daily[1:] / daily[:-1] - 1
    scale = math.sqrt(len(returns) / years)
    deviation = float(returns.std(ddof=1))
    made.put("annual_volatility", deviation * scale)
    sharpe = float(returns.mean()) / deviation * scale if deviation > 0 else None
    made.put("sharpe", sharpe, "the account never moved")
    return made


def account_figures(
    profits: Sequence[float], fills: Sequence[Fill], values: Sequence[float], gross: Sequence[float], capital: float
) -> Figures:
    """Return what trading did.

    Parameters
    ----------
    profits
        Of each closed trade, after costs.
    fills
        Every execution.
    values, gross
        The account and its positions' gross value at each slice, shape (n,).

    Returns
    -------
    Figures
        ``trades``; ``hit_rate`` (trades with a profit above zero); ``fills``; ``costs`` (currency); ``cost_share``
        (costs over capital); ``turnover`` (traded value, both sides, over capital); ``exposure`` (mean of gross value
        over equity).
    """
    made = Figures()
    made.values["trades"] = len(profits)
    hit_rate = sum(profit > 0 for profit in profits) / len(profits) if profits else None
    made.put("hit_rate", hit_rate, "no trades")
    made.values["fills"] = len(fills)
    costs = math.fsum(fill.cost for fill in fills)
    made.put("costs", costs)
    made.put("cost_share", costs / capital)
    made.put("turnover", math.fsum(fill.value for fill in fills) / capital)
    equity = np.asarray(values, dtype=np.float64)
    exposure = float(np.mean(np.asarray(gross) / equity)) if np.all(equity > 0) else None
    made.put("exposure", exposure, "the account fell to zero or below")
    return made


def _daily(timestamps: Sequence[datetime], curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the last value of each date, and the years between the first of them and the last."""
    last = {session_of(stamp): position for position, stamp in enumerate(timestamps)}
    rows = list(last.values())
    years = (timestamps[rows[-1]] - timestamps[rows[0]]).total_seconds() / _YEAR_SECONDS
    return curve[rows], years
