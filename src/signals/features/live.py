"""LiveFeatures: the newest row of every symbol, in constant time a bar.

What is kept is only a cache of the bars that the engine passes. If the last bar seen is the one before the newest, the
kernel takes one step; if it is the newest, the row is there already; anything else (a restart, a restated bar, a gap, a
new symbol, an action that became known late, another sector, a reference that was restated) rebuilds the symbol from
its last `WARMUP` + 1 bars, and is counted. A host that restates deeper history calls `reset`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from signals.config import DataSettings
from signals.data.calendar import TradingCalendar
from signals.data.provider import DataProvider
from signals.data.records import F8, BarColumns, to_micros
from signals.features import basis, temporal
from signals.features.batch import FACTS, KERNEL, TEMPORAL, FactFeatures, SymbolFacts, kernel_bars
from signals.features.calculators import Calculators
from signals.features.catalog import CATALOGUE, WARMUP
from signals.features.facts import facts_of
from signals.features.references import join
from strategy.bars import OHLCV
from strategy.slices import Slice

__all__ = ["LiveFeatures", "Rows"]

_VOLUME, _MARKET = 4, 5
_VALUES = attrgetter("open", "high", "low", "close", "volume")


class Rows(NamedTuple):
    """The rows of one slice.

    Attributes
    ----------
    symbols
        Members with a bar at the slice's instant, sorted, shape (n,).
    values
        Features in the store's order, float32, shape (n, F).
    ready
        Whether a symbol has had more bars than the longest lookback, shape (n,): rows before that decide nothing.
    rebuilt
        Symbols whose state was made anew from bars.
    """

    symbols: tuple[str, ...]
    values: NDArray[np.float32]
    ready: NDArray[np.bool_]
    rebuilt: tuple[str, ...]


class _Basis(NamedTuple):
    """What a symbol's rows so far were computed under: see `_rests_on`."""

    steps: tuple[basis.Step, ...] = ()
    sector: str | None = None


_UNKNOWN = _Basis()


class _Known(NamedTuple):
    """What a provider knew about a symbol at one of its revisions, and the features made of it."""

    revision: int
    facts: SymbolFacts
    features: FactFeatures


