"""Batch against stream: every row that the live view gives, bar by bar, must be the row of the whole history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from signals.audit.cases import Case, Ledger, Rows
from signals.audit.world import World
from signals.data.records import I8, from_micros, to_micros
from signals.feature_store import FeatureStore
from strategy.bars import OHLCV
from strategy.slices import Slice

__all__ = ["RESTARTED", "stream_cases"]

RESTARTED = 40
"""Bars before the end at which a second live view starts, with half of the universe in another order."""


def stream_cases(
    world: World, store: FeatureStore, ledger: Ledger, before: Mapping[str, Rows], step: Callable[[], None]
) -> None:
    """Play the whole world through a live view, and its end through a second one; compare both with batch."""
    whole = Case("stream", "bar by bar", world)
    played = _played(world, store, world.universe, world.instants, step)
    ledger.hold(whole, before, _on_time(before, world.universe, int(world.instants[0]), played))
    # A restart rebuilds every symbol from the bars that the engine holds, and the members come in another order.
    half = tuple(reversed(world.universe[::2]))
    late = Case("stream", "live view restarted, half of the symbols", world, peers=False)
    instants = world.instants[-RESTARTED:]
    played = _played(world, store, half, instants, step)
    ledger.hold(late, before, _on_time(before, half, int(instants[0]), played))


def _on_time(
    before: Mapping[str, Rows], members: Sequence[str], since: int, played: Mapping[str, Rows]
) -> dict[str, Rows]:
    """Return what was played at each of the members' bars; NaN where the live view was silent, which is no answer."""
    made = {}
    for symbol in members:
        time = before[symbol].time[before[symbol].time >= since]
        values = np.full((len(time), before[symbol].values.shape[1]), np.nan, np.float32)
        if symbol in played:
            values[np.searchsorted(time, played[symbol].time)] = played[symbol].values
        made[symbol] = Rows(time, values)
    return made


def _played(
    world: World, store: FeatureStore, members: Sequence[str], instants: I8, step: Callable[[], None]
) -> dict[str, Rows]:
    live = store.live(members, world.provider())
    found: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]] = {symbol: [] for symbol in members}
    closes: dict[str, list[int]] = {symbol: [] for symbol in members}
    for slice_, data in _slices(world, members, instants):
        rows = live.update(slice_, data)
        for symbol, values in zip(rows.symbols, rows.values, strict=True):
            found[symbol].append(values.copy())
            closes[symbol].append(to_micros(slice_.timestamp))
        step()
    return {
        symbol: Rows(np.array(closes[symbol], np.int64), np.array(values, np.float32))
        for symbol, values in found.items()
        if values
    }


def _slices(world: World, members: Sequence[str], instants: I8) -> Iterator[tuple[Slice, Mapping[str, list[OHLCV]]]]:
    """Yield each instant with the bars that had closed by then, in lists that grow as an engine's do."""
    references = world.columns.keys() - set(world.universe)
    coming = {symbol: iter(world.columns[symbol].bars()) for symbol in sorted({*members, *references})}
    following = {symbol: next(bars, None) for symbol, bars in coming.items()}
    data: dict[str, list[OHLCV]] = {symbol: [] for symbol in coming}
    for instant in instants.tolist():
        now = from_micros(instant)
        for symbol, bars in coming.items():
            bar = following[symbol]
            while bar is not None and bar.timestamp <= now:
                data[symbol].append(bar)
                bar = next(bars, None)
            following[symbol] = bar
        closed = {
            symbol: data[symbol][-1] for symbol in sorted(members) if data[symbol] and data[symbol][-1].timestamp == now
        }
        yield Slice(now, closed, frozenset()), data
