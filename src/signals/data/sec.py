"""Reported figures as the SEC's XBRL "company facts" list them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime
from pathlib import Path

from signals.data.fact_files import FactTable, Row, opens_after, read_rows
from signals.data.records import Fundamental

__all__ = ["read_company_facts"]

_COLUMNS = ("symbol", "concept", "unit", "start", "end", "val", "filed")


def read_company_facts(
    path: str | Path,
    *,
    calendar: str = "XNYS",
    same_day: bool = False,
    symbols: Collection[str] | None = None,
    concepts: Collection[str] | None = None,
) -> FactTable[Fundamental]:
    """Read figures from Parquet; each filing that repeats a period gives a fact of its own, so restatements are kept.

    Parameters
    ----------
    path
        Its columns: ``symbol concept unit start end val filed``. An empty ``start`` is a balance sheet's. What a
        filing says about its own fiscal year (``fy``, ``fp``) describes the filing and not the figure: it is not read.
    calendar
        ``filed`` is a date: the figure becomes known at this exchange's first open strictly after it.
    same_day
        The open of that very day, if it is a session. Most reports come after the close: this is hindsight, unless you
        know that the file's dates are of the day before.
    symbols, concepts
        Read these only; others are not counted.

    Returns
    -------
    FactTable
        Left out and counted: rows without a figure, rows filed before their period had ended (a wrong date, or a plan),
        periods that end before they start, and rows that repeat another in everything that a fact holds.

    Raises
    ------
    FileError
        The file cannot be used; the classes are in `signals.errors`.
    """
    wanted = (
        row
        for row in read_rows(Path(path), _COLUMNS, times=("start", "end", "filed"))
        if (symbols is None or row["symbol"] in symbols) and (concepts is None or row["concept"] in concepts)
    )
    return FactTable.of(_facts(wanted, opens_after(calendar, same_day=same_day)))


def _facts(rows: Iterator[Row], known: Callable[[date], datetime]) -> Iterator[Fundamental | str]:
    seen = set()
    for row in rows:
        if any(row[name] is None for name in ("symbol", "concept", "unit", "end", "val", "filed")):
            yield "an empty cell"
            continue
        start, end, filed = row["start"] and row["start"].date(), row["end"].date(), row["filed"].date()
        key = row["symbol"], row["concept"], row["unit"], start, end, row["val"], filed
        if filed < end:
            yield "filed before its period ended"
        elif start is not None and start >= end:
            yield "a period that ends before it starts"
        elif key in seen:
            yield "a repeated row"
        else:
            seen.add(key)
            value = float(row["val"])
            yield Fundamental(row["symbol"], known(filed), row["concept"], row["unit"], start, end, value, filed)
