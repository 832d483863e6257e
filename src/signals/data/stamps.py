"""From what a file's times mean to the close of each bar, and the order in which they came."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from signals.data.calendar import NO_SESSION, TradingCalendar, closing_delay
from signals.data.cells import DAY, NO_TIME
from signals.data.faults import Faults
from signals.data.records import I8
from signals.errors import BackwardsTime, ConfigError, DuplicateTime, NoSession

__all__ = ["check_sequence", "delays", "stamp_opens", "stamp_sessions"]


def delays(symbols: list[str], calendar: TradingCalendar, late: Collection[str] = ()) -> I8:
    """Return by how many microseconds each symbol's daily bar closes after the session; see `closing_delay`."""
    waits = (closing_delay(calendar.name, symbol, late) for symbol in symbols)
    return np.array([wait.total_seconds() * 1e6 for wait in waits], np.int64)


def stamp_sessions(
    time: I8, code: I8, symbols: list[str], calendar: TradingCalendar, faults: Faults, late: Collection[str] = ()
) -> None:
    """Turn session dates (microseconds of their midnight) into closes, in place; mark dates that are no session."""
    known = np.flatnonzero(time != NO_TIME)
    closes = calendar.closes_of(time[known] // DAY)
    closed = closes == NO_SESSION
    nowhere = np.zeros(len(time), bool)
    nowhere[known[closed]] = True
    faults.mark(nowhere, NoSession, "time")
    time[known] = np.where(closed, NO_TIME, closes + delays(symbols, calendar, late)[code[known]])


def check_sequence(time: I8, code: I8, file: I8, faults: Faults) -> None:
    """Mark sound rows whose symbol and time came before, then those earlier than the symbol's row before in the file.

    A refused row counts for neither: the row that mends it may follow.
    """
    rows = np.flatnonzero(faults.sound)
    order = rows[np.lexsort((time[rows], code[rows]))]  # stable: equal ones stay as they came
    again = (np.diff(time[order]) == 0) & (np.diff(code[order]) == 0)
    faults.mark(_mask(len(time), order[1:][again]), DuplicateTime)
    rows = np.flatnonzero(faults.sound)
    order = rows[np.lexsort((code[rows], file[rows]))]
    same = (np.diff(code[order]) == 0) & (np.diff(file[order]) == 0)
    faults.mark(_mask(len(time), order[1:][same & (np.diff(time[order]) < 0)]), BackwardsTime)


def stamp_opens(
    time: I8, code: I8, symbols: list[str], calendar: TradingCalendar, faults: Faults, late: Collection[str] = ()
) -> dict[int, int]:
    """Turn the opens of sound rows into closes, in place, and return the length of a bar by symbol, in microseconds.

    The length is the most common difference between a symbol's neighbouring opens (the longer of two as common, and
    that of all symbols for a symbol with one bar). A bar of a symbol that trades in sessions alone closes with its
    session at the latest: stamped later, a price made by then would be joined with facts that came after it.

    Raises
    ------
    ConfigError
        If no symbol has two bars, or bars are a day or longer on an exchange with sessions.
    """
    rows = np.flatnonzero(faults.sound)
    if not len(rows):
        return {}
    order = rows[np.lexsort((time[rows], code[rows]))]
    same = np.diff(code[order]) == 0
    gaps, owners = np.diff(time[order])[same], code[order][1:][same]
    if not len(gaps):
        raise ConfigError(
            "--stamped open (stamped='open'): expected two bars of a symbol or more, to tell how long a bar is"
        )
    overall = _most_common(gaps, np.zeros_like(owners))[0]
    lengths = {int(each): overall for each in np.unique(code[rows])} | _most_common(gaps, owners)
    if max(lengths.values()) >= DAY and calendar.name != "24/7":
        raise ConfigError(
            f"--stamped open (stamped='open'): bars of a day or longer do not close a day after they open on "
            f"{calendar.name}; give dates with --stamped session, or --calendar 24/7 (stamped=, calendar=)"
        )
    table = np.full(int(code.max()) + 1, overall)
    table[list(lengths)] = list(lengths.values())
    opened = time[rows]
    wait, closed = delays(symbols, calendar, late)[code[rows]], opened + table[code[rows]]
    session = np.minimum(np.searchsorted(calendar.closes, opened - wait, side="right"), len(calendar.closes) - 2)
    end = calendar.closes[session] + wait
    # Whoever has a bar that opens outside of sessions trades on after them, and so it does where sessions touch.
    outside = (opened < calendar.opens[session]) | (end <= opened)
    goes_on = np.isin(code[rows], code[rows][outside]) | (calendar.closes[session] == calendar.opens[session + 1])
    time[rows] = np.where(goes_on, closed, np.minimum(closed, end))
    return lengths


def _most_common(gaps: I8, owners: I8) -> dict[int, int]:
    pairs, counts = np.unique(np.column_stack([owners, gaps]), axis=0, return_counts=True)
    best = np.lexsort((pairs[:, 1], counts, pairs[:, 0]))
    return {int(pairs[each, 0]): int(pairs[each, 1]) for each in best}  # the last of an owner stays


def _mask(n: int, positions: I8) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(n, bool)
    mask[positions] = True
    return mask
