"""Alternative features: what insiders did, and how many shares are sold short, as published by then.

Before the first publication about a symbol its source is missing: NaN. After it, a window without a transaction is a
true zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, InsiderTransaction, ShortInterest, to_micros
from signals.features.feature import Feature
from signals.features.point_in_time import (
    DAY,
    F4,
    NEVER,
    States,
    as_of,
    day_end,
    day_number,
    earlier,
    newest_before,
    over,
    revisions,
    to_float32,
)
from signals.features.share_basis import ShareBasis, say_once

__all__ = ["FEATURES", "WIDTH", "AlternativeFacts", "features"]

WINDOW = 90 * DAY
"""Insider transactions count for 90 calendar days after they were filed: (t - 90 days, t]."""

VOLUME_BARS = 20
"""The average volume exists from the 20th bar on."""


def _feature(name: str, meaning: str, *, needs_volume: bool = False) -> Feature:
    bars = VOLUME_BARS - 1 if needs_volume else 0
    return Feature(name, "alternative", bars, bars, scale_free=True, meaning=meaning)


FEATURES: tuple[Feature, ...] = (
    _feature("insider_net_buys_90d", "insider purchases less sales filed in 90 days, a count"),
    _feature(
        "insider_net_shares_90d", "shares insiders bought less sold, over a day's average volume", needs_volume=True
    ),
    _feature("insider_net_value_90d", "value insiders bought less sold, over a day's average trade", needs_volume=True),
    _feature("insider_buy_ratio_90d", "purchases over purchases and sales filed in 90 days; NaN where there is none"),
    _feature("short_interest_ratio", "shares sold short over a day's average volume", needs_volume=True),
    _feature("short_days_to_cover", "days to cover as published"),
    _feature("short_interest_change", "shares sold short against the report before, as known then"),
    _feature("short_sessions_since_publication", "sessions that have closed since short interest was published"),
)


class _State(NamedTuple):
    """What was published and in force, shares in the bars' unit; shapes (n,)."""

    buys: F8
    sales: F8
    shares: F8
    value: F8
    sold: F8
    days_to_cover: F8
    change: F8
    published: F8  # sessions of the calendar that had closed by then


WIDTH = len(_State._fields)
"""Columns of what `AlternativeFacts` knows at an instant."""


class AlternativeFacts:
    """What was published about one symbol's insiders and short sellers, sorted once, evaluated at any instants.

    It changes only when something is published, leaves the window of 90 days, or a split takes effect: it is put
    together once for each of those, and a bar takes the row in force.
    """

    def __init__(
        self,
        insider: Sequence[InsiderTransaction],
        short_interest: Sequence[ShortInterest],
        basis: ShareBasis,
        calendar: TradingCalendar,
    ) -> None:
        self._basis = basis
        self._calendar = calendar
        rows = sorted(
            (to_micros(fact.known_at), day_number(fact.transacted), fact.shares, fact.value) for fact in insider
        )
        known, traded, shares, value = zip(*rows, strict=True) if rows else ((), (), (), ())
        self._filed = np.array(known, np.int64)
        self._traded = day_end(np.array(traded, np.int64))
        self._shares, self._value = np.array(shares, np.float64), np.array(value, np.float64)
        self._epochs = np.sort(basis.active)
        published = [to_micros(fact.known_at) for fact in short_interest]
        settled = [day_number(fact.settled) for fact in short_interest]
        rank = [0] * len(settled)
        sold = revisions(published, settled, [fact.shares for fact in short_interest], rank)
        self._sold = as_of(sold)
        # Reports are 13 to 19 days apart: this window holds the one before and never the one before that.
        self._sold_before = earlier(sold, days=16, tolerance=8)
        self._cover = as_of(revisions(published, settled, [fact.days_to_cover for fact in short_interest], rank))
        changes = np.concatenate([self._filed, self._filed + WINDOW, np.array(published, np.int64)])
        if len(changes):
            changes = np.unique(np.concatenate([changes, basis.active]))
        self.states = States.of(changes, self._state(changes))
        if (rows or settled) and not basis.known:
            say_once("alternative")

    def _state(self, time: I8) -> _State:
        """Put together what was in force at each instant of change."""
        now, then = (
            line.at(time) * self._basis.factor(day_end(line.end_at(time)), time)
            for line in (self._sold, self._sold_before)
        )
        published = self._sold.filed_at(time)
        buys, sales, shares, value = self._insiders(time)
        since = np.where(published == NEVER, np.nan, self._calendar.closed_by(published))
        return _State(buys, sales, shares, value, now, self._cover.at(time), over(now, then) - 1.0, since)

    def _insiders(self, time: I8) -> F8:
        """Return purchases, sales, net shares (in the bars' unit) and net value of each instant's window, shape (4, n).

        A Form 4 reports shares on the basis of the day they changed hands on. Each distinct window is summed anew, so
        that what lies outside it cannot change a bit.
        """
        first = newest_before(self._filed, time - WINDOW) + 1
        stop = newest_before(self._filed, time) + 1
        # Between two splits all instants put one transaction on one basis.
        epoch = newest_before(self._epochs, time)
        key = (first * (len(self._filed) + 1) + stop) * (len(self._epochs) + 1) + epoch + 1
        _, where, group = np.unique(key, return_index=True, return_inverse=True)
        sums = np.empty((4, len(where)))
        for column, (start, end) in enumerate(zip(first[where], stop[where], strict=True)):
            part = self._shares[start:end]
            same_unit = part * self._basis.factor(self._traded[start:end], time[where[column]])
            sums[:, column] = (part > 0).sum(), (part < 0).sum(), same_unit.sum(), self._value[start:end].sum()
        sums[:, stop[where] == 0] = np.nan  # nothing filed yet: the source is missing
        if not self._basis.known:
            sums[2] = np.nan  # in empty windows too, or the feature would say whether there were transactions
        return sums[:, group]


def features(known: F8, session: I8, close: F8, average_volume: F8) -> F4:
    """Return the features of rows of any symbols, shape (n, len(FEATURES)), float32.

    Parameters
    ----------
    known
        Rows of `AlternativeFacts.states`, shape (n, WIDTH).
    session, close, average_volume
        Sessions that had closed by each row's instant, its close, and its mean volume of 20 bars in the bars' own unit,
        NaN before there are 20.
    """
    state = _State(*known.T)
    traded = close * average_volume  # the same before and after a split
    return to_float32(
        [
            state.buys - state.sales,
            over(state.shares, average_volume),
            over(state.value, traded),
            over(state.buys, state.buys + state.sales),
            over(state.sold, average_volume),
            state.days_to_cover,
            state.change,
            session - state.published,
        ]
    )
