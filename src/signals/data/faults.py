"""What can be wrong with a row, in the order in which it is looked for, and the sentence that says so."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signals.data.cells import B1
from signals.errors import (
    BackwardsTime,
    BrokenOrder,
    DuplicateTime,
    FutureTime,
    MixedZones,
    NaiveTime,
    NegativeVolume,
    NoSession,
    NotFinite,
    NotPositive,
    NullValue,
    RowError,
    ThousandsSeparator,
    WrongType,
)

__all__ = ["KINDS", "Faults", "Rule", "rule"]

U1: TypeAlias = NDArray[np.uint8]

KINDS: tuple[type[RowError], ...] = (
    WrongType,
    ThousandsSeparator,
    NullValue,
    NotFinite,
    NotPositive,
    BrokenOrder,
    NegativeVolume,
    NaiveTime,
    MixedZones,
    NoSession,
    DuplicateTime,
    BackwardsTime,
    FutureTime,
)

_FIELDS = ("", "line", "symbol", "time", "clock", "session", "open", "high", "low", "close", "volume")


class Rule(NamedTuple):
    """What a fault's sentence expects, and what to do."""

    expected: str
    hint: str = ""


_RULES: dict[tuple[type[RowError], str], Rule] = {
    (WrongType, ""): Rule("{field} as a number"),
    (WrongType, "line"): Rule("as many cells as the header has", "commas inside a number need quotes, or better: none"),
    (WrongType, "time"): Rule(
        "a date such as 2017-01-13 or a time such as 2024-01-31T16:00:00-05:00 (ISO 8601)",
        "rewrite the column before reading: whether 1/2/2017 is in January or in February is not guessed",
    ),
    (WrongType, "clock"): Rule("a time of day", "dates are read with --stamped session (stamped='session')"),
    (WrongType, "session"): Rule(
        "a session date without a time of day", "times are read with --stamped open or --stamped close (stamped=...)"
    ),
    (ThousandsSeparator, ""): Rule("{field} as a plain number such as 1234.5", "write it without separators"),
    (NullValue, ""): Rule("a value for {field}"),
    (NotFinite, ""): Rule("a finite {field}"),
    (NotPositive, ""): Rule("{field} above zero"),
    (BrokenOrder, ""): Rule("low <= open, close <= high"),
    (NegativeVolume, ""): Rule("a volume of zero or more"),
    (NaiveTime, ""): Rule(
        "an unambiguous time with its zone",
        "give the zone: --tz America/New_York (tz=...); for session dates: --stamped session",
    ),
    (MixedZones, ""): Rule(
        "one zone in the whole file", "write UTC, or give the zone of all rows: --tz America/New_York (tz=...)"
    ),
    (NoSession, ""): Rule("a session of {calendar}", "the exchange was closed that day: is the calendar right?"),
    (DuplicateTime, ""): Rule("one bar a symbol and time", "keep one of them"),
    (BackwardsTime, ""): Rule("a time later than that of the symbol's row before", "sort each symbol's rows by time"),
    (FutureTime, ""): Rule("a bar that closed by {now}", "it had not closed when it was read"),
}


def rule(kind: type[RowError], field: str) -> Rule:
    """Return the rule of a fault in a field; its sentence may hold the blanks field, calendar and now."""
    return _RULES.get((kind, field)) or _RULES[kind, ""]


class Faults:
    """The first fault found in each of n rows.

    Attributes
    ----------
    reason
        ``uint8`` of shape (n,): 0 where the row is sound, else 1 + the position in `KINDS`.
    fields
        How many rows of each kind showed it in which field; a row can show one kind in several.
    """

    def __init__(self, n: int) -> None:
        self.reason: U1 = np.zeros(n, np.uint8)
        self._field: U1 = np.zeros(n, np.uint8)
        self.fields: Counter[tuple[type[RowError], str]] = Counter()

    @classmethod
    def join(cls, parts: list[Faults]) -> Faults:
        """Lay the rows of several end to end."""
        whole = cls(0)
        whole.reason = np.concatenate([part.reason for part in parts])
        whole._field = np.concatenate([part._field for part in parts])
        for part in parts:
            whole.fields.update(part.fields)
        return whole

    @property
    def sound(self) -> B1:
        """Rows without fault, shape (n,)."""
        return np.asarray(self.reason == 0)

    def mark(self, mask: B1, kind: type[RowError], field: str = "") -> None:
        """Give the rows of `mask` this fault, except those that have an earlier one."""
        if not mask.any():
            return
        code = KINDS.index(kind) + 1
        fresh = mask & self.sound
        self.reason[fresh] = code
        self._field[fresh] = _FIELDS.index(field)
        self.fields[kind, field] += int((mask & (self.reason == code)).sum())

    def of(self, row: int) -> tuple[type[RowError], str]:
        """Return a faulty row's kind and field."""
        return KINDS[self.reason[row] - 1], _FIELDS[self._field[row]]
