"""Insiders' purchases and sales from Form 4 filings, each once.

A filing is amended by filing it again, with the transactions that were in it before; and what several persons own
together each of them files. A transaction is known by its owner, date, code, number of shares and price; and whoever
the owner, if as many shares are held after it. What was filed before, or by another owner, is not counted again; equal
lines of one filing are as many transactions. So an amendment that corrects a number counts beside what it corrects, and
two equal trades of one owner on one day that were filed apart count as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from signals.data.fact_files import FactTable, Row, instant, opens_after, read_rows
from signals.data.records import InsiderTransaction
from signals.errors import MissingColumns

__all__ = ["read_form4"]

_SIGNS = {"P": 1.0, "S": -1.0}
# What two common sources call the same cell.
_COLUMNS = (
    "symbol",
    ("transaction_code", "trade_type"),
    ("transaction_date", "trade_date"),
    ("shares", "qty"),
    ("price_per_share", "price"),
)
_FILED = ("filing_datetime", "filing_date")
_OWNED = ("shares_owned_following", "owned")
_REPEATED = "filed before, or by another owner"


def read_form4(
    path: str | Path, *, tz: str | None = None, calendar: str = "XNYS", same_day: bool = False
) -> FactTable[InsiderTransaction]:
    """Read open-market purchases (code P) and sales (S) from Parquet.

    Parameters
    ----------
    path
        Its columns: ``symbol``; ``transaction_code`` or ``trade_type`` ("P - Purchase"); ``transaction_date`` or
        ``trade_date``; ``shares`` or ``qty``; ``price_per_share`` or ``price``; ``filing_datetime`` or ``filing_date``.
    tz
        IANA zone of filing times without one. EDGAR's are New York's.
    calendar, same_day
        A filing date without a time becomes known at this exchange's first open strictly after it; with `same_day`, at
        the open of that day.

    Returns
    -------
    FactTable
        Left out and counted: grants, gifts, exercises and the like, which say nothing about an insider's view of the
        price; derivatives; rows without a symbol, a count or a price; what was filed before (by ``accession_number``,
        ``reporting_owner_cik`` and ``shares_owned_following`` or ``owned``, as far as the file has them).

    Raises
    ------
    FileError, NaiveTime
        The file cannot be used, or has times without a zone and no `tz` was given.
    """
    optional = (*_FILED, *_OWNED, "is_derivative", "accession_number", "reporting_owner_cik")
    rows = read_rows(Path(path), _COLUMNS, optional=optional, times=("transaction_date", *_FILED))
    filed = next((name for name in _FILED if name in rows[0]), None)
    if filed is None:
        raise MissingColumns(f"the column {' or '.join(_FILED)}", "neither", file=str(path))
    opens = opens_after(calendar, same_day=same_day)
    made = [_fact(row, filed, lambda day: opens(day.date()), tz) for row in rows]
    sound = [place for place, each in enumerate(made) if not isinstance(each, str)]
    for place in _repeated([rows[place] for place in sound], filed):
        made[sound[place]] = _REPEATED
    return FactTable.of(made)


def _repeated(rows: Sequence[Row], filed: str) -> list[int]:
    """Return the places of rows whose transaction an earlier filing, or another owner's, holds already."""
    filings: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        key = (row[filed], str(row.get("accession_number")), str(row.get("reporting_owner_cik")), row["symbol"])
        filings.setdefault(key, []).append(place)
    before: Counter[tuple[object, ...]] = Counter()
    repeated = []
    for _, places in sorted(filings.items(), key=lambda item: item[0]):
        mine: Counter[tuple[object, ...]] = Counter()
        for place in places:
            names = _names(rows[place])
            mine.update(names)
            if any(mine[name] <= before[name] for name in names):
                repeated.append(place)
        before |= mine  # the larger count of each
    return repeated


def _names(row: Row) -> list[tuple[object, ...]]:
    """Return what a transaction is known by: its owner, and what is held after it; both, if the file has both."""
    same = tuple(row[name] for name in ("symbol", "transaction_date", "transaction_code", "shares", "price_per_share"))
    owner, owned = row.get("reporting_owner_cik"), next((row[name] for name in _OWNED if row.get(name)), None)
    return [(name, value, *same) for name, value in (("owner", owner), ("owned", owned)) if value is not None]


def _fact(row: Row, filed: str, opens: Callable[[datetime], datetime], tz: str | None) -> InsiderTransaction | str:
    sign = _SIGNS.get(str(row["transaction_code"] or "").partition(" ")[0])
    symbol, traded, price = (row["symbol"] or "").strip(), row["transaction_date"], row["price_per_share"]
    if sign is None:
        return "no open-market purchase or sale"
    if row.get("is_derivative"):
        return "a derivative"
    if not symbol or traded is None or row[filed] is None:
        return "no symbol or date"
    if not (row["shares"] or 0) > 0 or not (price or 0) > 0:
        return "no count or price above zero"
    known = opens(row[filed]) if filed == "filing_date" else instant(row[filed], tz)
    shares = sign * float(row["shares"])
    return InsiderTransaction(symbol, known, traded.date(), shares, shares * float(price))
