"""Short interest from FINRA's bi-monthly files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path

from signals.data.calendar import TradingCalendar
from signals.data.fact_files import FactTable, Row, read_rows
from signals.data.records import ShortInterest

__all__ = ["read_short_interest"]

SESSIONS = 8
"""A report counts as known from the open of this session after settlement: derived, for the files do not tell."""

CAP = 999.99
"""Days to cover are cut off here by the source."""

_CYCLE = timedelta(days=24)
_COLUMNS = ("symbol", "settlement_date", "short_interest", "prev_short_interest", "days_to_cover", "revision_flag")


def read_short_interest(path: str | Path, *, calendar: str = "XNYS") -> FactTable[ShortInterest]:
    """Read short interest from Parquet.

    The files hold settlement dates only. When a report became known is derived: at the open of the 8th session after
    settlement.

    A row marked R tells that the report *before* it was restated, and holds the new figure as ``prev_short_interest``:
    a further fact about that settlement, known when the row is. The old figure stays in force until then.

    Parameters
    ----------
    path
        Its columns: ``symbol settlement_date short_interest prev_short_interest days_to_cover revision_flag``, and
        ``split_flag`` where there is one.

    Returns
    -------
    FactTable
        Days to cover of 999.99 and above are NaN: cut off there, they are no measurement. Left out and counted:
        restatements of a report that the file does not hold, and those of a row that marks a split, for whose shares
        they are in is not told.

    Raises
    ------
    FileError
        The file cannot be used.
    """
    rows = read_rows(Path(path), _COLUMNS, optional=("split_flag",), times=("settlement_date",))
    return FactTable.of(_facts(rows, TradingCalendar(calendar)))


def _facts(rows: list[Row], sessions: TradingCalendar) -> Iterator[ShortInterest | str]:
    whole = [row for row in rows if all(row[name] is not None for name in _COLUMNS[:3])]
    yield from ["an empty cell"] * (len(rows) - len(whole))
    known: dict[date, datetime] = {}
    for day in {row["settlement_date"].date() for row in whole}:
        known[day] = sessions.nth_session_open_after(day, SESSIONS)
    ordered = sorted(whole, key=lambda row: (row["symbol"], row["settlement_date"]))
    for _, group in groupby(ordered, key=lambda row: row["symbol"]):
        reports = list(group)
        for before, row in zip([None, *reports], reports, strict=False):
            settled = row["settlement_date"].date()
            cover = row["days_to_cover"]
            days = math.nan if cover is None or cover >= CAP else float(cover)
            yield ShortInterest(row["symbol"], known[settled], settled, float(row["short_interest"]), days)
            if row["revision_flag"] == "R":
                yield _restated(before, row, known[settled])


def _restated(before: Row | None, row: Row, known: datetime) -> ShortInterest | str:
    if before is None or row["settlement_date"] - before["settlement_date"] > _CYCLE:
        return "a restatement of a report not in the file"
    if row.get("split_flag") == "S":
        return "a restatement across a split"
    if row["prev_short_interest"] is None:
        return "a restatement without its figure"
    settled = before["settlement_date"].date()
    return ShortInterest(row["symbol"], known, settled, float(row["prev_short_interest"]), math.nan)
