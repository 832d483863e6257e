"""audit: tries every promise on every feature, and returns what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from signals.audit.cases import Case, Ledger, rows_of
from signals.audit.forgetful import Forgetful
from signals.audit.futures import facts_cases, future_cases
from signals.audit.generated import with_facts, with_references
from signals.audit.invariances import as_traded, start_case, unit_cases, unit_count, universe_case, untied
from signals.audit.report import AuditReport
from signals.audit.stream import RESTARTED, stream_cases
from signals.audit.world import World, references_of, world_of
from signals.config import DataSettings, Settings, load_settings
from signals.data.provider import DataProvider
from signals.data.records import I8
from signals.errors import FeatureError
from signals.feature_store import FeatureStore
from signals.features.calculators import FeatureCalculator
from signals.features.fundamental import SECTORS

__all__ = ["audit"]

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with what is being tried, how many steps of it are done, and how many there are."""

_INVENTED = {SECTORS[0]: "sector-a", SECTORS[1]: "sector-b"}
"""Sector series of an audit of bars that come with none."""


def audit(
    provider: DataProvider,
    settings: Settings | None = None,
    *,
    symbols: Collection[str] | None = None,
    cuts: int = 40,
    seed: int = 0,
    calculators: Iterable[FeatureCalculator] | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Hold every feature to the promises of docs/features.md, by changing what it may not depend on.

    Parameters
    ----------
    provider
        Bars, reference series and facts. Series that are missing are made up, and so is each kind of facts of which
        there is none; with made-up splits the bars count as traded.
    symbols
        Whom to audit; None: every symbol with bars that is no reference series.
    cuts
        At how many closes, spread over the whole time, the future and the beginning of history are changed; with as
        many as there are closes, or more, at every one. All bars up to each are compared.
    seed
        Of the places and of what is made up: the same seed gives the same audit.
    calculators
        The user's own features, as in `FeatureStore`. Only what they get from Vane is changed: the audit cannot know of
        data that a calculator brings along and does not join to those bars.

    Returns
    -------
    AuditReport
        `passed` is False if there is a single violation, if nothing was compared, or if a feature of the user's own
        had no value anywhere: `untested` says which had none, and for what.

    Raises
    ------
    FeatureError
        If a symbol has no bars, a calculator fails on them as they are, or fewer than one cut is asked for.
    """
    chosen = _with_sectors(load_settings() if settings is None else settings)
    # What a calculator remembers of one world must not tell it about the next; live keeps it, as it does in earnest.
    live = FeatureStore(chosen, calculators=calculators)
    store = FeatureStore(chosen, calculators=map(Forgetful, live.calculators))
    world, generated = _prepared(provider, chosen.data, symbols, seed)
    if cuts < 1:
        raise FeatureError(f"cuts: expected one or more, was {cuts}")
    instants = _cuts(world.instants, cuts, seed).tolist()
    ledger = Ledger(store.features)
    before = rows_of(world, store)
    told = _Told(progress or _silent)
    for instant in told.over("futures", instants):
        for case in future_cases(world, instant, seed):
            ledger.hold_world(case, before, store)
    for instant in told.over("facts", instants):
        for case in facts_cases(world, instant):
            ledger.hold_world(case, before, store)
    ledger.alike(before)
    for instant in told.over("beginnings", instants):
        ledger.hold_world(start_case(world, instant), before, store)
    try:
        stream_cases(world, live, ledger, before, told.counter("stream", len(world.instants) + RESTARTED))
    except FeatureError as error:  # of a calculator that cannot do with the bars it asked for
        ledger.fail(Case("stream", "bar by bar", world), world.universe[0], before[world.universe[0]], error)
    for symbol in told.over("universe", world.universe):
        ledger.hold_world(universe_case(world, symbol), before, store)
    traded = as_traded(world)
    for exact, plain in ((True, traded), (False, untied(traded, seed))):
        before = rows_of(plain, store)
        stage = "share units" if exact else "share units, rounded"
        for case in told.over(stage, unit_cases(plain, instants, exact=exact), unit_count(len(instants))):
            ledger.hold_world(case, before, store)
    names = tuple(feature.name for feature in store.features)
    return AuditReport(
        world.universe, names, len(instants), ledger.counts, tuple(ledger.violations), generated, ledger.untested()
    )


def _prepared(
    provider: DataProvider, settings: DataSettings, symbols: Collection[str] | None, seed: int
) -> tuple[World, tuple[str, ...]]:
    """Return the world with whatever it lacked, and what that was."""
    asked = set(provider.symbols()) - references_of(settings) if symbols is None else set(symbols)
    references = sorted(asked & references_of(settings))
    if references:
        raise FeatureError(
            f"symbols: expected what is traded, was {', '.join(references)} among them, a reference series of "
            "data.market, data.volatility or data.sector_etfs; name others, or other references"
        )
    held = {symbol for symbol in asked if len(provider.columns(symbol))}
    if not held or (symbols is not None and asked != held):
        none = ", ".join(sorted(asked - held)) or "any symbol"
        raise FeatureError(f"expected bars of every symbol to audit, were none of {none}")
    given = world_of(provider, held, settings)
    world = with_references(given, settings, seed)
    made = sorted(world.columns.keys() - given.columns.keys())
    world, kinds = with_facts(world, seed)
    return world, (*made, *kinds)


def _with_sectors(settings: Settings) -> Settings:
    if settings.data.sector_etfs:
        return settings
    return settings.model_copy(update={"data": settings.data.model_copy(update={"sector_etfs": _INVENTED})})


def _cuts(instants: I8, cuts: int, seed: int) -> I8:
    """Return closes with one or more after them, one from each of as many equal spans as there are cuts."""
    edges = np.linspace(0, len(instants) - 1, min(cuts, max(len(instants) - 1, 1)) + 1)
    low, high = np.ceil(edges[:-1]).astype(np.int64), np.ceil(edges[1:]).astype(np.int64)
    places = np.random.default_rng([seed, 0]).integers(low, np.maximum(high, low + 1))
    return np.asarray(instants[np.unique(places)])


def _silent(*_: object) -> None:
    return


@dataclass(frozen=True)
class _Told:
    """Tells the caller how far the audit is."""

    progress: Progress

    def over(self, stage: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
        """Yield the items, saying after each that it is done."""
        several = list(items) if total is None else items
        size = total if total is not None else len(list(several))
        self.progress(stage, 0, size)
        for done, item in enumerate(several, start=1):
            yield item
            self.progress(stage, done, size)

    def counter(self, stage: str, total: int) -> Callable[[], None]:
        """Return what to call after each step."""
        done = iter(range(1, total + 1))
        return lambda: self.progress(stage, next(done, total), total)
