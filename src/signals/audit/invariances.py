"""What may be changed everywhere without a feature noticing: where history begins, the unit of a share, the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from signals.audit.cases import Case
from signals.audit.world import World
from signals.data.records import (
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    Fact,
    Fundamental,
    InsiderTransaction,
    ShortInterest,
    from_micros,
    to_micros,
)
from signals.features.point_in_time import day_end, day_number

__all__ = ["as_traded", "start_case", "unit_cases", "unit_count", "universe_case", "untied"]

_SCALES = {True: (2.0, 0.25, 1024.0), False: (3.0, 0.7, 123.0)}
_RATIOS = {True: (2.0, 0.5, 8.0), False: (3.0, 1.5, 0.1, 7.0)}


def start_case(world: World, instant: int) -> Case:
    """Return the world in which the universe's histories begin with the first bar at or after `instant`."""

    def later(bars: BarColumns) -> BarColumns:
        first = int(np.searchsorted(bars.time, instant))
        return BarColumns(bars.symbol, bars.time[first:], bars.values[first:])

    changed = world.with_bars(later, world.universe)
    return Case("start", f"history begins {from_micros(instant):%Y-%m-%d}", changed, warm_up=True)


def universe_case(world: World, symbol: str) -> Case:
    """Return the world in which a symbol is alone."""
    return Case("universe", "no other symbol", world.alone(symbol), peers=False)


def as_traded(world: World) -> World:
    """Return the world without jumps of the basis, its bars taken as traded: what splits are then made in."""
    jumps = (ActionKind.SPLIT, ActionKind.SPIN_OFF)
    kept = (fact for fact in world.facts if not (isinstance(fact, CorporateAction) and fact.kind in jumps))
    return replace(world.with_facts(kept), adjusted=Adjusted.NONE)


def untied(world: World, seed: int) -> World:
    """Return the world with the prices of each bar moved by a hundred-thousandth or so.

    Prices in ticks tie: two moves of 15 cents are equal, and which of them float64 takes for the larger depends on the
    unit. Factors that are no power of two are therefore tried on bars without ties.
    """

    def moved(bars: BarColumns) -> BarColumns:
        rng = np.random.default_rng([seed, 4, len(bars)])
        values = bars.values.copy()
        values[:, :4] *= 1 + 1e-5 * rng.random((len(bars), 1))
        return BarColumns(bars.symbol, bars.time, values)

    return world.with_bars(moved, world.universe)


def unit_count(instants: int) -> int:
    """Return how many cases `unit_cases` yields for so many instants."""
    return len(_SCALES[True]) + instants


def unit_cases(world: World, instants: Sequence[int], *, exact: bool) -> Iterator[Case]:
    """Yield worlds in which a share is another part of its company: from the beginning, and after a split.

    With `exact` the factors are powers of two, and float64 only moves its exponent.
    """
    for scale in _SCALES[exact]:
        changed = _with_unit(world, scale, None)
        yield Case("scale", f"prices times {scale:g}", changed, exact=exact)
    for number, instant in enumerate(instants):
        ratio = _RATIOS[exact][number % len(_RATIOS[exact])]
        yield Case(
            "split",
            f"split {ratio:g} to 1 after {from_micros(instant):%Y-%m-%d}",
            _split(world, instant, ratio),
            exact=exact,
        )


def _split(world: World, instant: int, ratio: float) -> World:
    """Return the world in which every symbol splits right after `instant`: what came before is on the old basis."""
    effective = from_micros(instant) + timedelta(microseconds=1)
    splits = (
        CorporateAction(symbol, effective - timedelta(days=20), ActionKind.SPLIT, effective, ratio)
        for symbol in world.universe
    )
    before = _with_unit(world, ratio, instant)
    return before.with_facts([*before.facts, *splits])


def _with_unit(world: World, scale: float, until: int | None) -> World:
    """Return the world with one share in place of `scale` of them, bars and facts, up to an instant (None: always)."""

    def rescaled(bars: BarColumns) -> BarColumns:
        rows = len(bars) if until is None else int(np.searchsorted(bars.time, until, side="right"))
        values = bars.values.copy()
        values[:rows, :4] *= scale
        values[:rows, 4] /= scale
        return BarColumns(bars.symbol, bars.time, values)

    facts = (_rescaled(fact, scale) if until is None or _reported(fact) <= until else fact for fact in world.facts)
    return world.with_bars(rescaled, world.universe).with_facts(facts)


def _reported(fact: Fact) -> int:
    """Return the instant (microseconds) on whose share basis a fact's figures are."""
    if isinstance(fact, InsiderTransaction):
        return int(day_end(np.array([day_number(fact.transacted)]))[0])
    if isinstance(fact, ShortInterest):
        return int(day_end(np.array([day_number(fact.settled)]))[0])
    return to_micros(fact.reported if isinstance(fact, Fundamental) else fact.known_at)


def _rescaled(fact: Fact, scale: float) -> Fact:
    """Return a fact in shares of which `scale` times as many make up one."""
    if isinstance(fact, Fundamental) and fact.unit == "shares":
        return replace(fact, value=fact.value / scale)
    if isinstance(fact, Fundamental) and fact.unit.endswith("/shares"):
        return replace(fact, value=fact.value * scale)
    if isinstance(fact, InsiderTransaction | ShortInterest):
        return replace(fact, shares=fact.shares / scale)
    return fact
