"""Case: one change of the world, and what has to stay the same under it; `Ledger` compares and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from signals.audit.report import Count, Untested, Violation
from signals.audit.world import World
from signals.data.records import I8, Adjusted, from_micros
from signals.errors import FeatureError
from signals.feature_store import FeatureStore
from signals.features.catalog import CATALOGUE
from signals.features.feature import Feature

__all__ = ["F4", "Case", "Ledger", "Rows", "rows_of"]

F4 = NDArray[np.float32]

_NOWHERE = World((), {}, (), Adjusted.SPLIT)

TOLERANCE = 1e-6
"""Factors that are no power of two round float64 differently: allowed difference over a feature's largest value."""


@dataclass(frozen=True)
class Rows:
    """All features of one symbol: closes in microseconds, shape (n,), and values, shape (n, F)."""

    time: I8
    values: F4


@dataclass(frozen=True)
class Case:
    """One changed world.

    Parameters
    ----------
    kind, change
        As in `Violation`.
    until
        Only bars that close at or before this instant (microseconds) must be as before; None: all.
    warm_up
        Whether a feature may differ in the first `lookback` bars of the changed history.
    peers
        Whether the same symbols are there; without them, what is declared cross-sectional may differ.
    exact
        Bit for bit; else within `TOLERANCE`.
    """

    kind: str
    change: str
    world: World
    until: int | None = None
    warm_up: bool = False
    peers: bool = True
    exact: bool = True


def rows_of(world: World, store: FeatureStore, symbols: Sequence[str] | None = None) -> dict[str, Rows]:
    """Compute all features of some symbols (None: of the universe) from scratch."""
    provider = world.provider()
    made = {}
    for symbol in world.universe if symbols is None else symbols:
        # Noise, NaN and extremes are meant to overflow; what comes of it is compared.
        with np.errstate(all="ignore"):
            frame = store.history(symbol, provider)
        made[symbol] = Rows(provider.columns(symbol).time, frame.to_numpy(np.float32))
    return made