class LiveFeatures:
    """The newest features of some symbols, slice by slice.

    Parameters
    ----------
    members
        Symbols to compute; others in a slice are passed over.
    settings
        Names the calendar and the reference symbols.
    provider
        Facts, sectors and corporate actions; None: those features are NaN.
    calculators
        The user's own features, computed anew on the last bars that they look back on.

    Attributes
    ----------
    rebuilds
        How often a symbol was rebuilt, first builds included.
    """

    def __init__(
        self,
        members: Collection[str],
        settings: DataSettings,
        provider: DataProvider | None = None,
        calculators: Calculators | None = None,
    ) -> None:
        from signals.features import kernels

        self._kernels = kernels
        self._settings = settings
        self._provider = provider
        self._calculators = Calculators() if calculators is None else calculators
        self._warmup = max(WARMUP, self._calculators.lookback)
        self._calendar = TradingCalendar(settings.calendar)
        self._slots: dict[str, int] = {}
        self._buffers = np.zeros((0, 8, 2 * (kernels.WINDOW + 1)))
        self._ends = np.zeros(0, np.int64)
        self._states = np.zeros((0, kernels.N_STATE))
        self._rows = np.zeros((0, len(CATALOGUE) + len(self._calculators)), np.float32)
        self._seen: list[OHLCV | None] = []
        self._bases: list[_Basis] = []
        self._references = tuple(dict.fromkeys((settings.market, settings.volatility, *settings.sector_etfs.values())))
        self._joined: dict[str, OHLCV | None] = {}
        self._newest: int | None = None
        self._known: dict[str, _Known] = {}
        self.rebuilds = 0
        self.admit(members)

    def admit(self, symbols: Collection[str]) -> None:
        """Compute these symbols too, from now on; the state of the others stays."""
        fresh = sorted(set(symbols) - self._slots.keys())
        if not fresh:
            return
        self._slots |= {symbol: len(self._slots) + place for place, symbol in enumerate(fresh)}
        self._buffers, self._ends, self._states, self._rows = (
            np.concatenate([held, np.zeros((len(fresh), *held.shape[1:]), held.dtype)])
            for held in (self._buffers, self._ends, self._states, self._rows)
        )
        self._rows[-len(fresh) :] = np.nan
        self._seen += [None] * len(fresh)
        self._bases += [_UNKNOWN] * len(fresh)

    def reset(self, symbol: str | None = None) -> None:
        """Forget the state of `symbol` (None: of all); the next update rebuilds it."""
        if symbol is None:
            self._seen = [None] * len(self._seen)
        elif symbol in self._slots:
            self._seen[self._slots[symbol]] = None

    def update(self, slice_: Slice, data: Mapping[str, Sequence[OHLCV]]) -> Rows:
        """Return the rows of the members that have a bar at the slice's instant; idempotent for a slice.

        Parameters
        ----------
        data
            Bars of members and reference symbols, oldest first; at most the longest lookback and one are read.
        """
        now = slice_.timestamp
        time = to_micros(now)
        levels = self._follow_references(time, data)
        symbols: list[str] = []
        held: list[int] = []
        ready: list[bool] = []
        stepped: list[OHLCV] = []
        rebuilt: list[OHLCV] = []
        for symbol in slice_.bars:
            bars, slot = data.get(symbol), self._slots.get(symbol)
            if slot is None or not bars or (last := bars[-1]).timestamp != now:
                continue
            symbols.append(symbol)
            held.append(slot)
            ready.append(len(bars) > self._warmup)
            seen, before = self._seen[slot], bars[-2] if len(bars) > 1 else None
            follows = seen is not None and (seen is before or seen == before)
            if seen is not None and not follows and seen == last:
                continue
            under = self._basis(symbol, slice_, time)
            if follows and self._rests_on(slot, under):
                stepped.append(last)
            else:
                self._rebuild(slot, bars, under, data)
                rebuilt.append(last)
            self._seen[slot], self._bases[slot] = last, under
        self._step(stepped, levels, time)
        self._complete([*stepped, *rebuilt], data, time)
        self.rebuilds += len(rebuilt)
        return Rows(tuple(symbols), self._rows[held], np.array(ready, np.bool_), tuple(bar.symbol for bar in rebuilt))

    def _follow_references(self, time: int, data: Mapping[str, Sequence[OHLCV]]) -> dict[str, float]:
        """Return each reference's level as of now; forget everything where what was joined before has changed."""
        levels = {}
        for symbol in self._references:
            bars = data.get(symbol, ())
            if self._newest is not None and _as_of(bars, self._newest) != self._joined.get(symbol):
                self.reset()
            newest = self._joined[symbol] = _as_of(bars, time)
            columns = None if newest is None else BarColumns.of(symbol, [newest])
            levels[symbol] = float(join(np.array([time]), columns, self._calendar)[0])
        self._newest = time
        return levels

    def _basis(self, symbol: str, slice_: Slice, time: int) -> _Basis:
        if self._provider is None:
            return _UNKNOWN
        facts = self._known_of(symbol).facts
        steps = basis.applied(facts.actions, facts.adjusted, time) if facts.actions else ()
        return _Basis(steps, self._provider.sector(symbol, slice_.timestamp))

    def _rests_on(self, slot: int, under: _Basis) -> bool:
        """Whether the rows so far stay what they are: the same sector series, and no jump among them come or gone."""
        before, seen = self._bases[slot], self._seen[slot]
        if before is under:
            return True
        etfs = self._settings.sector_etfs
        if before.sector != under.sector and etfs.get(before.sector or "") != etfs.get(under.sector or ""):
            return False
        if seen is None or not (before.steps or under.steps):
            return True
        time = to_micros(seen.timestamp)
        return _until(before.steps, time) == _until(under.steps, time)

    def _rebuild(self, slot: int, bars: Sequence[OHLCV], under: _Basis, data: Mapping[str, Sequence[OHLCV]]) -> None:
        inputs = self._inputs(_tail(bars[-1].symbol, bars, WARMUP), under, data)
        out = np.empty((len(inputs), self._kernels.N_FEATURES), np.float32)
        self._states[slot] = 0.0
        self._kernels.run(inputs, 0, self._states[slot], out)
        kept = inputs[-self._kernels.WINDOW - 1 :]
        self._buffers[slot, :, : len(kept)] = kept.T
        self._ends[slot] = len(kept)
        self._rows[slot, KERNEL] = out[-1]

    def _inputs(self, past: BarColumns, under: _Basis, data: Mapping[str, Sequence[OHLCV]]) -> F8:
        names = (self._settings.market, self._settings.volatility, self._etf(under.sector))
        market, volatility, sector = (_tail(name, data.get(name, ()), self._warmup) for name in names)
        return kernel_bars(past, under.steps, (market, volatility, sector), self._calendar)

    def _step(self, newest: Sequence[OHLCV], levels: Mapping[str, float], time: int) -> None:
        if not newest:
            return
        slots = np.array([self._slots[bar.symbol] for bar in newest], np.int64)
        rows = np.empty((len(newest), 8))
        values = chain.from_iterable(map(_VALUES, newest))
        rows[:, :_MARKET] = np.fromiter(values, np.float64, _MARKET * len(newest)).reshape(-1, _MARKET)
        rows[:, _MARKET:] = levels[self._settings.market], levels[self._settings.volatility], np.nan
        for place, slot in enumerate(slots.tolist()) if self._provider is not None else ():
            under = self._bases[slot]
            if under.steps:
                price, volume = basis.factors(under.steps, np.array([time]))
                rows[place, :_VOLUME] *= price
                rows[place, _VOLUME] /= volume[0]
            if under.sector is not None:
                rows[place, -1] = levels.get(self._etf(under.sector), np.nan)
        out = np.empty((len(newest), self._kernels.N_FEATURES), np.float32)
        self._kernels.step(self._buffers, self._ends, slots, rows, self._states, out)
        self._rows[slots, KERNEL] = out

    def _complete(self, bars: Sequence[OHLCV], data: Mapping[str, Sequence[OHLCV]], time: int) -> None:
        """Write what is not the kernel's: the calendar's features, the user's own, and the facts'."""
        instant = np.array([time])
        slots = [self._slots[bar.symbol] for bar in bars]
        self._rows[slots, TEMPORAL] = temporal.compute(instant, self._calendar)
        for bar, slot in zip(bars, slots, strict=True) if len(self._calculators) else ():
            past = _tail(bar.symbol, data[bar.symbol], self._calculators.lookback)
            inputs = self._inputs(past, self._bases[slot], data)
            self._rows[slot, TEMPORAL.stop :] = self._calculators.compute(bar.symbol, past.time, inputs)[-1]
        if self._provider is None:
            return
        for bar, slot in zip(bars, slots, strict=True):
            under, end = self._bases[slot], int(self._ends[slot])
            volume = self._buffers[slot, _VOLUME, max(end - 20, 0) : end]
            average = basis.average_volume(volume, np.full(len(volume), basis.factors(under.steps, instant)[1][0]))
            close = np.array([bar.close])
            sectors = None if under.sector is None else (under.sector,)
            self._rows[slot, FACTS] = self._known_of(bar.symbol).features.at(instant, close, average[-1:], sectors)[0]

    def _known_of(self, symbol: str) -> _Known:
        """Return what is known now; facts are sorted again only where they changed, not at every load of others'."""
        assert self._provider is not None  # noqa: S101 (narrows the type; every caller has looked)
        held, revision = self._known.get(symbol), self._provider.revision
        if held is None or held.revision != revision:
            facts = facts_of(self._provider, symbol)
            features = held.features if held and held.facts == facts else FactFeatures(facts)
            held = self._known[symbol] = _Known(revision, facts, features)
        return held

    def _etf(self, sector: str | None) -> str:
        return self._settings.sector_etfs.get(sector or "", "")


def _as_of(bars: Sequence[OHLCV], time: int) -> OHLCV | None:
    place = bisect_right(bars, time, key=lambda bar: to_micros(bar.timestamp))
    return bars[place - 1] if place else None


def _until(steps: tuple[basis.Step, ...], time: int) -> tuple[basis.Step, ...]:
    return tuple(step for step in steps if step.effective <= time)


def _tail(symbol: str, bars: Sequence[OHLCV], before: int) -> BarColumns:
    return BarColumns.of(symbol, bars[-before - 1 :])
