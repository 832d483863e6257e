"""The sectors of the Global Industry Classification Standard, one column each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from signals.data.records import F8

__all__ = ["SECTORS", "sector_columns"]

SECTORS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)
"""The eleven GICS sectors since 2018."""


def sector_columns(sector: Sequence[str | None] | None, rows: int) -> F8:
    """Return one row a GICS sector, shape (11, n): NaN where the sector is not known or not one of GICS."""
    if sector is None:
        return np.full((len(SECTORS), rows), np.nan)
    place = {name: index for index, name in enumerate(SECTORS)}
    index = np.array([place.get(name, -1) if name else -1 for name in sector], np.int64)
    inside = index[None, :] == np.arange(len(SECTORS))[:, None]
    return np.where(index < 0, np.nan, inside.astype(np.float64))
