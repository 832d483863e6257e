"""BarTable: what a loader hands over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from signals.data.provider import InMemoryProvider
from signals.data.quality import QualityReport, report_on
from signals.data.records import Adjusted, BarColumns, Fact
from signals.data.rows import Rows

__all__ = ["BarTable", "fingerprint_of"]


@dataclass(frozen=True)
class BarTable:
    """Clean bars of some symbols, and the report of how they became so.

    Parameters
    ----------
    columns
        By symbol, sorted by name.
    adjusted
        What the prices were adjusted for with hindsight, as the caller declared.
    """

    columns: Mapping[str, BarColumns]
    report: QualityReport
    adjusted: Adjusted = Adjusted.SPLIT

    @classmethod
    def of(cls, rows: Rows, adjusted: Adjusted = Adjusted.SPLIT) -> BarTable:
        """Keep the sound rows, sorted by symbol and time, and report on all."""
        columns = _columns(rows)
        return cls(columns, report_on(rows, columns), adjusted)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols with bars, sorted."""
        return tuple(self.columns)

    def provider(self, facts: Iterable[Fact] = ()) -> InMemoryProvider:
        """Return a provider of these bars and of some facts."""
        return InMemoryProvider(self.columns.values(), facts, adjusted=self.adjusted)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, whichever files and order it came in."""
        return fingerprint_of(self.columns.values(), self.adjusted)


def fingerprint_of(columns: Iterable[BarColumns], adjusted: Adjusted) -> str:
    """Return the SHA-256 (hex) of bars: their adjustment, symbols, times and values, by symbol."""
    digest = hashlib.sha256(adjusted.value.encode())
    for each in sorted(columns, key=lambda column: column.symbol):
        digest.update(f"\n{each.symbol}\n{len(each)}\n".encode())
        digest.update(each.time.astype("<i8").tobytes())
        digest.update(each.values.astype("<f8").tobytes())
    return digest.hexdigest()


def _columns(rows: Rows) -> dict[str, BarColumns]:
    sound = np.flatnonzero(rows.faults.sound)
    order = sound[np.lexsort((rows.time[sound], rows.code[sound]))]
    code, time, values = rows.code[order], rows.time[order], rows.values[order]
    bounds = [*np.flatnonzero(np.diff(code, prepend=-1)), len(code)]
    made = {}
    for low, high in pairwise(bounds):
        symbol = rows.symbols[code[low]]
        made[symbol] = BarColumns(symbol, time[low:high].copy(), values[low:high].copy())
    return made
