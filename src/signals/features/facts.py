"""Collects from a provider everything that one symbol's features are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise, repeat
from types import MappingProxyType

import numpy as np

from signals.config import DataSettings
from signals.data.provider import DataProvider
from signals.data.records import (
    I8,
    ActionKind,
    Adjusted,
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
from signals.errors import FeatureError
from signals.features.batch import SymbolInputs
from signals.features.references import on_one_basis, steps_in_time
from signals.features.symbol_facts import SymbolFacts

__all__ = ["Medians", "facts_of", "inputs_of", "reference_of", "require_splits", "sector_changes", "sectors_of"]

Medians = Mapping[str, Sequence[SectorMedian]]
_NONE: Medians = MappingProxyType({})


def facts_of(provider: DataProvider, symbol: str, medians: Medians = _NONE) -> SymbolFacts:
    """Return every fact about a symbol, with medians of its sectors."""
    # Tuples: a list of a user's provider may grow, and would then equal what was made of it before.
    return SymbolFacts(
        tuple(provider.facts(Fundamental, symbol)),
        medians,
        tuple(provider.facts(InsiderTransaction, symbol)),
        tuple(provider.facts(ShortInterest, symbol)),
        tuple(provider.facts(CorporateAction, symbol)),
        provider.adjusted,
    )


def require_splits(provider: DataProvider, symbols: Sequence[str]) -> None:
    """Refuse a universe of adjusted prices in which some symbols with facts have splits and others have none.

    Where nobody told of splits, what mixes price and shares is NaN (see `ShareBasis`). A list of splits that names only
    those that ever split would make a missing value say that a company is none of them, long before it is known.

    Raises
    ------
    FeatureError
        Naming some that lack them.
    """
    if provider.adjusted is not Adjusted.SPLIT:
        return
    counted = (Fundamental, InsiderTransaction, ShortInterest)
    told = [symbol for symbol in symbols if any(map(provider.facts, counted, repeat(symbol)))]
    lacking = [
        symbol
        for symbol in told
        if not any(action.kind is ActionKind.SPLIT for action in provider.facts(CorporateAction, symbol))
    ]
    if lacking and len(lacking) < len(told):
        raise FeatureError(
            f"splits: expected some of every symbol that has facts, or of none, but {len(lacking)} of {len(told)} have "
            f"none ({', '.join(lacking[:5])}): missing features would then tell which companies will split; give one "
            "of ratio 1, effective at its first bar, to each that never did"
        )


def inputs_of(provider: DataProvider, symbol: str, settings: DataSettings, medians: Medians = _NONE) -> SymbolInputs:
    """Return one symbol's whole history, its references and its facts; of the medians, those of its own sectors."""
    columns = provider.columns(symbol)
    reference = partial(reference_of, provider)
    sectors = sectors_of(provider, symbol, columns.time)
    series: list[tuple[int, BarColumns | None]] = []
    etfs = [settings.sector_etfs.get(sector or "") for sector in sectors]
    for row, etf in enumerate(etfs):
        if row == 0 or etf != etfs[row - 1]:
            series.append((row, reference(etf) if etf else None))
    return SymbolInputs(
        columns,
        reference(settings.market),
        reference(settings.volatility),
        tuple(series) or ((0, None),),
        sectors if any(sectors) else None,
        facts_of(provider, symbol, {name: medians[name] for name in sorted(medians.keys() & set(sectors))}),
    )


def reference_of(provider: DataProvider, symbol: str) -> BarColumns:
    """Return a reference series on one basis."""
    steps = steps_in_time(provider.facts(CorporateAction, symbol), provider.adjusted)
    return on_one_basis(provider.columns(symbol), steps)


def sector_changes(provider: DataProvider, symbol: str) -> I8:
    """Return the instants, microseconds, at which what is known of a symbol's memberships may change."""
    facts = provider.facts(Membership, symbol)
    edges = (edge for fact in facts for edge in (fact.known_at, fact.since, fact.until) if edge is not None)
    return np.array([to_micros(edge) for edge in edges], np.int64)


def sectors_of(provider: DataProvider, symbol: str, time: I8) -> tuple[str | None, ...]:
    """Return a symbol's sector at rising instants, as known then: asked only where a membership came or changed."""
    rows = np.unique([0, *np.searchsorted(time, sector_changes(provider, symbol), side="left").tolist()])
    sectors: list[str | None] = []
    starts = [int(row) for row in rows if row < len(time)]
    for low, high in pairwise([*starts, len(time)]):
        sectors += [provider.sector(symbol, from_micros(int(time[low])))] * (high - low)
    return tuple(sectors)
