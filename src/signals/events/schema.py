"""What is recorded: decisions and events, each under an id derived from its content."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy.signal import JSON, Signal, canonical_json

__all__ = ["F4", "F8", "U2", "Abstention", "Decision", "Event", "EventKind", "EventSink", "MemorySink", "Outlook"]

F4: TypeAlias = NDArray[np.float32]
F8: TypeAlias = NDArray[np.float64]
U2: TypeAlias = NDArray[np.uint16]

SCHEMA_VERSION = 1


class EventKind(StrEnum):
    """The kinds of events, each with a documented body (docs/design.md, contract 8)."""

    SIGNAL = "signal"
    SHADOW_SIGNAL = "shadow_signal"
    DRIFT = "drift"
    ACTIVATION = "activation"
    VERDICT = "verdict"
    ABSTENTIONS = "abstentions"
    OUTCOME = "outcome"
    EXPLANATION = "explanation"
    ALERT = "alert"
    FEED = "feed"


class Abstention(StrEnum):
    """Why a symbol got no prediction, or a prediction no signal."""

    NO_MODEL = "no_model"
    MODEL_FROM_FUTURE = "model_from_future"
    STALE_MODEL = "stale_model"
    NO_REFERENCE = "no_reference"
    NO_BAR = "no_bar"
    WARMING_UP = "warming_up"
    BELOW_THRESHOLD = "below_threshold"
    PREDICTED_FLAT = "predicted_flat"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Parameters
    ----------
    kind, at, body
        What, when in market time (aware UTC), and its JSON body.
    version
        Version of the body's schema.
    id
        32 hexadecimal digits derived from kind, `at` and body when left empty, so that the same event recorded twice
        is one event.

    Attributes
    ----------
    text
        The body as canonical JSON.
    """

    kind: EventKind
    at: datetime
    body: Mapping[str, JSON]
    version: int = SCHEMA_VERSION
    id: str = ""
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"event of kind {self.kind.value}: expected an aware time, was {self.at.isoformat()}")
        body = dict(self.body)
        object.__setattr__(self, "text", canonical_json(body))
        if not self.id:
            text = f'["{self.kind.value}","{self.at.isoformat()}",{self.text}]'  # canonical JSON of the three
            object.__setattr__(self, "id", hashlib.sha256(text.encode()).hexdigest()[:32])
        object.__setattr__(self, "body", MappingProxyType(body))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a decision's classes mean, where closes can tell: its outcome can be told without its model.

    Parameters
    ----------
    horizon
        Bars from decision to outcome.
    up, down
        Returns above the one are UP, below the other DOWN, as fractions of the close.
    until
        Close of the bar that decides, aware UTC; None for bars that end no session of the calendar.
    """

    horizon: int
    up: float
    down: float
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy decided on one slice: the unit of durability and of monitoring.

    Parameters
    ----------
    symbols
        Symbols that got a prediction, sorted, n of them.
    closes
        Their closes, shape (n,), on the basis of the first bar: a split that was known makes no jump.
    probabilities
        Calibrated DOWN, FLAT, UP, shape (n, 3).
    bin_counts
        How many of the n rows fell into each of the model's reference bins, shape (features, bins).
    abstained
        Symbols without a signal, by reason.
    others
        Closes, on the same basis, of the symbols that have a bar and got no prediction.
    outlook
        How its outcome is told; None: by nothing that is recorded.
    """

    timestamp: datetime
    strategy_name: str
    model_version: str | None
    shadow: bool
    symbols: tuple[str, ...]
    closes: F8
    probabilities: F4
    bin_counts: U2
    abstained: Mapping[Abstention, tuple[str, ...]] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    outlook: Outlook | None = None

    def events(self) -> list[Event]:
        """Return the decision's own events: one a signal (under the signal's id), one with the abstentions' counts.

        In shadow the ids are the events' own: the same signal may be made by the active model.
        """
        kind = EventKind.SHADOW_SIGNAL if self.shadow else EventKind.SIGNAL
        made = [
            Event(kind, signal.timestamp, signal.to_json(), id="" if self.shadow else signal.id)
            for signal in self.signals
        ]
        if self.abstained:
            counts: dict[str, JSON] = {reason.value: len(names) for reason, names in sorted(self.abstained.items())}
            body: dict[str, JSON] = {"strategy": self.strategy_name, "shadow": self.shadow, "counts": counts}
            made.append(Event(EventKind.ABSTENTIONS, self.timestamp, body))
        return made


class EventSink(Protocol):
    """Where a strategy puts what it decided."""

    def record(self, decision: Decision, events: Sequence[Event] = ()) -> None:
        """Make one decision and the events that came with it durable, together or not at all."""
        ...


class MemorySink:
    """The default sink: it remembers the newest, and forgets all when the process ends.

    Parameters
    ----------
    keep
        How many decisions are remembered, and ten times as many events: an engine may run for months. What has to
        outlast that belongs in an `EventLog`.

    Attributes
    ----------
    decisions, events
        The newest of those recorded, oldest first.
    """

    def __init__(self, keep: int = 1_000) -> None:
        self.decisions: deque[Decision] = deque(maxlen=keep)
        self.events: deque[Event] = deque(maxlen=10 * keep)

    def record(self, decision: Decision, events: Sequence[Event] = ()) -> None:
        """Remember one decision and its events."""
        self.decisions.append(decision)
        self.events.extend([*decision.events(), *events])
