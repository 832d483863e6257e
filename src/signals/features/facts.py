"""Collects from a provider everything that one symbol's features are computed from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from signals.config import DataSettings
from signals.data.provider import SECTOR_GROUP, DataProvider
from signals.data.records import (
    I8,
    BarColumns,
    CorporateAction,
    Fundamental,
    InsiderTransaction,
    Membership,
    SectorMedian,
    ShortInterest,
    from_micros,
    to_micros,
)
from signals.features.batch import SymbolFacts, SymbolInputs
from signals.features.fundamental import SECTORS

__all__ = ["facts_of", "inputs_of", "sectors_of"]


def facts_of(provider: DataProvider, symbol: str) -> SymbolFacts:
    """Return every fact about a symbol, and the medians of the sectors that it may belong to."""
    groups = {fact.group for fact in provider.facts(Membership, symbol) if fact.group.startswith(SECTOR_GROUP)}
    sectors = sorted({*SECTORS, *(group.removeprefix(SECTOR_GROUP) for group in groups)})
    medians = {name: provider.facts(SectorMedian, name) for name in sectors}
    return SymbolFacts(
        provider.facts(Fundamental, symbol),
        {name: found for name, found in medians.items() if found},
        provider.facts(InsiderTransaction, symbol),
        provider.facts(ShortInterest, symbol),
        provider.facts(CorporateAction, symbol),
        provider.adjusted,
    )


def inputs_of(provider: DataProvider, symbol: str, settings: DataSettings) -> SymbolInputs:
    """Return one symbol's whole history, its references and its facts."""
    columns = provider.columns(symbol)
    sectors = sectors_of(provider, symbol, columns.time)
    series: list[tuple[int, BarColumns | None]] = []
    etfs = [settings.sector_etfs.get(sector or "") for sector in sectors]
    for row, etf in enumerate(etfs):
        if row == 0 or etf != etfs[row - 1]:
            series.append((row, provider.columns(etf) if etf else None))
    return SymbolInputs(
        columns,
        provider.columns(settings.market),
        provider.columns(settings.volatility),
        tuple(series) or ((0, None),),
        sectors if any(sectors) else None,
        facts_of(provider, symbol),
    )


def sectors_of(provider: DataProvider, symbol: str, time: I8) -> tuple[str | None, ...]:
    """Return a symbol's sector at rising instants, as known then: asked only where a membership came or changed."""
    edges = [
        to_micros(edge)
        for fact in provider.facts(Membership, symbol)
        for edge in (fact.known_at, fact.since, fact.until)
        if edge is not None
    ]
    rows = np.unique([0, *np.searchsorted(time, np.array(edges, np.int64), side="left").tolist()])
    sectors: list[str | None] = []
    starts = [int(row) for row in rows if row < len(time)]
    for low, high in pairwise([*starts, len(time)]):
        sectors += [provider.sector(symbol, from_micros(int(time[low])))] * (high - low)
    return tuple(sectors)
