"""Sector medians, from what was known of each company of the sector at each bar.

In batch they are taken over a provider's whole universe, live over the slice: the same companies, the same bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from signals.data.provider import SECTOR_GROUP, DataProvider
from signals.data.records import F8, I8, Fundamental, Membership, SectorMedian, from_micros
from signals.features.facts import facts_of, sectors_of
from signals.features.fundamental import valuation
from signals.features.gics import SECTORS
from signals.features.point_in_time import NEVER, newest_before
from signals.features.symbol_facts import SortedFacts

__all__ = ["FEWEST", "known_medians", "sector_medians", "slice_medians"]

_CLOSE = 3

FEWEST = 3
"""With fewer companies a ratio to the median says more about its neighbour than about the sector: NaN."""


def known_medians(provider: DataProvider, held: SortedFacts) -> Mapping[str, Sequence[SectorMedian]]:
    """Return each sector's medians: those that the provider was given, else those of its own companies at every bar."""
    companies = [symbol for symbol in provider.symbols() if provider.facts(Membership, symbol)]
    groups = {fact.group for symbol in companies for fact in provider.facts(Membership, symbol)}
    sectors = {*SECTORS, *(group.removeprefix(SECTOR_GROUP) for group in groups if group.startswith(SECTOR_GROUP))}
    medians = {name: list(found) for name in sorted(sectors) if (found := provider.facts(SectorMedian, name))}
    companies = [symbol for symbol in companies if provider.facts(Fundamental, symbol)]
    if companies and sectors - medians.keys():
        given = frozenset(medians)
        time = np.unique(np.concatenate([provider.columns(symbol).time for symbol in companies]))
        for median in sector_medians(provider, companies, time, held):
            if median.symbol not in given:
                medians.setdefault(median.symbol, []).append(median)
    return medians


def sector_medians(provider: DataProvider, symbols: Collection[str], time: I8, held: SortedFacts) -> list[SectorMedian]:
    """Return the medians of every sector at each instant.

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
        found = _ratios(provider, symbol, time, held)
        for name in np.unique(sectors[sectors != ""]).tolist():
            ratios.setdefault(name, []).append(np.where(sectors == name, found, np.nan))
    return [
        SectorMedian(name, from_micros(int(now)), *(float(value) for value in row))
        for name, companies in sorted(ratios.items())
        for now, row in zip(time, _median(np.stack(companies)).T, strict=True)
    ]


def slice_medians(ratios: F8, sectors: Sequence[str | None]) -> F8:
    """Return the medians of each row's sector over the companies of one slice, shape (n, 4); NaN without a sector.

    Parameters
    ----------
    ratios
        P/E, P/B, P/S and EV/EBITDA of each company, shape (n, 4).
    """
    medians = np.full(ratios.shape, np.nan)
    for name in {name for name in sectors if name}:
        inside = [sector == name for sector in sectors]
        medians[inside] = _median(ratios[inside][:, :, None])[:, 0]
    return medians


def _ratios(provider: DataProvider, symbol: str, time: I8, held: SortedFacts) -> F8:
    bars = provider.columns(symbol)
    place = newest_before(bars.time, time)
    there = np.append(bars.time, NEVER)[place] == time
    close = np.where(there, np.append(bars.values[:, _CLOSE], np.nan)[place], np.nan)
    states = held.of(symbol, facts_of(provider, symbol)).fundamental
    return np.stack(valuation(states.at(time), close))


def _median(ratios: F8) -> F8:
    """Return the median over companies, (companies, 4, n) to (4, n), NaN of fewer than `FEWEST`."""
    ordered = np.sort(np.where(np.isfinite(ratios), ratios, np.nan), axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=0)
    low, high = (np.maximum(count - 1, 0) // 2)[None], np.minimum(count // 2, len(ratios) - 1)[None]
    middle = (np.take_along_axis(ordered, low, 0)[0] + np.take_along_axis(ordered, high, 0)[0]) / 2
    return np.where(count < FEWEST, np.nan, middle)
