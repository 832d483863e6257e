"""StrategyEngine: bars in, signals out, one strategy's failure never another's."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from importlib.metadata import entry_points
from types import MappingProxyType

from strategy.bars import OHLCV
from strategy.base import REFERENCE_PREFIX, BaseStrategy
from strategy.signal import Signal
from strategy.slices import Expected, Slice, SliceSynchroniser

__all__ = ["EngineError", "StrategyEngine"]

_LOG = logging.getLogger(__name__)
_GROUP = "vane.strategies"


class EngineError(ValueError):
    """A strategy that cannot be registered or found; the message says what to do."""


class StrategyEngine:
    """Form slices from bars and call every registered strategy on each.

    Parameters
    ----------
    universe
        Symbols that may be traded.
    expected
        Which symbols have a bar closing at an instant (by calendar), references included; None: all of the universe.
        With None an instant closes on the universe's last bar, so push references first: one that comes later is
        dropped as `BarFault.LATE` (counted, and logged once a symbol).
    min_hold_floor
        Least `min_hold_days` a strategy may have, in sessions. Two keeps an account clear of the pattern-day-trader
        rule.

    Attributes
    ----------
    failures
        Exceptions by strategy name: each is recorded and logged, and stops no other strategy.
    """

    def __init__(self, universe: Collection[str], *, expected: Expected | None = None, min_hold_floor: int = 2) -> None:
        self._universe = frozenset(universe)
        self._expected = expected
        self._floor = min_hold_floor
        self._strategies: dict[str, BaseStrategy] = {}
        self._references: frozenset[str] = frozenset()
        self._history: dict[str, list[OHLCV]] = {}
        self._failures: Counter[str] = Counter()
        self._absences: Counter[str] = Counter()
        self._last: datetime | None = None
        self._warned: set[str] = set()
        self.synchroniser = SliceSynchroniser(self._universe, expected=expected)

    @property
    def universe(self) -> frozenset[str]:
        """Symbols that may be traded."""
        return self._universe

    @property
    def references(self) -> frozenset[str]:
        """Symbols that strategies only look at."""
        return self._references

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each strategy raised."""
        return MappingProxyType(self._failures)

    @property
    def absences(self) -> Mapping[str, int]:
        """How often each symbol that had bars before was expected at a decided instant and had none."""
        return MappingProxyType(self._absences)

    @property
    def history(self) -> Mapping[str, list[OHLCV]]:
        """Bars seen so far by symbol; do not change the lists."""
        return MappingProxyType(self._history)

    def register_strategy(self, strategy: BaseStrategy | str, *, shadow: bool = False) -> None:
        """Add a strategy.

        Parameters
        ----------
        strategy
            The object, or the name of an entry point in the group ``vane.strategies`` that can be called without
            arguments.
        shadow
            Run it on every slice, but never return its signals; the strategy's own `shadow` is set to the same.

        Raises
        ------
        EngineError
            Unknown or duplicate name, a minimum hold below the floor, references that are also traded, or bars have
            already been seen.
        """
        if isinstance(strategy, str):
            strategy = _load(strategy)
        if self._last is not None or self.synchroniser.started:
            raise EngineError(f"register {strategy.name!r} before the first bar: it would start without history")
        if strategy.name in self._strategies:
            raise EngineError(f"a strategy named {strategy.name!r} is registered already: give this one another name")
        if strategy.min_hold_days < self._floor:
            raise EngineError(
                f"{strategy.name!r}: expected min_hold_days of {self._floor} or more (pattern-day-trader rule), "
                f"was {strategy.min_hold_days}; raise it, or lower min_hold_floor"
            )
        named = (need for need in strategy.get_required_data() if need.startswith(REFERENCE_PREFIX))
        references = {need.removeprefix(REFERENCE_PREFIX) for need in named}
        traded = sorted(references & self._universe)
        if traded:
            raise EngineError(
                f"{strategy.name!r} looks at {', '.join(traded)} as reference, so the universe must not trade it"
            )
        self._strategies[strategy.name] = strategy
        strategy.shadow = shadow
        self._references |= references
        self.synchroniser = SliceSynchroniser(self._universe | self._references, expected=self._awaited)

    def get_strategy(self, name: str) -> BaseStrategy:
        """Return the strategy registered as `name`, or raise `EngineError`."""
        try:
            return self._strategies[name]
        except KeyError:
            known = ", ".join(self.list_strategies()) or "none"
            raise EngineError(f"no strategy named {name!r}; registered: {known}") from None

    def list_strategies(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._strategies)

    def on_bar(self, bar: OHLCV) -> list[Signal]:
        """Take one bar; return the signals of every slice that it completes."""
        slices = self.synchroniser.push(bar)
        if bar.symbol in self._references:
            self._warn_if_late(bar)
        return [signal for slice_ in slices for signal in self.on_slice(slice_)]

    def flush(self, until: datetime | None = None) -> list[Signal]:
        """Close open instants up to `until` (None: all) and return their signals."""
        return [signal for slice_ in self.synchroniser.flush(until) for signal in self.on_slice(slice_)]

    def on_slice(self, slice_: Slice) -> list[Signal]:
        """Record one slice and call every strategy on it.

        Raises
        ------
        EngineError
            If the slice is not later than the one before.
        """
        data = self.record(slice_)
        if not data:
            return []
        # Strategies see only who has a bar; who was expected and did not come is counted here.
        self._absences.update(slice_.missing & self._universe & self._history.keys())
        signals: list[Signal] = []
        for name, strategy in self._strategies.items():
            try:
                made = list(strategy.generate_signals(dict(data)))  # a copy: what one drops, the next still sees
            except Exception:  # another strategy must not suffer; counted and logged with its trace
                self._failures[name] += 1
                _LOG.exception("strategy %s failed at %s", name, slice_.timestamp.isoformat())
                continue
            if not strategy.shadow:
                signals.extend(made)
        return signals

    def record(self, slice_: Slice) -> dict[str, list[OHLCV]]:
        """Add a slice to the history without deciding; return what strategies would be shown.

        Empty when no symbol of the universe has a bar at this instant. Use it for warm-up.
        """
        if self._last is not None and slice_.timestamp <= self._last:
            raise EngineError(f"expected a slice after {self._last.isoformat()}, was {slice_.timestamp.isoformat()}")
        self._last = slice_.timestamp
        for symbol, bar in slice_.bars.items():
            self._history.setdefault(symbol, []).append(bar)
        members = [symbol for symbol in slice_.bars if symbol in self._universe]
        if not members:
            return {}
        references = sorted(self._references & self._history.keys())
        return {symbol: self._history[symbol] for symbol in [*members, *references]}

    def _warn_if_late(self, bar: OHLCV) -> None:
        # A reference pushed after the universe would be missing for ever, in silence.
        if self._last is None or bar.timestamp > self._last or bar.symbol in self._warned:
            return
        self._warned.add(bar.symbol)
        _LOG.warning(
            "reference %s closed at %s came after its slice and was dropped: push references before the universe, "
            "or give the engine `expected`",
            bar.symbol,
            bar.timestamp.isoformat(),
        )

    def _awaited(self, stamp: datetime) -> Collection[str]:
        return self._universe if self._expected is None else self._expected(stamp)


def _load(name: str) -> BaseStrategy:
    found = entry_points(group=_GROUP)
    for entry in found:
        if entry.name == name:
            made: object = entry.load()()
            if not isinstance(made, BaseStrategy):
                raise EngineError(f"entry point {name!r} made {type(made).__name__}, expected a BaseStrategy")
            return made
    known = ", ".join(sorted(found.names)) or "none"
    raise EngineError(f"no entry point {name!r} in {_GROUP}; installed: {known}")
