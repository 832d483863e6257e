"""Where the strategy reads bars and facts from: memory only, never a disk, never a socket."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar, cast

from signals.data.records import Adjusted, BarColumns, Fact, Membership, SectorMedian
from strategy.bars import OHLCV

__all__ = ["SECTOR_GROUP", "DataProvider", "InMemoryProvider", "Loader"]

F = TypeVar("F", bound=Fact)

SECTOR_GROUP = "sector:"
"""A `Membership` whose group is ``sector:NAME`` says which sector a symbol belongs to."""


class DataProvider(Protocol):
    """A thread-safe snapshot of bars and facts."""

    @property
    def revision(self) -> int:
        """Grows on every load; columns are rebuilt only then."""
        ...

    @property
    def adjusted(self) -> Adjusted:
        """What the bars' prices were adjusted for with hindsight."""
        ...

    def symbols(self) -> Sequence[str]:
        """Return every symbol with bars, sorted."""
        ...

    def columns(self, symbol: str) -> BarColumns:
        """Return all bars of a symbol as arrays; empty where there are none."""
        ...

    def bars(self, symbol: str, start: datetime, end: datetime) -> Sequence[OHLCV]:
        """Return the bars with ``start <= timestamp <= end``, oldest first."""
        ...

    def facts(self, kind: type[F], symbol: str) -> Sequence[F]:
        """Return every fact of a kind about a symbol, ordered by `known_at`; selecting is point_in_time's work."""
        ...

    def sector(self, symbol: str, at: datetime) -> str | None:
        """Return the sector of a symbol as known at an instant."""
        ...


@dataclass(frozen=True, slots=True)
class _Snapshot:
    revision: int = 0
    adjusted: Adjusted = Adjusted.SPLIT
    columns: Mapping[str, BarColumns] = field(default_factory=dict)
    facts: Mapping[tuple[type, str], tuple[Fact, ...]] = field(default_factory=dict)


class InMemoryProvider:
    """The provider that loaders fill: one reference is swapped, so a reader never sees half a load.

    Parameters
    ----------
    adjusted
        What the prices were adjusted for; ``split`` without corporate actions keeps features that mix price and share
        units from being computed.
    """

    def __init__(
        self,
        columns: Iterable[BarColumns] = (),
        facts: Iterable[Fact] = (),
        *,
        adjusted: Adjusted = Adjusted.SPLIT,
    ) -> None:
        self._lock = threading.Lock()
        self._snapshot = _Snapshot()
        self.load(columns, facts, adjusted=adjusted)

    @property
    def revision(self) -> int:
        """Grows on every load."""
        return self._snapshot.revision

    @property
    def adjusted(self) -> Adjusted:
        """What the bars' prices were adjusted for with hindsight."""
        return self._snapshot.adjusted

    def load(
        self, columns: Iterable[BarColumns] = (), facts: Iterable[Fact] = (), *, adjusted: Adjusted | None = None
    ) -> None:
        """Add to what is there: bars replace those of the same symbol, facts are merged by `known_at`.

        A fact that is held already is not added again, so that loads may overlap; what one load lists twice (two equal
        sales of one day) stays twice.
        """
        with self._lock:
            old = self._snapshot
            held = dict(old.facts)
            fresh: dict[tuple[type, str], list[Fact]] = {}
            for fact in facts:
                fresh.setdefault((type(fact), fact.symbol), []).append(fact)
            for key, more in fresh.items():
                kept = held.get(key, ())
                added = (Counter(more) - Counter(kept)).elements()
                held[key] = tuple(sorted([*kept, *added], key=_order))
            self._snapshot = _Snapshot(
                old.revision + 1,
                old.adjusted if adjusted is None else adjusted,
                {**old.columns, **{column.symbol: column for column in columns}},
                held,
            )

    def symbols(self) -> Sequence[str]:
        """Return every symbol with bars, sorted."""
        return sorted(self._snapshot.columns)

    def columns(self, symbol: str) -> BarColumns:
        """Return all bars of a symbol as arrays; empty where there are none."""
        found = self._snapshot.columns.get(symbol)
        return BarColumns.of(symbol, ()) if found is None else found

    def bars(self, symbol: str, start: datetime, end: datetime) -> Sequence[OHLCV]:
        """Return the bars with ``start <= timestamp <= end``, oldest first."""
        return self.columns(symbol).between(start, end).bars()

    def facts(self, kind: type[F], symbol: str) -> Sequence[F]:
        """Return every fact of a kind about a symbol, ordered by `known_at`."""
        # The same tuple as long as no load changes it: whoever made something of it can tell at a glance.
        return cast("tuple[F, ...]", self._snapshot.facts.get((kind, symbol), ()))

    def sector(self, symbol: str, at: datetime) -> str | None:
        """Return the sector in force and known at an instant; the newest record wins.

        A record of the same sector and `since` revises the one before: so a membership is closed.
        """
        known = self.facts(Membership, symbol)
        visible = known[: bisect.bisect_right(known, at, key=lambda fact: fact.known_at)]
        revised = set()
        for fact in reversed(visible):
            key = fact.group, fact.since
            if key in revised or not fact.group.startswith(SECTOR_GROUP):
                continue
            if fact.since <= at and (fact.until is None or at < fact.until):
                return fact.group.removeprefix(SECTOR_GROUP)
            revised.add(key)
        return None


def _order(fact: Fact) -> tuple[datetime, str]:
    # Of memberships and medians known at one instant the last one wins: it must not depend on who was loaded first.
    return fact.known_at, repr(fact) if isinstance(fact, (Membership, SectorMedian)) else ""


class Loader(Protocol):
    """Fills a provider from files or a database."""

    async def refresh(self, into: InMemoryProvider, since: datetime | None) -> None:
        """Load what is newer than `since` (None: everything) and swap one reference."""
        ...
