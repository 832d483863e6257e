"""Sector medians, from what was known of each company of the sector at each bar."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from signals.data.provider import DataProvider
from signals.data.records import F8, I8, CorporateAction, Fundamental, SectorMedian, from_micros
from signals.features.facts import sectors_of
from signals.features.fundamental import FundamentalFacts
from signals.features.point_in_time import NEVER, newest_before
from signals.features.share_basis import ShareBasis

__all__ = ["FEWEST", "sector_medians"]

_CLOSE = 3

FEWEST = 3
"""With fewer companies a ratio to the median says more about its neighbour than about the sector: NaN."""


def sector_medians(provider: DataProvider, symbols: Collection[str], time: I8) -> list[SectorMedian]:
    """Return the medians of every sector at each instant, to be loaded beside the other facts.

    A company counts in the sector that it was known to be in, if it has a bar that closes then, with the figures that
    it had reported by then. Later facts and bars change nothing, and one instant gives the same bits as many.

    Parameters
    ----------
    symbols
        The companies to take medians over: a universe as it was, or the medians know who survived.
    time
        Bar closes, microseconds since the epoch, rising, shape (n,).

    Returns
    -------
    list of SectorMedian
        One for each sector that any company was ever in and each instant, known at that instant; NaN where fewer than
        `FEWEST` companies have a ratio.
    """
    ratios: dict[str, list[F8]] = {}
    for symbol in sorted(set(symbols)):
        sectors = np.array([name or "" for name in sectors_of(provider, symbol, time)], np.str_)
        found = _ratios(provider, symbol, time)
        for name in np.unique(sectors[sectors != ""]).tolist():
            ratios.setdefault(name, []).append(np.where(sectors == name, found, np.nan))
    return [
        SectorMedian(name, from_micros(int(now)), *(float(value) for value in row))
        for name, companies in sorted(ratios.items())
        for now, row in zip(time, _median(np.stack(companies)).T, strict=True)
    ]


def _ratios(provider: DataProvider, symbol: str, time: I8) -> F8:
    bars = provider.columns(symbol)
    place = newest_before(bars.time, time)
    there = np.append(bars.time, NEVER)[place] == time
    close = np.where(there, np.append(bars.values[:, _CLOSE], np.nan)[place], np.nan)
    basis = ShareBasis.of(provider.facts(CorporateAction, symbol), provider.adjusted)
    ratios = FundamentalFacts(provider.facts(Fundamental, symbol), {}, basis).ratios(time, close)
    return np.where(np.isfinite(ratios), ratios, np.nan)


def _median(ratios: F8) -> F8:
    """Return the median over companies, (companies, 4, n) to (4, n), NaN of fewer than `FEWEST`."""
    ordered = np.sort(ratios, axis=0)  # NaN last
    count = (~np.isnan(ratios)).sum(axis=0)
    low, high = (np.maximum(count - 1, 0) // 2)[None], np.minimum(count // 2, len(ratios) - 1)[None]
    middle = (np.take_along_axis(ordered, low, 0)[0] + np.take_along_axis(ordered, high, 0)[0]) / 2
    return np.where(count < FEWEST, np.nan, middle)
