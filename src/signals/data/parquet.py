"""Bars from CSV and Parquet files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from signals.data.calendar import TradingCalendar
from signals.data.files import RawFile, find_files, read_raw
from signals.data.provider import InMemoryProvider
from signals.data.quarantine import write_quarantine
from signals.data.records import Adjusted, to_micros
from signals.data.rows import check_rows
from signals.data.table import BarTable
from signals.errors import ConfigError, EmptyFile

__all__ = ["STAMPS", "FileLoader", "read_bars"]

STAMPS = ("open", "close", "session")


def read_bars(
    path: str | Path,
    *,
    stamped: str,
    calendar: str = "XNYS",
    tz: str | None = None,
    on_bad: str = "raise",
    quarantine_to: Path | None = None,
    adjusted: Adjusted = Adjusted.SPLIT,
    symbols: Collection[str] | None = None,
    late: Collection[str] = (),
    now: datetime | None = None,
) -> BarTable:
    """Read bars from a CSV or Parquet file, or from all those in a folder, and check every row.

    Parameters
    ----------
    path
        Its columns: a time (``date``, ``datetime``, ``timestamp`` or ``time``), ``open``, ``high``, ``low``, ``close``,
        ``volume`` and ``symbol``, in any case; without ``symbol``, the file's stem is the symbol.
    stamped
        What a time in the file means: the bar's ``open`` (its length is then inferred, see the report), its ``close``,
        or a ``session`` date, which becomes that session's close. There is no default: a wrong guess looks ahead.
    calendar
        The exchange, as `TradingCalendar` takes it.
    tz
        IANA zone of times without one.
    on_bad
        ``raise`` the error of the first refused row, or ``quarantine``: go on with the others.
    quarantine_to
        CSV for the refused rows and their reasons.
    adjusted
        What the prices were adjusted for with hindsight.
    symbols
        Read these only; rows of others are not counted.
    late
        Symbols whose sessions close 15 minutes after the exchange's, as Cboe's volatility indices do: those are known
        by name; a volatility index of one's own is named here.
    now
        The moment of reading (default: the clock); a bar that closes later is refused.

    Raises
    ------
    FileError, RowError
        A file or a row was refused; the classes are in `signals.errors`.
    ConfigError
        An argument is impossible.
    """
    if stamped not in STAMPS:
        raise ConfigError(f"stamped: expected open, close or session, was {stamped!r}")
    if on_bad not in ("raise", "quarantine"):
        raise ConfigError(f"on_bad: expected raise or quarantine, was {on_bad!r}")
    raw = [_chosen(read_raw(each), symbols) for each in find_files(Path(path))]
    _refuse_absent(raw, symbols, str(path))
    rows = check_rows(
        raw,
        stamped=stamped,
        calendar=TradingCalendar(calendar),
        tz=tz,
        now=datetime.now(UTC) if now is None else now,
        late=late,
    )
    if on_bad == "raise":
        rows.raise_first()
    if quarantine_to is not None:
        write_quarantine(rows, quarantine_to)
    return BarTable.of(rows, adjusted)


class FileLoader:
    """The `Loader` of files: it reads them anew, off the event loop's thread, and swaps what has newer bars.

    Parameters
    ----------
    read
        What to read: ``partial(read_bars, path, stamped="session")``.
    """

    def __init__(self, read: Callable[[], BarTable]) -> None:
        self._read = read

    async def refresh(self, into: InMemoryProvider, since: datetime | None) -> None:
        """Load every symbol that has a bar later than `since` (None: every symbol), with all its bars."""
        table = await asyncio.to_thread(self._read)
        floor = None if since is None else to_micros(since)
        fresh = [each for each in table.columns.values() if floor is None or (len(each) and each.time[-1] > floor)]
        if fresh:
            into.load(fresh, adjusted=table.adjusted)


def _chosen(raw: RawFile, symbols: Collection[str] | None) -> RawFile:
    if symbols is None:
        return raw
    import pyarrow as pa
    import pyarrow.compute as pc

    name = pc.utf8_trim_whitespace(raw.cells["symbol"].cast(pa.string()))
    keep = pc.fill_null(pc.is_in(name, pa.array(sorted(symbols), pa.string())), False)
    return RawFile(raw.name, raw.cells.filter(keep), raw.rows[keep.to_numpy(zero_copy_only=False)], raw.misfits)


def _refuse_absent(raw: list[RawFile], symbols: Collection[str] | None, path: str) -> None:
    if symbols is None:
        return
    import pyarrow as pa

    found = {str(name).strip() for each in raw for name in each.cells["symbol"].cast(pa.string()).unique().to_pylist()}
    absent = sorted(set(symbols) - found)
    if absent or not symbols:
        raise EmptyFile("rows of every symbol asked for", f"none of {', '.join(absent) or 'no symbol'}", file=path)