@dataclass
class Ledger:
    """Compares rows, counts comparisons, and keeps the violations."""

    features: tuple[Feature, ...]
    counts: dict[str, Count] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    tried: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def hold(self, case: Case, before: Mapping[str, Rows], after: Mapping[str, Rows]) -> None:
        """Compare all symbols of a changed world with what they were."""
        for symbol, rows in after.items():
            self.compare(case, symbol, before[symbol], rows)

    def hold_world(self, case: Case, before: Mapping[str, Rows], store: FeatureStore) -> None:
        """Compute a changed world's features and compare them; a calculator that fails there is a violation."""
        try:
            self.hold(case, before, rows_of(case.world, store))
        except FeatureError:
            self._hold_each(case, before, store)

    def _hold_each(self, case: Case, before: Mapping[str, Rows], store: FeatureStore) -> None:
        for symbol in case.world.universe:
            try:
                after = rows_of(case.world, store, [symbol])
            except FeatureError as error:
                self.fail(case, symbol, before[symbol], error)
            else:
                self.hold(case, before, after)

    def alike(self, rows: Mapping[str, Rows]) -> None:
        """Compare what is declared market-wide between symbols, instant by instant."""
        wide = np.array([feature.market_wide for feature in self.features])
        lookback = np.array([feature.lookback for feature in self.features])
        # One symbol has nobody to be compared with: the report then says so.
        self.tried.setdefault("market-wide", np.zeros(len(self.features), np.bool_))
        (first, one), *others = rows.items()
        for symbol, other in others:
            _, mine, its = np.intersect1d(one.time, other.time, return_indices=True)
            late = (mine[:, None] >= lookback) & (its[:, None] >= lookback) & wide
            case = Case("market-wide", f"another symbol than {first}", _NOWHERE)
            self._count(case, symbol, other.time[its], one.values[mine], other.values[its], late)

    def untested(self) -> tuple[Untested, ...]:
        """Return the features that had no value where they would have been compared."""
        found = []
        ours = {feature.name for feature in CATALOGUE}
        for column, feature in enumerate(self.features):
            asked = [kind for kind in self.tried if _applies(kind, feature)]
            missed = tuple(kind for kind in asked if not self.tried[kind][column])
            if missed:
                whole = len(missed) == len(asked)
                name = feature.name
                found.append(Untested(name, feature.calculator, feature.lookback, missed, whole, name in ours))
        return tuple(found)

    def compare(self, case: Case, symbol: str, before: Rows, after: Rows) -> None:
        """Compare the bars that both have; `after` may lack a beginning and, after `case.until`, an end."""
        stop = len(after.time) if case.until is None else int(np.searchsorted(after.time, case.until, side="right"))
        first = int(np.searchsorted(before.time, after.time[0])) if stop else 0
        expected, found = before.values[first : first + stop], after.values[:stop]
        self._count(case, symbol, after.time[:stop], expected, found, self._asked(case, stop))

    def _count(self, case: Case, symbol: str, time: I8, expected: F4, found: F4, asked: NDArray[np.bool_]) -> None:
        asked = asked & ~(np.isnan(expected) & np.isnan(found))  # what is missing on both sides shows nothing
        differs = (_unequal if case.exact else _apart)(expected, found) & asked
        failed = np.flatnonzero(differs.any(axis=0))
        tried = asked.any(axis=0)
        self.tried[case.kind] = self.tried.get(case.kind, np.zeros(len(self.features), np.bool_)) | tried
        count = Count(int(tried.sum()), int(asked.sum()), len(failed))
        self.counts[case.kind] = self.counts.get(case.kind, Count()) + count
        for column in failed:
            rows = np.flatnonzero(differs[:, column])
            row, feature = int(rows[0]), self.features[column]
            self.violations.append(
                Violation(
                    feature.name,
                    feature.calculator,
                    symbol,
                    case.kind,
                    case.change,
                    from_micros(int(time[row])),
                    float(expected[row, column]),
                    float(found[row, column]),
                    len(rows),
                )
            )

    def fail(self, case: Case, symbol: str, before: Rows, error: FeatureError) -> None:
        """Keep that the features of a symbol could not be computed in a changed world."""
        message = " ".join(str(error).split())[:200]
        named = (each for each in self.features if f"calculator {each.calculator!r} " in message)
        feature = next(named, self.features[0])
        bar = from_micros(int(before.time[-1]) if case.until is None else case.until)
        self.counts["error"] = self.counts.get("error", Count()) + Count(violations=1)
        what = feature.name, feature.calculator, symbol, "error", f"{case.change}: {message}"
        self.violations.append(Violation(*what, bar, math.nan, math.nan, 0))

    def _asked(self, case: Case, rows: int) -> NDArray[np.bool_]:
        """Return which values must be equal, shape (rows, F)."""
        held = [
            _applies(case.kind, feature) and (case.peers or not feature.cross_sectional) for feature in self.features
        ]
        asked = np.broadcast_to(np.array(held), (rows, len(held)))
        if case.warm_up:
            lookback = np.array([feature.lookback for feature in self.features])
            asked = asked & (np.arange(rows)[:, None] >= lookback)
        return asked


def _applies(kind: str, feature: Feature) -> bool:
    """Whether a kind of promise is one of this feature's."""
    if kind in ("scale", "split"):
        return feature.scale_free
    if kind == "market-wide":
        return feature.market_wide
    return not (kind == "universe" and feature.cross_sectional)


def _unequal(one: F4, other: F4) -> NDArray[np.bool_]:
    bits = np.ascontiguousarray(one).view(np.uint32) != np.ascontiguousarray(other).view(np.uint32)
    return np.asarray(bits & ~(np.isnan(one) & np.isnan(other)))


def _apart(one: F4, other: F4) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        size = np.nan_to_num(np.abs(one), nan=0.0).max(axis=0, initial=0.0)
        near = np.abs(one.astype(np.float64) - other) <= TOLERANCE * size
    return np.asarray(~(near | (np.isnan(one) & np.isnan(other))))
