"""Outcomes: what came of a decision, known once the close `horizon` slices later is there."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from signals.data.records import F8, I8
from signals.events.schema import Decision, Event, EventKind

__all__ = ["CLASSES", "Matured", "Outcomes", "Target"]

CLASSES = ("DOWN", "FLAT", "UP")
_TOLD_BY_CLOSES = ("three_class", "fraction", "close_close")


class Target(Protocol):
    """What the classes mean; a bundle's manifest has one."""

    @property
    def horizon(self) -> int:
        """Slices from decision to outcome."""
        ...

    @property
    def up(self) -> float:
        """Returns above it are UP, as a fraction of the close."""
        ...

    @property
    def down(self) -> float:
        """Returns below it are DOWN, as a fraction of the close."""
        ...

    @property
    def kind(self) -> str:
        """What the labels are."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the thresholds."""
        ...

    @property
    def prices(self) -> str:
        """Which prices the returns are between."""
        ...


@dataclass(frozen=True, slots=True)
class Matured:
    """One decision whose outcome is known.

    Parameters
    ----------
    decision
        The decision that was made `horizon` slices ago.
    rows
        Symbols with a close at both ends; the others have no label.
    accuracy
        Share of `rows` whose most probable class came true; NaN without rows.
    labels
        How many of `rows` came out as each of `CLASSES`.
    events
        One `outcome` event for each of the decision's signals that has a label.
    """

    decision: Decision
    rows: int
    accuracy: float
    labels: tuple[int, ...]
    events: list[Event]


class Outcomes:
    """Decisions that wait for their outcome, oldest first; a bar is a slice seen."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Decision, Target]] = deque()
        self._slices = 0

    def add(self, decision: Decision, target: Target) -> list[Matured]:
        """Take the next slice's decision; return what it lets mature."""
        matured = self.mature(decision)
        self.wait(decision, target)
        return matured

    def mature(self, slice_: Decision) -> list[Matured]:
        """Take the next slice, of which only instant, symbols and closes are read; return what it lets mature."""
        self._slices += 1
        due = [(made, goal) for when, made, goal in self._waiting if when == self._slices]
        self._waiting = deque(item for item in self._waiting if item[0] > self._slices)
        return [_matured(made, slice_, goal) for made, goal in due]

    def wait(self, decision: Decision, target: Target) -> None:
        """Let the decision of the slice that was taken last mature in its turn.

        One whose labels closes cannot tell (thresholds in units of volatility, returns between opens) never does.
        """
        if (target.kind, target.unit, target.prices) != _TOLD_BY_CLOSES:
            return
        self._waiting.append((self._slices + target.horizon, decision, target))


def _matured(made: Decision, now: Decision, target: Target) -> Matured:
    here, there = _common(made.symbols, now.symbols)
    moves = now.closes[there] / made.closes[here] - 1.0
    labels = _classes(moves, target)
    right = made.probabilities[here].argmax(axis=1) == labels
    rows = ((signal, bisect_left(made.symbols, signal.symbol)) for signal in made.signals)  # symbols are sorted
    place = {signal.symbol: int(np.searchsorted(here, row)) for signal, row in rows if row in here}
    events = [
        Event(
            EventKind.OUTCOME,
            now.timestamp,
            {
                "signal_id": signal.id,
                "symbol": signal.symbol,
                "direction": signal.direction.value,
                "label": CLASSES[labels[place[signal.symbol]]],
                "realised_return": float(moves[place[signal.symbol]]),
                "matured_at": now.timestamp.isoformat(),
            },
        )
        for signal in made.signals
        if signal.symbol in place
    ]
    counts = tuple(np.bincount(labels, minlength=len(CLASSES)).tolist())
    return Matured(made, len(here), float(right.mean()) if len(here) else float("nan"), counts, events)


def _common(made: tuple[str, ...], now: tuple[str, ...]) -> tuple[I8, I8]:
    if made == now:
        rows = np.arange(len(now))
        return rows, rows
    place = {symbol: row for row, symbol in enumerate(now)}
    pairs = [(row, place[symbol]) for row, symbol in enumerate(made) if symbol in place]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _classes(moves: F8, target: Target) -> I8:
    from signals.ml.target import ROUNDING  # the trainer's own rule; its module needs pandas

    labels: I8 = 1 + (moves > target.up + ROUNDING).astype(np.int64) - (moves < target.down - ROUNDING)
    return labels
