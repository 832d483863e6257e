"""What a strategy says: a frozen signal whose id is derived from its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from strategy.bars import require_utc

__all__ = ["JSON", "Signal", "SignalDirection", "canonical_json", "signal_id"]

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

JSON: TypeAlias = "str | int | float | bool | tuple[JSON, ...] | list[JSON] | Mapping[str, JSON] | None"


class SignalDirection(StrEnum):
    """The position that a signal asks for."""

    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no spaces, no NaN.

    Raises
    ------
    ValueError
        If a float in `value` is NaN or infinite: JSON has no name for it.
    """
    return _CANONICAL.encode(value)


def signal_id(
    strategy_name: str, symbol: str, timestamp: datetime, direction: SignalDirection, strength: float, content: str = ""
) -> str:
    """Return the 32 hexadecimal digits that name a signal.

    Parameters
    ----------
    content
        Hash of the model bundle's content, empty for strategies without a model: the same model gives the same ids
        whatever its version is called.
    """
    parts = [strategy_name, symbol, timestamp.isoformat(), direction.value, float(strength).hex(), content]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's opinion on one symbol at one instant.

    Parameters
    ----------
    symbol, timestamp
        The instrument and the close of the bar that was decided on (aware UTC).
    direction
        LONG, SHORT or FLAT.
    strength
        In [0, 1]; for model strategies the calibrated probability of the direction's class.
    strategy_name
        Who speaks.
    metadata
        Facts about the decision, JSON values only; copied and made read-only to the last level (lists become tuples).
    expires_at
        Close of bar t + horizon; None where the strategy has no horizon or no calendar.
    id
        Derived from the content by `signal_id` when left empty.

    Raises
    ------
    ValueError
        If `strength` is outside [0, 1], `direction` is none of the three, `metadata` holds NaN or infinity, or
        `expires_at` does not lie after `timestamp`.
    TypeError
        If `metadata` holds something that JSON has no name for.
    """

    symbol: str
    timestamp: datetime
    direction: SignalDirection
    strength: float
    strategy_name: str
    metadata: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    expires_at: datetime | None = None
    id: str = ""

    def __post_init__(self) -> None:
        require_utc(self.timestamp, self.symbol)
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"signal of {self.symbol!r}: expected a strength in [0, 1], was {self.strength!r}")
        object.__setattr__(self, "strength", float(self.strength))  # a NumPy float would not go into JSON
        object.__setattr__(self, "direction", SignalDirection(self.direction))
        if self.expires_at is not None:
            require_utc(self.expires_at, self.symbol)
            if self.expires_at <= self.timestamp:
                raise ValueError(
                    f"signal of {self.symbol!r}: expected expires_at after {self.timestamp.isoformat()}, "
                    f"was {self.expires_at.isoformat()}"
                )
        frozen = MappingProxyType({key: _frozen(value, key) for key, value in self.metadata.items()})
        object.__setattr__(self, "metadata", frozen)
        if not self.id:
            made = signal_id(self.strategy_name, self.symbol, self.timestamp, self.direction, self.strength)
            object.__setattr__(self, "id", made)

    def to_json(self) -> dict[str, JSON]:
        """Return the fields as JSON values; times in ISO 8601."""
        return {
            "id": self.id,
            "symbol": self.symbol,
            "timestamp": self.timestamp.isoformat(),
            "direction": self.direction.value,
            "strength": self.strength,
            "strategy_name": self.strategy_name,
            "metadata": _plain(self.metadata),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }


def _frozen(value: JSON, key: str) -> JSON:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"metadata {key!r}: expected a finite number, was {value!r}; leave it out or use None")
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(part, key) for part in value)
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(part, f"{key}.{name}") for name, part in value.items()})
    raise TypeError(f"metadata {key!r}: expected a JSON value, was {type(value).__name__}")


def _plain(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
