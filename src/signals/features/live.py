"""LiveFeatures: the newest row of every symbol, in constant time a bar.

What is kept is only a cache of the bars that the engine passes. If the last bar seen is the one before the newest, the
kernel takes one step; if it is the newest, the row is there already; anything else (a restart, a restated bar, a gap, a
new symbol, an action that became known late, another sector, a reference that was restated) rebuilds the symbol from
its last `WARMUP` + 1 bars, and is counted. A host that restates deeper history calls `reset`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from signals.config import DataSettings
from signals.data.calendar import TradingCalendar
from signals.data.provider import DataProvider
from signals.data.records import F8, I8, BarColumns, CorporateAction, from_micros, to_micros
from signals.features import basis, temporal
from signals.features.batch import FACTS, KERNEL, TEMPORAL, WIDE, fact_rows, kernel_bars
from signals.features.calculators import Calculators
from signals.features.catalog import CATALOGUE, WARMUP
from signals.features.known import Basis, KnownFacts
from signals.features.references import TAIL, in_force, market_wide_now, on_one_basis, steps_in_time
from strategy.bars import OHLCV
from strategy.slices import Slice

__all__ = ["LiveFeatures", "Rows"]

_CLOSE, _VOLUME, _MARKET = 3, 4, 5
_VALUES = tuple(map(attrgetter, ("open", "high", "low", "close", "volume")))


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


_TIME = attrgetter("timestamp")
_NOTHING = object()
"""Stands where there is no bar before the newest."""


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
        self._known = KnownFacts(provider, TradingCalendar(settings.calendar))
        self._calculators = Calculators() if calculators is None else calculators
        self._warmup = max(WARMUP, self._calculators.lookback)
        self._calendar = TradingCalendar(settings.calendar)
        self._slots: dict[str, int] = {}
        self._memories = np.zeros((0, kernels.MEMORY))
        self._states = np.zeros((0, kernels.N_STATE))
        self._rows = np.zeros((0, len(CATALOGUE) + len(self._calculators)), np.float32)
        self._placed: tuple[tuple[str, ...], I8] = (), np.empty(0, np.int64)
        self._seen: dict[str, OHLCV] = {}
        self._bases: dict[str, Basis] = {}
        self._trail: tuple[tuple[str, ...], list[OHLCV], int] = (), [], -1
        self._references = tuple(dict.fromkeys((settings.market, settings.volatility, *settings.sector_etfs.values())))
        self._joined: dict[str, OHLCV | None] = {}
        self._steps: dict[str, tuple[basis.Step, ...]] = {}
        self._levels: dict[str, float] = {}
        self._revision = -1
        self._newest: datetime | None = None
        self.rebuilds = 0
        self.admit(members)

    def admit(self, symbols: Collection[str]) -> None:
        """Compute these symbols too, from now on; the state of the others stays."""
        if all(map(self._slots.__contains__, symbols)):
            return
        fresh = sorted(set(symbols) - self._slots.keys())
        self._placed = (), np.empty(0, np.int64)
        self._slots |= {symbol: len(self._slots) + place for place, symbol in enumerate(fresh)}
        self._memories, self._states, self._rows = (
            np.concatenate([held, np.zeros((len(fresh), *held.shape[1:]), held.dtype)])
            for held in (self._memories, self._states, self._rows)
        )
        self._rows[-len(fresh) :] = np.nan
        self._known.admit(fresh)

    def reset(self, symbol: str | None = None) -> None:
        """Forget the state of `symbol` (None: of all); the next update rebuilds it."""
        self._settle()
        if symbol is None:
            self._seen.clear()
        else:
            self._seen.pop(symbol, None)

    def has_references(self, symbols: Collection[str], now: datetime, data: Mapping[str, Sequence[OHLCV]]) -> bool:
        """Return whether features rest on each of some series and it has a bar at most one session old."""
        levels = self._follow_references(now, data)
        return not any(math.isnan(levels.get(symbol, math.nan)) for symbol in symbols)

    def closes(self, slice_: Slice) -> F8:
        """Return the close of each bar, all of members, on the basis of its symbol's first bar, shape (n,).

        A split makes no jump from the bar on at which it is known.
        """
        symbols, slots = tuple(slice_.bars), self._placed[1]
        if symbols != self._placed[0]:
            slots = np.array([self._slots[symbol] for symbol in symbols], np.int64)
        self._known.follow(symbols, slots, to_micros(slice_.timestamp))
        return np.array([bar.close for bar in slice_.bars.values()], np.float64) * self._known.price[slots]

    def update(self, slice_: Slice, data: Mapping[str, Sequence[OHLCV]]) -> Rows:
        """Return the rows of the members that have a bar at the slice's instant; idempotent for a slice.

        Parameters
        ----------
        data
            Bars of members and reference symbols, oldest first. Of members at most the longest lookback and one are
            read; references must reach as far back in time as those do.
        """
        try:
            return self._updated(slice_, data)
        except BaseException:
            self.reset()  # half of an update is none: the next one builds everything anew
            raise

    def _updated(self, slice_: Slice, data: Mapping[str, Sequence[OHLCV]]) -> Rows:
        now = slice_.timestamp
        time = to_micros(now)
        self._levels = self._follow_references(now, data)
        symbols, slots, histories = self._present(slice_, data)
        self._known.follow(symbols, slots, time)
        newest = [bars[-1] for bars in histories]
        stepped, rebuilt = self._told_apart(symbols, newest, histories)
        for place in rebuilt:
            self._rebuild(int(slots[place]), histories[place], data)
        self._step(slots[stepped], [newest[place] for place in stepped])
        if stepped or rebuilt:
            fresh = [*stepped, *rebuilt]
            self._complete([symbols[place] for place in fresh], slots[fresh], data, time)
            self._write_facts(symbols, slots, newest, time)
        self.rebuilds += len(rebuilt)
        ready = np.fromiter(map(len, histories), np.int64, len(histories)) > self._warmup
        return Rows(symbols, self._rows.take(slots, axis=0), ready, tuple(symbols[place] for place in rebuilt))

    def _present(
        self, slice_: Slice, data: Mapping[str, Sequence[OHLCV]]
    ) -> tuple[tuple[str, ...], I8, list[Sequence[OHLCV]]]:
        """Return the members that have a bar at the slice's instant, their slots and their bars."""
        given = [data.get(symbol, ()) for symbol in slice_.bars]
        # Most slices have the same symbols, and the bars that the engine passes; both are compared by identity first.
        known = tuple(slice_.bars) == self._placed[0] and all(given)
        if known and [bars[-1] for bars in given] == list(slice_.bars.values()):
            return *self._placed, given
        histories = {
            symbol: bars
            for symbol, bars in zip(slice_.bars, given, strict=True)
            if symbol in self._slots and bars and bars[-1].timestamp == slice_.timestamp
        }
        symbols = tuple(histories)
        self._placed = symbols, np.array([self._slots[symbol] for symbol in symbols], np.int64)
        return *self._placed, list(histories.values())

    def _told_apart(
        self, symbols: tuple[str, ...], newest: list[OHLCV], histories: Collection[Sequence[OHLCV]]
    ) -> tuple[list[int], list[int]]:
        """Return the places of symbols that take one step, and of those that must be rebuilt; remember their bars."""
        before = [bars[-2] if len(bars) > 1 else _NOTHING for bars in histories]
        # Lists compare by identity first. This holds at every bar but after a gap, a restart or a split.
        if self._trail == (symbols, before, self._known.changed):
            self._trail = symbols, newest, self._known.changed
            return list(range(len(symbols))), []
        self._settle()
        seen, under = list(map(self._seen.get, symbols)), list(map(self._known.bases.__getitem__, symbols))
        stepped, rebuilt = [], []
        for place, symbol in enumerate(symbols):
            follows = seen[place] == before[place]
            if follows and self._rests_on(symbol, under[place]):
                stepped.append(place)
            elif follows or seen[place] != newest[place]:
                rebuilt.append(place)
        for place in (*stepped, *rebuilt):
            self._seen[symbols[place]], self._bases[symbols[place]] = newest[place], under[place]
        # A symbol whose bar came again keeps its row: whether its basis still holds is asked at the next bar.
        if len(stepped) + len(rebuilt) == len(symbols):
            self._trail = symbols, newest, self._known.changed
        return stepped, rebuilt

    def _settle(self) -> None:
        """Write down, symbol by symbol, which bars the slices that came one after the other ended with."""
        symbols, newest, _ = self._trail
        self._seen.update(zip(symbols, newest, strict=True))
        self._trail = (), [], -1

    def _follow_references(self, now: datetime, data: Mapping[str, Sequence[OHLCV]]) -> dict[str, float]:
        """Return each reference's level as of now; forget everything where what was joined before has changed."""
        self._follow_splits()
        for symbol in self._references:
            bars = data.get(symbol, ())
            if self._newest is not None and _as_of(bars, self._newest) != self._joined.get(symbol):
                self.reset()
            self._joined[symbol] = _as_of(bars, now)
        self._newest = now
        newest = {symbol: bar for symbol, bar in self._joined.items() if bar is not None}
        time = np.array([to_micros(bar.timestamp) for bar in newest.values()], np.int64)
        known = in_force(to_micros(now), time, self._calendar).tolist()
        levels = {
            symbol: bar.close * self._factor(symbol, bar)
            for (symbol, bar), there in zip(newest.items(), known, strict=True)
            if there
        }
        return dict.fromkeys(self._references, math.nan) | levels

    def _follow_splits(self) -> None:
        """Look the references' splits up after a load; forget everything where they have changed."""
        if self._provider is None or self._provider.revision == self._revision:
            return
        self._revision = self._provider.revision
        facts, adjusted = self._provider.facts, self._provider.adjusted
        steps = {name: steps_in_time(facts(CorporateAction, name), adjusted) for name in self._references}
        if steps != self._steps:
            self._steps = steps
            self.reset()

    def _factor(self, symbol: str, bar: OHLCV) -> float:
        steps = self._steps.get(symbol, ())
        return float(basis.factors(steps, np.array([to_micros(bar.timestamp)]))[0][0]) if steps else 1.0

    def _rests_on(self, symbol: str, under: Basis) -> bool:
        """Whether the rows so far stay what they are: the same sector series, and no jump among them come or gone."""
        before, seen = self._bases.get(symbol), self._seen.get(symbol)
        if before is None or seen is None or self._etf(before.sector) != self._etf(under.sector):
            return False
        time = to_micros(seen.timestamp)
        return _until(before.steps, time) == _until(under.steps, time)

    def _rebuild(self, slot: int, bars: Sequence[OHLCV], data: Mapping[str, Sequence[OHLCV]]) -> None:
        inputs = self._inputs(_tail(bars[-1].symbol, bars, WARMUP), data)
        out = np.empty((len(inputs), self._kernels.N_FEATURES), np.float32)
        self._states[slot] = 0.0
        self._kernels.run(inputs, 0, self._states[slot], out)
        self._kernels.fill(inputs, self._memories[slot])
        self._rows[slot, KERNEL] = out[-1]

    def _inputs(self, past: BarColumns, data: Mapping[str, Sequence[OHLCV]]) -> F8:
        under = self._known.bases[past.symbol]
        names = (self._settings.market, self._settings.volatility, self._etf(under.sector))
        first = from_micros(int(past.time[0]))
        # By time and not by count: a symbol that seldom trades reaches further back than as many bars of the market.
        market, volatility, sector = (
            on_one_basis(_since(name, data.get(name, ()), first), self._steps.get(name, ())) for name in names
        )
        return kernel_bars(past, under.steps, (market, volatility, sector), self._calendar)

    def _step(self, slots: I8, newest: Sequence[OHLCV]) -> None:
        levels = self._levels
        rows = np.empty((len(newest), 8))
        for place, values in enumerate(_VALUES):
            rows[:, place] = np.fromiter(map(values, newest), np.float64, len(newest))
        rows[:, :_VOLUME] *= self._known.price[slots, None]
        rows[:, _VOLUME] /= self._known.volume[slots]
        rows[:, _MARKET:] = levels[self._settings.market], levels[self._settings.volatility], np.nan
        if self._settings.sector_etfs:
            etfs = (self._etf(self._known.bases[bar.symbol].sector) for bar in newest)
            rows[:, -1] = [levels.get(etf, np.nan) for etf in etfs]
        out = np.empty((len(newest), self._kernels.N_FEATURES), np.float32)
        self._kernels.step(self._memories, self._states, slots, rows, out)
        self._rows[slots, KERNEL] = out

    def _complete(self, symbols: Sequence[str], slots: I8, data: Mapping[str, Sequence[OHLCV]], time: int) -> None:
        """Write what the calendar and the references say, and the user's own, into the rows that have a new bar."""
        self._rows[slots, TEMPORAL] = temporal.compute_now(time, self._calendar)
        self._rows[slots, WIDE] = self._market_wide(data)
        for symbol, slot in zip(symbols, slots, strict=True) if len(self._calculators) else ():
            past = _tail(symbol, data[symbol], self._calculators.lookback)
            inputs = self._inputs(past, data)
            self._rows[slot, TEMPORAL.stop :] = self._calculators.compute(symbol, past.time, inputs)[-1]

    def _market_wide(self, data: Mapping[str, Sequence[OHLCV]]) -> list[float]:
        """Return what the references' newest bars say to every symbol, NaN where one is not in force."""
        market, volatility = self._settings.market, self._settings.volatility
        found = market_wide_now(*(self._newest_closes(name, data) for name in (market, volatility)))
        names = (market, volatility, volatility)
        return [math.nan if math.isnan(self._levels[name]) else value for name, value in zip(names, found, strict=True)]

    def _newest_closes(self, name: str, data: Mapping[str, Sequence[OHLCV]]) -> list[float]:
        bars, newest = data.get(name, ()), self._joined[name]
        if newest is None:
            return []
        place = len(bars) if bars[-1] is newest else bisect_right(bars, newest.timestamp, key=_TIME)
        tail = bars[max(place - TAIL, 0) : place]
        if self._steps.get(name):
            return list(on_one_basis(BarColumns.of(name, tail), self._steps[name]).values[:, _CLOSE].tolist())
        return [bar.close for bar in tail]

    def _write_facts(self, symbols: Sequence[str], slots: I8, newest: Sequence[OHLCV], time: int) -> None:
        """Write the facts' features of every symbol of the slice: one that came late moves its peers' medians."""
        if self._provider is None:
            return
        known, sectors = self._known.rows[slots], [self._known.bases[symbol].sector for symbol in symbols]
        close = np.array([bar.close for bar in newest])
        medians = self._known.medians(sectors, slots, close, time)
        session = self._calendar.closed_by(np.full(len(slots), time))
        volumes = self._memories[slots, self._kernels.VOLUMES_KEPT]
        average = basis.newest_average(volumes, self._states[slots, 0].astype(np.int64), self._known.volume[slots])
        self._rows[slots, FACTS] = fact_rows(known, medians, session, close, average, sectors)

    def _etf(self, sector: str | None) -> str:
        return self._settings.sector_etfs.get(sector or "", "")


def _as_of(bars: Sequence[OHLCV], now: datetime) -> OHLCV | None:
    for bar in bars[:-3:-1]:  # nearly always the newest, or the one before: a search would go through cold memory
        if bar.timestamp <= now:
            return bar
    place = bisect_right(bars, now, key=_TIME)
    return bars[place - 1] if place else None


def _until(steps: tuple[basis.Step, ...], time: int) -> tuple[basis.Step, ...]:
    return tuple(step for step in steps if step.effective <= time)


def _since(symbol: str, bars: Sequence[OHLCV], first: datetime) -> BarColumns:
    return BarColumns.of(symbol, bars[max(bisect_right(bars, first, key=_TIME) - 1, 0) :])


def _tail(symbol: str, bars: Sequence[OHLCV], before: int) -> BarColumns:
    return BarColumns.of(symbol, bars[-before - 1 :])
