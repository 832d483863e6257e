"""The facts about one symbol, and what they say at any instant: sorted once, and kept while they are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import (
    F8,
    I8,
    Adjusted,
    CorporateAction,
    Fundamental,
    InsiderTransaction,
    SectorMedian,
    ShortInterest,
)
from signals.features import alternative, fundamental
from signals.features.alternative import AlternativeFacts
from signals.features.fundamental import FundamentalFacts
from signals.features.share_basis import ShareBasis

__all__ = ["KNOWN", "SortedFacts", "SymbolFacts", "SymbolStates"]

KNOWN = fundamental.WIDTH + alternative.WIDTH
"""Columns of what facts say of a symbol at an instant, whatever its price."""

_KEPT = 1024
"""Symbols whose sorted facts are kept: some 50 kB each."""


@dataclass(frozen=True, slots=True)
class SymbolFacts:
    """Every fact about one symbol, known at any time; `point_in_time` selects. `sector_medians` is by sector name.

    Where `adjusted` is ``split``, the splits among `actions` are those that the prices were adjusted for, and no
    others: with a split of ratio 1 for a symbol that is known never to have split. Where the bars end says nothing
    about it, for prices that end before a split may have been adjusted for it later (and a longer file cut there has
    been).
    """

    fundamentals: Sequence[Fundamental] = ()
    sector_medians: Mapping[str, Sequence[SectorMedian]] = field(default_factory=dict)
    insider: Sequence[InsiderTransaction] = ()
    short_interest: Sequence[ShortInterest] = ()
    actions: Sequence[CorporateAction] = ()
    adjusted: Adjusted = Adjusted.SPLIT


class SymbolStates:
    """What the facts about one symbol say at any instant; its sector's medians are not among it."""

    def __init__(self, facts: SymbolFacts, calendar: TradingCalendar) -> None:
        shares = ShareBasis.of(facts.actions, facts.adjusted)
        self.fundamental = FundamentalFacts(facts.fundamentals, shares, calendar).states
        self._alternative = AlternativeFacts(facts.insider, facts.short_interest, shares, calendar).states
        self.empty = not (facts.fundamentals or facts.insider or facts.short_interest)

    @property
    def changes(self) -> I8:
        """The instants at which what is known of the symbol changes, microseconds."""
        return np.concatenate([self.fundamental.since, self._alternative.since])

    def at(self, time: I8) -> F8:
        """Return what was known at instants (microseconds, in any order), shape (n, KNOWN)."""
        return np.concatenate([self.fundamental.at(time), self._alternative.at(time)], axis=1)

    def write(self, time: int, out: F8) -> None:
        """Write what was known at one instant into `out`, shape (KNOWN,)."""
        out[: fundamental.WIDTH] = self.fundamental.row(time)
        out[fundamental.WIDTH :] = self._alternative.row(time)


class SortedFacts:
    """Keeps each symbol's states while its facts are the same, as sorting them takes longest of all."""

    def __init__(self, calendar: TradingCalendar) -> None:
        self._calendar = calendar
        self._held: dict[str, tuple[SymbolFacts, SymbolStates]] = {}

    def of(self, symbol: str, facts: SymbolFacts) -> SymbolStates:
        """Return the states of a symbol."""
        own = replace(facts, sector_medians={})
        held = self._held.get(symbol)
        if held is None or held[0] != own:
            if len(self._held) >= _KEPT:
                self._held.clear()
            held = self._held[symbol] = own, SymbolStates(own, self._calendar)
        return held[1]
