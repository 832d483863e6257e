"""Emission: calibrated probabilities become signals, and every symbol without one gets its reason."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from signals.errors import FeatureError
from signals.events.schema import F4, F8, Abstention, Outlook
from strategy.signal import JSON, Signal, SignalDirection, signal_id

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.ml.artifact import ModelBundle

__all__ = ["Emission"]

DOWN, FLAT, UP = 0, 1, 2
_DIRECTION = {DOWN: SignalDirection.SHORT, UP: SignalDirection.LONG}
_EXPLAINABLE = 10_000
"""Emitted signals whose feature rows are kept for `explain`, the newest ones."""
_MODELS = 4
"""Models that are kept for them."""
_TOLD_BY_CLOSES = ("three_class", "fraction", "close_close")


@dataclass(frozen=True, slots=True)
class _Explainable:
    model: str
    row: F4
    predicted: int


class Emission:
    """Makes one strategy's signals, and remembers what they rest on.

    Parameters
    ----------
    settings
        Threshold, staleness and calendar.
    name
        The strategy that speaks.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._kept: OrderedDict[str, _Explainable] = OrderedDict()
        self._models: OrderedDict[str, ModelBundle] = OrderedDict()

    def signals(
        self, timestamp: datetime, symbols: Sequence[str], probabilities: F8, features: F4, bundle: ModelBundle
    ) -> tuple[list[Signal], dict[Abstention, tuple[str, ...]]]:
        """Return LONG and SHORT signals, and who abstained by reason.

        Parameters
        ----------
        probabilities
            Calibrated DOWN, FLAT, UP, shape (n, 3), of the n `symbols`.
        features
            The rows that they come from, shape (n, F), in the bundle's order.
        """
        predicted = probabilities.argmax(axis=1)
        confidence = probabilities.max(axis=1, initial=0.0)
        loud = confidence > self._settings.ml.confidence_threshold
        abstained: dict[Abstention, tuple[str, ...]] = {}
        for reason, mask in (
            (Abstention.PREDICTED_FLAT, predicted == FLAT),
            (Abstention.BELOW_THRESHOLD, (predicted != FLAT) & ~loud),
        ):
            if mask.any():
                abstained[reason] = tuple(compress(symbols, mask.tolist()))
        signals = []
        chosen = np.flatnonzero(loud & (predicted != FLAT))
        stale = self.stale(bundle, timestamp)
        expires = _expiry(self._settings.data.calendar, timestamp, bundle.horizon) if len(chosen) else None
        for position, row in zip(chosen.tolist(), probabilities[chosen].tolist(), strict=True):
            signal = self._signal(timestamp, symbols[position], row, bundle, stale=stale, expires=expires)
            self._kept[signal.id] = _Explainable(
                bundle.content_hash, features[position].copy(), int(predicted[position])
            )
            signals.append(signal)
        while len(self._kept) > _EXPLAINABLE:
            self._kept.popitem(last=False)
        if signals:
            self._models[bundle.content_hash] = bundle
            self._models.move_to_end(bundle.content_hash)
            while len(self._models) > _MODELS:
                self._models.popitem(last=False)
        return signals, abstained

    def explain(self, signal: Signal) -> list[tuple[str, float]]:
        """Return each feature's contribution to the margin of the signal's class, largest first.

        Raises
        ------
        FeatureError
            If the signal was not made here, or too long ago.
        """
        from signals.ml.explain import contributions

        kept = self._kept.get(signal.id)
        bundle = None if kept is None else self._models.get(kept.model)
        if kept is None or bundle is None:
            raise FeatureError(
                f"signal {signal.id}: its features are not kept here (those of the last {_EXPLAINABLE:,} signals of "
                f"{_MODELS} models are)"
            )
        return contributions(bundle, kept.row, kept.predicted)

    def stale(self, bundle: ModelBundle, timestamp: datetime) -> bool:
        """Whether the model's training data ended too long before a bar."""
        return timestamp - bundle.trained_until > timedelta(days=self._settings.ml.model_staleness_days)

    def outlook(self, bundle: ModelBundle, timestamp: datetime) -> Outlook | None:
        """Return how the outcome of a decision is told; None where closes cannot tell the model's labels.

        Those are thresholds in units of volatility, and returns between opens.
        """
        target = bundle.manifest.target
        if (target.kind, target.unit, target.prices) != _TOLD_BY_CLOSES:
            return None
        until = _expiry(self._settings.data.calendar, timestamp, target.horizon)
        return Outlook(target.horizon, target.up, target.down, until)

    def _signal(
        self,
        timestamp: datetime,
        symbol: str,
        probabilities: list[float],
        bundle: ModelBundle,
        *,
        stale: bool,
        expires: datetime | None,
    ) -> Signal:
        strength = max(probabilities)
        predicted = probabilities.index(strength)
        direction = _DIRECTION[predicted]
        metadata: dict[str, JSON] = {
            "prediction_class": predicted,
            "confidence": strength,
            "probabilities": tuple(probabilities),
            "model_version": bundle.version_id,
            "horizon_bars": bundle.horizon,
            "stale": stale,
        }
        return Signal(
            symbol=symbol,
            timestamp=timestamp,
            direction=direction,
            strength=strength,
            strategy_name=self._name,
            metadata=metadata,
            expires_at=expires,
            id=signal_id(self._name, symbol, timestamp, direction, strength, bundle.content_hash),
        )


@lru_cache(maxsize=4096)
def _expiry(calendar: str, timestamp: datetime, horizon: int) -> datetime | None:
    """Close of bar t + horizon by calendar; None for bars that do not end a session."""
    from signals.data.calendar import TradingCalendar
    from signals.data.records import to_micros

    sessions = TradingCalendar(calendar)
    if to_micros(timestamp) not in sessions.closes:
        return None
    return sessions.close_after(timestamp, horizon)
