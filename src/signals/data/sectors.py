"""Which sector a company belongs to, from a map of one day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from signals.data.fact_files import FactTable, Row, read_rows
from signals.data.provider import SECTOR_GROUP
from signals.data.records import Membership

__all__ = ["read_sectors"]


def read_sectors(path: str | Path, *, known_at: datetime) -> FactTable[Membership]:
    """Read a map of sectors from Parquet, columns ``symbol`` and ``gics_sector`` or ``sector``.

    Parameters
    ----------
    known_at
        From when on the map counts: the day it was made, aware. An earlier instant gives the companies' later sectors,
        and only companies that lived to be in the map, to their past: hindsight, and the caller's to declare.

    Returns
    -------
    FactTable
        Left out and counted: rows without a symbol or a sector.

    Raises
    ------
    FileError, NaiveTime
        The file cannot be used, or `known_at` has no zone.
    """
    return FactTable.of(_facts(read_rows(Path(path), ("symbol", ("gics_sector", "sector"))), known_at))


def _facts(rows: list[Row], known_at: datetime) -> Iterator[Membership | str]:
    for row in rows:
        symbol, sector = (row["symbol"] or "").strip(), (row["gics_sector"] or "").strip()
        if symbol and sector:
            yield Membership(symbol, known_at, SECTOR_GROUP + sector, since=known_at)
        else:
            yield "no symbol or sector"
