"""Alternative features: what insiders did, and how many shares are sold short, as published by then.

Before the first publication about a symbol its source is missing: NaN. After it, a window without a transaction is a
true zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from signals.data.records import F8, I8, InsiderTransaction, ShortInterest, to_micros
from signals.features.feature import Feature
from signals.features.point_in_time import (
    DAY,
    F4,
    FactInputs,
    as_of,
    day_end,
    day_number,
    earlier,
    over,
    revisions,
    to_float32,
)
from signals.features.share_basis import ShareBasis, say_once

__all__ = ["FEATURES", "compute"]

WINDOW = 90 * DAY
"""Insider transactions count for 90 calendar days after they were filed: (t - 90 days, t]."""

VOLUME_BARS = 20
"""`FactInputs.average_volume` exists from the 20th bar on."""


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
    _feature("short_days_since_publication", "whole calendar days since short interest was published"),
)


def compute(inputs: FactInputs) -> F4:
    """Return the alternative features at each instant, shape (n, len(FEATURES)), float32."""
    basis = ShareBasis.of(inputs.actions, inputs.adjusted)
    if not basis.known and (inputs.insider or inputs.short_interest):
        say_once("alternative")
    buys, sales, shares, value = _insider(inputs.insider, inputs.time, basis)
    traded = inputs.close * inputs.average_volume  # the same before and after a split
    return to_float32(
        [
            buys - sales,
            over(shares, inputs.average_volume),
            over(value, traded),
            over(buys, buys + sales),
            *_short_interest(inputs.short_interest, inputs.time, inputs.average_volume, basis),
        ]
    )


def _insider(facts: Sequence[InsiderTransaction], time: I8, basis: ShareBasis) -> F8:
    """Return purchases, sales, net shares (in the bars' unit) and net value of each instant's window, shape (4, n).

    A Form 4 reports shares on the basis of the day they changed hands on. Each distinct window is summed anew, so that
    what lies outside it cannot change a bit.
    """
    rows = sorted((to_micros(fact.known_at), day_number(fact.transacted), fact.shares, fact.value) for fact in facts)
    table = np.array(rows, np.float64).reshape(-1, 4)
    known = np.array([row[0] for row in rows], np.int64)
    traded = day_end(np.array([row[1] for row in rows], np.int64))
    shares, value = table[:, 2], table[:, 3]
    first = np.searchsorted(known, time - WINDOW, side="right")
    stop = np.searchsorted(known, time, side="right")
    # Between two splits all instants put one transaction on one basis.
    epoch = np.searchsorted(np.sort(basis.active), time, side="right")
    windows, where, group = np.unique(np.stack([first, stop, epoch]), axis=1, return_index=True, return_inverse=True)
    sums = np.empty((4, len(where)))
    for column, (start, end, _) in enumerate(windows.T):
        part = shares[start:end]
        same_unit = part * basis.factor(traded[start:end], time[where[column]])
        sums[:, column] = (part > 0).sum(), (part < 0).sum(), same_unit.sum(), value[start:end].sum()
    sums[:, windows[1] == 0] = np.nan  # nothing filed yet: the source is missing
    if not basis.known:
        sums[2] = np.nan  # in empty windows too, or the feature would say whether there were transactions
    return sums[:, group.reshape(-1)]


def _short_interest(facts: Sequence[ShortInterest], time: I8, volume: F8, basis: ShareBasis) -> list[F8]:
    """Return ratio, days to cover, change and days since publication; a report is on its settlement day's basis."""
    known = [to_micros(fact.known_at) for fact in facts]
    settled = [day_number(fact.settled) for fact in facts]
    rank = [0] * len(facts)
    shares = revisions(known, settled, [fact.shares for fact in facts], rank)
    newest = as_of(shares)
    # Reports are 13 to 19 days apart: this window holds the one before and never the one before that.
    before = earlier(shares, days=16, tolerance=8)
    cover = as_of(revisions(known, settled, [fact.days_to_cover for fact in facts], rank))
    now, then = (line.at(time) * basis.factor(day_end(line.end_at(time)), time) for line in (newest, before))
    filed = newest.filed_at(time)
    age = np.where(filed > 0, (time - np.maximum(filed, 0)) // DAY, np.nan)
    return [over(now, volume), cover.at(time), over(now, then) - 1.0, age]
