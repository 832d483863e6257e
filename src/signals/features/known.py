"""KnownFacts: what is known of every symbol at the instant in hand, live.

Facts, sectors and corporate actions of a symbol change at instants that are known as soon as they are loaded. A symbol
is looked up again at the first of those that has passed, or after a load; any other bar costs a comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.provider import DataProvider
from signals.data.records import F8, I8, Membership, SectorMedian, from_micros
from signals.features import basis, fundamental
from signals.features.facts import facts_of, sector_changes
from signals.features.point_in_time import NEVER, States
from signals.features.sector_medians import slice_medians
from signals.features.symbol_facts import KNOWN, SymbolFacts, SymbolStates

__all__ = ["Basis", "KnownFacts"]

_FOREVER = int(np.iinfo(np.int64).max)


class Basis(NamedTuple):
    """The jumps of a symbol's prices, and its sector, as known at an instant: what its rows are computed under."""

    steps: tuple[basis.Step, ...] = ()
    sector: str | None = None


_UNKNOWN = Basis()


class _Held(NamedTuple):
    """A symbol's facts, the states made of them, and the instants at which anything of it changes, rising."""

    facts: SymbolFacts
    sectors: Sequence[Membership]
    states: SymbolStates
    changes: I8


class KnownFacts:
    """What a provider knew of some symbols by one instant after the other.

    Parameters
    ----------
    provider
        None: nothing is known of anybody.

    Attributes
    ----------
    bases
        By symbol.
    price, volume
        What to multiply a bar's prices by and divide its volume by, shape (slots,).
    rows
        What `fact_rows` needs to know, shape (slots, KNOWN).
    changed
        Grows with every change of a basis.
    """

    def __init__(self, provider: DataProvider | None, calendar: TradingCalendar) -> None:
        self._provider = provider
        self._calendar = calendar
        self.bases: dict[str, Basis] = {}
        self.price, self.volume = np.ones(0), np.ones(0)
        self.rows = np.empty((0, KNOWN))
        self.changed = 0
        self._until = np.empty(0, np.int64)
        self._seen = (-1, NEVER)
        self._held: dict[str, _Held] = {}
        self._medians: dict[str, tuple[Sequence[SectorMedian], States | None]] = {}

    def admit(self, symbols: Sequence[str]) -> None:
        """Make room for more symbols, in slots that follow."""
        self.bases |= dict.fromkeys(symbols, _UNKNOWN)
        count = len(symbols)
        self.price, self.volume = np.append(self.price, np.ones(count)), np.append(self.volume, np.ones(count))
        self.rows = np.concatenate([self.rows, np.full((count, KNOWN), np.nan)])
        self._until = np.append(self._until, np.full(count, NEVER))

    def follow(self, symbols: Sequence[str], slots: I8, time: int) -> None:
        """Bring what is known of symbols in some slots to an instant (microseconds)."""
        if self._provider is None:
            return
        revision, before = self._seen
        # Asked before the facts are: a load that comes in between is seen at the next bar.
        self._seen = self._provider.revision, time
        if self._seen[0] != revision or time < before:
            self._until[:] = NEVER
        for place in np.flatnonzero(self._until[slots] <= time).tolist():
            self._look_up(self._provider, symbols[place], int(slots[place]), time)

    def medians(self, sectors: Sequence[str | None], slots: I8, close: F8, time: int) -> F8:
        """Return the medians of each row's sector, shape (n, 4): those given, else those of the rows themselves."""
        ratios = np.stack(fundamental.valuation(self.rows[slots, : fundamental.WIDTH], close), axis=1)
        found = slice_medians(ratios, sectors)
        for name in {name for name in sectors if name}:
            given = self._given(name)
            if given is not None:
                found[[sector == name for sector in sectors]] = given.row(time)
        return found

    def _look_up(self, provider: DataProvider, symbol: str, slot: int, time: int) -> None:
        facts, held = facts_of(provider, symbol), self._held.get(symbol)
        sectors = provider.facts(Membership, symbol)
        if held is None or held.facts != facts or held.sectors != sectors:  # most loads are about others
            states = SymbolStates(facts, self._calendar)
            changes = np.concatenate([states.changes, basis.changes(facts.actions), sector_changes(provider, symbol)])
            held = self._held[symbol] = _Held(facts, sectors, states, np.unique(changes))
        steps = basis.applied(facts.actions, facts.adjusted, time)
        found = Basis(steps, provider.sector(symbol, from_micros(time)))
        if found != self.bases[symbol]:  # most changes are filings
            self.bases[symbol] = found
            self.changed += 1
        price, volume = basis.factors(steps, np.array([time]))
        self.price[slot], self.volume[slot] = price[0], volume[0]
        held.states.write(time, self.rows[slot])
        following = int(held.changes.searchsorted(time, side="right"))
        self._until[slot] = held.changes[following] if following < len(held.changes) else _FOREVER

    def _given(self, sector: str) -> States | None:
        facts: Sequence[SectorMedian] = () if self._provider is None else self._provider.facts(SectorMedian, sector)
        held = self._medians.get(sector)
        if held is None or held[0] != facts:
            held = self._medians[sector] = facts, fundamental.medians_of(facts) if facts else None
        return held[1]
