"""Changed futures: the same world up to an instant, and another one after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from signals.audit.cases import Case
from signals.audit.world import World
from signals.data.records import (
    F8,
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

__all__ = ["FACTS", "FUTURE", "facts_cases", "future_cases"]

FUTURE, FACTS = "future bars", "future facts"

_LATER = timedelta(microseconds=1)


def future_cases(world: World, instant: int, seed: int) -> Iterator[Case]:
    """Yield the world with everything that closed after `instant` cut, replaced, or continued differently."""
    for name, change in _CHANGES.items():
        changed = world.with_bars(lambda bars, change=change: change(bars, _known(bars, instant), seed))  # type: ignore[misc]  # the default binds the loop's value
        yield Case(FUTURE, f"{name} after {from_micros(instant):%Y-%m-%d %H:%M}", changed, until=instant)


def facts_cases(world: World, instant: int) -> Iterator[Case]:
    """Yield the world with the facts known after `instant` removed, restated, and with facts added there."""
    at = from_micros(instant)
    # What prices were adjusted for with hindsight is part of the prices, whenever it became known.
    free = [fact for fact in world.facts if world.adjusted is Adjusted.NONE or not isinstance(fact, CorporateAction)]
    bound = [fact for fact in world.facts if world.adjusted is Adjusted.SPLIT and isinstance(fact, CorporateAction)]
    known = [fact for fact in free if fact.known_at <= at]
    later = [fact for fact in free if fact.known_at > at]
    changes: Mapping[str, list[Fact]] = {
        "removed": known,
        "added": [*free, *(_newer(fact) for fact in later), *_actions(world, instant)],
        "restated": [*known, *(_altered(fact) for fact in later), *(_revised(fact, at + _LATER) for fact in known)],
    }
    for name, facts in changes.items():
        yield Case(FACTS, f"{name} after {at:%Y-%m-%d %H:%M}", world.with_facts([*bound, *facts]), until=instant)


def _known(bars: BarColumns, instant: int) -> int:
    return int(np.searchsorted(bars.time, instant, side="right"))


def _cut(bars: BarColumns, known: int, _: int) -> BarColumns:
    return BarColumns(bars.symbol, bars.time[:known], bars.values[:known])


def _noise(bars: BarColumns, known: int, seed: int) -> BarColumns:
    rng = np.random.default_rng([seed, known])
    prices = np.sort(rng.lognormal(3.0, 2.0, (len(bars) - known, 4)), axis=1)
    volume = np.round(rng.lognormal(12.0, 2.0, len(bars) - known))
    return _joined(bars, known, np.column_stack([prices[:, 1], prices[:, 3], prices[:, 0], prices[:, 2], volume]))


def _missing(bars: BarColumns, known: int, _: int) -> BarColumns:
    return _joined(bars, known, np.full((len(bars) - known, 5), np.nan))


def _extremes(bars: BarColumns, known: int, _: int) -> BarColumns:
    rows = np.empty((len(bars) - known, 5))
    rows[0::2], rows[1::2] = 1e300, 1e-300
    return _joined(bars, known, rows)


def _continued(bars: BarColumns, known: int, seed: int) -> BarColumns:
    """Mirror the log price at the last bar known, and leave every third bar out: other prices at other instants."""
    if not known:
        return _cut(bars, known, seed)
    after = bars.values[known:]
    mirrored = bars.values[known - 1, 3] ** 2 / after[:, :4]
    rows = np.column_stack([mirrored[:, 0], mirrored[:, 2], mirrored[:, 1], mirrored[:, 3], after[::-1, 4]])
    kept = np.arange(len(bars)) < known
    kept[known:] = np.arange(len(bars) - known) % 3 > 0
    joined = _joined(bars, known, rows)
    return BarColumns(bars.symbol, joined.time[kept], np.ascontiguousarray(joined.values[kept]))


def _joined(bars: BarColumns, known: int, rows: F8) -> BarColumns:
    return BarColumns(bars.symbol, bars.time, np.concatenate([bars.values[:known], rows]))


_CHANGES: Mapping[str, Callable[[BarColumns, int, int], BarColumns]] = {
    "cut": _cut,
    "noise": _noise,
    "NaN": _missing,
    "extremes": _extremes,
    "continued differently": _continued,
}


def _figures(fact: Fact) -> dict[str, Any]:
    """Return other figures for a fact: what it says changes, whom and when it is about does not."""
    if isinstance(fact, Fundamental):
        return {"value": -1.7 * fact.value + 3.0}
    if isinstance(fact, InsiderTransaction):
        return {"shares": -2.3 * fact.shares, "value": -2.3 * fact.value}
    if isinstance(fact, ShortInterest):
        return {"shares": 3.1 * fact.shares + 7.0, "days_to_cover": fact.days_to_cover + 2.0}
    if isinstance(fact, SectorMedian):
        return {"pe": 0.3 * fact.pe, "pb": 0.3 * fact.pb, "ps": 0.3 * fact.ps, "ev_ebitda": 0.3 * fact.ev_ebitda}
    if isinstance(fact, CorporateAction):
        return {"ratio": 2.5 * fact.ratio, "amount": fact.amount + 0.5}
    if isinstance(fact, Membership):
        return {"group": "sector:Utilities"}
    return {}


def _altered(fact: Fact) -> Fact:
    return _revised(fact, fact.known_at)


def _revised(fact: Fact, known_at: datetime) -> Fact:
    return replace(fact, known_at=known_at, **_figures(fact))  # type: ignore[type-var]  # every fact is a frozen dataclass


def _newer(fact: Fact) -> Fact:
    return _revised(fact, fact.known_at + timedelta(days=1))


def _actions(world: World, instant: int) -> Iterator[CorporateAction]:
    """Yield splits that took effect in the past and become known only now."""
    if world.adjusted is Adjusted.NONE:
        for symbol in world.universe:
            bars = world.columns[symbol]
            known = _known(bars, instant)
            if known > 1:
                effective = from_micros(int(bars.time[known // 2]))
                yield CorporateAction(symbol, from_micros(instant) + _LATER, ActionKind.SPLIT, effective, 5.0)
