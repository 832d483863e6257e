"""Insiders' purchases and sales from Form 4 filings."""

from __future__ import annotations

from collections.abc import Callable
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
        price; derivatives; rows without a symbol, a count or a price.

    Raises
    ------
    FileError, NaiveTime
        The file cannot be used, or has times without a zone and no `tz` was given.
    """
    rows = read_rows(Path(path), _COLUMNS, optional=(*_FILED, "is_derivative"), times=("transaction_date", *_FILED))
    filed = next((name for name in _FILED if name in rows[0]), None)
    if filed is None:
        raise MissingColumns(f"the column {' or '.join(_FILED)}", "neither", file=str(path))
    opens = opens_after(calendar, same_day=same_day)
    return FactTable.of(_fact(row, filed, lambda day: opens(day.date()), tz) for row in rows)


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
