"""World: everything that features are computed from, in one value that the audit makes changed copies of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from signals.config import DataSettings
from signals.data.provider import SECTOR_GROUP, DataProvider, InMemoryProvider
from signals.data.records import (
    I8,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    InsiderTransaction,
    Membership,
    SectorMedian,
    ShortInterest,
)
from signals.features.fundamental import SECTORS

__all__ = ["World", "references_of", "world_of"]

_KINDS: tuple[type[Fact], ...] = (Fundamental, InsiderTransaction, ShortInterest, CorporateAction, Membership)


@dataclass(frozen=True)
class World:
    """Bars and facts.

    Parameters
    ----------
    universe
        Symbols whose features are audited, sorted.
    columns
        Bars of the universe and of the reference series.
    """

    universe: tuple[str, ...]
    columns: Mapping[str, BarColumns]
    facts: tuple[Fact, ...]
    adjusted: Adjusted

    def provider(self) -> InMemoryProvider:
        """Return what a store or a live view reads."""
        return InMemoryProvider(self.columns.values(), self.facts, adjusted=self.adjusted)

    def with_bars(self, change: Callable[[BarColumns], BarColumns], symbols: Collection[str] | None = None) -> World:
        """Return a copy with the bars of `symbols` (None: of all, references too) changed."""
        chosen = self.columns.keys() if symbols is None else symbols
        changed = {name: change(each) if name in chosen else each for name, each in self.columns.items()}
        return replace(self, columns=changed)

    def with_facts(self, facts: Iterable[Fact]) -> World:
        """Return a copy with other facts."""
        return replace(self, facts=tuple(facts))

    def alone(self, symbol: str) -> World:
        """Return a copy without the universe's other symbols, their bars and their facts."""
        others = set(self.universe) - {symbol}
        columns = {name: each for name, each in self.columns.items() if name not in others}
        facts = tuple(fact for fact in self.facts if fact.symbol not in others)
        return replace(self, universe=(symbol,), columns=columns, facts=facts)

    @property
    def instants(self) -> I8:
        """Every close of the universe, microseconds, rising."""
        return np.unique(np.concatenate([self.columns[symbol].time for symbol in self.universe]))


def references_of(settings: DataSettings) -> set[str]:
    """Return the names of the series that are looked at and not audited."""
    return {settings.market, settings.volatility, *settings.sector_etfs.values()}


def world_of(provider: DataProvider, symbols: Collection[str], settings: DataSettings) -> World:
    """Return the symbols' bars, the reference series, and every fact about either."""
    universe = tuple(sorted(symbols))
    found = {name: provider.columns(name) for name in sorted({*universe, *references_of(settings)})}
    facts = [fact for kind in _KINDS for symbol in universe for fact in provider.facts(kind, symbol)]
    groups = {fact.group for fact in facts if isinstance(fact, Membership)}
    sectors = {name.removeprefix(SECTOR_GROUP) for name in groups if name.startswith(SECTOR_GROUP)}
    facts += [action for name in sorted(references_of(settings)) for action in provider.facts(CorporateAction, name)]
    facts += [median for name in sorted({*SECTORS, *sectors}) for median in provider.facts(SectorMedian, name)]
    columns = {name: each for name, each in found.items() if len(each) or name in universe}
    return World(universe, columns, tuple(facts), provider.adjusted)
