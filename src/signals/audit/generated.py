"""Facts and reference series, made up for an audit of bars that come without, so that every feature sees something.

The figures mean nothing. What counts is that there are many of them, revised, late, and known at odd times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np

from signals.audit.world import World
from signals.config import DataSettings
from signals.data.calendar import closing_delay
from signals.data.records import (
    I8,
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    InsiderTransaction,
    Membership,
    SectorMedian,
    ShortInterest,
    from_micros,
)
from signals.features.fundamental import SECTORS

__all__ = ["with_facts", "with_references"]

_FLOWS = {
    "NetIncomeLoss": ("USD", 1e8),
    "Revenues": ("USD", 1e9),
    "OperatingIncomeLoss": ("USD", 2e8),
    "DepreciationDepletionAndAmortization": ("USD", 5e7),
    "EarningsPerShareDiluted": ("USD/shares", 1.0),
    "CommonStockDividendsPerShareDeclared": ("USD/shares", 0.2),
}
_STOCKS = {
    "StockholdersEquity": ("USD", 2e9),
    "CashAndCashEquivalentsAtCarryingValue": ("USD", 3e8),
    "AssetsCurrent": ("USD", 8e8),
    "LiabilitiesCurrent": ("USD", 5e8),
    "LongTermDebt": ("USD", 6e8),
    "ShortTermBorrowings": ("USD", 1e8),
    "EntityCommonStockSharesOutstanding": ("shares", 1e8),
}
_KINDS: dict[str, tuple[type[Fact], ...]] = {
    "fundamentals": (Fundamental,),
    "insider transactions": (InsiderTransaction,),
    "short interest": (ShortInterest,),
    "corporate actions": (CorporateAction,),
    "sectors": (Membership, SectorMedian),
}
_QUARTERS = ((1, 1), (4, 1), (7, 1), (10, 1))


def with_references(world: World, settings: DataSettings, seed: int) -> World:
    """Return the world with a random walk for every reference series that it lacks, closing when the real one does."""
    made = dict(world.columns)
    instants = world.instants
    for number, name in enumerate((settings.market, settings.volatility, *sorted(settings.sector_etfs.values()))):
        if name not in made:
            rng = np.random.default_rng([seed, 1, number])
            delay = closing_delay(settings.calendar, name, {settings.volatility}) // timedelta(microseconds=1)
            made[name] = _walk(name, instants + delay, rng)
    return replace(world, columns=made)


def with_facts(world: World, seed: int) -> tuple[World, tuple[str, ...]]:
    """Return the world with facts of every kind of which it has none, and the names of those kinds.

    With splits that were made up its bars count as traded.
    """
    lacking = {
        name: kinds for name, kinds in _KINDS.items() if not any(isinstance(fact, kinds) for fact in world.facts)
    }
    kinds = tuple(kind for each in lacking.values() for kind in each)
    made = [fact for fact in _facts(world, seed) if isinstance(fact, kinds)]
    adjusted = Adjusted.NONE if CorporateAction in kinds else world.adjusted
    return replace(world.with_facts([*world.facts, *made]), adjusted=adjusted), tuple(lacking)


def _facts(world: World, seed: int) -> list[Fact]:
    facts: list[Fact] = []
    for number, symbol in enumerate(world.universe):
        time = world.columns[symbol].time
        if len(time):
            rng = np.random.default_rng([seed, 2, number])
            facts += [*_fundamentals(symbol, time, rng), *_insiders(symbol, time, rng), *_shorts(symbol, time, rng)]
            facts += [*_actions(symbol, time), *_memberships(symbol, time, number)]
    first, last = from_micros(int(world.instants[0])), from_micros(int(world.instants[-1]))
    rng = np.random.default_rng([seed, 3])
    for sector in SECTORS[:2]:  # medians of the two others are taken over the universe
        for day in range(0, (last - first).days + 1, 30):
            pe, pb, ps, ev = rng.lognormal(2.0, 0.3, 4).tolist()
            facts.append(SectorMedian(sector, first + timedelta(days=day, minutes=17), pe, pb, ps, ev))
    return facts


def _walk(name: str, time: I8, rng: np.random.Generator) -> BarColumns:
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(time))))
    opened = close * np.exp(rng.normal(0, 0.003, len(time)))
    high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) / 1.002
    volume = np.round(rng.lognormal(13, 0.3, len(time)))
    return BarColumns(name, time, np.column_stack([opened, high, low, close, volume]))


def _fundamentals(symbol: str, time: I8, rng: np.random.Generator) -> Iterator[Fundamental]:
    """Yield quarters, years to date and years, balance sheets, and late amendments of one figure in ten.

    What was filed on a day becomes known on the next one; of an amendment the day is not told.
    """
    for begun, end in _quarters(from_micros(int(time[0])).year - 2, from_micros(int(time[-1]))):
        known = _at(end, rng.uniform(30, 60))
        spans: list[tuple[str, str, date | None, float]] = [
            (name, unit, None, size) for name, (unit, size) in _STOCKS.items()
        ]
        starts = {begun, date(begun.year, 1, 1)}
        spans += [(name, unit, start, size) for name, (unit, size) in _FLOWS.items() for start in sorted(starts)]
        for name, unit, start, size in spans:
            value = float(size * rng.lognormal(0, 0.3))
            fact = Fundamental(symbol, known, name, unit, start, end, value, known.date() - timedelta(days=1))
            yield fact
            if rng.random() < 0.1:
                late = known + timedelta(days=float(rng.uniform(20, 300)))
                yield replace(fact, known_at=late, value=1.3 * value, filed=None)


def _quarters(year: int, last: datetime) -> Iterator[tuple[date, date]]:
    while True:
        for month, day in _QUARTERS:
            start = date(year, month, day)
            if start > last.date():
                return
            end = (date(year + 1, 1, 1) if month == _QUARTERS[-1][0] else date(year, month + 3, 1)) - timedelta(days=1)
            yield start, end
        year += 1


def _insiders(symbol: str, time: I8, rng: np.random.Generator) -> Iterator[InsiderTransaction]:
    for day in _days(time, 20):
        shares = float(np.round(rng.normal(0, 5000)) + 1)
        value = shares * float(rng.uniform(20, 60))
        yield InsiderTransaction(symbol, _at(day, rng.uniform(1, 3)), day, shares, value)


def _shorts(symbol: str, time: I8, rng: np.random.Generator) -> Iterator[ShortInterest]:
    for day in _days(time, 15):
        yield ShortInterest(symbol, _at(day, 12.6), day, float(rng.lognormal(13, 0.3)), float(rng.uniform(1, 9)))


def _actions(symbol: str, time: I8) -> Sequence[CorporateAction]:
    """Return a split announced in time, a spin-off, and a split that became known late."""
    made = []
    for share, kind, ratio, late in (
        (0.4, ActionKind.SPLIT, 2.0, -20),
        (0.55, ActionKind.SPIN_OFF, 1.1, -5),
        (0.7, ActionKind.SPLIT, 3.0, 4),
    ):
        effective = from_micros(int(time[int(share * (len(time) - 1))])) - timedelta(hours=6)
        made.append(CorporateAction(symbol, effective + timedelta(days=late), kind, effective, ratio))
    return made


def _memberships(symbol: str, time: I8, number: int) -> Sequence[Membership]:
    """Return a sector from the beginning, and another one from the middle on, known ten days late."""
    first, middle = from_micros(int(time[0])), from_micros(int(time[len(time) // 2]))
    sectors = SECTORS[number % 4], SECTORS[(number + 1) % 4]
    return [
        Membership(symbol, first - timedelta(days=1), f"sector:{sectors[0]}", first - timedelta(days=1)),
        Membership(symbol, middle + timedelta(days=10), f"sector:{sectors[1]}", middle),
    ]


def _days(time: I8, step: int) -> Iterator[date]:
    first, last = from_micros(int(time[0])).date(), from_micros(int(time[-1])).date()
    for day in range(-120, (last - first).days + 1, step):
        yield first + timedelta(days=day)


def _at(day: date, later: float) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=from_micros(0).tzinfo)
    return midnight + timedelta(days=float(later))
