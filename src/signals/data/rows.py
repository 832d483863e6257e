"""The rows of all files laid end to end, checked: what was wrong with each, and the error that says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.cells import DAY, NO_OFFSET, NO_TIME, Times, names, numbers, times
from signals.data.faults import Faults, rule
from signals.data.files import FIELDS, RawFile
from signals.data.records import F8, I8, from_micros, to_micros
from signals.data.stamps import check_sequence, stamp_opens, stamp_sessions
from signals.data.zones import instants
from signals.errors import (
    BackwardsTime,
    BrokenOrder,
    FutureTime,
    NegativeVolume,
    NotFinite,
    NotPositive,
    NullValue,
    RowError,
    ThousandsSeparator,
    WrongType,
)

__all__ = ["Rows", "check_rows"]


@dataclass
class Rows:
    """n rows of one or more files.

    Parameters
    ----------
    raw
        The files, in the order read.
    file, row
        Position in `raw` and row of the file, shape (n,).
    code, symbols
        Position in `symbols`, shape (n,), and the names.
    time
        Closes in microseconds (`NO_TIME` where unknown), shape (n,).
    values
        Open, high, low, close, volume, shape (n, 5); NaN where the cell was no number.
    bar_seconds
        Length of a bar by symbol, where opens were stamped and it had to be inferred.
    """

    raw: list[RawFile]
    file: I8
    row: I8
    code: I8
    symbols: list[str]
    time: I8
    values: F8
    faults: Faults
    calendar: TradingCalendar
    now: datetime
    bar_seconds: dict[str, float]

    def text(self, index: int, field: str) -> str:
        """Return a cell as it came; an empty one as an empty text."""
        raw = self.raw[self.file[index]]
        local = int(np.searchsorted(raw.rows, self.row[index]))
        cell = raw.cells[field][local].as_py()
        return "" if cell is None else cell.isoformat() if hasattr(cell, "isoformat") else str(cell)

    def error(self, index: int) -> RowError:
        """Return the error of a faulty row."""
        kind, field = self.faults.of(index)
        expected, hint = rule(kind, field)
        expected = expected.format(field=field, calendar=self.calendar.name, now=self.now.isoformat())
        raw = self.raw[self.file[index]]
        if kind is BrokenOrder:
            got = ", ".join(f"{name} {self.text(index, name)}" for name in FIELDS[:4])
        elif field == "line":
            got = repr(raw.misfits[int(self.row[index])])
        else:
            got = (
                repr(self.text(index, field if field in raw.cells.column_names else "time"))
                if kind is not NullValue
                else "an empty cell"
            )
        if kind is BackwardsTime and self._newest_first(index):
            hint = "the file is sorted newest first: turn it round"
        if kind is FutureTime:
            got = f"{got} (closes {from_micros(int(self.time[index])).isoformat()})"
        return kind(
            expected, got, file=raw.name, row=int(self.row[index]), symbol=self.symbols[self.code[index]], hint=hint
        )

    def _newest_first(self, index: int) -> bool:
        same = (self.file == self.file[index]) & (self.code == self.code[index]) & (self.time != NO_TIME)
        return bool((np.diff(self.time[same]) < 0).all())


def check_rows(raw: list[RawFile], *, stamped: str, calendar: TradingCalendar, tz: str | None, now: datetime) -> Rows:
    """Check every row of the files; nothing is raised for a row, only marked.

    Raises
    ------
    ConfigError
        If `tz` is no zone, or bars stamped with their opens are a day long where the exchange has sessions.
    """
    faults, code, symbols, clocks, values = [], [], list[str](), [], []
    for each in raw:
        found = Faults(len(each.rows))
        found.mark(np.isin(each.rows, list(each.misfits)), WrongType, "line")
        local, known, unnamed = names(each.cells["symbol"])
        found.mark(unnamed, NullValue, "symbol")
        code.append(local + len(symbols))
        symbols.extend(known)
        clocks.append(_clock(times(each.cells["time"]), found, stamped, tz))
        values.append(_values(each, found))
        faults.append(found)
    unique, positions = np.unique(np.array(symbols, object), return_inverse=True)
    rows = Rows(
        raw,
        np.repeat(np.arange(len(raw)), [len(each.rows) for each in raw]),
        np.concatenate([each.rows for each in raw]),
        positions[np.concatenate(code)],
        [str(name) for name in unique],
        np.concatenate(clocks),
        np.concatenate(values),
        Faults.join(faults),
        calendar,
        now,
        {},
    )
    if stamped == "session":
        stamp_sessions(rows.time, rows.code, rows.symbols, calendar, rows.faults)
    check_sequence(rows.time, rows.code, rows.file, rows.faults)
    if stamped == "open":
        lengths = stamp_opens(rows.time, rows.code, rows.faults, calendar)
        rows.bar_seconds = {rows.symbols[code]: length / 1e6 for code, length in lengths.items()}
    rows.faults.mark(rows.time > to_micros(now), FutureTime)
    return rows


def _values(raw: RawFile, faults: Faults) -> F8:
    """Return open, high, low, close, volume, shape (n, 5), and mark what is wrong with them."""
    columns = {name: numbers(raw.cells[name]) for name in FIELDS}
    for name, column in columns.items():
        faults.mark(column.thousands, ThousandsSeparator, name)
        faults.mark(column.wrong, WrongType, name)
    for name, column in columns.items():
        faults.mark(column.null, NullValue, name)
    for name, column in columns.items():
        faults.mark(~np.isfinite(column.values) & ~column.null, NotFinite, name)
    values = np.column_stack([column.values for column in columns.values()])
    for position, name in enumerate(FIELDS[:4]):
        faults.mark(values[:, position] <= 0, NotPositive, name)
    open_, high, low, close, volume = values.T
    faults.mark((open_ < low) | (open_ > high) | (close < low) | (close > high) | (low > high), BrokenOrder)
    faults.mark(volume < 0, NegativeVolume, "volume")
    return np.ascontiguousarray(values)


def _clock(found: Times, faults: Faults, stamped: str, tz: str | None) -> I8:
    """Return session dates as microseconds of their midnight, or instants; `NO_TIME` where there is none."""
    faults.mark(found.null, NullValue, "time")
    faults.mark(found.wrong, WrongType, "time")
    if stamped != "session":
        faults.mark(found.dated, WrongType, "clock")
        return instants(found, faults, tz)
    instants(found._replace(null=found.null | (found.offset == NO_OFFSET)), faults, tz)
    usable = ~found.null & ~found.wrong
    faults.mark(usable & (found.wall % DAY != 0), WrongType, "session")
    return np.where(usable & (found.wall % DAY == 0), found.wall, NO_TIME)
