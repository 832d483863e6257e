"""What every strategy is: a pure function from bars to signals, with a name and declared needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from strategy.bars import OHLCV
from strategy.signal import Signal

__all__ = ["REFERENCE_PREFIX", "BaseStrategy", "Trainable"]

REFERENCE_PREFIX = "ref:"
"""`get_required_data` names a reference series as ``ref:SYMBOL``."""


class BaseStrategy(ABC):
    """A strategy that any engine can call on every slice.

    Attributes
    ----------
    name, description
        For registries, signals and reports.
    min_hold_days
        Sessions of the symbol, counted from the fill, before a position may be closed.
    warmup_bars
        Bars of history that must precede the decided bar; at most the last ``warmup_bars + 1`` are read.
    shadow
        Whether it runs beside others without being acted on. The engine sets it at registration, so that what the
        strategy records says the same as what the engine does.
    """

    name: str
    description: str
    min_hold_days: int
    warmup_bars: int
    shadow: bool = False

    @abstractmethod
    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        """Decide on the newest instant in `data`.

        Parameters
        ----------
        data
            Bars of each symbol, oldest first. Symbols of the universe that have a bar at this instant, and reference
            symbols. Lists are read-only and may be the engine's own growing lists.

        Returns
        -------
        list of Signal
            A pure function of `data`: live state may only be a cache of it.
        """

    def get_parameters(self) -> dict[str, object]:
        """Return what the strategy was configured with."""
        return {}

    def get_required_data(self) -> list[str]:
        """Return the kinds of data needed: ``ohlcv``, ``fundamentals``, ..., ``ref:SPY``."""
        return ["ohlcv"]

    def reset(self, symbol: str | None = None) -> None:  # noqa: B027 (a strategy without state has nothing to forget)
        """Forget what was cached about `symbol` (None: about all); call it after deeper history was restated."""


@runtime_checkable
class Trainable(Protocol):
    """A strategy that can be fitted at a boundary of a walk-forward run."""

    def fit(self, data: Mapping[str, Sequence[OHLCV]], until: datetime) -> str:
        """Fit on bars and facts known by `until`; return the version that was made."""
        ...
