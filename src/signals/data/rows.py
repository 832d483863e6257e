"""The rows of all files laid end to end, checked: what was wrong with each, and the error that says it."""

from __future__ import annotations

from collections.abc import Collection
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


@dataclass(frozen=True)
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
        Lengths of a bar, where opens were stamped and it had to be inferred.
    late
        Symbols whose daily bars close some minutes after the session, besides those known for it.
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
    bar_seconds: tuple[float, ...]
    late: Collection[str] = ()

    def text(self, index: int, field: str) -> str:
        """Return a cell as it came; an empty one as an empty text."""
        raw = self.raw[self.file[index]]
        local = int(np.searchsorted(raw.rows, self.row[index]))
        cell = raw.cells[field][local]
        try:
            value = cell.as_py()
        except (ValueError, OverflowError):  # a time that no datetime can hold
            value = f"{cell.type} out of range"
        return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)

    def error(self, index: int) -> RowError:
        """Return the error of a faulty row."""
        kind, field = self.faults.of(index)
        expected, hint = rule(kind, field)
        expected = expected.format(field=field, calendar=self.calendar.name, now=self.now.isoformat())
        raw = self.raw[self.file[index]]
        got = repr(self.text(index, field if field in raw.cells.column_names else "time"))
        if kind is BrokenOrder:
            got = ", ".join(f"{name} {self.text(index, name)}" for name in FIELDS[:4])
        elif kind is NullValue:
            got = "an empty cell"
        elif kind is FutureTime:
            got += f", which closes at {from_micros(int(self.time[index])).isoformat()}"
        elif field == "line":
            got = repr(raw.misfits[int(self.row[index])])
        elif kind is BackwardsTime and self._newest_first(index):
            hint = "the file is sorted newest first: turn it round"
        symbol = self.symbols[self.code[index]]
        return kind(expected, got, file=raw.name, row=int(self.row[index]), symbol=symbol, hint=hint)

    def raise_first(self) -> None:
        """Raise the error of the first refused row, if there is one."""
        refused = np.flatnonzero(~self.faults.sound)
        if len(refused):
            raise self.error(int(refused[0]))

    def _newest_first(self, index: int) -> bool:
        same = (self.file == self.file[index]) & (self.code == self.code[index]) & (self.time != NO_TIME)
        return bool((np.diff(self.time[same]) < 0).all())


def check_rows(
    raw: list[RawFile],
    *,
    stamped: str,
    calendar: TradingCalendar,
    tz: str | None,
    now: datetime,
    late: Collection[str] = (),
) -> Rows:
    """Check every row of the files; nothing is raised for a row, only marked.

    Raises
    ------
    ConfigError
        If `tz` is no zone, or bars stamped with their opens are a day long where the exchange has sessions.
    """
    parts, codes, named, clocks, values = [], [], list[str](), [], []
    for each in raw:
        found = Faults(len(each.rows))
        found.mark(np.isin(each.rows, list(each.misfits)), WrongType, "line")
        local, known, unnamed = names(each.cells["symbol"])
        found.mark(unnamed, NullValue, "symbol")
        codes.append(local + len(named))
        named.extend(known)
        clocks.append(_clock(times(each.cells["time"]), found, stamped, tz))
        values.append(_values(each, found))
        parts.append(found)
    symbols = sorted(set(named))
    position = {name: code for code, name in enumerate(symbols)}
    code = np.array([position[name] for name in named], np.int64)[np.concatenate(codes)]
    file = np.repeat(np.arange(len(raw)), [len(each.rows) for each in raw])
    time, faults, lengths = np.concatenate(clocks), Faults.join(parts), dict[int, int]()
    if stamped == "session":
        stamp_sessions(time, code, symbols, calendar, faults, late)
    faults.mark(time > to_micros(now), FutureTime, "time")  # first: a time from the future puts no other in the past
    check_sequence(time, code, file, faults)
    if stamped == "open":
        lengths = stamp_opens(time, code, symbols, calendar, faults, late)
        faults.mark(time > to_micros(now), FutureTime, "time")
    return Rows(
        raw=raw,
        file=file,
        row=np.concatenate([each.rows for each in raw]),
        code=code,
        symbols=symbols,
        time=time,
        values=np.concatenate(values),
        faults=faults,
        calendar=calendar,
        now=now,
        bar_seconds=tuple(sorted({length / 1e6 for length in lengths.values()})),
        late=late,
    )


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
