"""Outcomes: what came of a decision, known once the close of the bar `horizon` bars later is there."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8
from signals.events.schema import Decision, Event, EventKind, Outlook

__all__ = ["CLASSES", "Matured", "Outcomes"]

CLASSES = ("DOWN", "FLAT", "UP")


@dataclass(frozen=True, slots=True)
class Matured:
    """One decision whose outcome is known.

    Parameters
    ----------
    decision
        The decision that was made `horizon` bars ago.
    rows
        Symbols with a close at both ends; the others have no label.
    accuracy
        Share of `rows` whose most probable class came true; NaN without rows.
    labels
        How many of `rows` came out as each of `CLASSES`.
    events
        One `outcome` event for each of the decision's signals that has a label, its id derived from the signal's.
    """

    decision: Decision
    rows: int
    accuracy: float
    labels: tuple[int, ...]
    events: list[Event]


class Outcomes:
    """Decisions that wait for their outcome, oldest first.

    Those on a session's close mature at the close that their outlook names, whatever comes in between or is missing;
    one whose slice does not come then has no outcome. Others mature `horizon` slices later: a bar is a slice seen.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Decision, Outlook]] = deque()
        self._slices = 0

    def mature(self, slice_: Decision) -> list[Matured]:
        """Take the next slice, of which only instant and closes are read; return what it lets mature."""
        self._slices += 1
        due, waiting = [], deque[tuple[int, Decision, Outlook]]()
        for taken, made, outlook in self._waiting:
            if outlook.until is None:
                left = taken + outlook.horizon - self._slices
            else:
                left = (outlook.until > slice_.timestamp) - (outlook.until < slice_.timestamp)
            if left > 0:
                waiting.append((taken, made, outlook))
            elif left == 0:
                due.append((made, outlook))
        self._waiting = waiting
        if not due:
            return []
        symbols, closes = _priced(slice_)
        return [_matured(made, outlook, symbols, closes, slice_) for made, outlook in due]

    def wait(self, decision: Decision) -> None:
        """Let the decision of the slice that was taken last mature in its turn; without an outlook it never does."""
        if decision.outlook is not None:
            self._waiting.append((self._slices, decision, decision.outlook))


def _matured(made: Decision, outlook: Outlook, symbols: Sequence[str], closes: F8, now: Decision) -> Matured:
    here, there = _common(made.symbols, symbols)
    moves = closes[there] / made.closes[here] - 1.0
    labels = _classes(moves, outlook)
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
            # A signal has one outcome: the log refuses another one.
            id=hashlib.sha256(f"outcome of {signal.id}".encode()).hexdigest()[:32],
        )
        for signal in made.signals
        if signal.symbol in place
    ]
    counts = tuple(np.bincount(labels, minlength=len(CLASSES)).tolist())
    return Matured(made, len(here), float(right.mean()) if len(here) else float("nan"), counts, events)


def _priced(slice_: Decision) -> tuple[tuple[str, ...], F8]:
    """Return everyone who has a close in a slice, predicted or not, and the closes."""
    if not slice_.others:
        return slice_.symbols, slice_.closes
    return (*slice_.symbols, *slice_.others), np.concatenate([slice_.closes, list(slice_.others.values())])


def _common(made: tuple[str, ...], now: Sequence[str]) -> tuple[I8, I8]:
    if made == now:
        rows = np.arange(len(now))
        return rows, rows
    place = {symbol: row for row, symbol in enumerate(now)}
    pairs = [(row, place[symbol]) for row, symbol in enumerate(made) if symbol in place]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _classes(moves: F8, outlook: Outlook) -> I8:
    from signals.ml.target import ROUNDING  # the trainer's own rule; its module needs pandas

    labels: I8 = 1 + (moves > outlook.up + ROUNDING).astype(np.int64) - (moves < outlook.down - ROUNDING)
    return labels
