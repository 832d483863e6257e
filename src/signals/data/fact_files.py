"""Facts from Parquet files: what every reader of them shares."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import Fact
from signals.errors import (
    ConfigError,
    EmptyFile,
    MissingColumns,
    MissingFile,
    NaiveTime,
    NullValue,
    UnreadableFile,
    WrongType,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FactLoader", "FactTable", "Row", "instant", "opens_after", "read_rows"]

F = TypeVar("F", bound=Fact)
Row = dict[str, Any]


@dataclass(frozen=True)
class FactTable(Generic[F]):
    """Facts of one kind, and why other rows are not among them.

    Parameters
    ----------
    facts
        By `known_at`, then as in the file.
    left_out
        How many rows by reason.
    """

    facts: tuple[F, ...]
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, made: Iterable[F | str]) -> FactTable[F]:
        """Make one of what came of each row: a fact, or the reason why it is none."""
        facts: list[F] = []
        reasons: Counter[str] = Counter()
        for each in made:
            if isinstance(each, str):
                reasons[each] += 1
            else:
                facts.append(each)
        return cls(tuple(sorted(facts, key=lambda fact: fact.known_at)), dict(reasons))


class FactLoader:
    """The `Loader` of fact files: it reads them anew, off the event loop's thread, and adds what became known.

    Parameters
    ----------
    read
        What to read: ``partial(read_company_facts, path)``.
    """

    def __init__(self, read: Callable[[], FactTable[Any]]) -> None:
        self._read = read

    async def refresh(self, into: InMemoryProvider, since: datetime | None) -> None:  # noqa: ARG002 (see below)
        """Load what the provider does not hold yet, whatever `since` says.

        A file may get a row long after the instant from which its fact counts as known.
        """
        table = await asyncio.to_thread(self._read)
        held = {(type(fact), fact.symbol) for fact in table.facts}
        known = Counter(fact for kind, symbol in held for fact in into.facts(kind, symbol))
        fresh = list((Counter(table.facts) - known).elements())
        if fresh:
            into.load(facts=fresh)


def read_rows(
    path: Path, columns: Sequence[str | tuple[str, ...]], *, optional: Sequence[str] = (), times: Sequence[str] = ()
) -> list[Row]:
    """Return a Parquet file's rows as dictionaries; NaN is an empty cell, a date a midnight.

    Parameters
    ----------
    columns
        Needed; of a tuple of names the first that the file has is read, under the tuple's first name.
    optional
        Read where the file has them.
    times
        Those of the columns that must hold dates or times.

    Raises
    ------
    MissingFile, UnreadableFile, MissingColumns, EmptyFile
        The file as a whole cannot be used.
    WrongType
        If a column of times holds something else.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if not path.exists():
        raise MissingFile("a file", "nothing there", file=str(path))
    try:
        with parquet.ParquetFile(path) as file:
            found = _found(file.schema_arrow.names, columns, optional, str(path))
            table = file.read(columns=list(found)).rename_columns(found)
    except (pa.ArrowException, OSError) as error:
        hint = "the file is damaged, cut short or no Parquet: fetch it again"
        reason = " ".join(str(error).split())[:200]
        raise UnreadableFile("a readable Parquet file", reason, file=str(path), hint=hint) from None
    if not len(table):
        raise EmptyFile("rows", "none", file=str(path))
    rows: list[Row] = _plain(table, times, str(path)).to_pylist()
    return rows


def _plain(table: pa.Table, times: Sequence[str], file: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_date(field.type):
            column = column.cast(pa.timestamp("us"))
        elif field.name in times and not (pa.types.is_timestamp(field.type) or pa.types.is_null(field.type)):
            hint = "convert it, such as with pandas.to_datetime, before writing the file"
            raise WrongType(f"dates in the column {field.name!r}", str(field.type), file=file, hint=hint)
        elif pa.types.is_floating(field.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
        table = table.set_column(place, field.name, column)
    return table


def _found(
    names: Sequence[str], columns: Sequence[str | tuple[str, ...]], optional: Sequence[str], file: str
) -> dict[str, str]:
    """Return our name of each of the file's columns that are wanted."""
    choices = [(column,) if isinstance(column, str) else column for column in columns]
    found = {next((name for name in choice if name in names), ""): choice for choice in choices}
    missing = [" or ".join(choice) for choice in choices if not any(name in names for name in choice)]
    if missing:
        raise MissingColumns(f"the columns {', '.join(missing)}", f"only {', '.join(names)}", file=file)
    return {name: choice[0] for name, choice in found.items()} | {name: name for name in optional if name in names}


def opens_after(calendar: str, *, same_day: bool = False) -> Callable[[date], datetime]:
    """Return when a date without a time becomes known: the first session's open after it (see `TradingCalendar`)."""
    sessions = TradingCalendar(calendar)
    return cache(lambda day: sessions.next_open_after(day, same_day=same_day))


def instant(value: object, tz: str | None) -> datetime:
    """Return an instant as an aware datetime; one without a zone is of `tz`, an IANA name.

    Of the two instants that a wall clock shows twice when summer time ends, the later one: known too early is worse
    than known too late.

    Raises
    ------
    NaiveTime, NullValue, WrongType
        A time without a zone and no `tz`, an empty cell, something else than a time.
    ConfigError
        If `tz` is no IANA zone.
    """
    if value is None:
        raise NullValue("a time", "an empty cell")
    if not isinstance(value, datetime):
        raise WrongType("a time", repr(value))
    if value.tzinfo is not None:
        return value
    if tz is None:
        raise NaiveTime("a time with a zone", value.isoformat(), hint="say tz=, such as America/New_York for EDGAR")
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"tz: expected an IANA zone such as America/New_York, was {tz!r}") from None
    return max(value.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
